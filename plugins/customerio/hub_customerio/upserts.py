"""Who is known, and writing people: what comes before they can be put into a segment.

Sources: https://docs.customer.io/integrations/api/track/#operation/batch and
https://docs.customer.io/integrations/api/app/tag/customers/getPeopleById/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from hub import BatchRefused, Member, PartnerError, PartnerUnavailable, Refusal
from hub_customerio.answers import errors_of, words_of
from hub_customerio.api import Api
from hub_customerio.people import ITEM_BYTES, bodies, id_type, item

LOOKED_UP_AT_ONCE = 100
"""People in one look-up; the App API's own maximum."""
TOMORROW = timedelta(days=1)


async def unknown(api: Api, members: Sequence[Member]) -> list[Refusal]:
    """Who of the members the workspace does not know: each is tried again the next day.

    To put an id into a segment that nobody has would make an empty person of it.
    """
    refused: list[Refusal] = []
    for kind, group in groupby(sorted(members, key=id_type), key=id_type):
        alike = list(group)
        for start in range(0, len(alike), LOOKED_UP_AT_ONCE):
            asked = alike[start : start + LOOKED_UP_AT_ONCE]
            known = await _known(api, kind, [member.key for member in asked])
            refused += [_not_there(member, kind) for member in asked if _folded(kind, member.key) not in known]
    return refused


class Upserts:
    """Writes people with their attributes, in batches, and remembers what was answered until a batch is whole.

    The hub sends a batch again when one of its requests met a pause or an error. What was answered by then, refused or
    taken, is not sent again. Two tasks may use it at once.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._answered: dict[bytes, Refusal | None] = {}

    async def write(self, members: Sequence[Member], *, create: bool) -> list[Refusal]:
        """Create (with `create`) or change people. Returns those whom Customer.io refused, each by its own words.

        Raises BatchRefused when it refused a request as a whole, and the other errors of the partner.
        """
        marks = {mark: member for member in members if (mark := _mark(member, create))}
        at = int(datetime.now(UTC).timestamp())
        waiting = [
            (member, item(member, create=create, at=at)) for mark, member in marks.items() if not self._has(mark)
        ]
        for member, content in waiting:
            if len(content) >= ITEM_BYTES:
                self._note(member, create, _too_large(member, len(content)))
        for body in bodies([each for each in waiting if len(each[1]) < ITEM_BYTES]):
            try:
                response, told = await self._api.track("/api/v2/batch", body.content)
            except PartnerError as error:
                error.answer_lost = error.answer_lost or any(self._has(mark) for mark in marks)
                raise
            refused = _refusals(errors_of(told) if response.status_code == 207 else [], body.members)
            for member, refusal in zip(body.members, refused, strict=True):
                self._note(member, create, refusal)
        return [refusal for mark in marks if (refusal := self._answered[mark])]

    def done(self, members: Iterable[Member], *, create: bool) -> None:
        """Forget a batch that is whole."""
        for member in members:
            self._answered.pop(_mark(member, create), None)

    def _has(self, mark: bytes) -> bool:
        return mark in self._answered

    def _note(self, member: Member, create: bool, refusal: Refusal | None) -> None:
        self._answered[_mark(member, create)] = refusal


async def _known(api: Api, kind: str, keys: list[str]) -> set[str]:
    answer = await api.app("POST", "/v1/customers/attributes", {"ids": keys}, params={"id_type": kind})
    rows = answer.get("customers")
    if not isinstance(rows, list):
        raise PartnerUnavailable("Customer.io answered for some people without 'customers'.")
    people = [dict(row.get("customer") or {}) for row in rows if isinstance(row, dict)]
    told = [person.get(kind) or dict(person.get("attributes") or {}).get(kind) for person in people]
    return {_folded(kind, str(key)) for key in told if key}


def _refusals(errors: Sequence[Mapping[str, Any]], members: Sequence[Member]) -> list[Refusal | None]:
    """What became of each member of a body: None is taken. A 207 lists those refused; all others were accepted."""
    found: list[Refusal | None] = [None] * len(members)
    for each in errors:
        place = each.get("batch_index")
        if len(members) == 1:
            place = 0
        if not isinstance(place, int) or not 0 <= place < len(members):
            raise BatchRefused(f"Customer.io refused somebody and did not say whom: {words_of(each)}.")
        member, before = members[place], found[place]
        words = f"{before.reason}; {words_of(each)}" if before else words_of(each)
        found[place] = Refusal(member.key, words, code=str(each.get("reason") or ""), match=member.match)
    return found


def _mark(member: Member, create: bool) -> bytes:
    return hashlib.blake2b(item(member, create=create, at=0), digest_size=16).digest()


def _too_large(member: Member, size: int) -> Refusal:
    words = f"With all its attributes the person has {size} bytes; Customer.io takes fewer than {ITEM_BYTES}."
    return Refusal(member.key, words, code="too-large", match=member.match)


def _not_there(member: Member, kind: str) -> Refusal:
    words = f"Nobody in the workspace has this {kind}, and this connection creates no people."
    if kind == "cio_id":
        words = "Nobody in the workspace has this cio_id, and Customer.io gives them out itself."
    return Refusal(member.key, words, code="unknown", retry_after=TOMORROW, match=member.match)


def _folded(kind: str, key: str) -> str:
    return key.strip().lower() if kind == "email" else key
