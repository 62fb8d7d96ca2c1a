"""What is sent: one JSON document with the changes of one look, or their sentences for Slack.

docs/alerts.md has an example and the schema in words; `hub alert schema` prints the JSON Schema that follows from the
models here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from hub.alerts.model import CRITICAL, WELL, Change, Figure

MOST = 100
"""So many changes stand in one message; how many more there are is `left_out`."""

TYPE = "hub.alerts"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Alert(_Part):
    """One change of one condition."""

    id: str = Field(description="What the alert is about: the same for as long as it lasts, and when it comes again.")
    kind: str = Field(description="One of the kinds of docs/alerts.md.")
    change: Literal["raised", "changed", "recovered"]
    level: Literal["warning", "critical", "well"] = Field(description="How bad it is now.")
    before: Literal["warning", "critical", "well"] = Field(description="How bad it was when it was told last.")
    project: str | None = Field(description="The project; null: it is about the whole hub.")
    subject: str = Field(description="The name of the sync, cohort, connection, plugin or machine.")
    said: str = Field(description="A sentence for people.")
    hint: str = Field(description="What to do about it.")
    since: datetime = Field(description="When it was first seen so, UTC.")
    figures: dict[str, Figure] = Field(description="Counts, run numbers and instants, by kind.")


class Told(_Part):
    """What changed."""

    host: str = Field(description="The machine that saw it.")
    test: bool = Field(description="True for `hub alert test`: nothing is wrong.")
    alerts: list[Alert]
    left_out: int = Field(description=f"Further changes of the same look: a message has {MOST} at most.")


class Message(_Part):
    """The body of a request, and the standard input of a command."""

    type: Literal["hub.alerts"]
    timestamp: datetime = Field(description="When it was seen, UTC.")
    data: Told


def document(
    found: Sequence[Change], projects: Mapping[int, str], *, host: str, at: datetime, test: bool = False
) -> bytes:
    """The message about some changes, the worst first, as JSON."""
    worst = sorted(found, key=lambda each: (each.after != CRITICAL, each.after == WELL, each.since))
    message = Message(
        type="hub.alerts",
        timestamp=at,
        data=Told(
            host=host,
            test=test,
            alerts=[_alert(each, projects) for each in worst[:MOST]],
            left_out=max(0, len(worst) - MOST),
        ),
    )
    return orjson.dumps(message.model_dump(mode="json"))


def slack_text(body: bytes) -> bytes:
    """The same for a Slack-compatible webhook: `{"text": ...}`, a line an alert."""
    told = orjson.loads(body)["data"]
    lines = [_line(each) for each in told["alerts"]]
    if told["test"]:
        lines = [f"This is a test of the alerts of {told['host']}. Nothing is wrong."]
    if told["left_out"]:
        lines.append(f"... and {told['left_out']:,} more: hub alert list")
    return orjson.dumps({"text": "\n".join(_escaped(line) for line in lines)})


def schema() -> dict[str, Any]:
    """The JSON Schema of a message."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Message.model_json_schema()}


def _alert(change: Change, projects: Mapping[int, str]) -> Alert:
    return Alert(
        id=change.key,
        kind=change.kind,
        change=change.word,  # type: ignore[arg-type]
        level=change.after or "well",  # type: ignore[arg-type]
        before=change.before or "well",  # type: ignore[arg-type]
        project=projects.get(change.project_id) if change.project_id is not None else None,
        subject=change.subject,
        said=change.said,
        hint=change.hint,
        since=change.since,
        figures=dict(change.figures),
    )


def _line(alert: Mapping[str, Any]) -> str:
    of = f" [{alert['project']}]" if alert["project"] else ""
    if alert["change"] == "recovered":
        return f":white_check_mark: Well again{of}: {alert['said']} (That was since {alert['since'][:16]} UTC.)"
    mark = ":rotating_light: CRITICAL" if alert["level"] == CRITICAL else ":warning: Warning"
    return f"{mark}{of}: {alert['said']} {alert['hint']}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
