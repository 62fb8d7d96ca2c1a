"""How mapped values are written into Mailchimp's merge fields."""

from __future__ import annotations

from typing import Any

import orjson


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


def field_tag(target: str) -> str:
    """A merge field's tag as Mailchimp spells it: upper case, with or without the signs of a merge tag around it."""
    return target.strip().removeprefix("*|").removesuffix("|*").upper()
