"""Reading Mailchimp's collections, which are paged by offset only.

While a campaign is being sent, rows come in, and rows move from one page to another: whoever just asks for page
after page may miss one. `Reading` notices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub import PartnerClient, PartnerUnavailable

Row = dict[str, Any]

LARGEST_PAGE = 1000
"""Rows. Mailchimp's own maximum for `count`, everywhere."""

_SMALLEST_PAGE = 250
_PASSES = 3


async def pages(
    http: PartnerClient,
    path: str,
    key: str,
    *,
    params: Mapping[str, Any] | None = None,
    size: int = LARGEST_PAGE,
) -> AsyncIterator[tuple[list[Row], int]]:
    """The rows under `key`, page by page, each page with the total that Mailchimp told beside it.

    Mailchimp's gateway often gives up on large pages (504): the page is then asked for in halves, down to 250 rows.
    """
    offset = 0
    while True:
        asked = {**(params or {}), "count": size, "offset": offset}
        try:
            answer = await http.get(path, params=asked)
        except PartnerUnavailable:
            if size // 2 < _SMALLEST_PAGE:
                raise
            size //= 2
            continue
        rows, total = _rows(answer, key, path)
        yield rows, total
        offset += len(rows)
        if not rows or offset >= total:
            return


def _rows(answer: Any, key: str, path: str) -> tuple[list[Row], int]:
    if not isinstance(answer, dict) or not isinstance(answer.get(key), list):
        raise PartnerUnavailable(f"Mailchimp answered GET {path} without {key!r}.")
    return answer[key], int(answer.get("total_items", 0))


@dataclass
class Reading:
    """One collection, read until nothing of it can have been missed.

    As many rows have to be seen as there were when the reading began. If rows moved meanwhile, so that some were
    skipped, others came twice, and the collection is read again, at most three times. Afterwards `total` is the
    number of rows at the beginning, and `settled` tells whether all of them were seen. (Mailchimp's reports gain
    rows and reorder them; they do not lose any.)

    `identity` is the field that names a row. `was_there` tells whether a row can have been there at the
    beginning: rows that came in since are read as well, but do not stand for one that was skipped.
    """

    http: PartnerClient
    path: str
    key: str
    identity: str
    params: Mapping[str, Any] = field(default_factory=dict)
    size: int = LARGEST_PAGE
    was_there: Callable[[Row], bool] = lambda row: True
    total: int = -1
    settled: bool = False

    async def pages(self) -> AsyncIterator[list[Row]]:
        """The rows, page by page; a row may come more than once."""
        seen: set[int] = set()  # hashes of the names: a campaign may have millions of recipients
        for _ in range(_PASSES):
            rows_read, totals, in_this_pass = 0, set[int](), set[int]()
            async for rows, total in pages(self.http, self.path, self.key, params=self.params, size=self.size):
                self.total = total if self.total < 0 else self.total
                totals.add(total)
                rows_read += len(rows)
                in_this_pass.update(hash(row.get(self.identity)) for row in rows)
                seen.update(hash(row.get(self.identity)) for row in rows if self.was_there(row))
                yield rows
            # rows that all differ under one total: nothing moved, whatever Mailchimp's total counts besides
            nothing_moved = len(totals) == 1 and rows_read == len(in_this_pass)
            if nothing_moved or len(seen) >= self.total:
                self.settled = True
                return
