"""From a text to the definition that it says, or to an error that points at a place in it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, cast

from lark import Lark, UnexpectedInput
from pydantic import ValidationError

from hub.cohorts.definition import VERSION, Definition
from hub.cohorts.reading import path_of, problem_of
from hub.cohorts.text.building import Builder
from hub.cohorts.text.parts import Misplaced, Part, plain
from hub.cohorts.text.refusing import refusal, unexpected
from hub.cohorts.text.words import terminals
from hub.errors import DefinitionError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from hub.cohorts.text.parts import Path

LONGEST = 4_000_000
"""Letters of a text. A list may have 100,000 values; a text of this length is read in seconds."""


def definition_of_text(text: str, *, source: str = "the text") -> Definition:
    """Read a definition from text. Lines in front of it that begin with `#` are its description.

    `source` names the text in errors. Raises DefinitionError with line, column, the line with a caret under the
    place, and what could stand there.
    """
    if len(text) > LONGEST:
        raise DefinitionError(f"{source}: is longer than {LONGEST:,} letters.", hint="Put long lists into a profile.")
    description, begin = _description(text)
    document, places = plain(_parsed(text, begin, source))
    if description:
        document["description"] = description
    try:
        return Definition.model_validate({"version": VERSION, **document})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # the one that is read first; all at once, as of a file, would be a wall of carets
        offset, problem = min((_place(each, document, places), problem_of(each)) for each in found)
        raise refusal(text, offset, problem, source=source) from error


def _description(text: str) -> tuple[str, int]:
    """The description in the lines in front, and the offset after them."""
    lines: list[str] = []
    begin = 0
    while text.startswith("#", begin):
        end = text.find("\n", begin)
        line = text[begin + 1 : end if end >= 0 else len(text)]
        lines.append(line.removeprefix(" "))
        begin = end + 1 if end >= 0 else len(text)
    return "\n".join(lines), begin


def _parsed(text: str, begin: int, source: str) -> Part:
    try:
        # the lines in front become blanks, so that every offset is one of the text
        found = _parser().parse(" " * begin + text[begin:])
    except UnexpectedInput as error:
        offset, problem, hint = unexpected(error, text)
        raise refusal(text, offset, problem, source=source, hint=hint) from error
    except Misplaced as error:
        raise refusal(text, error.offset, error.problem, source=source) from error
    return cast(Part, found)  # by the Builder


@cache
def _parser() -> Lark:
    grammar = resources.files("hub.cohorts.text").joinpath("language.lark").read_text("utf-8")
    return Lark(f"{grammar}\n{terminals()}\n", parser="lalr", lexer="contextual", transformer=Builder())


def _place(details: ErrorDetails, document: object, places: dict[Path, int]) -> int:
    path = path_of(details, document)
    return next(places[path[:length]] for length in range(len(path), -1, -1) if path[:length] in places)
