"""What somebody reads whose text is wrong: the place, what could stand there, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import UnexpectedInput

from hub.cohorts.text.words import NAME, SPOKEN, quoted
from hub.errors import DefinitionError

_HINT = "Nothing was saved. docs/cohorts.md shows the language by examples."
_WIDTH = 100
_END = "$END"
_OPERATORS = (
    "EQUAL UNEQUAL GREATER GREATER_EQUAL SMALLER SMALLER_EQUAL "
    "CONTAINS DOES STARTS ENDS IS ON HAS ANY_OF ALL_OF IN NOT BETWEEN BEFORE SINCE"
)


@dataclass(frozen=True)
class _Role:
    """What some terminals are for, when all `signs` are among those that can stand somewhere."""

    signs: frozenset[str]
    terminals: frozenset[str]
    said: str


def _role(signs: str, others: str, said: str) -> _Role:
    return _Role(frozenset(signs.split()), frozenset([*signs.split(), *others.split()]), said)


_ROLES = (
    _role(
        "USER",
        "DID IN_COHORT NOT LPAR ALL_GROUP ANY_GROUP",
        'a clause (`did "EVENT"`, `user.PROPERTY = VALUE`, `in cohort NAME`, `not` or a bracket)',
    ),
    _role("LPAR NEXT", "THE LAST", 'a list in brackets such as ("pro", "team"), `the last 30 days`'),
    _role(
        "EQUAL IS",
        _OPERATORS,
        "an operator (=, !=, >, >=, <, <=, in, not in, contains, does not contain, starts with, ends with, is set, "
        "is not set, between, not between, on, before, since, in the last, any of, all of, has)",
    ),
    _role("EQUAL", _OPERATORS, "an operator (=, !=, >, >=, <, <=, in, not in, between, not between, contains, on)"),
    _role("ANY_EVENT", "STRING", "the name of an event in double quotes, or `any event`"),
    _role("NAME", "STRING LPAR NOT ALL_GROUP ANY_GROUP", "a name (in double quotes, if it is more than a plain word)"),
    _role("TRUE", "FALSE NUMBER STRING DATE", "a value (a text in double quotes, a number, true or false)"),
    _role("HOUR", "DAY WEEK MONTH", "hours, days, weeks or months"),
    _role("TIME", "DAY", "times or days"),
    _role("EXACTLY", "AT MORE FEWER", "a count such as `at least 3 times`"),
    _role("SUM", "AVERAGE MIN MAX MEDIAN DISTINCT MOST", "a measure such as `sum of amount > 200`"),
    _role("EVER", "IN MORE BETWEEN SINCE BEFORE", "a window such as `in last 30 days`"),
    _role("FOR", "", "`for the first time`"),
    _role("THEN", "", '`then "EVENT"`'),
    _role("LESS", "", "`less than 50 % of the 30 days before` and a window"),
    _role("AND", "AND_CLAUSE", "`and`"),
    _role("DATE", "STRING", "a day such as 2026-11-23"),
    _role("NUMBER", "", "a number"),
    _role("STRING", "", "a text in double quotes"),
)
_SIGNS = {
    "LPAR": "an opening bracket",
    "RPAR": "a closing bracket",
    "COMMA": "a comma",
    "PERCENT": "%",
    _END: "the end of the text",
}
_NEXT_WORDS = {
    "AT": ("at least", "at most"),
    "USER": ("user.",),
    "IN_COHORT": ("in cohort",),
    "ANY_EVENT": ("any event",),
}
_FOREIGN = {"==": "=", "===": "=", "<>": "!=", "=>": ">=", "=<": "<=", "&&": "and", "&": "and", "||": "or", "|": "or",
            "!": "not", "[": "(", "]": ")", ":": "="}  # fmt: skip
_WRONG_QUOTES = "“”„‟«»‘’'`´"


def refusal(text: str, offset: int, problem: str, *, source: str, hint: str = "") -> DefinitionError:
    """The error for a problem at an offset: line and column (from 1), and the line with a caret under the place."""
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[begin : end if end >= 0 else len(text)]
    column = offset - begin
    cut = max(0, column - _WIDTH // 2)
    shown = "".join(letter if letter.isprintable() else " " for letter in line[cut : cut + _WIDTH])
    place = f"{source}, line {text.count(chr(10), 0, offset) + 1}, column {column + 1}"
    stop = "" if problem.endswith("?") else "."
    return DefinitionError(f"{place}: {problem}{stop}\n  {shown}\n  {' ' * (column - cut)}^", hint=hint or _HINT)


def unexpected(error: UnexpectedInput, text: str) -> tuple[int, str, str]:
    """Of a text that leaves the grammar: the offset where it does, what is wrong, and a hint (may be empty)."""
    accepted = _accepted(error)
    offset = _offset(error, text)
    found = _word_at(text, offset) if offset < len(text.rstrip()) else ""
    could = ", or ".join(_two_parts([*_said(accepted)]))
    if not found:
        return offset, f"the text ends here, and there must be {could}", ""
    problem = f"{quoted(found) if found[0] != chr(34) else found} cannot stand here: there can be {could}"
    return offset, f"{problem}{_meant(found, accepted)}", _hint(text, offset, found, accepted)


def _accepted(error: UnexpectedInput) -> set[str]:
    parser = getattr(error, "interactive_parser", None)
    return set(parser.accepts()) if parser else set()


def _offset(error: UnexpectedInput, text: str) -> int:
    token = getattr(error, "token", None)
    if token is not None and token.type == _END:
        return len(text.rstrip())
    return int(error.pos_in_stream or 0)


def _word_at(text: str, offset: int) -> str:
    """The word, text in quotes, or sign that stands at an offset, cut short; empty at the end."""
    pattern = r'"(?:[^"\\\x00-\x1f]|\\.)*"?|[\w$]+|[=<>!&|]+|.'
    match = re.compile(pattern, re.DOTALL).match(text, offset)
    found = match[0] if match else ""
    return found if len(found) <= 40 else f"{found[:37]}..."


def _said(accepted: set[str]) -> Iterator[str]:
    """What could stand there, in words: a phrase for each role that is open, then single words and signs."""
    left = set(accepted)
    for role in _ROLES:
        if role.signs <= left:
            left -= role.terminals
            yield role.said
    for name in sorted(left - {_END}):
        yield _SIGNS.get(name) or f"`{' '.join(SPOKEN.get(name, (name.lower(),))[:1])}`"
    if _END in left:
        yield _SIGNS[_END]


def _two_parts(phrases: list[str]) -> list[str]:
    return [", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases


def _meant(found: str, accepted: set[str]) -> str:
    """`: did you mean days?` when a word that could stand there is near."""
    known = {word for name in accepted for word in (*SPOKEN.get(name, ()), *_NEXT_WORDS.get(name, ()))}
    if found in _FOREIGN:
        return f": did you mean {_FOREIGN[found]}?"
    near = difflib.get_close_matches(found.lower(), sorted(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near and found[0] != '"' else ""


def _hint(text: str, offset: int, found: str, accepted: set[str]) -> str:
    name = re.match(NAME, found)
    hint = ""
    if found[0] in _WRONG_QUOTES:
        hint = 'Texts stand in straight double quotes, such as "Purchase".'
    elif found[0] == '"' and (len(found) < 2 or not found.endswith(('"', "..."))):
        hint = 'The quotes that begin here do not end on this line; within them, a quote is written \\".'
    elif accepted == {"NOT", "SET"}:
        hint = "`is` goes on with `set` or `not set`; values are compared with =."
    elif "ANY_EVENT" in accepted and name:
        hint = f"Did you mean {quoted(found)}? Names of events stand in double quotes."
    elif offset and re.match(r"[\w$]", text[offset - 1]) and not found.isspace() and found[0] not in '()",':
        hint = "A name with other letters than A-Z, a-z, 0-9, _ and $ stands in double quotes."
    elif "USER" in accepted and name:
        hint = (
            "A property of the profile begins with `user.`; tests of an event that are joined by `or` stand in one "
            "bracket after `where`."
        )
    return hint
