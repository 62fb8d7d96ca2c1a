"""`hub mtu`: monthly tracked users, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hub.cli.context import print_json

if TYPE_CHECKING:
    from hub.people.mtu import Mtu


def show(found: Mtu, as_json: bool) -> None:
    """Print one month: as one sentence, or as one JSON object with `month`, `mtu` and `exempt_only`."""
    if as_json:
        print_json(found.figures())
        return
    typer.echo(
        f"{found.month}: {found.mtu:,} monthly tracked users; "
        f"{found.exempt_only:,} more had nothing but exempt events and do not count."
    )
