"""Reading and writing YAML and JSON as people mean it: YAML 1.2's plain words, and where each value stands.

In YAML 1.1, which PyYAML reads by itself, the country `NO` is false, `=` cannot be read and `12:30` is 750.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import ComposerError

from hub.errors import DefinitionError

_DEEPEST = 50
_PLAIN: tuple[tuple[str, str, str], ...] = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN"),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # an id such as 00123 and a phone number such as +4712345678 stay text
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]{0,300})", "-0123456789"),
    ("tag:yaml.org,2002:float", r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-.0123456789"),
)
_NUMBERS = {tag.rpartition(":")[2]: re.compile(pattern) for tag, pattern, _ in _PLAIN[2:]}

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A document's value, and the line (from 1) of each of its parts, by path."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """The line of the innermost part on the way to `path` whose line is known."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def parse(text: str, source: str) -> Document:
    """Read YAML 1.2 or JSON. Plain values only: no tags, no anchors, every key once and text.

    Raises DefinitionError with `source`, line and column.
    """
    try:
        document = _parse_json(text, source) if text.lstrip().startswith("{") else None
        return document or _parse_yaml(text, source)
    except RecursionError as error:
        raise DefinitionError(f"{source}: is nested too deeply to be read.") from error


def write_yaml(value: Any) -> str:
    """A value as YAML that both this module and readers of YAML 1.1 read back as the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _parse_json(text: str, source: str) -> Document | None:
    """The JSON document; None when it is none (a YAML flow group begins like one)."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
        if _too_deep(value):
            raise RecursionError
        return Document(value)
    except _RepeatedKey as error:
        raise DefinitionError(f"{source}: the key {error.args[0]!r} stands twice in one group.") from error
    except json.JSONDecodeError as error:
        if source.endswith(".json"):
            place = f"{source}, line {error.lineno}, column {error.colno}"
            raise DefinitionError(f"{place}: {error.msg}.", hint="The file must be JSON or YAML.") from error
        return None
    except ValueError as error:
        raise DefinitionError(f"{source}: {error}.") from error


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        groups = [part for part in level if isinstance(part, (dict, list))]
        level = [inner for part in groups for inner in (part.values() if isinstance(part, dict) else part)]
    return bool(level)


def _parse_yaml(text: str, source: str) -> Document:
    lines: dict[Path, int] = {}
    try:
        node = _Loader(text).get_single_node()
        return Document(None if node is None else _built(node, (), lines, source), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        problem = error.problem or "cannot be read"
        raise DefinitionError(f"{place}: {problem}.", hint="The file must be YAML or JSON.") from error
    except yaml.YAMLError as error:
        first_line = str(error).splitlines()[0]
        raise DefinitionError(
            f"{source}: {first_line}.", hint="The file must be YAML or JSON, as UTF-8 text."
        ) from error


_Resolvers = dict[str, list[tuple[str, re.Pattern[str]]]]


def _resolvers() -> _Resolvers:
    """What PyYAML wants: by first letter, the tags and patterns of the plain words that are no text."""
    found: _Resolvers = {}
    for tag, pattern, letters in _PLAIN:
        for letter in [*letters, ""] if tag.endswith("null") else letters:
            found.setdefault(letter, []).append((tag, re.compile(f"(?:{pattern})\\Z")))
    return found


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Refuse aliases: a few lines of them can stand for gigabytes, or for themselves."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, "aliases (*) are not read here: write the part out", mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either version of YAML would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")
"""What YAML takes for ends of lines, too: such text has to be written with escapes."""


def _represented_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Text of several lines stands as it is, line by line, where that reads back as the same."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if _OTHER_BREAKS.search(text):
        return '"'
    lines = text.split("\n")
    whole = all(line.isprintable() and line == line.rstrip() for line in lines)
    return "|" if len(lines) > 1 and whole and lines[0] == lines[0].lstrip() != "" != lines[-1] else None


_Dumper.add_representer(str, _represented_text)
_Loader.yaml_implicit_resolvers = _resolvers()
_Dumper.yaml_implicit_resolvers = {
    letter: [*_Loader.yaml_implicit_resolvers.get(letter, []), *resolvers]
    for letter, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}


class _RepeatedKey(Exception):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    group: dict[str, Any] = {}
    for key, value in pairs:
        if key in group:
            raise _RepeatedKey(key)
        group[key] = value
    return group


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _built(node: yaml.Node, path: Path, lines: dict[Path, int], source: str) -> Any:
    """The value of a node; notes the lines of its parts on the way."""
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > _DEEPEST:
        raise RecursionError
    if isinstance(node, yaml.MappingNode):
        return _built_group(node, path, lines, source)
    if isinstance(node, yaml.SequenceNode):
        return [_built(child, (*path, index), lines, source) for index, child in enumerate(node.value)]
    return _scalar(node, source)


def _built_group(node: yaml.MappingNode, path: Path, lines: dict[Path, int], source: str) -> dict[str, Any]:
    group: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _refused(key_node, source, "a key must be text")
        key = key_node.value
        if key in group:
            raise _refused(key_node, source, f"the key {key!r} stands twice in one group")
        lines[(*path, key)] = key_node.start_mark.line + 1
        group[key] = _built(value_node, (*path, key), lines, source)
    return group


def _scalar(node: yaml.Node, source: str) -> Any:
    kind = node.tag.rpartition(":")[2]
    text = str(node.value)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in _NUMBERS and _NUMBERS[kind].fullmatch(text):
        return int(text) if kind == "int" else float(text)
    raise _refused(node, source, f"{text!r} with the tag {node.tag} is not read here")


def _refused(node: yaml.Node, source: str, problem: str) -> DefinitionError:
    mark = node.start_mark
    return DefinitionError(f"{source}, line {mark.line + 1}, column {mark.column + 1}: {problem}.")
