"""A hub in one file and back: of one instant, whatever happens meanwhile; whole or not at all; without the key."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hub.app import Hub
from hub.backup import image, restoring
from hub.backup.making import back_up
from hub.backup.restoring import restore
from hub.errors import AlreadyExists, Busy, InputError, Interrupted, NotInitialised, StoreError, UsageError
from hub.events.unpacking import zstd
from hub.intake.log import IntakeLog
from hub.intake.position import make_ready
from hub.lake.tables import EVENTS
from hub.settings import load
from hub.status import diagnose
from hub.store.store import Store
from hub.store.tables import leases
from tests.conftest import HUB
from tests.customers import NAMES, buy, in_cohort
from tests.intake.conftest import events as some
from tests.intake.conftest import events_arrival, one_more

AT_ONCE = 5


class Sender:
    """Sends entries to a hub's intake log from a thread, each with events and one addition to a counter."""

    def __init__(self, hub: Hub, first: int = 0) -> None:
        self._log = IntakeLog(hub.settings.intake_url)
        make_ready(self._log, hub.workspace.store, hub.workspace.lake)
        self.acknowledged = first
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self._thread.join()
        self._log.close()

    def _send(self) -> None:
        from tests.intake.conftest import AT

        while not self.ended.is_set():
            made = some(self.acknowledged * AT_ONCE, AT_ONCE)
            self._log.append([events_arrival(1, made, AT), one_more()])
            self.acknowledged += 1


def moving(hub: Hub, ended: threading.Event) -> threading.Thread:
    """Move what arrives in small steps, until `ended`."""

    def move() -> None:
        while not ended.is_set():
            hub.workspace.drain()

    thread = threading.Thread(target=move)
    thread.start()
    return thread


def ticked(hub: Hub) -> list[int]:
    """The numbers of the events in a hub, as questions see them."""
    with hub.workspace.reading() as reader:
        from hub.people.views import project_events

        rows = project_events(reader, hub.workspace.project)
        rows = rows.filter(rows.event == "Ticked").select(number=rows.numbers["n"])
        return sorted(int(value) for batch in reader.batches(rows) for value in batch.column(0).to_pylist())


def counter(hub: Hub) -> int:
    return int(hub.profiles.get("counter").properties["n"])


def test_copies_made_while_events_arrive_hold_a_whole_instant_and_go_on_from_there(hub, tmp_path):
    taken = []
    with Sender(hub) as sender:
        mover = moving(hub, sender.ended)
        while sender.acknowledged < 20:
            sender.ended.wait(0.01)
        for number in range(3):
            before = sender.acknowledged
            taken.append((before, back_up(hub.settings, tmp_path / f"{number}.backup")))
    mover.join()

    for number, (before, made) in enumerate(taken):
        home = load(tmp_path / f"home-{number}")
        restore(home, made.file)
        again = Hub.open(home.home)
        found = ticked(again)
        entries = len(found) // AT_ONCE

        assert entries >= before, "what was acknowledged before is there"
        assert found == [*range(entries * AT_ONCE)], "each once, and none that came after one that is missing"
        assert counter(again) == entries, "and as much of it in the control plane as in the lake"

    with Sender(again, first=entries) as sender:
        while sender.acknowledged < entries + 3:
            sender.ended.wait(0.01)
    assert ticked(again) == [*range(sender.acknowledged * AT_ONCE)]
    assert counter(again) == sender.acknowledged


def sent(hub: Hub, entries: int = 3) -> int:
    """Send some entries, and leave them in the intake log. Returns how many."""
    with Sender(hub) as sender:
        while sender.acknowledged < entries:
            sender.ended.wait(0.01)
    return sender.acknowledged


def test_nobody_writes_while_the_instant_is_taken(hub, tmp_path, monkeypatch):
    sent(hub)
    databases = [Store(url, {"busy_timeout": "0"}) for url in (hub.settings.control_plane_url, hub.settings.intake_url)]
    refused = []
    whole = image._pinned

    def tried(stack, file):
        for database in databases:
            with pytest.raises(StoreError, match="locked"), database.writing():
                pass
        refused.append(file.name)
        return whole(stack, file)

    monkeypatch.setattr(image, "_pinned", tried)
    back_up(hub.settings, tmp_path / "b")

    assert refused == ["hub.db", "intake.db"]


def test_what_was_moved_a_moment_before_the_instant_is_in_the_copy(hub, tmp_path, monkeypatch):
    entries, whole, moved = sent(hub), image._connected, []

    def late(file):
        if not moved:
            moved.append(hub.workspace.drain())
        return whole(file)

    monkeypatch.setattr(image, "_connected", late)
    restore(load(tmp_path / "new"), back_up(hub.settings, tmp_path / "b").file)

    again = Hub.open(tmp_path / "new")
    assert (len(ticked(again)), counter(again)) == (entries * AT_ONCE, entries)


def test_what_waited_to_be_moved_is_moved_once_after_the_restore(hub, tmp_path, monkeypatch):
    from hub.intake.mover import Mover

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    entries = sent(hub)
    with monkeypatch.context() as patched:
        patched.setattr(Mover, "_apply", killed)  # its events are in the lake, and nobody has noted that
        with pytest.raises(Killed):
            hub.workspace.drain()

    made = back_up(hub.settings, tmp_path / "b")
    restore(load(tmp_path / "again"), made.file)

    again = Hub.open(tmp_path / "again")
    assert made.manifest.holds["waiting"] == 2 * entries
    assert ticked(again) == [*range(entries * AT_ONCE)]
    assert counter(again) == entries


@pytest.fixture
async def restored(tiny, tmp_path):
    """Make a backup of the hub with the tiny partner, and restore it elsewhere."""

    def again(name: str = "again", **options: bool) -> Hub:
        back_up(tiny.settings, tmp_path / name)
        shutil.copy(tiny.settings.key_file, _made(tmp_path / f"home-{name}") / "secret.key")
        restore(load(tmp_path / f"home-{name}"), tmp_path / name, **options)
        found = Hub.open(tmp_path / f"home-{name}")
        found.plugins = tiny.plugins
        return found

    return again


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def test_a_restored_hub_goes_on_syncing_and_sends_everybody_once_to_be_sure(tiny, restored, tmp_path):
    from tests.sync.tiny import Tiny

    await tiny.syncs.run("s")
    again, moved = restored(), restored("moved", certain=True)
    buy(tiny, tmp_path, NAMES[:5], event="Returned", times=1)
    await tiny.syncs.run("s")  # the partner is told of what the copies do not know

    run = await again.syncs.run("s")
    assert (run.added, run.unchanged, Tiny.held["A"]) == (40, 0, in_cohort(again))
    assert (await again.syncs.run("s")).unchanged == 40
    assert (await moved.syncs.run("s")).unchanged == 40


async def test_an_interrupted_run_is_gone_on_with_in_the_restored_hub(tiny, restored):
    from tests.sync.test_removing import _interrupted
    from tests.sync.tiny import Tiny

    await _interrupted(tiny)
    with tiny.workspace.store.writing() as connection:  # as if its process were working still
        connection.execute(leases.insert().values(name="other", lease_owner="h:1:2:3"))
    again = restored(certain=True)

    run = await again.syncs.run("s")

    assert (run.resumed, run.added, Tiny.held["A"]) == (1, 40, in_cohort(again))
    with again.workspace.store.reading() as connection:
        assert connection.execute(select(func.count()).where(leases.c.lease_owner.isnot(None))).scalar() == 0


def test_the_command_line_saves_and_restores_and_the_key_stays_out(cli, home, partner, tmp_path):
    given = [f"--set={name}={value}" for name, value in partner.settings.items()]
    assert cli("connection", "add", "mailchimp", "news", *given).returncode == 0
    (home / "hub.toml").write_text(f'threads = 2\nkey = "{(home / "secret.key").read_text().strip()}"\n')

    saved = cli("backup", "hub.backup", "--json")
    restored = cli("restore", "hub.backup", HUB_HOME=str(tmp_path / "new"))
    keyless = cli("connection", "check", "news", HUB_HOME=str(tmp_path / "new"))
    shutil.copy(home / "secret.key", tmp_path / "new" / "secret.key")
    with_key = cli("connection", "check", "news", HUB_HOME=str(tmp_path / "new"), HUB_ALLOW_PRIVATE="true")

    assert json.loads(saved.stdout)["connections"] == 1
    assert (tmp_path / "hub.backup").stat().st_mode & 0o077 == 0
    content = zstd.decompress((tmp_path / "hub.backup").read_bytes())
    assert (home / "secret.key").read_bytes().strip() not in content
    assert partner.settings["api_key"].encode() not in content
    assert "put back" in restored.stderr
    assert (restored.returncode, keyless.returncode, with_key.returncode) == (0, 1, 0)
    assert (tmp_path / "new" / "hub.toml").read_text() == "threads = 2\n"


def events_in(home: Path) -> int:
    """How many events the hub in `home` has; it is not open afterwards."""
    hub = Hub.open(home)
    found = hub.status().events
    let_go(hub)
    return found


def let_go(hub: Hub) -> None:
    """Close every database that this process has open."""
    hub.workspace.store.engine.dispose()
    gc.collect()  # stores of fixtures that nobody names any more


def test_a_hub_that_is_there_is_replaced_on_purpose_only_and_never_while_somebody_has_it_open(hub, home, cli, tmp_path):
    made = back_up(hub.settings, tmp_path / "b").file
    buy(hub, tmp_path, NAMES[:1])

    unasked, asked = cli("restore", str(made)), cli("restore", str(made), "--replace")
    with pytest.raises(Busy, match="Another process has"):
        restore(hub.settings, made, replace=True)
    assert (unasked.returncode, asked.returncode) == (2, 2)
    assert "is now: 3 events, 1 project" in asked.stderr

    let_go(hub)
    assert events_in(home) == 3
    assert cli("restore", str(made), "--replace", "--yes").returncode == 0
    assert events_in(home) == 0
    assert [path.name for path in home.iterdir() if path.name.startswith(".re")] == []


def test_an_error_in_the_middle_of_replacing_leaves_the_old_hub(hub, home, tmp_path, monkeypatch):
    made = back_up(hub.settings, tmp_path / "b").file
    buy(hub, tmp_path, NAMES[:1])
    let_go(hub)
    whole, moves = shutil.move, []

    def failing(here, there):
        moves.append(here)
        if len(moves) == 9:
            raise OSError(28, "No space left on device")
        return whole(here, there)

    monkeypatch.setattr(restoring.shutil, "move", failing)
    with pytest.raises(StoreError, match="No space left"):
        restore(hub.settings, made, replace=True)

    assert events_in(home) == 3
    assert all(finding.ok for finding in diagnose(hub.settings))


KILLED = """
import os, shutil, sys
from pathlib import Path
from hub.backup.restoring import restore
from hub.settings import load

whole, moves = shutil.move, []

def move(here, there):
    moves.append(here)
    if len(moves) == 9:
        os._exit(9)
    return whole(here, there)

shutil.move = move
restore(load(Path(sys.argv[1])), Path(sys.argv[2]), replace=True)
"""


def test_who_is_killed_in_the_middle_of_replacing_leaves_no_half_hub_and_the_restore_can_be_repeated(
    hub, home, tmp_path
):
    made = back_up(hub.settings, tmp_path / "b").file
    buy(hub, tmp_path, NAMES[:1])
    let_go(hub)

    killed = subprocess.run([sys.executable, "-c", KILLED, str(home), str(made)], timeout=60, check=False)
    assert killed.returncode == 9
    with pytest.raises(NotInitialised):
        Hub.open(home)

    restore(hub.settings, made, replace=True)

    assert events_in(home) == 0
    assert [path.name for path in home.rglob(".re*")] == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda whole: b"nothing of the kind", "no backup of a hub"),
        (lambda whole: zstd.compress(b"no tar at all" * 100), "no backup of a hub"),
        (lambda whole: whole[: len(whole) * 2 // 3], "not whole"),
        (lambda whole: whole[:3000] + b"\x00" * 50 + whole[3050:], "broken"),
    ],
)
def test_what_is_no_whole_backup_is_told_and_leaves_nothing(hub, tmp_path, spoil, said):
    whole = back_up(hub.settings, tmp_path / "b").file.read_bytes()
    (tmp_path / "spoilt").write_bytes(spoil(whole))

    with pytest.raises(InputError, match=said):
        restore(load(tmp_path / "new"), tmp_path / "spoilt")

    assert restoring.present(load(tmp_path / "new")) == []


def test_a_backup_that_is_stopped_or_finds_no_room_leaves_nothing(hub, home, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        back_up(hub.settings, tmp_path / "stopped", stop=stop)
    full = subprocess.run(
        ["sh", "-c", f"ulimit -f 40; {HUB} backup full"],
        env={**os.environ, "HUB_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert full.returncode == 1
    assert full.stderr.startswith("Error: full cannot be written")
    assert {*tmp_path.iterdir()} == {home}


def test_a_control_plane_on_a_server_is_not_saved_and_what_to_do_is_told(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql+psycopg://u@127.0.0.1:1/x")

    with pytest.raises(UsageError) as caught:
        back_up(load(hub.settings.home), tmp_path / "b")

    assert "pg_dump" in caught.value.hint


def test_a_file_that_is_there_is_not_overwritten(hub, tmp_path):
    (tmp_path / "b").write_text("mine")

    with pytest.raises(AlreadyExists):
        back_up(hub.settings, tmp_path / "b")

    assert (tmp_path / "b").read_text() == "mine"
    for place in (tmp_path, Path("/dev/null"), tmp_path / "nowhere" / "b"):
        with pytest.raises(InputError):
            back_up(hub.settings, place, replace=True)
    assert back_up(hub.settings, tmp_path / "b", replace=True).size > 1000


def test_a_long_log_is_saved_from_its_newest_checkpoint_on(hub, tmp_path):
    for number in range(3):
        buy(hub, tmp_path, [f"n{number}"])
    hub.workspace.lake.snapshot(EVENTS).table.create_checkpoint()
    buy(hub, tmp_path, ["n3"])

    restore(load(tmp_path / "new"), back_up(hub.settings, tmp_path / "b").file)

    log = tmp_path / "new" / "lake" / "events" / "_delta_log"
    assert len([*log.glob("*.checkpoint.parquet")]) == 1
    assert Hub.open(tmp_path / "new").status().events == 12
