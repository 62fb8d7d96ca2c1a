"""The other Braze connector: imports cohorts by name, as a technology partner of Braze's.

Needs a partner key, which Braze issues to companies. Members are told by external id, alias or device id; whom Braze
does not know it leaves out without a word. It has no call that reads a cohort, and none that deletes one. Source:
https://www.braze.com/docs/partners/isv_partners/cohort_import/
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from hub import (
    Ability,
    Account,
    Audience,
    Limits,
    MappingWrong,
    Matching,
    MatchKey,
    Member,
    Outcome,
    PartnerClient,
    Rate,
    Refusal,
)
from hub_braze.attributes import ALIAS, EXTERNAL_ID, alias, fault_of_key
from hub_braze.instances import rest_url
from hub_braze.inward import Inward
from hub_braze.refusals import explain, success
from hub_braze.settings import BrazeCohortsSettings

DEVICE_ID = "$braze_device_id"
IDS_A_REQUEST = 1000
"""Ids of all three kinds, of people to add and of people to remove, together."""

_NOBODY = "hub_check"
"""The id of a cohort that no sync writes."""


class BrazeCohorts(Inward):
    """One workspace at Braze, into which cohorts are imported by name."""

    name = "braze-cohorts"
    label = "Braze cohort import"
    docs_url = "https://www.braze.com/docs/partners/isv_partners/cohort_import/"
    Settings = BrazeCohortsSettings
    settings: BrazeCohortsSettings
    matching = Matching(
        keys=(MatchKey(EXTERNAL_ID), MatchKey(ALIAS), MatchKey(DEVICE_ID)),
        simplified_identity_warning="Braze knows people by their external id. With simplified identity it has to equal "
        "$user_id: --match '$braze_external_id=distinct_id' and external_id_property=distinct_id say that it does.",
    )
    limits = Limits(
        batch_size=IDS_A_REQUEST,
        concurrency=1,  # a cohort that is being written answers 423
        rate=Rate(250_000, timedelta(hours=1)),
        timeout=timedelta(seconds=30),
        default_interval=timedelta(minutes=15),
        pull_interval=timedelta(minutes=15),
        source=docs_url,
    )
    abilities = frozenset({Ability.REMOVE, Ability.PULL, Ability.RECEIVE})

    def __init__(self, settings: BrazeCohortsSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        self._keys = {
            "partner_api_key": settings.partner_api_key.get_secret_value(),
            "client_secret": settings.client_secret.get_secret_value(),
        }
        http.explain = partial(explain, secrets=settings.secrets())

    @classmethod
    def base_url(cls, settings: BrazeCohortsSettings) -> str:
        """The REST host of the instance, unless an address is set. Raises SettingsWrong."""
        return settings.base_url or rest_url(settings.instance)

    async def check(self) -> Account:
        """Change nobody's membership in a cohort that no sync writes."""
        await self._change(_NOBODY, [])
        host = self.http.base_url.partition("://")[2]
        place = f"{self.http.base_url} {self.settings.partner} {self.settings.workspace}"
        return Account(
            id=blake2b(place.encode(), digest_size=12).hexdigest(),
            label=f"{self.settings.workspace or self.settings.partner} at {host}",
            details={"partner": self.settings.partner},
        )

    async def check_mapping(self, targets: Sequence[str]) -> None:
        """A cohort import takes people's keys alone."""
        if targets:
            raise MappingWrong(
                f"Braze's cohort import takes no values: {', '.join(sorted(targets))}.",
                hint="A connection of the connector `braze` writes attributes.",
            )

    async def open_audience(self, name: str) -> Audience:
        """Make the cohort, or tell its name anew."""
        cohort = "hub_" + blake2b(name.encode(), digest_size=12).hexdigest()
        created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        await self.http.post(self._path(), {**self._keys, "cohort_id": cohort, "name": name, "created_at": created})
        return Audience({"cohort": cohort}, name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Put one batch into the cohort."""
        await self.check_mapping(sorted({target for member in members for target in member.values}))
        return await self._batch(audience, members, remove=False)

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Take one batch out of the cohort."""
        return await self._batch(audience, members, remove=True)

    async def _batch(self, audience: Audience, members: Sequence[Member], *, remove: bool) -> Outcome:
        faults = {place: fault for place, member in enumerate(members) if (fault := fault_of_key(member))}
        refused = [Refusal(members[place].key, *fault, match=members[place].match) for place, fault in faults.items()]
        told = [member for place, member in enumerate(members) if place not in faults]
        if not told:
            return Outcome(refused)
        change: dict[str, Any] = self._ids(told)
        if remove:
            change["should_remove"] = True
        return Outcome(refused, await self._change(str(audience.ref["cohort"]), [change]))

    def _ids(self, members: Sequence[Member]) -> dict[str, Any]:
        label = self.settings.alias_label
        of_kind = {
            "user_ids": [member.key for member in members if member.match in ("", EXTERNAL_ID)],
            "device_ids": [member.key for member in members if member.match == DEVICE_ID],
            "aliases": [alias(member.key, label) for member in members if member.match == ALIAS],
        }
        return {kind: ids for kind, ids in of_kind.items() if ids}

    async def _change(self, cohort: str, changes: Sequence[dict[str, Any]]) -> str:
        body = {**self._keys, "cohort_id": cohort, "cohort_changes": list(changes)}
        response = await self.http.request("POST", f"{self._path()}/users", body=body)
        success(self.http.json(response), f"{self._path()}/users")
        return str(response.headers.get("X-Request-Id", ""))

    def _path(self) -> str:
        return f"/partners/{self.settings.partner}/cohorts"
