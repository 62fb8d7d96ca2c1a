"""The text of a definition over several lines, one clause a line: for files that are reviewed, and to show changes."""

from __future__ import annotations

from hub.cohorts.definition import AllOf, AnyOf, Clause, Definition, Not
from hub.cohorts.text.printing import clause_text

LONGEST = 100
"""Letters of a group within another that stays on one line."""


def clause_lines(definition: Definition) -> list[str]:
    """The text of a definition without its description, each clause of its outermost group on a line of its own.

    Read back, together they are the same definition. Groups that are long themselves are laid out likewise, indented.
    """
    return _lines(definition.clause)


def _lines(clause: Clause) -> list[str]:
    if isinstance(clause, (AllOf, AnyOf)) and len(_parts(clause)) > 1:
        word = "and" if isinstance(clause, AllOf) else "or"
        parts = [_inner(each) for each in _parts(clause)]
        return [*parts[0], *(line for lines in parts[1:] for line in [f"{word} {lines[0]}", *lines[1:]])]
    if isinstance(clause, Not) and _is_group(clause.not_):
        first, *rest = _inner(clause.not_)
        return [f"not {first}", *rest]
    return [_text(clause)]


def _inner(clause: Clause) -> list[str]:
    """A clause of a group: in brackets if it is a group itself."""
    if not _is_group(clause):
        return _lines(clause)
    text = _text(clause)
    if len(text) <= LONGEST:
        return [f"({text})"]
    return ["(", *(f"  {line}" for line in _lines(clause)), ")"]


def _is_group(clause: Clause) -> bool:
    return isinstance(clause, (AllOf, AnyOf)) and len(_parts(clause)) > 1


def _parts(clause: AllOf | AnyOf) -> tuple[Clause, ...]:
    return clause.all if isinstance(clause, AllOf) else clause.any


def _text(clause: Clause) -> str:
    return clause_text(Definition.model_construct(version=1, description="", clause=clause))
