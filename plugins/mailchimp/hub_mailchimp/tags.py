"""The tag (static segment) of a Mailchimp audience that holds a cohort: found, made, changed, read and deleted.

Source: https://mailchimp.com/developer/marketing/api/list-segments/ and .../list-segment-members/
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hub import Audience, AudienceGone, BatchRefused, MappingWrong, Member, PartnerClient, SettingsWrong
from hub_mailchimp.paging import pages
from hub_mailchimp.paths import list_path, no_such_list, segment_path, told
from hub_mailchimp.payload import as_text, field_tag
from hub_mailchimp.refusals import NotThere, folded_address

_EVERYBODY = {"include_unsubscribed": "true", "include_cleaned": "true", "include_transactional": "true"}


def tag_key(name: str) -> str:
    """A tag's name in lower case, without blanks around it: Mailchimp has one tag of these, not several."""
    return name.strip().casefold()


class Tags:
    """The tags of one account's audiences."""

    def __init__(self, http: PartnerClient) -> None:
        self._http = http

    async def open(self, list_id: str, name: str) -> Audience:
        """The tag of that name, in whatever case, or a new and empty one. Raises SettingsWrong, MappingWrong."""
        try:
            return await self._find(list_id, name) or await self._make(list_id, name)
        except NotThere as error:
            raise no_such_list(list_id) from error

    async def change(
        self, audience: Audience, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[list[dict[str, Any]], str]:
        """Tag and untag addresses; Mailchimp's `errors`, and its name of the request. Raises AudienceGone."""
        changes = {"members_to_add": list(add), "members_to_remove": list(remove)}
        body = {name: addresses for name, addresses in changes.items() if addresses}
        try:
            return await post(self._http, segment_path(audience), body)
        except NotThere as error:
            raise await self._what_is_gone(audience) from error

    async def members(self, audience: Audience, targets: Sequence[str] = ()) -> AsyncIterator[list[Member]]:
        """Everybody with the tag, whatever their status, page by page; with `targets` also these merge fields of
        theirs, as text, those that are not empty. Archived contacts are not told. Raises AudienceGone.
        """
        fields = ["members.email_address", *(["members.merge_fields"] if targets else []), "total_items"]
        params = {**_EVERYBODY, "fields": ",".join(fields)}
        try:
            async for rows, _ in pages(self._http, f"{segment_path(audience)}/members", "members", params=params):
                yield [Member(folded_address(row["email_address"]), _values(row, targets)) for row in rows]
        except NotThere as error:
            raise await self._what_is_gone(audience) from error

    async def close(self, audience: Audience) -> None:
        """Delete the tag. The contacts stay; one that is gone is fine."""
        try:
            await self._http.request("DELETE", segment_path(audience))
        except NotThere:
            return

    async def _find(self, list_id: str, name: str) -> Audience | None:
        params = {"type": "static", "fields": "segments.id,segments.name,total_items"}
        async for rows, _ in pages(self._http, f"{list_path(list_id)}/segments", "segments", params=params):
            for row in rows:
                if tag_key(str(row["name"])) == tag_key(name):
                    return _audience(list_id, row)
        return None

    async def _make(self, list_id: str, name: str) -> Audience:
        try:
            answer = await self._http.post(f"{list_path(list_id)}/segments", {"name": name, "static_segment": []})
        except BatchRefused as error:  # somebody else may have made it a moment ago
            found = await self._find(list_id, name)
            if found is None:
                # of this sync alone: the connection works
                raise MappingWrong(
                    f"The tag {name!r} cannot be made. {error.message}",
                    hint="Start another sync whose --audience Mailchimp takes: 1 to 100 letters.",
                ) from error
            return found
        return _audience(list_id, told(answer, "id", "the new tag", lost=True))

    async def _what_is_gone(self, audience: Audience) -> AudienceGone | SettingsWrong:
        list_id = str(audience.ref["list"])
        try:
            await list_facts(self._http, list_id, "name")
        except SettingsWrong as error:
            return error
        return AudienceGone(
            f"The tag {audience.name!r} was deleted in Mailchimp.",
            hint="The next run makes it anew and sends everyone.",
        )


async def list_facts(http: PartnerClient, list_id: str, fields: str) -> dict[str, Any]:
    """These fields of an audience. Raises SettingsWrong when the account does not have it."""
    try:
        answer = await http.get(list_path(list_id), params={"fields": f"id,{fields}"})
        return told(answer, "id", list_path(list_id))
    except NotThere as error:
        raise no_such_list(list_id) from error


async def post(
    http: PartnerClient, path: str, body: Any, *, params: Mapping[str, str] | None = None
) -> tuple[list[dict[str, Any]], str]:
    """A bulk call: Mailchimp's `errors`, which it answers with 200, and its name of the request."""
    response = await http.request("POST", path, body=body, params=params)
    answer = told(http.json(response), "errors", path, lost=True)
    return list(answer["errors"]), response.headers.get("X-Request-Id", "")


def _audience(list_id: str, segment: Mapping[str, Any]) -> Audience:
    return Audience(ref={"list": list_id, "segment": int(segment["id"])}, name=str(segment["name"]))


def _values(row: Mapping[str, Any], targets: Sequence[str]) -> dict[str, str]:
    fields = {str(tag).upper(): as_text(value) for tag, value in (row.get("merge_fields") or {}).items()}
    return {target: value for target in targets if (value := fields.get(field_tag(target), ""))}
