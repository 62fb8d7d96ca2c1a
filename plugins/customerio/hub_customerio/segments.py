"""Manual segments: found by name, made, listed. Only a manual one takes people; a data-driven one fills itself.

Source: https://docs.customer.io/integrations/api/app/#tag/segments
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hub import Audience, AudienceGone, Member, PartnerUnavailable, SettingsWrong
from hub_customerio.answers import NotThere
from hub_customerio.api import Api
from hub_customerio.people import CIO_ID, EMAIL, ID_TYPES, OWN_ID

LARGEST_PAGE = 30_000
"""Members; Customer.io's own maximum for `limit`."""
PREFERENCE = (OWN_ID, EMAIL, CIO_ID)


def audience_key(name: str) -> str:
    """A segment's name as it tells segments apart: Customer.io documents no folding, so only blanks around it go."""
    return name.strip()


async def found_or_made(api: Api, name: str) -> Audience:
    """The manual segment of that name, the oldest of several (Customer.io lets two have one name), or a new one.

    Raises SettingsWrong when only a data-driven segment has the name.
    """
    rows = [row for row in await _all(api) if audience_key(str(row.get("name"))) == audience_key(name)]
    manual = sorted((row for row in rows if row.get("type") == "manual"), key=lambda row: int(row["id"]))
    if rows and not manual:
        raise SettingsWrong(
            f"The segment {name!r} in Customer.io is data-driven: nobody can be put into it.",
            hint="Rename it there, or give the sync another name for its audience.",
        )
    return _audience(manual[0]) if manual else await _made(api, name)


async def refuse_gone(api: Api, audience: Audience) -> None:
    """Raise AudienceGone when the segment is not there, or nobody can be put into it: Track may not say so."""
    try:
        answer = await api.app_get(path_of(audience))
    except NotThere as error:
        raise gone(audience) from error
    if dict(answer.get("segment") or {}).get("type") != "manual":
        raise gone(audience)


async def members_of(api: Api, audience: Audience, kinds: Sequence[str]) -> AsyncIterator[list[Member]]:
    """Everybody in the segment, page by page, each by the first of these kinds of keys that Customer.io has of them."""
    params: dict[str, Any] = {"limit": LARGEST_PAGE}
    while True:
        try:
            answer = await api.app_get(f"{path_of(audience)}/membership", params=params)
        except NotThere as error:
            raise gone(audience) from error
        rows = answer.get("identifiers")
        if not isinstance(rows, list):
            raise PartnerUnavailable("Customer.io answered for a segment's members without 'identifiers'.")
        yield [member for member in (_member(row, kinds) for row in rows) if member]
        following = answer.get("next")
        if not following or not rows or following == params.get("start"):
            return
        params["start"] = following


def path_of(audience: Audience) -> str:
    """The segment's path in the App API."""
    return f"/v1/segments/{int(audience.ref['segment'])}"


def gone(audience: Audience) -> AudienceGone:
    """The error for a segment that is not there any more."""
    return AudienceGone(
        f"The segment {audience.name!r} was deleted in Customer.io.",
        hint="The next run makes it anew and sends everyone.",
    )


async def _all(api: Api) -> list[Mapping[str, Any]]:
    rows = (await api.app_get("/v1/segments")).get("segments")
    if not isinstance(rows, list):
        raise PartnerUnavailable("Customer.io answered for its segments without 'segments'.")
    return rows


async def _made(api: Api, name: str) -> Audience:
    about = {"name": name, "description": "Kept by the cohort hub: what is changed here by hand is not seen by it."}
    answer = await api.app("POST", "/v1/segments", {"segment": about})
    segment = answer.get("segment")
    if not isinstance(segment, dict) or "id" not in segment:
        raise PartnerUnavailable("Customer.io's answer for a new segment names none.", answer_lost=True)
    return _audience(segment)


def _audience(row: Mapping[str, Any]) -> Audience:
    return Audience(ref={"segment": int(row["id"])}, name=str(row["name"]))


def _member(row: Mapping[str, Any], kinds: Sequence[str]) -> Member | None:
    for kind in (*kinds, *PREFERENCE):
        if key := row.get(ID_TYPES[kind]):
            folded = str(key).strip().lower() if kind == EMAIL else str(key)
            return Member(folded, match=kind)
    return None
