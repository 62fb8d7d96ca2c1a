"""Folding operators into a profile, by the rules of Mixpanel's `/engage` reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from hub.people.profile_update import Operation

Profile = dict[str, Any]

_EXACT = 2**53


def fold(current: Profile | None, operations: Iterable[Operation]) -> Profile | None:
    """The profile after `operations`, in their order. None: there is no profile. `current` is not changed.

    `$set` overwrites, `$set_once` sets what is not set, `$add` adds to a number (from 0), `$append` pushes one value
    to a list, `$union` pushes each value that is not in it, `$remove` drops a value from it, `$unset` removes
    properties, `$delete` removes the profile. Setting null removes. An operator for numbers or lists leaves a property
    of another kind as it is. `$unset` and `$remove` make no profile.
    """
    profile = None if current is None else dict(current)
    for operator, given in operations:
        profile = None if operator == "$delete" else _FOLDS[operator](profile, given)
    return profile


def _set(profile: Profile | None, given: Profile) -> Profile:
    merged = {**(profile or {}), **given}
    return {name: value for name, value in merged.items() if value is not None}


def _set_once(profile: Profile | None, given: Profile) -> Profile:
    return _set(given, profile or {})


def _add(profile: Profile | None, given: Profile) -> Profile:
    return _changed(profile, given, _sum, 0)


def _append(profile: Profile | None, given: Profile) -> Profile:
    return _changed(profile, given, lambda items, value: [*items, value], [])


def _union(profile: Profile | None, given: Profile) -> Profile:
    return _changed(profile, given, _united, [])


def _remove(profile: Profile | None, given: Profile) -> Profile | None:
    if profile is None:
        return None
    present = {name: value for name, value in given.items() if name in profile}
    return _changed(profile, present, lambda items, value: [item for item in items if not _same(item, value)], [])


def _unset(profile: Profile | None, given: list[str]) -> Profile | None:
    if profile is None:
        return None
    return {name: value for name, value in profile.items() if name not in given}


def _changed(profile: Profile | None, given: Profile, change: Callable[[Any, Any], Any], empty: Any) -> Profile:
    """Change each given property, from `empty` when it is not set; leave it when it is not of `empty`'s kind."""
    changed = dict(profile or {})
    for name, value in given.items():
        old = changed.get(name, empty)
        if _kind(old) is _kind(empty):
            changed[name] = change(old, value)
    return changed


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _sum(old: float, value: float) -> float:
    total = old + value
    if isinstance(total, int) and abs(total) > _EXACT:
        total = float(total)
    return total if math.isfinite(total) else old


def _united(items: list[Any], values: list[Any]) -> list[Any]:
    united = list(items)
    for value in values:
        if not any(_same(value, item) for item in united):
            united.append(value)
    return united


def _same(one: Any, other: Any) -> bool:
    """Equality that keeps types apart: true is not 1, but 1 is 1.0."""
    if _kind(one) is not _kind(other):
        return False
    if isinstance(one, dict | list):
        return _canonical(one) == _canonical(other)
    return bool(one == other)


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


_FOLDS: dict[str, Callable[[Profile | None, Any], Profile | None]] = {
    "$set": _set,
    "$set_once": _set_once,
    "$add": _add,
    "$append": _append,
    "$union": _union,
    "$remove": _remove,
    "$unset": _unset,
}
