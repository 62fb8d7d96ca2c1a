"""Each partner's README as a newcomer follows it: its commands, word for word, against its sandbox, in a new home.

Slow, so it is no part of the test run. `python -m checks.partners [NAME ...]` prints what was typed and said, and ends
with exit code 1 when a command fails, or when what the README promises was not said.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

PLUGINS = Path(__file__).parents[1] / "plugins"
HUB = Path(sys.executable).with_name("hub")
DOOR = 8420
_HEADING = "## Try it without"
_PATIENCE = 60.0  # seconds until a server has to answer


@dataclass(frozen=True)
class Promise:
    """What has to be said, in this order; and of how many `hub mtu`, from the first, tracked users are the same."""

    said: tuple[str, ...]
    same_mtu: int


PROMISES: Mapping[str, Promise] = {
    "mailchimp": Promise((r"API Key Invalid|refused", r"38 added", r"2 rejected", r"4 removed", r"Nothing differs"), 3),
    "customerio": Promise((r"refused", r"38 added", r"2 rejected", r"4 removed", r"Nothing differs"), 2),
    "braze": Promise((r"refused", r"40 added", r"^38$", r"1 removed"), 2),
    "webhook": Promise((r"refused", r"40 added", r"4 removed", r'"size": ?36', r"user-7", r"user-8"), 2),
}


def main() -> None:
    """Follow the README of each partner that is named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m checks.partners", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PROMISES, []], help="partners; all without any")
    wrong = {name: found for name in parser.parse_args().names or PROMISES if (found := list(_wrong(name)))}
    if wrong:
        sys.exit(json.dumps(wrong, indent=2))
    print("Each README's commands did what it says.")


def _wrong(name: str) -> Iterator[str]:
    with TemporaryDirectory(prefix=f"partner-{name}-") as folder:
        code, said = _followed(name, Path(folder))
    if code:
        yield f"the commands ended with {code}"
    place = 0
    for promised in PROMISES[name].said:
        found = re.compile(promised, re.MULTILINE).search(said, place)
        if found is None:
            yield f"{promised!r} was not said after what came before it"
        else:
            place = found.end()
    mtu = re.findall(r"^\d{4}-\d\d: .*tracked users;.*$", said, re.MULTILINE)[: PROMISES[name].same_mtu]
    if len(mtu) < PROMISES[name].same_mtu or len({line.split(";")[0] for line in mtu}) != 1:
        yield f"tracked users did not stay as they were: {mtu}"


def _followed(name: str, folder: Path) -> tuple[int, str]:
    """Type what the README has under its heading; returns the exit code, and all that was said."""
    environment = {**os.environ, "HUB_HOME": str(folder / "home"), "PATH": f"{HUB.parent}:{os.environ['PATH']}"}
    script = folder / "typed.sh"
    script.write_text(_commands(name))
    subprocess.run([HUB, "init"], env=environment, check=True)
    with _running([HUB, "sandbox", name], environment), _running([HUB, "serve", "--port", str(DOOR)], environment):
        _wait_for(f"http://127.0.0.1:{DOOR}/health")
        _wait_for((folder / "home" / "sandbox" / name / "running.json").as_uri())  # there while it listens
        typed = subprocess.run(
            ["bash", "-euv", "-o", "pipefail", script],
            env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    print(typed.stdout)
    return typed.returncode, typed.stdout


def _commands(name: str) -> str:
    page = (PLUGINS / name / "README.md").read_text()
    section = page[page.index(_HEADING) :].split("\n## ")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


@contextmanager
def _running(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
