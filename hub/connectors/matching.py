"""By which keys a connection matches people: the partner's kinds of keys, as an operator has chosen and ordered them.

What the hub keeps of a member is known by one text: the value of its key, with `KIND:` in front when it is not of the
connector's first kind. So a text that is two people's, under two kinds, is two keys.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.connectors.contract import Connector, Matching, MatchKey, Member, Refusal

OWN_ID, USER_ID = "distinct_id", "$user_id"
"""The properties that stand for a person's own id."""

_GENERAL_WARNING = (
    "{label} knows people by {kind}, not by $user_id: message events that come back may be put down to somebody else "
    "with the same {kind}."
)


@dataclass(frozen=True)
class MatchOn:
    """One kind of key that a connection matches by.

    `kind` is the partner's (`MatchKey.property`); its values come from the profile property `property`, and compare as
    `normalize` says. `prefix` stands before them in the hub's books; a value that begins with one of `reserved` has its
    kind before it all the same.
    """

    kind: str
    property: str
    normalize: str = "exact"
    prefix: str = ""
    reserved: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.kind if self.kind == self.property else f"{self.kind}={self.property}"


class Kinds:
    """The kinds of keys of a connector, and how keys of each are written in the hub's books."""

    def __init__(self, matching: Matching) -> None:
        self._names = tuple(key.property for key in matching.keys)
        self._keys = {key.property: key for key in matching.keys}

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self._names) > 1

    def match_on(self, kind: str, property_name: str = "") -> MatchOn:
        """The kind of that name, with values from a profile property (its own if empty). Raises KeyError."""
        key: MatchKey = self._keys[kind]
        first = kind == self._names[0]
        reserved = tuple(f"{name}:" for name in self._names) if self.several and first else ()
        return MatchOn(kind, property_name or kind, key.normalize, "" if first else f"{kind}:", reserved)

    def usual(self) -> tuple[MatchOn, ...]:
        """All of them, in the partner's order of preference."""
        return tuple(self.match_on(name) for name in self._names)

    def text(self, key: str, kind: str = "") -> str:
        """How a key is written: `kind` of no kind at all is the first one."""
        if not self.several:
            return key
        first = self._names[0]
        if (kind or first) != first:
            return f"{kind}:{key}"
        return f"{first}:{key}" if any(key.startswith(f"{name}:") for name in self._names) else key

    def read(self, text: str) -> tuple[str, str]:
        """The key and its kind, of a text that `text` made."""
        if self.several:
            for name in self._names:
                if text.startswith(f"{name}:"):
                    return text[len(name) + 1 :], name
        return text, self._names[0]

    def read_all(self, texts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """As `read`, of many: the keys, and their kinds."""
        if not self.several:
            return texts, [self._names[0]] * len(texts)
        read = [self.read(text) for text in texts]
        return [key for key, _ in read], [kind for _, kind in read]

    def texts_of(self, members: Sequence[Member]) -> list[str]:
        """As `text_of`, of many."""
        return [self.text_of(member) for member in members] if self.several else [member.key for member in members]

    def text_of(self, named: Member | Refusal) -> str:
        """How the key of a member is written, or that of somebody who was refused."""
        return self.text(named.key, named.match)


def match_of(connector: type[Connector], chosen: str | Sequence[str]) -> tuple[MatchOn, ...]:
    """The keys that were chosen, in that order: `$email`, or `$email=work_email` for values from another property.

    One text has commas between them. A `$` in front of a kind may be left out; none chosen means the partner's own
    order. Raises UsageError, naming the kinds that the partner has.
    """
    words = chosen.split(",") if isinstance(chosen, str) else chosen
    kinds = Kinds(connector.matching)
    names = [key.property for key in connector.matching.keys]
    found: list[MatchOn] = []
    for word in filter(None, (word.strip() for word in words)):
        kind, equals, property_name = (part.strip() for part in word.partition("="))
        name = kind if kind in names else f"${kind}"
        if name not in names:
            raise _refused(connector, f"knows nobody by {kind}", kind, names)
        if equals and not property_name:
            raise _refused(connector, f"is told to match {kind} by no property", kind, names)
        if any(each.kind == name for each in found):
            raise _refused(connector, f"is told to match by {name} twice", kind, names)
        found.append(kinds.match_on(name, property_name))
    return tuple(found) or kinds.usual()


def match_texts(match: Iterable[MatchOn]) -> list[str]:
    """Keys as `match_of` reads them."""
    return [str(each) for each in match]


def identity_warning(connector: type[Connector], match: Sequence[MatchOn], identity: str) -> str:
    """What the users of a project with that identity have to be told of these keys; empty when there is nothing.

    Source: https://docs.mixpanel.com/docs/cohort-sync: under simplified identity the partner's id has to be `$user_id`;
    message events that come back by another property may be put down to the wrong person.
    """
    others = [each for each in match if each.property not in (OWN_ID, USER_ID)]
    if identity != "simplified" or not others:
        return ""
    said = connector.matching.simplified_identity_warning or _GENERAL_WARNING.format(
        label=connector.label, kind=" and ".join(each.property for each in others)
    )
    return f"{said} This project has simplified identity."


def _refused(connector: type[Connector], what: str, kind: str, names: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(kind, [*names, *(name.removeprefix("$") for name in names)], n=1)
    known = f"It knows them by {', '.join(names)}; for example --match '{names[0]}=my_property'."
    return UsageError(f"{connector.label} {what}.", hint=f"Did you mean {near[0]}? {known}" if near else known)
