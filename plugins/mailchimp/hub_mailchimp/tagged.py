"""Who has a tag, and what their merge fields hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hub import Member, PartnerClient
from hub_mailchimp.paging import pages
from hub_mailchimp.payload import as_text, field_tag
from hub_mailchimp.refusals import folded_address

_EVERYBODY = {"include_unsubscribed": "true", "include_cleaned": "true", "include_transactional": "true"}


async def tagged(http: PartnerClient, segment: str, targets: Sequence[str] = ()) -> AsyncIterator[list[Member]]:
    """Everybody with the tag at the path `segment`, whatever their status, page by page; with `targets` also these
    merge fields of theirs, as text, those that are not empty.

    Source: https://mailchimp.com/developer/marketing/api/list-segment-members/. Archived contacts are not told.
    """
    fields = ["members.email_address", *(["members.merge_fields"] if targets else []), "total_items"]
    params = {**_EVERYBODY, "fields": ",".join(fields)}
    async for rows, _ in pages(http, f"{segment}/members", "members", params=params):
        yield [Member(folded_address(row["email_address"]), _values(row, targets)) for row in rows]


def _values(row: Mapping[str, Any], targets: Sequence[str]) -> dict[str, str]:
    fields = {str(tag).upper(): as_text(value) for tag, value in (row.get("merge_fields") or {}).items()}
    return {target: value for target in targets if (value := fields.get(field_tag(target), ""))}
