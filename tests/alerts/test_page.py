"""The page about alerts: its example is what is sent, and its table has every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema

from hub.alerts.model import KINDS
from hub.alerts.payload import Message, schema

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def test_the_example_is_what_the_schema_says():
    [example] = re.findall(r"<!-- alert -->\n```json\n(.*?)```", PAGE, re.S)

    jsonschema.validate(json.loads(example), schema())
    assert json.loads(Message.model_validate_json(example).model_dump_json()) == json.loads(example)


def test_the_table_has_every_kind():
    assert dict(re.findall(r"^\| `(\w+)` \| (.*\.) \|$", PAGE, re.M)) == dict(KINDS)
