"""`hub serve` as a process: how it starts, how it ends, and what it does without a disk to write to."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from hub.app import Hub
from hub.errors import HubError, UsageError
from hub.server.serving import serve
from hub.settings import load
from tests.server.conftest import event, serving


@pytest.fixture
def token(hub) -> str:
    """A token of the only project."""
    return hub.tokens.add()[1]


def test_what_keeps_it_from_starting_is_told_in_a_sentence(hub):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HubError, match=f"cannot listen on 127.0.0.1, port {port}"):
            serve(hub, host="127.0.0.1", port=port, on_ready=print)
    with pytest.raises(UsageError, match="no port 70000"):
        serve(hub, host="127.0.0.1", port=70_000, on_ready=print)
    with pytest.raises(UsageError, match=r"no address 192\.0\.2\.1"):
        serve(hub, host="192.0.2.1", port=0, on_ready=print)
    with pytest.raises(UsageError, match="no address no-such-host"):
        serve(hub, host="no-such-host.invalid", port=0, on_ready=print)


@pytest.mark.parametrize("trusted", ["caddy", "127.0.0.1, 10.0.0.0/33"])
def test_a_proxy_that_would_never_be_trusted_is_told(home, monkeypatch, trusted):
    monkeypatch.setenv("HUB_SERVER_TRUSTED_PROXIES", trusted)
    with pytest.raises(UsageError, match="neither an address nor a network"):
        load(home)


def test_a_signal_ends_it_when_the_request_in_hand_is_answered(hub, home, token):
    with serving(home) as served:
        body = b'[{"event": "Bought", "properties": {"token": "%s", "distinct_id": "ann"}}]' % token.encode()
        where = httpx.URL(served.url)
        with socket.create_connection((where.host, where.port), timeout=30) as client:
            client.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:20])
            wait_until_it_is_read(served.url)
            served.process.send_signal(signal.SIGTERM)
            wait_until_nobody_listens(where)
            client.sendall(body[20:])
            assert client.makefile("rb").read().endswith(b"\r\n\r\n1")
        assert served.process.wait(10) == 0
        said = (home.parent / "server.log").read_text()

    assert "takes events and profiles at http://127.0.0.1:" in said
    assert Hub.open(home).status().events == 1


@pytest.mark.embedded
def test_a_full_disk_is_a_503_and_no_loss_and_over_when_there_is_room(hub, home, token):
    with serving(home) as served, httpx.Client(base_url=served.url, timeout=30) as client:
        assert client.post("/track", json=[event(token, n=0)]).text == "1"
        largest = max(path.stat().st_size for path in home.glob("intake.db*"))
        had = no_more_than(served.process.pid, largest)
        refused = [client.post("/track", json=[event(token, n=n, text="x" * 200)] * 200) for n in range(1, 40)]
        full = [answer for answer in refused if answer.status_code != 200]

        assert {answer.status_code for answer in full} == {503}
        assert full[-1].headers["retry-after"] == "30"
        assert client.get("/health").status_code == 503

        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, had)
        assert client.post("/track", json=[event(token, n=1000)]).text == "1"
        assert client.get("/health").status_code == 200
        stored = 200 * (len(refused) - len(full)) + 2

    assert Hub.open(home).status().events == stored


def test_of_two_servers_a_mover_dies_and_then_a_server_and_everything_is_in_once(hub, home, token):
    with serving(home) as one, serving(home) as two:
        first = children(one.process.pid)

        def send(url: str, offset: int) -> list[str]:
            return [httpx.post(f"{url}/track", json=[event(token, n=offset + n)]).text for n in range(20)]

        with ThreadPoolExecutor() as senders:
            sent = [senders.submit(send, each.url, 100 * number) for number, each in enumerate((one, two))]
            os.kill(first[0], signal.SIGKILL)
            answers = [answer for each in sent for answer in each.result()]
        second = wait_for(lambda: [pid for pid in children(one.process.pid) if pid not in first])
        wait_for(lambda: httpx.get(f"{one.url}/health").json()["mover"])
        one.process.kill()
        one.process.wait(10)
        wait_for(lambda: not alive(second[0]))

        assert answers == ["1"] * 40
        assert Hub.open(home).status().events == 40


def no_more_than(pid: int, size: int) -> tuple[int, int]:
    """Let a process write no file beyond `size` bytes, as a full disk does; returns what it was allowed before."""
    return resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def wait_for(what):
    until = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def wait_until_it_is_read(url: str) -> None:
    """Until the server has taken up a request: it answers another one that came later."""
    assert httpx.get(f"{url}/health").status_code == 200


def wait_until_nobody_listens(where: httpx.URL) -> None:
    def refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((where.host, where.port)) != 0

    wait_for(refused)


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
