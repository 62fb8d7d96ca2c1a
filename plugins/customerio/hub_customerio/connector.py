"""The Customer.io connector: keeps a manual segment of one workspace equal to a cohort.

People are written with the mapped attributes and put into the segment; who leaves the cohort is taken out of it and
stays as he is. Nobody is subscribed, unsubscribed, suppressed or deleted. Sources: https://docs.customer.io/integrations/api/
(the README lists every call).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby

from hub import (
    Ability,
    Account,
    Audience,
    Connector,
    Cursor,
    InboundRequest,
    Limits,
    Matching,
    MatchKey,
    Member,
    MessageEvent,
    Outcome,
    PartnerClient,
    PartnerError,
    Rate,
    Received,
)
from hub_customerio.answers import NotThere
from hub_customerio.api import TRACK_HOSTS, Api
from hub_customerio.kinds import MESSAGE_EVENTS
from hub_customerio.listening import listen, stop
from hub_customerio.people import CIO_ID, EMAIL, OWN_ID, chosen, fault_of, id_type, refuse_targets
from hub_customerio.pulling import pull
from hub_customerio.segments import (
    PREFERENCE,
    audience_key,
    found_or_made,
    gone,
    members_of,
    path_of,
    refuse_gone,
)
from hub_customerio.settings import CustomerIOSettings
from hub_customerio.signature import verify
from hub_customerio.upserts import Upserts, unknown
from hub_customerio.webhooks import receive


class CustomerIO(Connector):
    """One workspace of Customer.io."""

    name = "customerio"
    label = "Customer.io"
    docs_url = "https://docs.customer.io/integrations/api/"
    Settings = CustomerIOSettings
    settings: CustomerIOSettings
    matching = Matching(
        keys=(MatchKey(OWN_ID), MatchKey(EMAIL, normalize="email"), MatchKey(CIO_ID)),
        simplified_identity_warning="Customer.io also knows people by email and cio_id: message events of people who "
        "are matched by these find them by that property, not by $user_id, and two people with one value cannot "
        "be told apart.",
    )
    limits = Limits(
        batch_size=1000,  # of add_customers and remove_customers
        concurrency=8,
        rate=Rate(
            100, timedelta(seconds=1)
        ),  # 1000 are documented for Track, with data dropped above; older pages: 100
        timeout=timedelta(seconds=30),
        default_interval=timedelta(hours=1),
        pull_interval=timedelta(minutes=15),
        visible_after=timedelta(minutes=10),
        source="https://docs.customer.io/integrations/api/track/#section/Overview",
    )
    # READ is not among them: values are told of a hundred people a request, which is too dear for a verification
    abilities = frozenset(
        {
            Ability.REMOVE,
            Ability.CLEAR,
            Ability.LIST,
            Ability.CREATE,
            Ability.CLOSE,
            Ability.PULL,
            Ability.RECEIVE,
            Ability.LISTEN,
        }
    )
    message_events = MESSAGE_EVENTS

    def __init__(self, settings: CustomerIOSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        self._api = Api(http, settings)
        self._upserts = Upserts(self._api)
        self._seen: set[int] = set()

    @classmethod
    def base_url(cls, settings: CustomerIOSettings) -> str:
        """The host that is asked where the workspace is: that of the chosen region, the US one if none is."""
        return settings.base_url or TRACK_HOSTS["us" if settings.region == "auto" else settings.region]

    @classmethod
    def audience_key(cls, name: str) -> str:
        """A segment's name without blanks around it."""
        return audience_key(name)

    async def check(self) -> Account:
        """Ask Track where the workspace is, and App for its segments: so both credentials are tried, and told apart."""
        workspace = await self._api.workspace()
        await self._api.app_get("/v1/segments")
        return Account(
            id=f"{workspace.region}:{workspace.id}",
            label=f"Workspace {workspace.id} ({workspace.region.upper()})",
            details={"region": workspace.region, "track": workspace.track, "app": workspace.app},
        )

    async def check_mapping(self, targets: Sequence[str]) -> None:
        """Customer.io takes any attribute but those that it, or the person, decides about."""
        refuse_targets(targets)

    async def open_audience(self, name: str) -> Audience:
        """The manual segment of that name, or a new and empty one."""
        return await found_or_made(self._api, name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Write one batch of people, then put into the segment whom Customer.io took."""
        refuse_targets({target for member in members for target in member.values})
        await self._refuse_gone(audience)
        refused = [fault for member in members if (fault := fault_of(member))]
        create = self.settings.create_people
        # Customer.io itself gives cio_ids out: nobody is made by one
        sought = [member for member in chosen(members, refused) if not create or member.match == CIO_ID]
        refused += await unknown(self._api, sought)
        written = [member for member in chosen(members, refused) if create or member.values]
        refused += await self._upserts.write(written, create=create)
        request = ""
        if accepted := chosen(members, refused):
            try:
                request = await self._change(audience, "add_customers", accepted)
            except PartnerError as error:
                error.answer_lost = error.answer_lost or bool(written)  # their attributes are written
                raise
        self._upserts.done(written, create=create)
        return Outcome(refused, request)

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Take one batch out of the segment. The people stay, with all their attributes."""
        await self._refuse_gone(audience)
        return Outcome(request_id=await self._change(audience, "remove_customers", members))

    async def list_members(self, audience: Audience) -> AsyncIterator[Sequence[Member]]:
        """Everybody in the segment, by the connection's own keys."""
        kinds = [each.kind for each in self.match_on] or PREFERENCE
        async for page in members_of(self._api, audience, kinds):
            yield page

    async def close_audience(self, audience: Audience) -> None:
        """Delete the segment. The people stay."""
        try:
            await self._api.app("DELETE", path_of(audience))
        except NotThere:
            return

    def pull(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """What became of the workspace's deliveries, from `/v1/messages`: a backfill, and what webhooks missed."""
        return pull(
            self._api,
            cursor,
            self.match_on,
            backfill=timedelta(days=self.settings.backfill_days),
            repeatable=not self.settings.signing_keys(),
        )

    def verify(self, request: InboundRequest) -> None:
        """A signature of Customer.io over the raw bytes, by one of the connection's signing keys."""
        verify(request, self.settings.signing_keys())

    async def listen(self, url: str) -> Mapping[str, str]:
        """Make the reporting webhook, or put it right. Customer.io shows its signing key on the webhook's page only."""
        await listen(self._api, url)
        return {}

    async def stop_listening(self, url: str) -> None:
        """Delete the reporting webhook."""
        await stop(self._api, url)

    def receive(self, request: InboundRequest) -> Received:
        """The one event of a reporting webhook's request."""
        return receive(request.body, self.match_on)

    async def _refuse_gone(self, audience: Audience) -> None:
        segment = int(audience.ref["segment"])
        if segment not in self._seen:
            await refuse_gone(self._api, audience)
            self._seen.add(segment)

    async def _change(self, audience: Audience, what: str, members: Sequence[Member]) -> str:
        """Put members in or take them out, each kind of key by a call of its own: other kinds are silently ignored."""
        request, path = "", f"/api/v1/segments/{int(audience.ref['segment'])}/{what}"
        sent = False
        for kind, alike in groupby(sorted(members, key=id_type), key=id_type):
            try:
                response, _ = await self._api.track(
                    path, {"ids": [each.key for each in alike]}, params={"id_type": kind}
                )
            except NotThere as error:
                self._seen.discard(int(audience.ref["segment"]))
                raise gone(audience) from error
            except PartnerError as error:
                error.answer_lost = error.answer_lost or sent  # those of another kind are in, or out, already
                raise
            sent = True
            request = response.headers.get("X-Request-Id", request)
        return request
