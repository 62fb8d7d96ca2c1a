"""The sandbox toolkit, tried with a tiny partner of its own over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.errors import HubError, UsageError
from hub.testing.sandbox import (
    ConcurrencyLimit,
    Fault,
    Faults,
    Lagging,
    Limit,
    RateLimit,
    Running,
    Sandbox,
    open_database,
    running,
    serve,
    transaction,
)


class Notebook(Sandbox):
    """A partner that keeps notes: POST /notes {"keys": [...]}, GET /notes."""

    name = "notebook"
    label = "Notebook"
    default_port = 0

    def __init__(self, home: Path, limits: list[Limit] | None = None, **options: Any) -> None:
        self._wanted = limits
        super().__init__(home, **options)
        self._db = open_database(home / "notes.db", "CREATE TABLE IF NOT EXISTS notes (key TEXT)")

    def account_limits(self) -> list[Limit]:
        return self._wanted or [ConcurrencyLimit(None)]

    def settings(self, url: str) -> dict[str, str]:
        return {"base_url": url, "token": "t0p"}

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        return json.loads(body)["keys"] if method == "POST" else None

    def app(self) -> Starlette:
        async def add(request: Request) -> Response:
            with transaction(self._db):
                self._db.executemany("INSERT INTO notes VALUES (?)", [(k,) for k in (await request.json())["keys"]])
            return JSONResponse({"ok": True, "filler": "x" * 200})

        async def notes(request: Request) -> Response:
            return JSONResponse([row["key"] for row in self._db.execute("SELECT key FROM notes")])

        return Starlette(routes=[Route("/notes", add, methods=["POST"]), Route("/notes", notes)])

    def admin_routes(self) -> list[Route]:
        async def shout(request: Request) -> Response:
            """Shout a note."""
            return JSONResponse({"shout": "HI"})

        return [Route("/_sandbox/shout", shout, methods=["POST"])]

    def reset(self) -> None:
        self._db.execute("DELETE FROM notes")

    def state(self) -> dict[str, Any]:
        return {"notes": self._db.execute("SELECT count(*) FROM notes").fetchone()[0]}

    def close(self) -> None:
        self._db.close()
        super().close()


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Running]:
    with running(Notebook(tmp_path, keep_bodies=True)) as partner:
        yield partner


def post(partner: Running, *keys: str, **options: Any) -> httpx.Response:
    return httpx.post(f"{partner.url}/notes", json={"keys": keys}, **options)


def notes(partner: Running) -> list[str]:
    return httpx.get(f"{partner.url}/notes").json()


def test_a_request_is_recorded_with_what_it_asked_and_how_it_ended(notebook: Running) -> None:
    post(notebook, "ann", "bob", params={"page": "2"})

    [seen] = notebook.admin.requests(keys=True)
    assert (seen["method"], seen["path"], seen["query"], seen["status"]) == ("POST", "/notes", "page=2", 200)
    assert (seen["items"], seen["keys"], seen["dropped"], seen["fault"]) == (2, ["ann", "bob"], False, None)
    assert seen["milliseconds"] > 0


def test_secrets_are_never_recorded(notebook: Running, tmp_path: Path) -> None:
    post(notebook, "ann", headers={"Authorization": "Bearer s3cr3t-a"}, params={"api_key": "s3cr3t-b", "page": "1"})

    assert notebook.admin.requests()[0]["query"] == "api_key=%2A%2A%2A&page=1"
    on_disk = b"".join(path.read_bytes() for path in tmp_path.glob("requests.db*"))
    assert b"page=1" in on_disk
    assert b"s3cr3t" not in on_disk


def test_a_batch_that_was_sent_twice_is_named_with_both_numbers(notebook: Running) -> None:
    post(notebook, "ann")
    post(notebook, "bob")
    post(notebook, "ann")

    [repeat] = notebook.admin.repeats()
    assert (repeat["seqs"], repeat["items"]) == ([1, 3], 1)


def test_a_kept_body_is_found_by_its_digest(notebook: Running) -> None:
    post(notebook, "ann")

    digest = notebook.admin.requests()[0]["digest"]
    assert httpx.get(f"{notebook.url}/_sandbox/bodies/{digest}").json() == {"keys": ["ann"]}
    assert httpx.get(f"{notebook.url}/_sandbox/bodies/unknown").status_code == 404


def test_the_record_can_be_read_on_from_a_number_and_for_writing_calls_alone(notebook: Running) -> None:
    post(notebook, "ann")
    notes(notebook)
    post(notebook, "bob")

    assert [seen["seq"] for seen in notebook.admin.requests(writing=True)] == [1, 3]
    assert [seen["seq"] for seen in notebook.admin.requests(since=2)] == [3]


def test_the_record_survives_a_restart_and_numbers_go_on(tmp_path: Path) -> None:
    with running(Notebook(tmp_path)) as partner:
        post(partner, "ann")
    with running(Notebook(tmp_path)) as partner:
        notes(partner)

        assert [seen["seq"] for seen in partner.admin.requests()] == [1, 2]


def test_admin_calls_are_not_recorded_and_not_faulted(notebook: Running) -> None:
    notebook.admin.fault(kind="status", count=None)

    assert notebook.admin.state()["faults"] == 1
    assert notebook.admin.requests() == []


def test_a_queued_fault_fires_exactly_count_times(notebook: Running) -> None:
    notebook.admin.fault(kind="status", status=503, count=3, method="POST")

    assert [post(notebook, str(n)).status_code for n in range(5)] == [503, 503, 503, 200, 200]
    assert notes(notebook) == ["3", "4"]
    assert notebook.admin.faults()[0]["fired"] == 3


def test_a_fault_can_let_requests_pass_first(notebook: Running) -> None:
    notebook.admin.fault(kind="status", status=500, after=2)

    assert [post(notebook, str(n)).status_code for n in range(4)] == [200, 200, 500, 200]


def test_a_fault_meets_only_the_method_path_and_pattern_it_names(notebook: Running) -> None:
    notebook.admin.fault(kind="status", method="post", path="/no", regex="tes$", count=None)

    assert post(notebook, "ann").status_code == 500
    assert httpx.get(f"{notebook.url}/notes").status_code == 200
    assert httpx.post(f"{notebook.url}/other", json={"keys": []}).status_code == 404


def test_an_answer_lost_after_the_commit_is_committed(notebook: Running) -> None:
    notebook.admin.fault(kind="answer_lost")

    with pytest.raises(httpx.TransportError):
        post(notebook, "ann")

    assert notes(notebook) == ["ann"]
    lost = notebook.admin.requests(writing=True)[0]
    assert (lost["dropped"], lost["fault"], lost["status"]) == (True, "answer_lost", 200)


def test_a_connection_cut_before_the_commit_leaves_nothing(notebook: Running) -> None:
    notebook.admin.fault(kind="cut_before_commit")

    with pytest.raises(httpx.TransportError):
        post(notebook, "ann")

    assert notes(notebook) == []
    assert notebook.admin.requests(writing=True)[0]["status"] is None


def test_half_a_body_breaks_off_after_the_commit(notebook: Running) -> None:
    notebook.admin.fault(kind="half_body")

    with pytest.raises(httpx.RemoteProtocolError, match="received 1"):
        post(notebook, "ann")

    assert notes(notebook) == ["ann"]


def test_a_nonsense_body_comes_with_a_good_status_after_the_commit(notebook: Running) -> None:
    notebook.admin.fault(kind="nonsense")

    answer = post(notebook, "ann")

    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert notes(notebook) == ["ann"]


@pytest.mark.parametrize(
    ("fault", "content_type", "body"),
    [
        ({"status": 502, "body": "<html>Bad gateway</html>"}, "text/html; charset=utf-8", "<html>Bad gateway</html>"),
        ({"status": 403, "body": ""}, None, ""),
        ({"status": 400, "body": {"code": 7}}, "application/json", '{"code":7}'),
        ({"status": 500}, "application/json", '{"error":"a fault on demand"}'),
    ],
)
def test_a_status_fault_has_the_body_it_was_given_or_the_partners_own(
    notebook: Running, fault: dict[str, Any], content_type: str | None, body: str
) -> None:
    notebook.admin.fault(kind="status", **fault)

    answer = post(notebook, "ann")

    assert (answer.status_code, answer.text) == (fault["status"], body)
    assert answer.headers.get("content-type") == content_type


def test_a_429_comes_with_or_without_retry_after(notebook: Running) -> None:
    notebook.admin.fault(kind="status", status=429, retry_after=7)
    notebook.admin.fault(kind="status", status=429)

    assert post(notebook, "ann").headers["retry-after"] == "7"
    assert "retry-after" not in post(notebook, "ann").headers


def test_an_error_can_hide_that_the_work_was_done(notebook: Running) -> None:
    notebook.admin.fault(kind="status", status=502, after_commit=True)

    assert post(notebook, "ann").status_code == 502
    assert notes(notebook) == ["ann"]


def test_latency_adds_to_another_fault(notebook: Running) -> None:
    notebook.admin.fault(kind="latency", seconds=0.2)
    notebook.admin.fault(kind="status", status=500)

    assert post(notebook, "ann").status_code == 500
    assert notebook.admin.requests()[0]["milliseconds"] >= 200


def test_a_client_that_gave_up_waiting_is_recorded_as_dropped_and_the_work_is_done(notebook: Running) -> None:
    notebook.admin.fault(kind="latency", seconds=0.3)

    with pytest.raises(httpx.ReadTimeout):
        post(notebook, "ann", timeout=0.05)

    deadline = time.monotonic() + 5
    while notebook.admin.requests()[0]["milliseconds"] is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert notebook.admin.requests()[0]["dropped"] is True
    assert notes(notebook) == ["ann"]


def test_probable_faults_repeat_with_their_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(Fault.model_validate({"kind": "status", "probability": 0.3, "count": None, "seed": seed}))
        return [faults.strike("POST", "/x").fault is not None for _ in range(200)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"kind": "earthquake"}, "kind"),
        ({"kind": "status", "staus": 1}, "staus"),
        ({"kind": "status", "regex": "("}, "regex"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_name(notebook: Running, fault: dict[str, Any], named: str) -> None:
    answer = httpx.post(f"{notebook.url}/_sandbox/faults", json=[{"kind": "status"}, fault])

    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert notebook.admin.faults() == []


def test_a_fault_can_be_taken_away(notebook: Running) -> None:
    first = notebook.admin.fault(kind="status", status=500, count=None)
    notebook.admin.fault(kind="status", status=501)

    assert httpx.delete(f"{notebook.url}/_sandbox/faults/{first}").status_code == 204
    assert post(notebook, "ann").status_code == 501
    notebook.admin.clear_faults()
    assert notebook.admin.faults() == []


def test_one_more_than_the_limit_at_once_is_refused(tmp_path: Path) -> None:
    with running(Notebook(tmp_path, [ConcurrencyLimit(3)])) as partner:
        partner.admin.fault(kind="latency", seconds=0.5, count=None)
        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(answer.status_code for answer in pool.map(lambda n: post(partner, str(n)), range(4)))

        assert statuses == [200, 200, 200, 429]
        assert partner.admin.state()["limits"]["concurrency"] == {"limit": 3, "now": 0, "highest": 4, "refused": 1}
        assert len(notes(partner)) == 3


def test_each_credential_has_its_own_places(tmp_path: Path) -> None:
    with running(Notebook(tmp_path, [ConcurrencyLimit(1)])) as partner:
        partner.admin.fault(kind="latency", seconds=0.5, count=None)
        with ThreadPoolExecutor(2) as pool:
            headers = [{"Authorization": "a"}, {"Authorization": "b"}]
            statuses = [each.status_code for each in pool.map(lambda h: post(partner, "x", headers=h), headers)]

        assert statuses == [200, 200]


def test_a_rate_limit_refuses_and_tells_when_to_come_back(tmp_path: Path) -> None:
    with running(Notebook(tmp_path, [RateLimit(2, seconds=60)])) as partner:
        answers = [post(partner, str(n)) for n in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert partner.admin.state()["limits"]["rate"]["refused"] == 1


def test_help_lists_every_endpoint_with_its_sentence(notebook: Running) -> None:
    listed = {(one["method"], one["path"]): one["what"] for one in notebook.admin.get("/")["endpoints"]}

    assert listed[("POST", "/_sandbox/shout")] == "Shout a note."
    assert ("DELETE", "/_sandbox/faults") in listed
    assert all(listed.values())


def test_reset_goes_back_to_the_first_start(notebook: Running) -> None:
    post(notebook, "ann")
    notebook.admin.fault(kind="status")

    notebook.admin.reset()

    state = notebook.admin.state()
    assert (state["partner"], state["requests"], state["faults"]) == ({"notes": 0}, 0, 0)


def test_while_it_listens_a_private_file_tells_where(tmp_path: Path) -> None:
    with running(Notebook(tmp_path)) as partner:
        note = tmp_path / "running.json"
        assert json.loads(note.read_text()) == {
            "url": partner.url,
            "pid": os.getpid(),
            "settings": {"base_url": partner.url, "token": "t0p"},
        }
        assert stat.S_IMODE(note.stat().st_mode) == 0o600

    assert not note.exists()


def test_a_second_sandbox_of_one_home_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with running(Notebook(tmp_path)) as first:
        with pytest.raises(HubError, match=f"already, at {first.url}"):
            serve(Notebook(tmp_path), port=0)

        assert json.loads((tmp_path / "running.json").read_text())["url"] == first.url


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(UsageError, match=f"There is no port {port}"):
        serve(Notebook(tmp_path), port=port)


def test_a_taken_port_is_an_error_for_people(notebook: Running, tmp_path: Path) -> None:
    port = int(notebook.url.rpartition(":")[2])

    with pytest.raises(HubError, match=f"cannot listen on 127.0.0.1, port {port}"):
        serve(Notebook(tmp_path / "second"), port=port)


PROGRAM = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("toolkit", sys.argv[1])
toolkit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toolkit)
toolkit.serve(toolkit.Notebook(pathlib.Path(sys.argv[2])), port=0, on_ready=lambda it: print(it.url, flush=True))
print("ended well", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_served_sandbox_well(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, __file__, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    killer = threading.Timer(30, process.kill)
    killer.start()
    url = process.stdout.readline().strip()
    assert httpx.post(f"{url}/notes", json={"keys": ["ann"]}).status_code == 200
    assert (tmp_path / "running.json").exists()

    process.send_signal(number)
    rest = process.stdout.read()

    killer.cancel()
    assert (process.wait(), rest) == (0, "ended well\n")
    assert not (tmp_path / "running.json").exists()


def test_a_killed_sandbox_has_kept_what_it_answered(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, __file__, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    httpx.post(f"{url}/notes", json={"keys": ["ann"]})

    process.kill()
    process.wait()

    with running(Notebook(tmp_path)) as partner:
        assert notes(partner) == ["ann"]
        assert partner.admin.requests()[0]["items"] == 1


def test_a_lagging_figure_is_computed_again_only_when_it_is_old() -> None:
    asked: list[int] = []
    slow, present = Lagging[str, int](3600), Lagging[str, int](0)

    def count() -> int:
        asked.append(1)
        return len(asked)

    assert (slow.get("a", count), slow.get("a", count)) == (1, 1)
    slow.clear()
    assert slow.get("a", count) == 2
    assert (present.get("a", count), present.get("a", count)) == (3, 4)
