"""The first delivery against peers: dlt's custom destination, at its defaults and tuned, and drt.

They are installed into a folder of their own (`make bench-peers`), read the same members from the same Parquet file and
post to the same receiver; the hub's figure is its whole run. Who is slow is given fewer people; the rate is compared.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.syncing import people
from benchmarks.syncing.measuring import Turn, contend

VENV = Path(__file__).parent / ".peers"
NEEDED = ("dlt[parquet,duckdb]", "drt-core", "httpx", "orjson", "duckdb", "pyarrow")
SHARE = {"dlt": 20, "dlt-tuned": 1, "drt": 4}
"""A peer is given one in so many of the people."""


def install() -> None:
    """Make the peers' own environment, once."""
    if not (VENV / "bin" / "drt").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(VENV / "bin" / "pip"), "install", "--quiet", *NEEDED], check=True)


def measure(url: str, folder: Path, count: int, ours: Turn) -> None:
    """Print members a second of each, and how many times as fast the hub is."""
    install()
    rate, delivering = count / ours.wall, count / ours.told["timings"]["deliver"]
    print(f"peers, members a second; hub {rate:,.0f} (whole run), {delivering:,.0f} (delivery)")
    for peer, share in SHARE.items():
        members = people.made(folder, count // share) / "members.parquet"
        work = folder / f"peer-{peer}"
        script = str(Path(__file__).parent / "peer.py")
        turn = contend(url, script, peer, url, str(members), str(work), python=str(VENV / "bin" / "python"))
        theirs = count // share / turn.wall
        print(
            f"  {peer:<10}{theirs:>10,.0f}  ({count // share:,} members, {turn.received['requests']:,} requests, "
            f"{turn.words()}); hub {rate / theirs:.1f} times as fast"
        )
