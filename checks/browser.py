"""`python -m checks.browser` (`make browser`): the official mixpanel-browser, in a page of jsdom, against a hub.

Needs node and npm. The page visits anonymously, logs in, sets a profile, buys, and sends a batch; afterwards
`hub person show` must hold all of it together as one person, in both identity systems.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from checks.serving import HUB, environment, free_port, serving

PAGE = Path(__file__).parent / "page"


def main() -> None:
    """Install the library from the npm registry when it is missing, visit, and compare."""
    if not shutil.which("npm"):
        sys.exit("This check needs node and npm: apt-get install nodejs npm")
    if not (PAGE / "node_modules").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=PAGE, check=True)
    for identity in ("simplified", "original"):
        with TemporaryDirectory() as folder:
            _visit(Path(folder) / "home", identity)


def _visit(home: Path, identity: str) -> None:
    environ = environment(home)
    subprocess.run([HUB, "init", "--identity", identity], env=environ, check=True, stdout=subprocess.DEVNULL)
    token = _hub(home, "token", "add")["token"]
    port = free_port()
    with serving(home, port):
        command = ["node", "visit.mjs", f"http://127.0.0.1:{port}", token]
        subprocess.run(command, cwd=PAGE, env={**os.environ}, check=True)
        found = _hub(home, "person", "show", "browser-user")
    problems = [*_problems(found)]
    if problems:
        sys.exit(f"{identity} identity: {'; '.join(problems)}\n{json.dumps(found, indent=1)}")
    print(f"{identity} identity: one person, {found['events']} events, profile as set.")


def _hub(home: Path, *arguments: str) -> Any:
    done = subprocess.run([HUB, *arguments, "--json"], env=environment(home), check=True, capture_output=True)
    return json.loads(done.stdout)


def _problems(found: dict[str, Any]) -> Any:
    profile = found["profile"]
    wanted = {"$email": "b@example.com", "plan": "pro", "visits": 2, "tags": ["a", "b"]}
    for name, value in wanted.items():
        if profile.get(name) != value:
            yield f"{name} is {profile.get(name)!r}, not {value!r}"
    events = sorted(event["event"] for event in found["last_events"] if not event["event"].startswith("$"))
    if events != ["Batched", "Batched", "Batched", "Page View", "Purchase"]:
        yield f"the events are {events}"
    if not any(each["id"].startswith("$device:") for each in found["ids"]):
        yield "the device is not linked"


if __name__ == "__main__":
    main()
