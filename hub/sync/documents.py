"""Typed texts as JSON, a column at a time: what a delivery makes members of without a call for each value."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from hub.cohorts.mapped import EMPTIED, decode, target_of

_NUMBER = r"^-?[0-9]+(\.[0-9]+|(\.[0-9]+)?[eE][-+]?[0-9]+)$"
"""A number that JSON reads as a double: one without a fraction or an exponent it would not."""
_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON writes otherwise than it stands in a text."""


def documents(values: pa.Array) -> pa.StringArray | None:
    """A JSON object and a comma for each row of `values` (`hub.cohorts.mapped.by_target`): its values as
    `hub.cohorts.mapped.decode` reads them, those that are null left out. None when a value has no JSON that reads back
    as the same.
    """
    members = []
    for target, texts in columns_of(values).items():
        written = _json(texts)
        if written is None:
            return None
        members.append(pc.binary_join_element_wise(f"{orjson.dumps(target).decode()}:", written, ",", "").fill_null(""))
    if not members:
        return pa.repeat(pa.scalar("{},"), len(values))
    # not with null_handling="skip": what is null in every column would not have a row any more (pyarrow 26)
    joined = pc.ascii_rtrim(pc.binary_join_element_wise(*members, ""), ",")
    return pc.binary_join_element_wise("{", joined, "},", "")


def columns_of(values: pa.Array) -> dict[str, pa.StringArray]:
    """The typed texts of each target, of a column of `hub.cohorts.mapped.by_target`."""
    if not pa.types.is_struct(values.type):
        return {}
    return {target_of(field.name): texts for field, texts in zip(values.type, values.flatten(), strict=True)}


def _json(texts: pa.StringArray) -> pa.StringArray | None:
    """The JSON of each typed text, null where there is none."""
    kinds, rest = pc.utf8_slice_codeunits(texts, 0, 2), pc.utf8_slice_codeunits(texts, 2)
    is_text, is_nothing = pc.equal(kinds, "s:"), pc.equal(texts, EMPTIED)
    others = pc.and_(pc.invert(pc.or_(is_text, is_nothing)), texts.is_valid())
    if not _read_alike(kinds.filter(others), rest.filter(others)):
        return None
    marks, values = pc.if_else(is_text, '"', ""), pc.if_else(is_nothing, "null", _escaped(rest, is_text))
    return pc.binary_join_element_wise(marks, values, marks, "")


def _escaped(rest: pa.StringArray, is_text: pa.BooleanArray) -> pa.StringArray:
    """Texts as they stand between the quotation marks of JSON."""
    content = np.frombuffer(rest.buffers()[2] or b"", np.uint8)
    if not ((content < 32) | (content == 34) | (content == 92)).any():
        return rest
    needed = pc.and_(is_text, pc.match_substring_regex(rest, _ESCAPED))
    written = [orjson.dumps(text)[1:-1].decode() for text in rest.filter(needed).to_pylist()]
    return pc.replace_with_mask(rest, needed, pa.array(written, pa.string()))


def _read_alike(kinds: pa.StringArray, rest: pa.StringArray) -> bool:
    """Whether JSON reads these values, which are no texts, as `decode` does."""
    is_number = pc.equal(kinds, "n:")
    if not pc.all(pc.match_substring_regex(rest.filter(is_number), _NUMBER), min_count=0).as_py():
        return False
    others = pc.binary_join_element_wise(kinds, rest, "").filter(pc.invert(is_number))
    return all(_reads_alike(text) for text in others.unique().to_pylist())


def _reads_alike(text: str) -> bool:
    try:
        return bool(orjson.loads(text[2:]) == decode(text))
    except ValueError:
        return False
