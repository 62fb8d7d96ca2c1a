"""The partners of a storm: what is the same of all of them, and what each knows of its members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from hub.testing.sandbox import Running

AUDIENCE = "Storm"


class Partner(ABC):
    """A sandbox partner. `key` is the name of the member's key among the columns of the cohort's members."""

    name: ClassVar[str]
    key: ClassVar[str]
    target: ClassVar[str]
    """Where the first name goes."""
    once: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Faults that only this partner has."""
    moves: ClassVar[bool]
    """Whether a person's key can change."""
    pulled: ClassVar[tuple[str, ...]] = ()
    """How the paths begin that are asked for message events: no run does so."""

    def __init__(self, running: Running) -> None:
        self.admin = running.admin

    @abstractmethod
    def know(self, keys: Iterable[str]) -> None:
        """Let the partner know these people, so that it does not refuse them."""

    @abstractmethod
    def members(self) -> dict[str, str | None]:
        """Who is in the audience by the partner's own word, with the first name (None: not told here)."""

    def requests_of_runs(self) -> list[dict[str, Any]]:
        """What is on the partner's record, but for pulls of message events."""
        recorded = self.admin.get("/requests", limit=1_000_000)["requests"]
        return [row for row in recorded if row["writing"] or not row["path"].startswith(self.pulled)]


class Mailchimp(Partner):
    """Refuses whoever is not on its list."""

    name = "mailchimp"
    key = "email"
    target = "FNAME"
    moves = True
    pulled = ("/3.0/reports",)

    _LIST = "a6b5da1054"

    def know(self, keys: Iterable[str]) -> None:
        contacts = [{"email": key, "status": "subscribed"} for key in keys]
        self.admin.post("/contacts", {"list_id": self._LIST, "contacts": contacts})

    def members(self) -> dict[str, str | None]:
        return dict.fromkeys(self.admin.get(f"/tags/{AUDIENCE}/members")["emails"])


class Webhook(Partner):
    """Has no answer for one member: it refuses pages that are too large, now and then."""

    name = "webhook"
    key = "distinct_id"
    target = "first_name"
    once = ({"kind": "status", "status": 413, "probability": 0.05},)
    moves = False

    def know(self, keys: Iterable[str]) -> None:
        """It takes whoever comes."""

    def members(self) -> dict[str, str | None]:
        if not any(cohort["name"] == AUDIENCE for cohort in self.admin.get("/cohorts")["cohorts"]):
            return {}
        rows = self.admin.get(f"/cohorts/{AUDIENCE}/members")["members"]
        return {row["mixpanel_distinct_id"]: row.get(self.target) for row in rows}


PARTNERS: dict[str, type[Partner]] = {"mailchimp": Mailchimp, "webhook": Webhook}
