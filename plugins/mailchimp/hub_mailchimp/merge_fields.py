"""The merge fields of a Mailchimp audience: what a mapping can name, and those that are made on request.

Source: https://mailchimp.com/developer/marketing/api/list-merges/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from hub import BatchRefused, MappingWrong, Member, PartnerClient
from hub_mailchimp.paging import pages
from hub_mailchimp.paths import list_path, no_such_list
from hub_mailchimp.payload import field_tag
from hub_mailchimp.refusals import NotThere

RESERVED = frozenset(
    ["EMAIL", "INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "USER_URL", "DATE", "EMAIL_TYPE", "OPTIN_IP"]
)
"""Merge tags that have a meaning of their own in Mailchimp's mails."""

_TAG = re.compile(r"[A-Z0-9_]{1,10}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class MergeFields:
    """The merge fields of one account's audiences, each asked for once; with `make`, missing ones are made."""

    def __init__(self, http: PartnerClient, *, make: bool) -> None:
        self._http = http
        self._make = make
        self._known: dict[str, set[str]] = {}
        self._making = asyncio.Lock()  # batches leave side by side: one of them makes the fields of all

    async def check(self, list_id: str, targets: Iterable[str]) -> None:
        """Raise MappingWrong, naming them, when the audience lacks fields of these names, and they are not to be made
        or cannot be. Changes nothing."""
        missing = await self._missing(list_id, targets)
        if missing and not self._make:
            raise self._lacks(list_id, missing)
        impossible = [tag for tag in missing if not _TAG.fullmatch(tag) or tag in RESERVED]
        if impossible:
            raise MappingWrong(
                f"Mailchimp can have no field {', '.join(impossible)}.",
                hint="A field's tag has 1 to 10 letters, digits and underscores, and is not one of Mailchimp's own "
                f"({', '.join(sorted(RESERVED))}).",
            )

    async def provide(self, list_id: str, members: Sequence[Member]) -> None:
        """See to it that the audience has the fields that these members bring: Mailchimp drops values for others
        without a word. A missing one is made, if asked for, once somebody has a value for it. Raises MappingWrong.
        """
        targets = {target for member in members for target in member.values}
        if not await self._missing(list_id, targets):
            return
        async with self._making:
            await self.check(list_id, targets)
            for tag in await self._missing(list_id, targets):
                if values := _values_of(tag, members):
                    await self._made(list_id, tag, values)

    async def _made(self, list_id: str, tag: str, values: Sequence[Any]) -> None:
        body = {
            "tag": tag,
            "name": tag.replace("_", " ").strip().capitalize() or tag,
            "type": field_type(values),
            "required": False,
            "public": False,
        }
        try:
            await self._http.post(f"{list_path(list_id)}/merge-fields", body)
        except NotThere as error:
            raise no_such_list(list_id) from error
        except BatchRefused as error:
            self._known[list_id] = await self._list(list_id)
            if tag not in self._known[list_id]:  # else somebody made it a moment ago
                raise MappingWrong(
                    f"The field {tag} cannot be made in the Mailchimp audience {list_id}. {error.message}",
                    hint="Make it in Mailchimp (Audience, Settings, Audience fields), or map to another.",
                ) from error
        self._known[list_id].add(tag)

    async def _missing(self, list_id: str, targets: Iterable[str]) -> list[str]:
        tags = {field_tag(target) for target in targets}
        if not tags <= self._known.get(list_id, set()):
            self._known[list_id] = await self._list(list_id)
        return sorted(tags - self._known.get(list_id, set()))

    async def _list(self, list_id: str) -> set[str]:
        params = {"fields": "merge_fields.tag,total_items"}
        path = f"{list_path(list_id)}/merge-fields"
        try:
            return {
                str(row["tag"]).upper()
                async for rows, _ in pages(self._http, path, "merge_fields", params=params)
                for row in rows
            }
        except NotThere as error:
            raise no_such_list(list_id) from error

    def _lacks(self, list_id: str, missing: Sequence[str]) -> MappingWrong:
        return MappingWrong(
            f"The Mailchimp audience {list_id} has no field {', '.join(missing)}.",
            hint="Have it made (`hub connection edit NAME --set make_fields=yes`), make it in Mailchimp (Audience, "
            f"Settings, Audience fields), or map to one of {', '.join(sorted(self._known[list_id])) or 'none yet'}.",
        )


def field_type(values: Sequence[Any]) -> str:
    """The type of a field for these values: `number` and `date` when all of them are, else `text`, which takes any.

    Mailchimp has no field for true and false, and refuses a text in a number field: what varies is a text.
    """
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "date" if all(_is_date(value) for value in values) else "text"


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _values_of(tag: str, members: Sequence[Member]) -> list[Any]:
    return [
        value
        for member in members
        for target, value in member.values.items()
        if field_tag(target) == tag and value not in (None, "")
    ]
