"""A cohort as a custom attribute: its name, and the object of `/users/track` that writes it.

Source: https://www.braze.com/docs/api/objects_filters/user_attributes_object/, and, for names,
https://www.braze.com/docs/user_guide/data/activation/custom_data/custom_attributes/.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from hub import MappingWrong, Member, SettingsWrong

EXTERNAL_ID, ALIAS, EMAIL = "$braze_external_id", "$braze_alias", "$email"
LONGEST_NAME = 255
LONGEST_EXTERNAL_ID = 987
"""Bytes: an external id has to stay under 988."""

STANDARD = frozenset({
    "country", "current_location", "date_of_first_session", "date_of_last_session", "dob", "email", "email_subscribe",
    "email_open_tracking_disabled", "email_click_tracking_disabled", "external_id", "facebook", "first_name", "gender",
    "home_city", "language", "last_name", "marked_email_as_spam_at", "phone", "push_subscribe", "push_tokens",
    "subscription_groups", "time_zone", "twitter", "braze_id", "user_alias",
})  # fmt: skip
"""Fields of Braze's own: no cohort may take one's name."""

IDENTIFIERS = frozenset({"external_id", "braze_id", "user_alias"})
CONSENT = frozenset({
    "email_subscribe", "push_subscribe", "subscription_groups", "email_open_tracking_disabled",
    "email_click_tracking_disabled", "marked_email_as_spam_at", "push_tokens",
})  # fmt: skip
"""Who may be written to is the recipient's word; no mapping says otherwise."""

_DUMMIES = frozenset({"null", "undefined", "0"})


def attribute_name(cohort: str) -> str:
    """The name of a cohort's attribute: small letters, digits and underscores, at most 255.

    Accents are dropped; what has none of these letters is named by a digest. `hub: Power users` is `hub_power_users`.
    """
    plain = unicodedata.normalize("NFKD", cohort).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not name:
        return f"cohort_{_digest(cohort)}"
    if name in STANDARD or name[0].isdigit():
        name = f"cohort_{name}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}_{_digest(cohort)}"


def track_object(
    member: Member, attribute: str, *, belongs: bool | None, create: bool, alias_label: str = ""
) -> dict[str, Any]:
    """One object of `attributes`: who it is, whether they belong to the cohort, and their mapped values.

    With `belongs` None membership is not written, only values are. `create` says whether Braze may make somebody whom
    it does not know. Raises SettingsWrong for an alias without its label.
    """
    values = {target: _plain(value) for target, value in member.values.items()}
    if member.match == EMAIL:  # who is known by an address has it; a second key would be another person
        values.pop("email", None)
        values.pop("phone", None)
    written: dict[str, Any] = {**_who(member, alias_label), "_update_existing_only": not create}
    if belongs is not None:
        written[attribute] = belongs
    return written | values


def refuse_targets(targets: Iterable[str]) -> None:
    """Raise MappingWrong for targets that a mapping cannot write: keys, consent, names that Braze does not take."""
    wrong = sorted(target for target in targets if _is_wrong(target))
    if wrong:
        raise MappingWrong(
            f"Braze has no attribute {', '.join(wrong)} that a mapping may write.",
            hint="A custom attribute's name has at most 255 characters and does not begin with $ or _. People's ids "
            "and their consent (email_subscribe, push_subscribe, subscription_groups) are never written by a mapping.",
        )


def fault_of_key(member: Member) -> tuple[str, str] | None:
    """Why Braze could do nothing with a member's external id: words and a code; None when it could.

    Ids such as `null` are made by broken exports, and gather the data of many people in one dummy user.
    """
    if member.match not in ("", EXTERNAL_ID):
        return None
    if member.key.strip().lower() in _DUMMIES:
        return f"{member.key!r} is no external id: everybody without one would become one user.", "dummy_external_id"
    if len(member.key.encode()) > LONGEST_EXTERNAL_ID:
        return f"The external id has more than {LONGEST_EXTERNAL_ID} bytes.", "long_external_id"
    return None


def alias(name: str, label: str) -> dict[str, str]:
    """A user alias. Raises SettingsWrong without a label."""
    if not label:
        raise SettingsWrong(
            "People are matched by $braze_alias, and the label of the aliases is not set.",
            hint="`hub connection edit NAME --set alias_label=LABEL`, or match by other keys.",
        )
    return {"alias_name": name, "alias_label": label}


def _who(member: Member, alias_label: str) -> Mapping[str, Any]:
    match member.match:
        case "$email":
            return {"email": member.key}
        case "$braze_alias":
            return {"user_alias": alias(member.key, alias_label)}
        case _:
            return {"external_id": member.key}


def _is_wrong(target: str) -> bool:
    if target in IDENTIFIERS | CONSENT or len(target) > LONGEST_NAME:
        return True
    return not target.strip() or target[0] in "$_"


def _plain(value: Any) -> Any:
    """Whole numbers without a fraction: the hub's numbers are floats, and Braze keeps the two apart."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _digest(cohort: str) -> str:
    return blake2b(cohort.encode(), digest_size=4).hexdigest()
