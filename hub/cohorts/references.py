"""Cohorts that name other cohorts: what has to be at hand to evaluate one, who is named by whom, and no circles."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hub.cohorts.definition import MOST_PARTS, Definition, InCohort, clauses
from hub.errors import DefinitionError, NotFound

DEEPEST = 50
"""How many cohorts may stand between one and the farthest that it rests on."""

LookUp = Callable[[str], Definition]
"""The definition of the cohort of that name. Raises NotFound."""


def named_cohorts(definition: Definition) -> list[str]:
    """The names of the cohorts that a definition names itself, each once, in their order."""
    found = (each.cohort for each in clauses(definition.clause) if isinstance(each, InCohort))
    return list(dict.fromkeys(found))


def closure(definition: Definition, look_up: LookUp, *, name: str = "") -> dict[str, Definition]:
    """The definitions of all cohorts that a definition rests on; each one after those that it names itself.

    `name` is the cohort's own, if it has one. Raises DefinitionError for a circle, with the names on it, and for more
    clauses, or cohorts within cohorts, than one query can hold; NotFound, with who names it, for one that is not
    there.
    """
    found: dict[str, Definition] = {}
    _collect(definition, look_up, [name] if name else [], found)
    parts = sum(len([*clauses(each.clause)]) for each in (definition, *found.values()))
    if parts > MOST_PARTS:
        raise DefinitionError(
            f"{_subject(name)}: has {parts:,} clauses, with those of the cohorts that it names; {MOST_PARTS} can be.",
            hint="Name fewer cohorts, or smaller ones.",
        )
    return found


def users(name: str, definitions: Mapping[str, Definition]) -> list[str]:
    """The names of the cohorts whose own definition names the cohort `name`, sorted."""
    return sorted(user for user, definition in definitions.items() if name in named_cohorts(definition))


def _collect(definition: Definition, look_up: LookUp, way: list[str], found: dict[str, Definition]) -> None:
    for name in named_cohorts(definition):
        if name in way:
            circle = [*way[way.index(name) :], name]
            raise DefinitionError(
                f"{_subject(way[0])}: goes round in a circle: {' -> '.join(repr(each) for each in circle)}.",
                hint="A cohort cannot rest on itself, neither directly nor through others.",
            )
        if len(way) > DEEPEST:
            raise DefinitionError(
                f"{_subject(way[0])}: names a cohort that names a cohort, and so on, more than {DEEPEST} deep.",
                hint="Put the clauses of some of them into one.",
            )
        if name not in found:
            inner = _looked_up(name, look_up, way)
            _collect(inner, look_up, [*way, name], found)
            found[name] = inner


def _looked_up(name: str, look_up: LookUp, way: list[str]) -> Definition:
    try:
        return look_up(name)
    except NotFound as error:
        user = f"The cohort {way[-1]!r}" if way else "The definition"
        raise NotFound(f"{user} names the cohort {name!r}, which is not there.", hint=error.hint) from error


def _subject(name: str) -> str:
    return f"the cohort {name!r}" if name else "the definition"
