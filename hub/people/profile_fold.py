"""Folding operators into a profile, by the rules of Mixpanel's `/engage` reference (docs/profiles.md has them all)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import orjson

from hub.events.lines import Rejected
from hub.lake.typed import microseconds_of
from hub.people.profile_update import MAX_VALUE_BYTES, Operation

Profile = dict[str, Any]

MAX_PROPERTIES = 2000
"""Of one profile; what would add more fails (Mixpanel: limits of user properties)."""
LAST_SEEN = "$last_seen"
"""When the profile was last written by somebody's app: ISO 8601 to the second, UTC, as Mixpanel exports it."""

_EXACT = 2**53


def fold(current: Profile | None, operations: Iterable[Operation], seen: int | None = None) -> Profile | None:
    """The profile after the operations of one update, in their order. None: there is no profile.

    `current` is not changed; `seen` is as of `Update`. Raises Rejected as `Folding.apply` does.
    """
    folding = Folding(current)
    folding.apply(operations, seen)
    return folding.profile


def united(stays: Profile, goes: Profile) -> Profile:
    """The profile of two ids that turn out to be one person: `stays`, and what only `goes` has.

    The later `$last_seen` stays. What would go over MAX_PROPERTIES is left out, the last first.
    """
    room = max(0, MAX_PROPERTIES - len(stays))
    extra = [name for name in goes if name not in stays][:room]
    both = {**stays, **{name: goes[name] for name in extra}}
    seen = microseconds_of(goes[LAST_SEEN]) if isinstance(goes.get(LAST_SEEN), str) else None
    return both if seen is None or LAST_SEEN not in both else _seen(both, seen)


class Folding:
    """One profile on its way through several updates.

    `profile` is its present state, None when there is none; a state is never changed once it was there.
    """

    def __init__(self, profile: Profile | None) -> None:
        self.profile = profile
        self._lists: dict[str, _List] = {}

    def apply(self, operations: Iterable[Operation], seen: int | None = None) -> None:
        """Fold in one update, as a whole or not at all.

        `$set` overwrites, `$set_once` sets what is not set, `$add` adds to a number (from 0), `$append` pushes one
        value to a list, `$union` pushes each value that is not in it, `$remove` drops every such value from it,
        `$unset` removes properties, `$delete` removes the profile. Setting null removes. An operator for numbers or
        lists leaves a property of another kind as it is. `$unset` and `$remove` make no profile.

        `seen` moves `$last_seen` up when something was written: a property by any other operator, changed or not, or
        one that `$unset` or `$remove` did change. Raises Rejected when the profile would get more than MAX_PROPERTIES,
        or a list more than MAX_VALUE_BYTES as JSON: then the profile stays as it was.
        """
        profile, written = self.profile, False
        for operator, given in operations:
            before = profile
            profile = _FOLDS[operator](self, profile, given)
            written = profile is not None and (written or _writes(operator, given, before, profile))
        if profile and _count(profile) > max(MAX_PROPERTIES, _count(self.profile or {})):
            raise Rejected(f"The profile would have more than {MAX_PROPERTIES:,} properties.")
        self.profile = _seen(profile, seen) if profile and written and seen is not None else profile

    def _set(self, profile: Profile | None, given: Profile) -> Profile:
        merged = {**(profile or {}), **given}
        if None in given.values():
            return {name: value for name, value in merged.items() if value is not None}
        return merged

    def _set_once(self, profile: Profile | None, given: Profile) -> Profile:
        unset = {name: value for name, value in given.items() if name not in (profile or {})}
        return self._set(profile, unset)

    def _add(self, profile: Profile | None, given: Profile) -> Profile:
        return _changed(profile, given, lambda _name, old, value: _sum(old, value), 0)

    def _append(self, profile: Profile | None, given: Profile) -> Profile:
        return _changed(profile, given, lambda name, items, value: self._pushed(name, items, [value]), [])

    def _union(self, profile: Profile | None, given: Profile) -> Profile:
        return _changed(profile, given, self._united, [])

    def _remove(self, profile: Profile | None, given: Profile) -> Profile | None:
        if profile is None:
            return None
        present = {name: value for name, value in given.items() if name in profile}
        return _changed(profile, present, self._without, [])

    def _unset(self, profile: Profile | None, given: list[str]) -> Profile | None:
        if profile is None:
            return None
        return {name: value for name, value in profile.items() if name not in given}

    def _delete(self, _profile: Profile | None, _given: Any) -> None:
        return None

    def _united(self, name: str, items: list[Any], values: list[Any]) -> list[Any]:
        known = self._listed(name, items).keys
        fresh: dict[Any, Any] = {}
        for value in values:
            if (key := _key(value)) not in known:
                fresh.setdefault(key, value)
        return self._pushed(name, items, [*fresh.values()]) if fresh else items

    def _without(self, name: str, items: list[Any], value: Any) -> list[Any]:
        listed = self._listed(name, items)
        if _key(value) not in listed.keys:
            return items
        return self._noted(name, listed.without(value))

    def _pushed(self, name: str, items: list[Any], values: list[Any]) -> list[Any]:
        listed = self._listed(name, items).with_more(values)
        if listed.size > MAX_VALUE_BYTES:
            raise Rejected("A list would be larger than 256 KB.")
        return self._noted(name, listed)

    def _noted(self, name: str, listed: _List) -> list[Any]:
        self._lists[name] = listed
        return listed.items

    def _listed(self, name: str, items: list[Any]) -> _List:
        """What is known of a list. It was kept if it is still that very list, and not one of a refused update."""
        known = self._lists.get(name)
        if known is None or known.items is not items:
            known = self._lists[name] = _List(items, len(orjson.dumps(items)))
        return known


@dataclass
class _List:
    """A list with what would take long to find out again for each of many updates: its size as JSON, and what is in it.

    The list that comes of it takes over its `keys`: it is not needed any more, unless the update is refused.
    """

    items: list[Any]
    size: int

    @cached_property
    def keys(self) -> set[Any]:
        return {_key(item) for item in self.items}

    def with_more(self, values: list[Any]) -> _List:
        more = self._succeeded([*self.items, *values], sum(len(orjson.dumps(value)) for value in values))
        if "keys" in more.__dict__:
            more.keys.update(_key(value) for value in values)
        return more

    def without(self, value: Any) -> _List:
        kept: list[Any] = []
        start, gone, key = 0, 0, _key(value)
        for place in self._places(value):
            if _key(self.items[place]) == key:
                kept += self.items[start:place]
                gone += len(orjson.dumps(self.items[place]))
                start = place + 1
        less = self._succeeded(kept + self.items[start:], -gone)
        less.keys.discard(key)
        return less

    def _places(self, value: Any) -> Iterator[int]:
        """Where the value is, or one that Python takes for it: as quick as it gets in a long list."""
        place = -1
        with suppress(ValueError):
            while True:
                place = self.items.index(value, place + 1)
                yield place

    def _succeeded(self, items: list[Any], more: int) -> _List:
        commas = max(len(items) - 1, 0) - max(len(self.items) - 1, 0)
        successor = _List(items, self.size + more + commas)
        if "keys" in self.__dict__:
            successor.keys = self.__dict__.pop("keys")
        return successor


def _changed(profile: Profile | None, given: Profile, change: Callable[[str, Any, Any], Any], empty: Any) -> Profile:
    """Change each given property, from `empty` when it is not set; leave it when it is not of `empty`'s kind."""
    changed = dict(profile or {})
    for name, value in given.items():
        old = changed.get(name, empty)
        if _kind(old) is _kind(empty):
            changed[name] = change(name, old, value)
    return changed


def _count(profile: Profile) -> int:
    """How many properties a profile has, without the one that the hub keeps."""
    return len(profile) - (LAST_SEEN in profile)


def _writes(operator: str, given: Any, before: Profile | None, after: Profile) -> bool:
    return before != after if operator in ("$unset", "$remove") else bool(given)


def _seen(profile: Profile, seen: int) -> Profile:
    old = profile.get(LAST_SEEN)
    if isinstance(old, str) and (microseconds_of(old) or 0) > seen:
        return profile
    return {**profile, LAST_SEEN: datetime.fromtimestamp(seen // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")}


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _sum(old: float, value: float) -> float:
    total = old + value
    if isinstance(total, int) and abs(total) > _EXACT:
        total = float(total)
    return total if math.isfinite(total) else old


def _key(value: Any) -> Any:
    """What two values of a list share if they are the same: true is not 1, but 1 is 1.0."""
    if isinstance(value, bool):
        return (value,)
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return value


_FOLDS: dict[str, Callable[[Folding, Profile | None, Any], Profile | None]] = {
    "$set": Folding._set,
    "$set_once": Folding._set_once,
    "$add": Folding._add,
    "$append": Folding._append,
    "$union": Folding._union,
    "$remove": Folding._remove,
    "$unset": Folding._unset,
    "$delete": Folding._delete,
}
