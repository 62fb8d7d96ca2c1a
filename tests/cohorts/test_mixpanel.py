"""Cohorts in Mixpanel's own wire format: what they say here, and what is refused, with its path."""

# ruff: noqa: E501 (tables: a row a case)

from __future__ import annotations

import json

import pytest

from hub.cohorts.mixpanel.reading import definition_of_mixpanel, read_mixpanel_file
from hub.cohorts.text.printing import clause_text
from hub.errors import DefinitionError, InputError

COHORTS = {7: "payers", 8: "VIP list"}


def behavior(**more):
    return {
        "count": {"event_selector": {"event": "Purchase"}, "type": "absolute"},
        "window": {"unit": "day", "value": 30},
        **more,
    }


def counted(operator=">=", operand=3, **more):
    leaf = {"property": "behaviors", "value": "bhvr_0", "operator": operator, "operand": operand}
    return {"selector": {"operator": "and", "children": [leaf]}, "behaviors": {"bhvr_0": behavior(**more)}}


def user(operator, operand=None, kind="string", name="plan"):
    return {"selector": {"property": "user", "value": name, "operator": operator, "operand": operand, "type": kind}}


def where(selector):
    return counted(count={"event_selector": {"event": "Purchase", "selector": selector}, "type": "absolute"})


def report(operator, value=None, kind="string", **more):
    leaf = {
        "resourceType": "events",
        "filterType": kind,
        "defaultType": kind,
        "filterOperator": operator,
        "value": "a",
        **more,
    }
    return where({"operator": "and", "children": [leaf if value is None else {**leaf, "filterValue": value}]})


def said(document):
    return clause_text(definition_of_mixpanel(document, COHORTS))


def test_the_whole_of_one():
    document = {
        "name": "Win-back", "description": "Who may come back", "id": 5, "count": 12, "is_visible": 1,
        "selector": {"operator": "and", "children": [
            {"property": "behaviors", "value": "bhvr_0", "operator": ">=", "operand": 3},
            {"property": "behaviors", "value": "bhvr_1", "operator": "==", "operand": 0},
            {"operator": "or", "children": [
                {"property": "user", "value": "plan", "operator": "in", "operand": ["pro", "team"], "type": "string"},
                {"property": "cohort", "value": 7, "operator": "not in"},
            ]},
        ]},
        "behaviors": {
            "bhvr_0": {"count": {"event_selector": {"event": "Purchase", "selector": None}, "type": "absolute"}, "from_date": "2026-01-01", "to_date": "2026-03-31"},
            "bhvr_1": {"count": {"event_selector": {"event": "App Open"}, "type": "day"}, "window": {"unit": "week", "value": 4}},
        },
    }  # fmt: skip
    definition = definition_of_mixpanel(document, COHORTS)
    assert definition.description == "Who may come back"
    assert clause_text(definition) == (
        'did "Purchase" at least 3 times between 2026-01-01 and 2026-03-31 and did not do "App Open" in last 4 weeks and '
        '(user.plan in ("pro", "team") or not in cohort payers)'
    )
    assert definition_of_mixpanel({"raw_cohort": document}, COHORTS) == definition


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (counted(">=", 1), 'did "Purchase" in last 30 days'),
        (counted(">=", 3.0), 'did "Purchase" at least 3 times in last 30 days'),
        (counted("<=", 3), 'did "Purchase" at most 3 times in last 30 days'),
        (counted("==", 3), 'did "Purchase" exactly 3 times in last 30 days'),
        (counted("==", 0), 'did not do "Purchase" in last 30 days'),
        (counted("!=", 3), 'did not do "Purchase" exactly 3 times in last 30 days'),
        (counted(">", 3), 'did "Purchase" more than 3 times in last 30 days'),
        (counted("<", 3), 'did "Purchase" fewer than 3 times in last 30 days'),
        (counted(window=None), 'did "Purchase" at least 3 times'),
        (counted(window=None, from_date="2026-01-01"), 'did "Purchase" at least 3 times since 2026-01-01'),
        (counted(window=None, to_date="2026-01-31"), 'did "Purchase" at least 3 times before 2026-02-01'),
        (
            counted(count={"event_selector": {"event": "$all_events"}, "type": "day"}),
            "did any event at least 3 days in last 30 days",
        ),
        (
            counted(
                ">",
                9.5,
                count={
                    "event_selector": {"event": "A"},
                    "type": "absolute",
                    "aggregationOperator": "total",
                    "property": "amount",
                },
            ),
            'did "A" sum of amount > 9.5 in last 30 days',
        ),
        (
            counted(
                "==", 2, count={"event_selector": {"event": "A"}, "aggregationOperator": "unique", "property": "sku"}
            ),
            'did "A" distinct of sku = 2 in last 30 days',
        ),
        (user("==", "pro"), 'user.plan = "pro"'),
        (user("==", ["pro", "team"]), 'user.plan in ("pro", "team")'),
        (user("!=", ["pro"]), 'user.plan not in ("pro")'),
        (user("in", "pr"), 'user.plan contains "pr"'),
        (user("not in", "pr"), 'user.plan does not contain "pr"'),
        (user("not in", ["a", 3]), 'user.plan not in ("a", 3)'),
        (user(">", 18), "user.plan > 18"),
        (user("<=", 18, "number"), "user.plan <= 18"),
        (user("between", [1, 5], "number"), "user.plan between 1 and 5"),
        (user("==", "true", "boolean"), "user.plan = true"),
        (user(">=", "2026-01-01", "datetime", "$created"), 'user.$created >= "2026-01-01"'),
        (user("defined", ""), "user.plan is set"),
        (user("not defined", ""), "user.plan is not set"),
        (user("in", "sale", "list", "tags"), 'user.tags any of (= "sale")'),
        (user("not in", ["a", "b"], "list", "tags"), 'not user.tags any of (in ("a", "b"))'),
        (
            {"selector": {"property": "cohort", "value": [7, "8"], "operator": "in"}},
            'in cohort payers or in cohort "VIP list"',
        ),
        (report("equals", ["pro"]), 'did "Purchase" where a = "pro" at least 3 times in last 30 days'),
        (
            report("does not equal", ["a", "b"]),
            'did "Purchase" where a not in ("a", "b") at least 3 times in last 30 days',
        ),
        (report("contains", "x"), 'did "Purchase" where a contains "x" at least 3 times in last 30 days'),
        (report("is greater than", 3, "number"), 'did "Purchase" where a > 3 at least 3 times in last 30 days'),
        (
            report("is between", [1, 3], "number"),
            'did "Purchase" where a between 1 and 3 at least 3 times in last 30 days',
        ),
        (report("is not set"), 'did "Purchase" where a is not set at least 3 times in last 30 days'),
        (report("true", kind="boolean"), 'did "Purchase" where a = true at least 3 times in last 30 days'),
        (report("contains", "x", "list"), 'did "Purchase" where a any of (= "x") at least 3 times in last 30 days'),
        (
            report("was in the", 3, "datetime", filterDateUnit="week"),
            'did "Purchase" where a in the last 3 weeks at least 3 times in last 30 days',
        ),
        (
            where('properties["plan"] == "pro" and properties["n"] >= 3'),
            'did "Purchase" where plan = "pro" and n >= 3 at least 3 times in last 30 days',
        ),
        (
            where('(properties["a b"] in ["x", \'y "z"\'] or not defined(properties["c"]))'),
            'did "Purchase" where ("a b" in ("x", "y \\"z\\"") or not c is set) at least 3 times in last 30 days',
        ),
        (
            where('"or" in properties["city"] and 3 < properties["n"] and properties["x"] != true'),
            'did "Purchase" where city contains "or" and n > 3 and x != true at least 3 times in last 30 days',
        ),
    ],
)
def test_what_it_says_here(document, text):
    assert said(document) == text
    assert said(json.loads(json.dumps(document))) == text


NESTED = {
    "selector": {
        "operator": "and",
        "children": [user("==", "pro")["selector"], {"property": "cohort", "value": 9, "operator": "in"}],
    }
}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the document: must be a group of selector, behaviors"),
        ({"groups": [1]}, "groups: has no counterpart here"),
        ({"behaviors": {}}, "the document: must have `selector`"),
        ({"selector": {"operator": "xor", "children": [1]}}, "selector.children[0]: must be a group"),
        (
            {"selector": {"operator": "xor", "children": [user("==", "a")["selector"]]}},
            "selector.operator: must be one of and, or, not 'xor'",
        ),
        ({"selector": {"operator": "and", "children": []}}, "selector.children: must be a list with something in it"),
        (
            {"selector": {"property": "group", "value": "a"}},
            "selector.property: must be one of behaviors, user, cohort, not 'group'",
        ),
        (NESTED, "selector.children[1].value: is the cohort 9, and which one that is here is not said"),
        (
            {"selector": {"property": "cohort", "value": "x", "operator": "in"}},
            "selector.value: must be the id of a cohort, not 'x'",
        ),
        ({**counted(), "behaviors": {}}, "selector.children[0].value: is 'bhvr_0', which behaviors do not have"),
        (counted(funnel={"steps": [1]}), "behaviors.bhvr_0.funnel: has no counterpart here"),
        (
            counted(window={"unit": "year", "value": 1}),
            "behaviors.bhvr_0.window.unit: must be one of hour, day, week, month, not 'year'",
        ),
        (counted(window={"unit": "day", "value": 0}), "selector.children[0]: makes no clause"),
        (counted(from_date="2026-01-01"), "behaviors.bhvr_0.window: cannot stand beside from_date and to_date"),
        (counted(window=None, to_date="soon"), "behaviors.bhvr_0.to_date: must be a day such as 2026-11-23"),
        (counted("~", 1), "selector.children[0].operator: must be one of >=, <=, =="),
        (counted(">=", "3"), "selector.children[0]: makes no clause: count.at_least must be a whole number, not '3'"),
        (
            counted(count={"event_selector": {"event": ""}, "type": "absolute"}),
            "behaviors.bhvr_0.count.event_selector.event: must be text",
        ),
        (
            counted(count={"event_selector": {"event": "A"}, "type": "hour"}),
            "behaviors.bhvr_0.count.type: must be one of absolute, day, not 'hour'",
        ),
        (user("~=", "a"), "selector.operator: must be one of =="),
        (user(">", "a"), "selector: makes no clause: value must be a number or a date"),
        (user(">", "3", "number"), "selector.operand: must be a number, because the property's type is number"),
        (user("==", 1, "boolean"), "selector.operand: must be true or false"),
        (user("==", "a", "object"), "selector.type: must be one of string, number, boolean, datetime, list"),
        (user("==", "a", "list"), "selector.operand: can only be looked for with `in` or `not in`"),
        (
            report("equals", ["a"], resourceType="people"),
            "behaviors.bhvr_0.count.event_selector.selector.children[0].resourceType: must be one of events",
        ),
        (report("equals", ["a"], customPropertyId=3), "selector.children[0].customPropertyId: has no counterpart here"),
        (report("resembles", ["a"]), "filterOperator: must be one of equals"),
        (
            where('properties["a"] + 1 > 3'),
            "behaviors.bhvr_0.count.event_selector.selector: has no counterpart from column 17 on ('+ 1 > 3')",
        ),
        (where('number(properties["a"]) > 3'), "has no counterpart from column 1 on"),
        (where('user["a"] == "b"'), "has no counterpart from column 1 on"),
        (where('properties["a"] =='), "has no counterpart at its end"),
        (where('properties["a"] == "\\q"'), "has an escape"),
        (where("not " * 100 + 'defined(properties["a"])'), "is nested more than 40 deep"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_its_path(document, message):
    with pytest.raises(DefinitionError) as caught:
        definition_of_mixpanel(document, COHORTS, source="cohort.json")
    assert caught.value.message.startswith("cohort.json: ")
    assert message in caught.value.message


def test_a_file_of_it(tmp_path):
    path = tmp_path / "cohort.json"
    path.write_text(json.dumps(counted()))
    assert clause_text(read_mixpanel_file(path, {})) == 'did "Purchase" at least 3 times in last 30 days'
    path.write_text('{"selector": ')
    with pytest.raises(DefinitionError, match=r"cohort\.json, line 1"):
        read_mixpanel_file(path, {})
    with pytest.raises(InputError, match="cannot be read"):
        read_mixpanel_file(tmp_path / "none.json", {})
