"""The JSON of the custom-webhook contract.

Source of the contract: https://docs.mixpanel.com/docs/cohort-sync/webhooks. The names are those that receivers written
for it read, `mixpanel_` in front included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from hub import MappingWrong, Member, Page

Action = Literal["members", "add_members", "remove_members"]

MEMBERS_A_PAGE = 1000
DISTINCT_ID = "mixpanel_distinct_id"
TEST_COHORT = "0"


def cohort_id(name: str) -> str:
    """The id that a cohort has at the receiver: digits, as the contract's ids are, the same for the same name.

    Below 2 to the power of 53, so that receivers that read it as a number keep it exact.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=6).digest()
    return str(int.from_bytes(digest) + 1)


def envelope(
    action: Action, members: Sequence[Mapping[str, Any]], *, project: str, cohort: str, name: str, page: Page
) -> bytes:
    """One request's body. The same page has the same bytes, however often it is sent."""
    return orjson.dumps(
        {
            "action": action,
            "parameters": {
                "mixpanel_project_id": project,
                "mixpanel_cohort_id": cohort,
                "mixpanel_cohort_name": name,
                "mixpanel_cohort_description": "",
                "mixpanel_session_id": page.session,
                "page_info": {"total_pages": page.total, "page_count": page.number},
                "members": list(members),
            },
        }
    )


def message_id(body: bytes) -> str:
    """What every attempt at a request has in common, and no other request: a digest of its body.

    The body names the session, so a batch that goes out again in a later run is another message.
    """
    return "msg_" + hashlib.blake2b(body, digest_size=16).hexdigest()


def row(member: Member) -> dict[str, Any]:
    """A member as the contract has it: its distinct_id, and the mapped properties under the names chosen.

    None becomes null: the person no longer has that property. Raises MappingWrong for a name that is taken.
    """
    if DISTINCT_ID in member.values:
        raise MappingWrong(
            f"No property can be sent as {DISTINCT_ID}: that is the person's own id.",
            hint="Map it to another name.",
        )
    return {DISTINCT_ID: member.key, **{name: _plain(value) for name, value in member.values.items()}}


def _plain(value: Any) -> Any:
    """Whole numbers without a fraction: the hub's numbers are floats, and a receiver may store text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
