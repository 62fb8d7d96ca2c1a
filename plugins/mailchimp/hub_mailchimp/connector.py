"""The Mailchimp connector: keeps a tag (static segment) of one Mailchimp audience equal to a cohort.

People are tagged and untagged. Nobody's status is ever changed: who unsubscribed stays so, and who leaves the cohort
loses the tag and nothing else. Source: https://mailchimp.com/developer/marketing/api/ (the README lists every call).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from hub import (
    Ability,
    Account,
    Audience,
    AudienceGone,
    BatchRefused,
    Connector,
    Cursor,
    Limits,
    MappingWrong,
    Matching,
    MatchKey,
    Member,
    MessageEvent,
    Option,
    Outcome,
    PartnerClient,
    PartnerError,
    PartnerUnavailable,
    Refusal,
    SettingsWrong,
    Value,
)
from hub_mailchimp.events import MESSAGE_EVENTS
from hub_mailchimp.paging import pages
from hub_mailchimp.payload import as_text, field_tag, same_text
from hub_mailchimp.refusals import (
    NOT_ON_THE_LIST,
    NotThere,
    explain,
    member_refusals,
    segment_refusals,
)
from hub_mailchimp.reports import pull
from hub_mailchimp.settings import MailchimpSettings, data_centre
from hub_mailchimp.tagged import tagged

_ROLES_THAT_CANNOT_WRITE = {"viewer", "author"}
_PICK_AN_AUDIENCE = "Set the connection's audience to the id of one of the account's Mailchimp audiences."


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

    def __init__(self, settings: MailchimpSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        key = settings.api_key.get_secret_value()
        http.headers["Authorization"] = "Basic " + b64encode(f"hub:{key}".encode()).decode()
        http.explain = partial(explain, secret=key)
        self._statuses: dict[str, str] = {}
        self._fields: dict[str, set[str]] = {}

    @classmethod
    def base_url(cls, settings: MailchimpSettings) -> str:
        """The API of the data centre that the key names, unless an address is set. Raises SettingsWrong."""
        return settings.base_url or f"https://{data_centre(settings.api_key)}.api.mailchimp.com/3.0"

    @classmethod
    def audience_key(cls, name: str) -> str:
        """A tag's name in lower case, without blanks around it: Mailchimp has one tag of these, not several."""
        return name.strip().casefold()

    async def check(self) -> Account:
        """Ping, then ask whose key it is, and look for the chosen audience."""
        await self.http.get("/ping")
        answer = await self.http.get("/", params={"fields": "account_id,account_name,role"})
        account = _told(answer, "account_id", "/")
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
        if self.settings.audience:
            await self._check_targets(self.settings.audience, targets)

    async def open_audience(self, name: str) -> Audience:
        """The tag of that name in the chosen Mailchimp audience, in whatever case, or a new and empty one."""
        list_id = self.settings.audience
        if not list_id:
            raise SettingsWrong("No Mailchimp audience is chosen for this connection.", hint=_PICK_AN_AUDIENCE)
        try:
            found = await self._find_tag(list_id, name)
            return found or await self._make_tag(list_id, name)
        except NotThere as error:
            raise _no_such_list(list_id) from error

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Tag one batch and write its merge fields; `create_contacts` says what becomes of unknown people."""
        await self._check_fields(str(audience.ref["list"]), members)
        if self.settings.create_contacts:
            return await self._create_and_tag(audience, members)
        return await self._tag_the_known(audience, members)

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Untag one batch. The contacts themselves stay as they are."""
        errors, request = await self._change_tag(audience, remove=[member.key for member in members])
        errors = [error for error in errors if not NOT_ON_THE_LIST.search(str(error.get("error")))]
        return Outcome(segment_refusals(errors, [member.key for member in members]), request)

    async def list_members(self, audience: Audience) -> AsyncIterator[Sequence[str]]:
        """The addresses of everybody with the tag, whatever their status; Mailchimp omits archived contacts."""
        try:
            async for page in tagged(self.http, _segment(audience)):
                yield [member.key for member in page]
        except NotThere as error:
            raise await self._what_is_gone(audience) from error

    async def read_members(self, audience: Audience, targets: Sequence[str]) -> AsyncIterator[Sequence[Member]]:
        """The same, with their merge fields."""
        try:
            async for page in tagged(self.http, _segment(audience), targets):
                yield page
        except NotThere as error:
            raise await self._what_is_gone(audience) from error

    @classmethod
    def same_value(cls, target: str, written: Value, read: Value) -> bool:
        """Whether both are the same text in a merge field."""
        return same_text(written, read)

    async def close_audience(self, audience: Audience) -> None:
        """Delete the tag. The contacts stay."""
        try:
            await self.http.request("DELETE", _segment(audience))
        except NotThere:
            return

    def pull(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """Opens, clicks, sends, bounces and unsubscribes, from the reports of the audience's campaigns."""
        return pull(self.http, cursor, audience=self.settings.audience)

    async def _create_and_tag(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        list_id = str(audience.ref["list"])
        refused, request = await self._write(list_id, members, status=await self._status_of_new(list_id))
        accepted = _without(members, refused)
        if accepted:
            errors, request = await self._change_tag(audience, add=[member.key for member in accepted])
            refused += segment_refusals(errors, [member.key for member in accepted])
        return Outcome(refused, request)

    async def _tag_the_known(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        # the tag comes first, because only its answer tells who is on the list without creating anybody
        errors, request = await self._change_tag(audience, add=[member.key for member in members])
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

    async def _change_tag(
        self, audience: Audience, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[list[dict[str, Any]], str]:
        changes = {"members_to_add": list(add), "members_to_remove": list(remove)}
        body = {name: addresses for name, addresses in changes.items() if addresses}
        try:
            return await self._post(_segment(audience), body)
        except NotThere as error:
            raise await self._what_is_gone(audience) from error

    async def _write(self, list_id: str, members: Sequence[Member], *, status: str | None) -> tuple[list[Refusal], str]:
        """Upsert contacts. Only with a `status` for new ones can somebody be created; never send `status` itself."""
        try:
            errors, request = await self._post(
                _list(list_id),
                {
                    "members": [_contact(member, status) for member in members],
                    "update_existing": True,
                    "sync_tags": False,
                },
                params={"skip_merge_validation": "true", "skip_duplicate_check": "true"},
            )
        except NotThere as error:
            raise _no_such_list(list_id) from error
        return member_refusals(errors, [member.key for member in members]), request

    async def _post(
        self, path: str, body: Any, *, params: Mapping[str, str] | None = None
    ) -> tuple[list[dict[str, Any]], str]:
        response = await self.http.request("POST", path, body=body, params=params)
        answer = _told(self.http.json(response), "errors", path, lost=True)
        return list(answer["errors"]), response.headers.get("X-Request-Id", "")

    async def _status_of_new(self, list_id: str) -> str:
        chosen = self.settings.new_contact_status
        if chosen == "subscribed" and list_id not in self._statuses:
            told = await self._list_facts(list_id, "double_optin")
            self._statuses[list_id] = "pending" if told.get("double_optin") else "subscribed"
        return self._statuses.get(list_id, chosen)

    async def _check_fields(self, list_id: str, members: Sequence[Member]) -> None:
        """Mailchimp drops values for fields that an audience lacks, without a word: say so before anything is sent."""
        await self._check_targets(list_id, {target for member in members for target in member.values})

    async def _check_targets(self, list_id: str, named: Iterable[str]) -> None:
        targets = {field_tag(target) for target in named}
        if not targets:
            return
        if not targets <= self._fields.get(list_id, set()):
            self._fields[list_id] = await self._list_fields(list_id)
        missing = sorted(targets - self._fields[list_id])
        if missing:
            raise MappingWrong(
                f"The Mailchimp audience {list_id} has no field {', '.join(missing)}.",
                hint=f"Make it in Mailchimp (Audience, Settings, Audience fields), or map to one of "
                f"{', '.join(sorted(self._fields[list_id])) or 'none yet'}.",
            )

    async def _list_fields(self, list_id: str) -> set[str]:
        params = {"fields": "merge_fields.tag,total_items"}
        path = f"{_list(list_id)}/merge-fields"
        try:
            return {
                str(row["tag"]).upper()
                async for rows, _ in pages(self.http, path, "merge_fields", params=params)
                for row in rows
            }
        except NotThere as error:
            raise _no_such_list(list_id) from error

    async def _find_tag(self, list_id: str, name: str) -> Audience | None:
        params = {"type": "static", "fields": "segments.id,segments.name,total_items"}
        async for rows, _ in pages(self.http, f"{_list(list_id)}/segments", "segments", params=params):
            for row in rows:
                if self.audience_key(str(row["name"])) == self.audience_key(name):
                    return _audience(list_id, row)
        return None

    async def _make_tag(self, list_id: str, name: str) -> Audience:
        try:
            answer = await self.http.post(f"{_list(list_id)}/segments", {"name": name, "static_segment": []})
        except BatchRefused as error:  # somebody else may have made it a moment ago
            found = await self._find_tag(list_id, name)
            if found is None:
                # of this sync alone: the connection works
                raise MappingWrong(
                    f"The tag {name!r} cannot be made. {error.message}",
                    hint="Start another sync whose --audience Mailchimp takes: 1 to 100 letters.",
                ) from error
            return found
        return _audience(list_id, _told(answer, "id", "the new tag", lost=True))

    async def _about_audience(self, list_id: str) -> dict[str, str]:
        told = await self._list_facts(list_id, "name,double_optin")
        about = {"audience": f"{told.get('name')} ({list_id})"}
        if self.settings.create_contacts:
            chosen = self.settings.new_contact_status
            asks = chosen == "subscribed" and told.get("double_optin")
            about["new contacts"] = "pending, because the audience has double opt-in" if asks else chosen
        return about

    async def _list_facts(self, list_id: str, fields: str) -> dict[str, Any]:
        try:
            answer = await self.http.get(_list(list_id), params={"fields": f"id,{fields}"})
            return _told(answer, "id", _list(list_id))
        except NotThere as error:
            raise _no_such_list(list_id) from error

    async def _what_is_gone(self, audience: Audience) -> AudienceGone | SettingsWrong:
        list_id = str(audience.ref["list"])
        try:
            await self._list_facts(list_id, "name")
        except SettingsWrong as error:
            return error
        return AudienceGone(
            f"The tag {audience.name!r} was deleted in Mailchimp.",
            hint="The next run makes it anew and sends everyone.",
        )


def _list(list_id: str) -> str:
    return f"/lists/{quote(list_id, safe='')}"


def _segment(audience: Audience) -> str:
    return f"{_list(str(audience.ref['list']))}/segments/{quote(str(audience.ref['segment']), safe='')}"


def _audience(list_id: str, segment: Mapping[str, Any]) -> Audience:
    return Audience(ref={"list": list_id, "segment": int(segment["id"])}, name=str(segment["name"]))


def _told(answer: Any, needed: str, what: str, *, lost: bool = False) -> dict[str, Any]:
    if not isinstance(answer, dict) or needed not in answer:
        raise PartnerUnavailable(f"Mailchimp's answer for {what} lacks {needed!r}.", answer_lost=lost)
    return answer


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
    return Refusal(
        refusal.key,
        f"Not in the Mailchimp audience, and this connection creates no contacts. Mailchimp: {refusal.reason}",
        refusal.code,
        refusal.retry_after,
    )


def _no_such_list(list_id: str) -> SettingsWrong:
    return SettingsWrong(f"The account has no Mailchimp audience {list_id!r}.", hint=_PICK_AN_AUDIENCE)
