"""The plugin tutorial, word for word, in a clean environment; and the example package beside it.

`make tutorial` builds the hub's wheel and runs every block of docs/plugins/tutorial.md in one shell, in an empty
folder, as a newcomer would: `pip install cohort-hub` finds the wheel and takes the rest from the registry. Afterwards
examples/hub-slack-digest is installed there, and must be in `hub plugin list`, in the terminal UI's choice of
connectors, and in a sync. With `--linked` the libraries of this environment are used instead of the registry's:
quicker, and less clean.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "plugins" / "tutorial.md"
EXAMPLE = ROOT / "examples" / "hub-slack-digest"
BLOCK = re.compile(r"<!-- tutorial(?:: ([a-z ]+))? -->\n```sh\n(.*?)```", re.DOTALL)
PORT = 8890
"""The port of the tutorial's sandbox."""

SECOND_TERMINAL = """
( {command} ) &
PARTNER=$!
trap 'kill $PARTNER' EXIT
{{ set +x; }} 2> /dev/null
until [ -e "$HUB_HOME"/sandbox/{name}/running.json ]; do kill -0 $PARTNER; sleep 0.1; done
set -x
"""

EXAMPLE_SCRIPT = """
source .venv/bin/activate
cd hub-acme
export HUB_HOME=$PWD/try
pip install --quiet {example}
hub plugin list | grep slack-digest
hub plugin check slack-digest
{terminal}
export NOTE=$HUB_HOME/sandbox/slack-digest/running.json
url=$(python -c "import json, os; print(json.load(open(os.environ['NOTE']))['settings']['webhook_url'])")
hub connection add slack-digest team --set webhook_url=$url
hub sync start buyers team --every 1d
hub sync run buyers-team
curl --silent --fail http://127.0.0.1:8871/_sandbox/messages | grep 'ann@example.com'
python {choice}
"""

CHOICE = '''
"""Whether the terminal UI offers both plugins where a connection is made."""
import asyncio
from pathlib import Path
import os
from textual.widgets import Select
from hub.app import Hub
from tui.app import HubApp
from tui.screens.connect import ConnectScreen


async def offered():
    app = HubApp(Hub.open(Path(os.environ["HUB_HOME"])))
    async with app.run_test() as pilot:
        await app.push_screen(ConnectScreen(app.session))
        for _ in range(200):
            await pilot.pause(0.05)
            found = [str(label) for select in app.screen.query(Select) for label, _ in select._options]
            if found:
                return found


found = asyncio.run(offered())
assert any("Acme" in label for label in found) and any("Slack" in label for label in found), found
print("The terminal UI offers:", ", ".join(found))
'''


def script() -> str:
    """Every block of the page as one script; what runs in a second terminal is waited for until it listens."""
    parts = []
    for kind, block in BLOCK.findall(PAGE.read_text()):
        name = block.split()[-1]
        parts.append(SECOND_TERMINAL.format(command=block.strip(), name=name) if kind == "second terminal" else block)
    return "\n".join(parts)


def run(commands: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a script in `folder`, showing each command, stopping at the first that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-xc", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The tutorial fails with exit code {done.returncode}; the last command above is where.")


def built(folder: Path) -> Path:
    """The hub's wheel, made of this checkout."""
    wheels = folder / "wheels"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True)
    return wheels


def linked(folder: Path, wheels: Path) -> str:
    """Lines that make an environment whose libraries are this one's, and whose hub is the wheel."""
    site = sysconfig.get_paths()["purelib"]
    return f"""
python3 -m venv .venv
source .venv/bin/activate
echo {site} > "$(python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/linked.pth"
pip install --quiet --no-deps --force-reinstall {wheels}/*.whl "pytest<9"
"""


def main() -> None:
    """Follow the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--linked", action="store_true", help="use the libraries of this environment")
    parser.add_argument("--keep", action="store_true", help="leave the folder, to look at it")
    chosen = parser.parse_args()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise SystemExit(f"Something listens on port {PORT}, where the tutorial's sandbox is to listen.")
    started, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="hub-tutorial-"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTHON", "VIRTUAL_ENV"))}
    try:
        wheels = built(folder)
        environment = {**kept, "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
        commands = script()
        if chosen.linked:
            first = BLOCK.findall(PAGE.read_text())[0][1]
            commands = commands.replace(first, linked(folder, wheels) + first.splitlines()[-1])
        run(commands, folder, environment)
        (folder / "choice.py").write_text(CHOICE)
        terminal = SECOND_TERMINAL.format(command="hub sandbox slack-digest", name="slack-digest")
        run(EXAMPLE_SCRIPT.format(example=EXAMPLE, terminal=terminal, choice=folder / "choice.py"), folder, environment)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder)
    print(f"The tutorial works word for word, and so does the example: {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
