"""The words of the language: how they are told from names, and what has to stand in quotes."""

from __future__ import annotations

import json
import re

NAME = r"[$A-Za-z_][$A-Za-z0-9_]*"
"""A name that can stand without quotes."""

_WORDS = """
did not do where or then within at least most exactly more fewer less than of the sum average min max median distinct
frequent in last next between ago since before ever for first contains does contain starts ends with is set on has
true false
"""

SPOKEN: dict[str, tuple[str, ...]] = {
    **{word.upper(): (word,) for word in _WORDS.split()},
    "AND": ("and",),
    "TIME": ("time", "times"),
    "HOUR": ("hour", "hours"),
    "DAY": ("day", "days"),
    "WEEK": ("week", "weeks"),
    "MONTH": ("month", "months"),
}
"""The words of each terminal of the grammar that stands for one word."""

OPERATORS = frozenset({"in", "contains", "does", "starts", "ends", "is", "between", "on", "before", "since", "has"})
"""The words that an operator can begin with, `not` beside."""

BESIDE_EVENTS = frozenset({"not", "did"})
"""Names of event properties that have to stand in quotes: after `and` such a word begins something else."""

WITHIN_ELEMENTS = OPERATORS | BESIDE_EVENTS | {"true", "false"}
"""Names of properties of elements that have to stand in quotes: a test of an element can begin with its operator."""

_END = r"(?![$\w])"
_CLAUSE_FOLLOWS = rf"(?=\s*(?:\(|(?:did|not){_END}|user\.|in\s+cohort{_END}|(?:all|any)\s*\())"


def terminals() -> str:
    """The terminals of the grammar that are words. A word ends where no name could go on."""
    lines = [rf"{name}.2: /(?:{'|'.join(reversed(words))}){_END}/" for name, words in SPOKEN.items()]
    return "\n".join(
        [
            *lines,
            # after `where`, an `and` goes on with the tests unless what follows begins a clause
            rf"AND_CLAUSE.3: /and{_END}{_CLAUSE_FOLLOWS}/",
            rf"IN_COHORT.3: /in\s+cohort{_END}/",
            rf"ANY_EVENT.3: /any\s+event{_END}/",
            rf"ANY_OF.3: /any\s+of{_END}/",
            rf"ALL_OF.3: /all\s+of{_END}/",
            r"ALL_GROUP.3: /all(?=\s*\()/",
            r"ANY_GROUP.3: /any(?=\s*\()/",
            r"USER.3: /user\./",
            f"NAME: /{NAME}/",
        ]
    )


def quoted(text: str) -> str:
    """A text as the language writes it: a JSON string, with letters as they are."""
    return json.dumps(text, ensure_ascii=False)


def named(name: str, reserved: frozenset[str] = frozenset()) -> str:
    """A name: bare if it can be, and is none of the reserved words."""
    return name if re.fullmatch(NAME, name) and name not in reserved else quoted(name)
