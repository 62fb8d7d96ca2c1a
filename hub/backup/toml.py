"""A home's `hub.toml`, without some of its settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

from hub.errors import InputError


def without(text: str, names: Iterable[str]) -> str:
    """`text` without the lines of these settings. Raises InputError when they cannot be taken out."""
    try:
        wanted = {name: value for name, value in tomllib.loads(text).items() if name not in {*names}}
        kept = "".join(line for line in text.splitlines(keepends=True) if not _sets(line, names))
        if tomllib.loads(kept) == wanted:
            return kept
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"hub.toml cannot be read: {error}.", hint="Mend it first.") from error
    raise InputError(
        f"A setting of hub.toml ({', '.join(names)}) is spread over several lines.", hint="Write it on one line."
    )


def _sets(line: str, names: Iterable[str]) -> bool:
    found = re.match(r"""\s*["']?(\w+)["']?\s*=""", line)
    return found is not None and found[1] in {*names}
