"""Checks of what a connector states: no request is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from hub.connectors.contract import Ability, Connector, ConnectorSettings, Limits, Matching
from hub.connectors.fields import fields_of
from hub.testing.conformance.bench import Bench, blame
from hub.testing.conformance.checks import check

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
SECRET_NAME = re.compile(r"(^|_)(key|secret|token|password|credential)s?$")
NORMALIZED = {"exact", "email", "phone"}
METHODS = {
    Ability.REMOVE: ("remove", "remove_page"),
    Ability.LIST: ("list_members",),
    Ability.READ: ("read_members",),
    Ability.CLOSE: ("close_audience",),
    Ability.PULL: ("pull",),
    Ability.RECEIVE: ("receive",),
    Ability.LISTEN: ("listen",),
    Ability.LISTEN: ("listen",),
}
"""The methods behind each ability: one of them is the connector's own."""


@check(silent=True)
async def facts_name(bench: Bench) -> None:
    """A name to type, a label to read, and a page to look things up."""
    kind = bench.kind
    if not NAME.fullmatch(str(getattr(kind, "name", ""))):
        blame(
            f"The name {getattr(kind, 'name', None)!r} cannot be typed as one word.",
            "`name` is lower case letters and digits, with - or _ between them.",
        )
    if not str(getattr(kind, "label", "")).strip():
        blame("The connector has no label.", "`label` is what users read.")
    _need_page("docs_url", getattr(kind, "docs_url", ""))


@check(silent=True)
async def facts_limits(bench: Bench) -> None:
    """Limits that can be kept, with the page that states them."""
    limits = getattr(bench.kind, "limits", None)
    if not isinstance(limits, Limits):
        blame("The connector states no limits.", "`limits` is a hub.Limits.")
    _need_page("limits.source", limits.source)
    for name in ("batch_size", "concurrency", "attempts"):
        if getattr(limits, name) < 1:
            blame(f"limits.{name} is {getattr(limits, name)}: nothing could ever be sent.", "It is at least 1.")
    if limits.timeout <= timedelta(0) or (limits.rate and (limits.rate.requests < 1 or not limits.rate.per)):
        blame("limits.timeout or limits.rate leaves no time for a request.", "Both are above zero.")


@check(silent=True)
async def facts_matching(bench: Bench) -> None:
    """Keys that the partner knows people by, each once."""
    matching = getattr(bench.kind, "matching", None)
    if not isinstance(matching, Matching) or not matching.keys:
        blame("The connector states no match key.", "`matching` is a hub.Matching with at least one MatchKey.")
    _need_once("match key", [key.property for key in matching.keys])
    for key in matching.keys:
        if ":" in key.property or not key.property:
            blame(f"The match key {key.property!r} cannot be a property's name.", "It has no colon and is not empty.")
        if key.normalize not in NORMALIZED:
            blame(
                f"The match key {key.property} is normalised as {key.normalize!r}, which there is not.",
                f"`normalize` is one of {', '.join(sorted(NORMALIZED))}.",
            )


@check(silent=True)
async def facts_settings(bench: Bench) -> None:
    """Settings that explain themselves, secrets kept as secrets."""
    model = getattr(bench.kind, "Settings", None)
    if not (isinstance(model, type) and issubclass(model, ConnectorSettings)):
        blame("The connector's Settings are no settings.", "`Settings` is a subclass of hub.ConnectorSettings.")
    fields_of(bench.kind)
    for name, info in model.model_fields.items():
        if name != "base_url" and not (info.title and info.description):
            blame(
                f"The setting {name} has no {'description' if info.title else 'title'}.",
                "Forms and prompts show both: Field(title=..., description=...).",
            )
        if SECRET_NAME.search(name) and info.annotation in (str, str | None):
            blame(
                f"The setting {name} is a secret by its name, and plain text by its type: it would be shown and stored "
                "as it is.",
                "Make it a pydantic SecretStr.",
            )


@check(silent=True)
async def facts_message_events(bench: Bench) -> None:
    """Message events that are told apart, with the page that names them."""
    events = bench.kind.message_events
    if events is None:
        if Ability.PULL in bench.kind.abilities:
            blame("The connector pulls message events and declares none.", "Give it `message_events`.")
        return
    _need_page("message_events.page", events.page)
    _need_once("kind of message event", [kind.kind for kind in events.kinds])
    if not events.source or not events.kinds or not all(kind.event for kind in events.kinds):
        blame("A message event has no name or no source.", "Each kind has an `event`; `source` tells the partner.")


@check(silent=True)
async def facts_abilities(bench: Bench) -> None:
    """What it says that it can do, it can do; and it says so of what it can."""
    abilities = getattr(bench.kind, "abilities", None)
    if not isinstance(abilities, frozenset) or not all(isinstance(each, Ability) for each in abilities):
        blame("The connector's abilities are not a frozenset of hub.Ability.", "Write frozenset({Ability.REMOVE}).")
    for ability, methods in METHODS.items():
        own = any(getattr(bench.kind, method) is not getattr(Connector, method) for method in methods)
        if ability in abilities and not own:
            blame(
                f"The connector declares Ability.{ability.name} and has no {methods[0]}.",
                f"Write {methods[0]}, or leave the ability out.",
            )
        if own and ability not in abilities:
            blame(
                f"The connector has {methods[0]} and does not declare Ability.{ability.name}: it is never called.",
                "Declare the ability, or leave the method out.",
            )


def _need_page(what: str, address: Any) -> None:
    if not re.fullmatch(r"https?://\S+\.\S+", str(address)):
        blame(f"{what} is {address!r}, and no address of a page.", "Name the page at the partner that says so.")


def _need_once(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            blame(f"The {what} {name!r} is there twice.", "Each is declared once.")
        seen.add(name)


def secret_fields(model: type[ConnectorSettings]) -> list[str]:
    """The settings that are kept secret."""
    return [name for name, info in model.model_fields.items() if info.annotation is SecretStr]
