"""Maps of typed texts as JSON, a column at a time: what a delivery makes members of without a call for each value."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from hub.cohorts.mapped import EMPTIED, decode

_NUMBER = r"^-?[0-9]+(\.[0-9]+|(\.[0-9]+)?[eE][-+]?[0-9]+)$"
"""A number that JSON reads as a double: one without a fraction or an exponent it would not."""
_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON writes otherwise than it stands in a text."""


def documents(maps: pa.MapArray) -> pa.StringArray | None:
    """A JSON object and a comma for each of `maps` (target -> typed text): its values as `hub.cohorts.mapped.decode`
    reads them, those that are null left out. None when a value has no JSON that reads back as the same.
    """
    offsets = maps.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    targets, texts = (part.slice(first, last - first) for part in (maps.keys, maps.items))
    there = texts.is_valid()
    pairs = _pairs(targets.filter(there), texts.filter(there))
    if pairs is None:
        return None
    ends = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(there.to_numpy(zero_copy_only=False), out=ends[1:])
    lists = pa.ListArray.from_arrays(pa.array(ends[offsets - first]), pairs)
    return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "},", "")


def _pairs(targets: pa.StringArray, texts: pa.StringArray) -> pa.StringArray | None:
    """`"target":value` in JSON for each typed text."""
    kinds, rest = pc.utf8_slice_codeunits(texts, 0, 2), pc.utf8_slice_codeunits(texts, 2)
    is_text, is_nothing = pc.equal(kinds, "s:"), pc.equal(texts, EMPTIED)
    others = pc.invert(pc.or_(is_text, is_nothing))
    if not _read_alike(kinds.filter(others), rest.filter(others)):
        return None
    marks, values = pc.if_else(is_text, '"', ""), pc.if_else(is_nothing, "null", _escaped(rest, is_text))
    return pc.binary_join_element_wise(_names(targets), marks, values, marks, "")


def _names(targets: pa.StringArray) -> pa.StringArray:
    coded = targets.dictionary_encode()
    names = [f"{orjson.dumps(name).decode()}:" for name in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(names, pa.string())).cast(pa.string())


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
