"""Cohorts to begin with: texts with parameters, each a file beside this one.

A file has `description`, `text` with parameters in braces, and `parameters`; each of them has `kind`, `default` and
`about`. The kinds: `events` (one or more names), `property` (a name), `number`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from hub.cohorts.definition import Definition
from hub.cohorts.documents import parse
from hub.cohorts.text.printing import clause_text
from hub.cohorts.text.words import named, quoted
from hub.errors import NotFound, UsageError

_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,15})?"


@dataclass(frozen=True)
class Parameter:
    """What can be set in a template. `default` is a list for `events`, a text for `property`, else a number."""

    name: str
    kind: Literal["events", "property", "number"]
    default: Any
    about: str

    def written(self, values: Sequence[str]) -> str:
        """How the text has these values, or the default if there are none. Raises UsageError."""
        given = [*values] or [str(each) for each in (self.default if self.kind == "events" else [self.default])]
        if not all(given):
            raise UsageError(f"--set {self.name}: is empty.", hint=self.about)
        if self.kind == "events":
            return _events(given)
        if len(given) > 1:
            raise UsageError(f"--set {self.name}: is given {len(given)} times, and takes one value.")
        if self.kind == "property":
            return named(given[0])
        if not re.fullmatch(_NUMBER, given[0], re.ASCII):
            raise UsageError(f"--set {self.name}={given[0]}: must be a number.", hint=self.about)
        return given[0]


@dataclass(frozen=True)
class Template:
    """A cohort to begin with. `pattern` is its text with parameters in braces."""

    name: str
    description: str
    pattern: str
    parameters: tuple[Parameter, ...]

    def text(self, settings: Mapping[str, Sequence[str]] | None = None) -> str:
        """The text with values in the place of parameters; `events` take several. Raises UsageError."""
        given = settings or {}
        known = [parameter.name for parameter in self.parameters]
        for key in given:
            if key not in known:
                raise UsageError(
                    f"The template {self.name} has no parameter {key!r}{_near(key, known)}",
                    hint=f"It has {', '.join(known)}: see `hub cohort templates {self.name}`.",
                )
        values = {each.name: each.written(given.get(each.name, ())) for each in self.parameters}
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], " ".join(self.pattern.split("\n"))).strip()

    def definition(self, settings: Mapping[str, Sequence[str]] | None = None) -> Definition:
        """The definition that the text says. Raises UsageError, and DefinitionError for values that cannot be."""
        from hub.cohorts.text.reading import definition_of_text

        return definition_of_text(f"# {self.description}\n{self.text(settings)}", source=f"the template {self.name}")

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort templates --json`."""
        return {
            "template": self.name,
            "description": self.description,
            "text": clause_text(self.definition()),
            "pattern": " ".join(self.pattern.split()),
            "parameters": [
                {"name": each.name, "kind": each.kind, "default": each.default, "about": each.about}
                for each in self.parameters
            ],
        }


def templates() -> list[Template]:
    """Every template, by name."""
    files = resources.files(__name__).iterdir()
    return [_read(file.name, file.read_text("utf-8")) for file in sorted(files, key=str) if file.name.endswith(".yaml")]


def template(name: str) -> Template:
    """The template called `name`. Raises NotFound with the nearest name."""
    found = {each.name: each for each in templates()}
    if name not in found:
        raise NotFound(f"There is no template {name!r}{_near(name, found)}", hint=f"There are {', '.join(found)}.")
    return found[name]


def _read(name: str, text: str) -> Template:
    document = parse(text, name).value
    parameters = tuple(Parameter(key, **about) for key, about in document["parameters"].items())
    return Template(name.removesuffix(".yaml"), document["description"], document["text"].strip(), parameters)


def _events(names: Sequence[str]) -> str:
    if len(names) == 1:
        return quoted(names[0])
    return f"any event where $event_name in ({', '.join(quoted(name) for name in names)})"


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, [*known], n=1, cutoff=0.5)
    return f": did you mean {near[0]}?" if near else "."
