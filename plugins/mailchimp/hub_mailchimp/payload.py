"""How mapped values are written into Mailchimp's merge fields."""

from __future__ import annotations

import re
from typing import Any

import orjson

TEXT_BYTES = 255
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def as_text(value: Any) -> str:
    """A value as the text of a merge field.

    None clears the field; there is no boolean field, so true and false are words; 3.0 is `3`; a list is joined with
    commas. Mailchimp reads numbers and dates from text, and cuts text after 255 bytes.
    Source: https://mailchimp.com/developer/marketing/docs/merge-fields/
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)


def same_text(written: Any, read: Any) -> bool:
    """Whether what was written into a merge field is what is read there: text is cut after 255 bytes, blanks around it
    do not count, and a number field tells `7` for `007`."""
    sent, kept = (as_text(value).encode()[:TEXT_BYTES].decode(errors="ignore").strip() for value in (written, read))
    return sent == kept or (bool(_NUMBER.fullmatch(sent) and _NUMBER.fullmatch(kept)) and float(sent) == float(kept))


def field_tag(target: str) -> str:
    """A merge field's tag as Mailchimp spells it: upper case, with or without the signs of a merge tag around it."""
    return target.strip().removeprefix("*|").removesuffix("|*").upper()
