"""The command line: one file a noun. It holds no rules of its own: it calls `hub.app`."""

from __future__ import annotations


def main() -> None:
    """Run `hub`. Entry point of the installed command."""
    from hub.cli.root import run

    run()
