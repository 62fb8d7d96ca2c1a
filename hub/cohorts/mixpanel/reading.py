"""A cohort of Mixpanel's as a definition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hub.cohorts.definition import ANY_EVENT, VERSION, Definition
from hub.cohorts.documents import parse
from hub.cohorts.mixpanel.expressions import filters_of
from hub.cohorts.mixpanel.property_tests import REPORT_KEYS, TREE_KEYS, Test, report_test, tree_test
from hub.cohorts.mixpanel.refusing import Place
from hub.cohorts.model import shown
from hub.cohorts.reading import path_of, problem_of, text_of_file

Clause = dict[str, Any]

_ABOUT = ("id", "name", "count", "created", "is_visible", "project_id", "data_group_id", "created_by", "last_edited")
"""What tells of a cohort there, and is no part of whom it holds."""

_ANY_EVENT = ("$any_event", "$all_events")
_COUNTED = {">=": "at_least", "<=": "at_most", "==": "exactly", ">": "more_than", "<": "fewer_than"}
_COMPARED = {">=": ">=", "<=": "<=", "==": "=", ">": ">", "<": "<", "!=": "!="}
_UNITS = {"absolute": "times", "day": "days"}
_FUNCTIONS = {"total": "sum", "sum": "sum", "average": "average", "min": "min", "max": "max", "median": "median",
              "distinct": "distinct", "unique": "distinct"}  # fmt: skip


def read_mixpanel_file(path: Path, cohorts: Mapping[int, str]) -> Definition:
    """The definition in a JSON file of Mixpanel's. `cohorts` has the names here of its cohorts, by their ids there.

    Raises InputError when the file cannot be read, DefinitionError with the path to what has no counterpart here.
    """
    return definition_of_mixpanel(parse(text_of_file(path), path.name).value, cohorts, source=path.name)


def definition_of_mixpanel(value: Any, cohorts: Mapping[int, str], *, source: str = "the cohort") -> Definition:
    """The definition that `selector` and `behaviors` of Mixpanel's say. Raises DefinitionError as above."""
    whole = Place(value, "", source)
    if isinstance(value, Mapping) and "raw_cohort" in value:
        whole = whole.at("raw_cohort")
    known = whole.group(("selector", "behaviors", "description", *_ABOUT))
    if "selector" not in known:
        raise whole.refused("must have `selector`, and `behaviors` if it counts events")
    clause = _Cohort(whole, cohorts).clause(whole.at("selector"))
    description = known.get("description") or ""
    return _checked(whole, {"description": str(description), **clause})


class _Cohort:
    def __init__(self, whole: Place, cohorts: Mapping[int, str]) -> None:
        self._behaviors = whole.at("behaviors")
        self._cohorts = cohorts
        self._leaves = {"behaviors": self._counted, "user": self._profile, "cohort": self._member}

    def clause(self, place: Place) -> Clause:
        """A node of the tree: a group of nodes, or a leaf."""
        if isinstance(place.value, Mapping) and "children" in place.value:
            place.group(("operator", "children"))
            return _joined(place, [self.clause(child) for child in place.at("children").items()])
        place.group((*TREE_KEYS, "children"))
        leaf = self._leaves[place.at("property").one_of(self._leaves)](place)
        _checked(place, leaf)
        return leaf

    def _profile(self, place: Place) -> Clause:
        name = place.at("value").text()
        return tree_test(place, about=lambda test: {"profile": name, **test})

    def _member(self, place: Place) -> Clause:
        negative = place.at("operator").one_of(("in", "not in")) == "not in"
        value = place.at("value")
        ids = value.items() if isinstance(value.value, list) else [value]
        members = [{"cohort": self._name(each)} for each in ids]
        either: Clause = members[0] if len(members) == 1 else {"any": members}
        return {"not": either} if negative else either

    def _name(self, place: Place) -> str:
        try:
            number = int(place.value)
        except (TypeError, ValueError):
            raise place.refused(f"must be the id of a cohort, not {shown(place.value)}") from None
        if number not in self._cohorts:
            raise place.refused(
                f"is the cohort {number}, and which one that is here is not said",
                hint=f"Nothing was saved. Make that cohort first, then say --cohort-id {number}=NAME.",
            )
        return self._cohorts[number]

    def _counted(self, place: Place) -> Clause:
        name = place.at("value").text()
        table = self._behaviors.value
        if not isinstance(table, Mapping) or name not in table:
            raise place.at("value").refused(f"is {name!r}, which behaviors do not have")
        behavior = self._behaviors.at(name)
        behavior.group(("count", "window", "from_date", "to_date"))
        count = behavior.at("count")
        count.group(("event_selector", "type", "aggregationOperator", "property"))
        event, where = _event(count.at("event_selector"))
        beside = {**where, **_window(behavior)}
        if count.value.get("aggregationOperator") is not None:
            return {"did": event, **beside, "aggregate": _aggregate(place, count)}
        return _times(place, count, event, beside)


def _joined(place: Place, clauses: list[Clause]) -> Clause:
    key = {"and": "all", "or": "any"}[place.at("operator").one_of(("and", "or"))]
    return clauses[0] if len(clauses) == 1 else {key: clauses}


def _times(place: Place, count: Place, event: str, beside: Clause) -> Clause:
    operator = place.at("operator").one_of((*_COUNTED, "!="))
    n = place.at("operand").value
    if isinstance(n, float) and n.is_integer():
        n = int(n)
    unit = _UNITS[count.at("type").one_of(_UNITS)] if count.value.get("type") is not None else "times"
    if (operator, n) in ((">=", 1), (">", 0)):
        return {"did": event, **beside}
    if (operator, n) in (("==", 0), ("<=", 0), ("<", 1)):
        return {"did_not": event, **beside}
    if operator == "!=":
        return {"did_not": event, "count": {"exactly": n, "unit": unit}, **beside}
    return {"did": event, "count": {_COUNTED[operator]: n, "unit": unit}, **beside}


def _aggregate(place: Place, count: Place) -> Clause:
    function = _FUNCTIONS[count.at("aggregationOperator").one_of(_FUNCTIONS)]
    op = _COMPARED[place.at("operator").one_of(_COMPARED)]
    return {function: count.at("property").text(), "op": op, "value": place.at("operand").value}


def _event(place: Place) -> tuple[str, Clause]:
    """The event's name, and `where`."""
    place.group(("event", "selector"))
    name = place.at("event").text()
    selector = place.at("selector")
    event = ANY_EVENT if name in _ANY_EVENT else name
    if selector.value in (None, "", {}):
        return event, {}
    if isinstance(selector.value, str):
        return event, {"where": filters_of(selector)}
    found = _event_tests(selector)
    return event, {"where": found.get("all", [found])}


def _event_tests(place: Place) -> Test:
    if isinstance(place.value, Mapping) and "children" in place.value:
        place.group(("operator", "children"))
        return _joined(place, [_event_tests(child) for child in place.at("children").items()])
    place.group((*TREE_KEYS, *REPORT_KEYS))
    name = place.at("value").text()

    def about(test: Test) -> Test:
        return {"property": name, **test}

    if "filterOperator" in place.value:
        if place.value.get("resourceType") is not None:
            place.at("resourceType").one_of(("events", "event"))
        return report_test(place, about=about)
    place.at("property").one_of(("event", "events", "properties"))
    return tree_test(place, about=about)


def _window(place: Place) -> Clause:
    window, first, last = (place.at(key) for key in ("window", "from_date", "to_date"))
    if window.value is not None:
        if first.value or last.value:
            raise window.refused("cannot stand beside from_date and to_date")
        window.group(("unit", "value"))
        unit = window.at("unit").one_of(("hour", "day", "week", "month"))
        return {"window": {"last": {"n": window.at("value").value, "unit": unit}}}
    if first.value and last.value:
        return {"window": {"from": first.value, "to": last.value}}
    if first.value:
        return {"window": {"since": first.value}}
    return {"window": {"before": _day_after(last)}} if last.value else {}


def _day_after(place: Place) -> str:
    try:
        return (date.fromisoformat(place.text()) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise place.refused(f"must be a day such as 2026-11-23, not {shown(place.value)}") from None


def _checked(place: Place, clause: Clause) -> Definition:
    try:
        return Definition.model_validate({"version": VERSION, **clause})
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        field = ".".join(str(step) for step in path_of(first, clause))
        raise place.refused(f"makes no clause: {field} {problem_of(first)}") from error
