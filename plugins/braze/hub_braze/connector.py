"""The Braze connector: keeps one boolean custom attribute for each cohort, by the ordinary REST API.

Who belongs to the cohort has the attribute `true`, who has left has it `false`. Nobody is made at Braze unless the
operator chose so, nobody is deleted, and nobody's consent is written. Source:
https://www.braze.com/docs/api/endpoints/user_data/post_user_track/ (the README lists every call).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import blake2b

from hub import (
    Ability,
    Account,
    Audience,
    BatchRefused,
    Cursor,
    Limits,
    Matching,
    MatchKey,
    Member,
    MessageEvent,
    Outcome,
    Page,
    PartnerClient,
    Rate,
    Refusal,
)
from hub_braze.attributes import ALIAS, EMAIL, EXTERNAL_ID, attribute_name, fault_of_key, refuse_targets, track_object
from hub_braze.instances import rest_url
from hub_braze.inward import Inward
from hub_braze.polling import poll
from hub_braze.refusals import NotPermitted, explain, object_refusals, success
from hub_braze.settings import BrazeSettings

OBJECTS_A_REQUEST = 75
"""Attributes, events and purchases together."""


class Braze(Inward):
    """One workspace at Braze, whose users get an attribute for each cohort."""

    name = "braze"
    label = "Braze"
    docs_url = "https://www.braze.com/docs/api/home/"
    Settings = BrazeSettings
    settings: BrazeSettings
    matching = Matching(
        keys=(MatchKey(EXTERNAL_ID), MatchKey(ALIAS), MatchKey(EMAIL, normalize="email")),
        simplified_identity_warning="Braze knows people by their external id. With simplified identity it has to equal "
        "$user_id: --match '$braze_external_id=distinct_id' and external_id_property=distinct_id say that it does.",
    )
    limits = Limits(
        batch_size=OBJECTS_A_REQUEST,
        concurrency=8,  # Braze names no limit; eight keep well below its rate
        rate=Rate(3000, timedelta(seconds=3)),
        timeout=timedelta(seconds=30),
        default_interval=timedelta(minutes=15),
        pull_interval=timedelta(minutes=15),
        source="https://www.braze.com/docs/api/api_limits/",
    )
    abilities = frozenset({Ability.REMOVE, Ability.CLEAR, Ability.CREATE, Ability.PULL, Ability.RECEIVE})

    def __init__(self, settings: BrazeSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        http.headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        http.explain = partial(explain, secrets=settings.secrets())

    @classmethod
    def base_url(cls, settings: BrazeSettings) -> str:
        """The REST host of the instance, unless an address is set. Raises SettingsWrong."""
        return settings.base_url or rest_url(settings.instance)

    @classmethod
    def audience_key(cls, name: str) -> str:
        """The attribute's name: two cohorts whose names differ by signs or by case alone would write one attribute."""
        return attribute_name(name)

    async def check(self) -> Account:
        """List a page of segments. Without the permission for that, Braze's refusal proves the key."""
        warning, details = "", {"key": "works; no call tells whether it may write (users.track)"}
        try:
            await self.http.get("/segments/list", params={"page": 0})
        except NotPermitted:
            details["segments.list"] = "not permitted"
        if not self._takes_currents() and (missing := await self._cannot_poll()):
            warning = (
                f"The key lacks {missing}, and no Currents are set: nothing tells the hub who bounced and who "
                "unsubscribed."
            )
        host = self.http.base_url.partition("://")[2]
        workspace = self.settings.workspace
        return Account(
            id=blake2b(f"{self.http.base_url} {workspace}".encode(), digest_size=12).hexdigest(),
            label=f"{workspace} at {host}" if workspace else host,
            details=details,
            warning=warning,
        )

    async def check_mapping(self, targets: Sequence[str]) -> None:
        """Any custom attribute will do; ids and consent are not written."""
        refuse_targets(targets)

    async def open_audience(self, name: str) -> Audience:
        """The attribute of that name. Nothing is sent: Braze makes an attribute when it is first written."""
        attribute = attribute_name(name)
        return Audience({"attribute": attribute}, attribute)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Write `true`, and the mapped values."""
        return await self._write(audience, members, belongs=True, create=self.settings.create_users)

    async def add_page(self, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        """As `add`; of those who are in the cohort already only what changed, because Braze bills each write."""
        if not page.updates:
            return await self.add(audience, members)
        try:
            outcome = await self._write(audience, members, belongs=None, create=False)
        except BatchRefused as error:
            error.answer_lost = True  # a value was refused; who is in the cohort stays in it
            raise
        return replace(outcome, refused=[replace(refusal, in_audience=True) for refusal in outcome.refused])

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Write `false`. Nobody is made for that."""
        gone = [Member(member.key, match=member.match) for member in members]
        return await self._write(audience, gone, belongs=False, create=False)

    def poll(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """Unsubscribed and hard bounced addresses."""
        return poll(self.http, cursor)

    async def _write(
        self, audience: Audience, members: Sequence[Member], *, belongs: bool | None, create: bool
    ) -> Outcome:
        refuse_targets({target for member in members for target in member.values})
        faults = {place: fault for place, member in enumerate(members) if (fault := fault_of_key(member))}
        refused = [Refusal(members[place].key, *fault, match=members[place].match) for place, fault in faults.items()]
        sent = [member for place, member in enumerate(members) if place not in faults]
        if not sent:
            return Outcome(refused)
        objects = [
            track_object(
                member,
                str(audience.ref["attribute"]),
                belongs=belongs,
                create=create,
                alias_label=self.settings.alias_label,
            )
            for member in sent
        ]
        response = await self.http.request("POST", "/users/track", body={"attributes": objects})
        refused += object_refusals(success(self.http.json(response), "/users/track"), sent)
        return Outcome(refused, response.headers.get("X-Request-Id", ""))

    def _takes_currents(self) -> bool:
        return bool(self.settings.currents_folder or self.settings.currents_tokens.get_secret_value())

    async def _cannot_poll(self) -> str:
        missing = []
        for call in ("/email/unsubscribes", "/email/hard_bounces"):
            try:
                await self.http.get(call, params={"email": "nobody@example.com", "end_date": "2020-01-01"})
            except NotPermitted as error:
                missing.append(error.permission)
        return " and ".join(missing)
