"""The key by which a partner knows a member: the first, in the connection's order, of which the person has a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    from hub.connectors.matching import MatchOn

SHAPES = {"email": r"^[^@\s]+@[^@\s]+$", "phone": r"^\+[1-9][0-9]{6,14}$"}
"""What a value of this normalisation looks like, once it is normalised; whatever does not is invalid."""


def key_columns(values: Sequence[tuple[MatchOn, ibis.Value]]) -> dict[str, ibis.Value]:
    """`key`, as the hub's books have it (`hub.connectors.matching`), null without one; and `invalid`.

    `values` are normalised, in order of preference. `invalid` is for those without a key: the normalisation whose
    rules their value breaks (`email`, `phone`), null when they have no value at all.
    """
    keys, wrong = [], []
    for on, value in values:
        shape = SHAPES.get(on.normalize)
        sound = value.re_search(shape) if shape else None
        text = _text(on, value)
        keys.append(text if sound is None else sound.ifelse(text, ibis.null("string")))
        if sound is not None:
            wrong.append((~sound).ifelse(on.normalize, ibis.null("string")))
    key = ibis.coalesce(*keys) if len(keys) > 1 else keys[0]
    if not wrong:
        return {"key": key, "invalid": ibis.null("string")}
    broken = ibis.coalesce(*wrong) if len(wrong) > 1 else wrong[0]
    return {"key": key, "invalid": key.isnull().ifelse(broken, ibis.null("string")) if len(keys) > 1 else broken}


def _text(on: MatchOn, value: ibis.Value) -> ibis.Value:
    if on.prefix:
        return ibis.literal(on.prefix).concat(value)
    if not on.reserved:
        return value
    looks_prefixed = ibis.or_(*(value.startswith(prefix) for prefix in on.reserved))
    return looks_prefixed.ifelse(ibis.literal(f"{on.kind}:").concat(value), value)


def normalised_text(text: str, how: str) -> str:
    """A value as partners compare it, as of `hub.people.views.normalised`."""
    if how == "phone":
        return re.sub("^00", "+", re.sub(r"[\s().\-/]+", "", text))
    return text.strip().lower() if how == "email" else text


def sound(text: str, how: str) -> str | None:
    """A normalised value; None when it is empty, or breaks the rules of its normalisation."""
    shape = SHAPES.get(how)
    return text if text and (shape is None or re.search(shape, text)) else None
