"""The Mailchimp connector: keeps a tag (static segment) of one Mailchimp audience equal to a cohort.

People are tagged and untagged. Nobody's status is ever changed: who unsubscribed stays so, and who leaves the cohort
loses the tag and nothing else. Source: https://mailchimp.com/developer/marketing/api/ (the README lists every call).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

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
    Option,
    Outcome,
    PartnerClient,
    PartnerError,
    Received,
    Refusal,
    Reply,
    SettingsWrong,
    Value,
)
from hub_mailchimp import listening, webhooks
from hub_mailchimp.authorizing import OAUTH, look_up
from hub_mailchimp.events import MESSAGE_EVENTS
from hub_mailchimp.merge_fields import MergeFields
from hub_mailchimp.paging import pages
from hub_mailchimp.paths import PICK_AN_AUDIENCE, list_path, no_such_list, told
from hub_mailchimp.payload import as_text, field_tag, same_text
from hub_mailchimp.refusals import NOT_ON_THE_LIST, NotThere, explain, member_refusals, segment_refusals
from hub_mailchimp.reports import pull
from hub_mailchimp.settings import MailchimpSettings, authorization, data_centre, secrets_of
from hub_mailchimp.tags import Tags, list_facts, post, tag_key

_ROLES_THAT_CANNOT_WRITE = {"viewer", "author"}


class Mailchimp(Connector):
    """One Mailchimp account, and the audience in it whose contacts are tagged."""

    name = "mailchimp"
    label = "Mailchimp"
    docs_url = "https://mailchimp.com/developer/marketing/api/"
    Settings = MailchimpSettings
    settings: MailchimpSettings
    matching = Matching(
        keys=(MatchKey("$email", normalize="email"),),
        simplified_identity_warning="Mailchimp knows people by $email. Message events find their person by that "
        "property, not by $user_id: two people with one address cannot be told apart.",
    )
    limits = Limits(
        batch_size=500,
        concurrency=8,  # of 10 for a user, with whatever else that user runs
        timeout=timedelta(seconds=130),  # Mailchimp's own is 120
        default_interval=timedelta(hours=2),
        pull_interval=timedelta(minutes=15),
        source="https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits",
    )
    abilities = frozenset(Ability)
    message_events = MESSAGE_EVENTS
    oauth = OAUTH

    def __init__(self, settings: MailchimpSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        http.headers["Authorization"] = authorization(settings)
        http.explain = partial(explain, secrets=secrets_of(settings))
        self._tags = Tags(http)
        self._fields = MergeFields(http, make=settings.make_fields)
        self._statuses: dict[str, str] = {}

    @classmethod
    def base_url(cls, settings: MailchimpSettings) -> str:
        """The API of the account's data centre, unless an address is set. Raises SettingsWrong."""
        return settings.base_url or f"https://{data_centre(settings)}.api.mailchimp.com/3.0"

    @classmethod
    async def authorized(cls, http: PartnerClient, token: str) -> Mapping[str, str]:
        """The data centre of the account that gave the token."""
        return await look_up(http, token)

    @classmethod
    def audience_key(cls, name: str) -> str:
        """A tag's name in lower case, without blanks around it: Mailchimp has one tag of these, not several."""
        return tag_key(name)

    async def check(self) -> Account:
        """Ping, then ask whose key it is, and look for the chosen audience."""
        await self.http.get("/ping")
        answer = await self.http.get("/", params={"fields": "account_id,account_name,role"})
        account = told(answer, "account_id", "/")
        role = str(account.get("role") or "")
        details = {"role": role}
        warning = ""
        if role in _ROLES_THAT_CANNOT_WRITE:
            warning = (
                f"The key's owner is only a {role}: reports can be read, but nobody can be tagged. "
                "Use a key of a manager, an admin or the owner."
            )
        if self.settings.audience:
            details |= await self._about_audience(self.settings.audience)
        return Account(
            id=str(account["account_id"]),
            label=str(account.get("account_name") or account["account_id"]),
            details=details,
            warning=warning,
        )

    async def options(self, setting: str) -> list[Option]:
        """The account's audiences, for `audience`."""
        if setting != "audience":
            return await super().options(setting)
        fields = "lists.id,lists.name,lists.stats.member_count,total_items"
        return [
            Option(str(row["id"]), f"{row['name']} ({int(row.get('stats', {}).get('member_count', 0)):,} contacts)")
            async for rows, _ in pages(self.http, "/lists", "lists", params={"fields": fields})
            for row in rows
        ]

    async def check_mapping(self, targets: Sequence[str]) -> None:
        """The merge fields of the chosen Mailchimp audience are what a mapping can name."""
        if self.settings.audience and targets:
            await self._fields.check(self.settings.audience, targets)

    async def open_audience(self, name: str) -> Audience:
        """The tag of that name in the chosen Mailchimp audience, in whatever case, or a new and empty one."""
        return await self._tags.open(self._chosen_audience(), name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Tag one batch and write its merge fields; `create_contacts` says what becomes of unknown people."""
        await self._fields.provide(str(audience.ref["list"]), members)
        if self.settings.create_contacts:
            return await self._create_and_tag(audience, members)
        return await self._tag_the_known(audience, members)

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Untag one batch. The contacts themselves stay as they are."""
        errors, request = await self._tags.change(audience, remove=[member.key for member in members])
        errors = [error for error in errors if not NOT_ON_THE_LIST.search(str(error.get("error")))]
        return Outcome(segment_refusals(errors, [member.key for member in members]), request)

    async def list_members(self, audience: Audience) -> AsyncIterator[Sequence[str]]:
        """The addresses of everybody with the tag, whatever their status; Mailchimp omits archived contacts."""
        async for page in self._tags.members(audience):
            yield [member.key for member in page]

    async def read_members(self, audience: Audience, targets: Sequence[str]) -> AsyncIterator[Sequence[Member]]:
        """The same, with their merge fields."""
        async for page in self._tags.members(audience, targets):
            yield page

    @classmethod
    def same_value(cls, target: str, written: Value, read: Value) -> bool:
        """Whether both are the same text in a merge field."""
        return same_text(written, read)

    async def close_audience(self, audience: Audience) -> None:
        """Delete the tag. The contacts stay."""
        await self._tags.close(audience)

    def pull(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """Opens, clicks, sends, bounces and unsubscribes, from the reports of the audience's campaigns."""
        return pull(self.http, cursor, audience=self.settings.audience)

    def greet(self, request: InboundRequest) -> Reply | None:
        """Mailchimp's validator asks with GET before it takes an address."""
        return Reply() if request.method in ("GET", "HEAD") else None

    def verify(self, request: InboundRequest) -> None:
        """The signature, made within five minutes of now; of webhooks that are not signed, the secret address."""
        webhooks.verify(request, self.settings)

    def receive(self, request: InboundRequest) -> Received:
        """Subscribed, unsubscribed, changed, cleaned, and changes of addresses, of the chosen Mailchimp audience."""
        return webhooks.received(request, self.settings.audience)

    async def listen(self, url: str) -> Mapping[str, str]:
        """Make the webhook of the chosen Mailchimp audience."""
        return await listening.listen(self.http, self._chosen_audience(), url)

    async def stop_listening(self, url: str) -> None:
        """Delete it."""
        await listening.stop(self.http, self._chosen_audience(), url)

    def _chosen_audience(self) -> str:
        if not self.settings.audience:
            raise SettingsWrong("No Mailchimp audience is chosen for this connection.", hint=PICK_AN_AUDIENCE)
        return self.settings.audience

    async def _create_and_tag(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        list_id = str(audience.ref["list"])
        refused, request = await self._write(list_id, members, status=await self._status_of_new(list_id))
        accepted = _without(members, refused)
        if accepted:
            errors, request = await self._tags.change(audience, add=[member.key for member in accepted])
            refused += segment_refusals(errors, [member.key for member in accepted])
        return Outcome(refused, request)

    async def _tag_the_known(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        # the tag comes first, because only its answer tells who is on the list without creating anybody
        errors, request = await self._tags.change(audience, add=[member.key for member in members])
        unknown = [_not_created(refusal) for refusal in segment_refusals(errors, [member.key for member in members])]
        with_values = [member for member in _without(members, unknown) if member.values]
        if not with_values:
            return Outcome(unknown, request)
        # whose value is refused keeps the tag: a mistake in a mapping must not empty the audience
        try:
            refused, request = await self._write(str(audience.ref["list"]), with_values, status=None)
        except PartnerError as error:
            error.answer_lost = True  # the tag is set
            raise
        return Outcome(unknown + [replace(refusal, in_audience=True) for refusal in refused], request)

    async def _write(self, list_id: str, members: Sequence[Member], *, status: str | None) -> tuple[list[Refusal], str]:
        """Upsert contacts. Only with a `status` for new ones can somebody be created; never send `status` itself."""
        body = {
            "members": [_contact(member, status) for member in members],
            "update_existing": True,
            "sync_tags": False,
        }
        try:
            errors, request = await post(
                self.http,
                list_path(list_id),
                body,
                params={"skip_merge_validation": "true", "skip_duplicate_check": "true"},
            )
        except NotThere as error:
            raise no_such_list(list_id) from error
        return member_refusals(errors, [member.key for member in members]), request

    async def _status_of_new(self, list_id: str) -> str:
        chosen = self.settings.new_contact_status
        if chosen == "subscribed" and list_id not in self._statuses:
            facts = await list_facts(self.http, list_id, "double_optin")
            self._statuses[list_id] = "pending" if facts.get("double_optin") else "subscribed"
        return self._statuses.get(list_id, chosen)

    async def _about_audience(self, list_id: str) -> dict[str, str]:
        facts = await list_facts(self.http, list_id, "name,double_optin")
        about = {"audience": f"{facts.get('name')} ({list_id})"}
        if self.settings.create_contacts:
            chosen = self.settings.new_contact_status
            asks = chosen == "subscribed" and facts.get("double_optin")
            about["new contacts"] = "pending, because the audience has double opt-in" if asks else chosen
        return about


def _contact(member: Member, status: str | None) -> dict[str, Any]:
    contact: dict[str, Any] = {"email_address": member.key}
    if status:
        contact["status_if_new"] = status
    if member.values:
        contact["merge_fields"] = {field_tag(target): as_text(value) for target, value in member.values.items()}
    return contact


def _without(members: Sequence[Member], refused: Iterable[Refusal]) -> list[Member]:
    keys = {refusal.key for refusal in refused}
    return [member for member in members if member.key not in keys]


def _not_created(refusal: Refusal) -> Refusal:
    return replace(
        refusal,
        reason=f"Not in the Mailchimp audience, and this connection creates no contacts. Mailchimp: {refusal.reason}",
    )
