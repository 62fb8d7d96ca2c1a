"""`hub worker`: real processes on a real PostgreSQL, killed and asked to end, beside a real sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
from datetime import timedelta

import psycopg
import pytest
import yaml
from sqlalchemy.engine import make_url

from hub.app import Hub
from hub.clock import now
from hub.running.worker_queue import schema_name
from hub.settings import Settings
from hub.store.tables import audiences
from tests.conftest import HUB
from tests.customers import buy, describe, in_cohort, know, tagged
from tests.running.test_daemon import DOCUMENT, until

CROWD = [f"c{number:05}" for number in range(3_000)]


@pytest.fixture
def home(tmp_path, homes_on_postgresql):
    with homes_on_postgresql.new(tmp_path / "home") as made:
        yield made


def worker(home) -> subprocess.Popen[str]:
    environment = {**os.environ, "HUB_HOME": str(home)}
    return subprocess.Popen([HUB, "worker"], env=environment, stderr=subprocess.PIPE, text=True)


def jobs(home) -> int:
    url = make_url(Hub.open(home).settings.database_url)
    with psycopg.connect(dbname=url.database, host=url.query["host"], user="postgres") as connection:
        found = connection.execute(f"SELECT count(*) FROM {schema_name()}.procrastinate_jobs WHERE task_name = 'work'")
        return found.fetchone()[0]


async def test_what_a_killed_worker_had_in_hand_is_gone_on_with_here_at_once_and_elsewhere_when_its_lease_ends(
    connected, partner, home, tmp_path
):
    buy(connected, tmp_path, CROWD)
    describe(connected, tmp_path, CROWD)
    know(partner, CROWD)
    connected.syncs.start("loyal", "news", every=timedelta(hours=2))
    partner.admin.fault(kind="latency", seconds=0.5, count=None)

    workers = [worker(home)]
    try:
        until(lambda: partner.admin.requests(writing=True))
        workers[0].kill()
        workers[0].wait()
        with connected.workspace.store.writing() as connection:  # as a worker of another machine would have left it
            held = connection.execute(audiences.select()).first()
            connection.execute(
                audiences.update().values(lease_owner="elsewhere:1:1:abc", lease_until=now() + timedelta(seconds=6))
            )
        assert held.lease_owner
        began = len(partner.admin.requests(writing=True))
        workers.append(worker(home))
        until(lambda: len(partner.admin.requests(writing=True)) > began)
        workers[1].kill()  # and this one is of this very machine
        workers[1].wait()
        partner.admin.clear_faults()
        workers += [worker(home), worker(home)]
        until(lambda: connected.syncs.get("loyal-news").last_run.finished)
        assert tagged(partner) == in_cohort(connected)
        assert connected.syncs.get("loyal-news").last_run.resumed == 2
        until(lambda: jobs(home) == 0)
        for each in workers[2:]:
            each.send_signal(signal.SIGTERM)
        said = [each.communicate(timeout=30)[1] for each in workers[2:]]
        assert [each.returncode for each in workers[2:]] == [0, 0]
        assert sum("loyal-news: run 1: done" in text for text in said) == 1
        assert "Traceback" not in "".join(said)
    finally:
        for each in workers:
            if each.poll() is None:
                each.kill()
            each.communicate()


@pytest.mark.embedded
def test_on_sqlite_a_worker_says_that_a_daemon_does_it(tmp_path, homes):
    with homes.new(tmp_path / "embedded") as home:
        done = subprocess.run(
            [HUB, "worker"], env={**os.environ, "HUB_HOME": str(home)}, capture_output=True, text=True, check=False
        )

    assert done.returncode == 2
    assert "hub daemon" in done.stderr


def test_the_compose_file_of_the_page_can_be_read_and_names_what_there_is():
    page = (DOCUMENT.parent / "fleet.md").read_text()
    services = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["services"]

    assert {"postgres", "init", "serve", "worker"} == services.keys()
    commands = {service["command"].split()[1] for name, service in services.items() if name != "postgres"}
    assert commands == {"init", "serve", "worker"}
    fields = {f"HUB_{name.upper()}" for name in Settings.model_fields}
    assert set(services["worker"]["environment"]) <= fields
