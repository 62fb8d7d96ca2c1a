"""Paths of Mailchimp's API, and what is said when nothing, or not the whole answer, is found there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hub import Audience, PartnerUnavailable, SettingsWrong

PICK_AN_AUDIENCE = "Set the connection's audience to the id of one of the account's Mailchimp audiences."


def list_path(list_id: str) -> str:
    """The path of an audience (list)."""
    return f"/lists/{quote(list_id, safe='')}"


def segment_path(audience: Audience) -> str:
    """The path of the tag (static segment) that holds a cohort."""
    return f"{list_path(str(audience.ref['list']))}/segments/{quote(str(audience.ref['segment']), safe='')}"


def told(answer: Any, needed: str, what: str, *, lost: bool = False) -> dict[str, Any]:
    """An answer that has the key `needed`. Raises PartnerUnavailable (`answer_lost` as `lost`) for another."""
    if not isinstance(answer, Mapping) or needed not in answer:
        raise PartnerUnavailable(f"Mailchimp's answer for {what} lacks {needed!r}.", answer_lost=lost)
    return dict(answer)


def no_such_list(list_id: str) -> SettingsWrong:
    """What to raise when the account does not have the audience that was chosen."""
    return SettingsWrong(f"The account has no Mailchimp audience {list_id!r}.", hint=PICK_AN_AUDIENCE)
