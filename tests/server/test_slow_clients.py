"""Clients that are slow, large, greedy or gone: they get their answer, and nobody else waits for it."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from hub.app import Hub
from tests.server.conftest import event

QUICK = {"head_seconds": 0.3, "rest_seconds": 0.3}


@pytest.fixture
def tight(hub) -> Hub:
    """A hub with small limits."""
    changed = {"server_body_seconds": 0.3, "server_client_records": 5, "server_bytes_in_flight": 1_000_000}
    settings = hub.settings.model_copy(update=changed)
    return Hub(replace(hub.workspace, settings=settings))


@contextmanager
def line(url: str):
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        yield connection


def told(connection: socket.socket) -> bytes:
    """Everything that comes until the server ends the connection."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def works(url: str, token: str) -> bool:
    return httpx.post(f"{url}/track", json=[event(token)], timeout=30).text == "1"


def test_slow_heads_and_bodies_are_ended_and_others_go_on(tight, in_a_thread):
    _, token = tight.tokens.add()
    with in_a_thread(tight, QUICK) as url, line(url) as silent, line(url) as head, line(url) as body:
        head.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\n")
        body.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n[")

        assert works(url, token)
        assert told(silent) == b""
        assert told(head).startswith(b"HTTP/1.1 408 ")
        assert told(body).startswith(b"HTTP/1.1 408 ")
        assert works(url, token)


def test_a_client_that_drips_has_no_more_time(tight, in_a_thread):
    with in_a_thread(tight, QUICK) as url, line(url) as drip:
        started = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < started + 30:
                drip.sendall(b"\r\n")
                time.sleep(0.01)


def test_what_a_small_body_holds_is_in_memory_until_it_is_stored(tight, in_a_thread):
    _, token = tight.tokens.add()
    packed = gzip.compress(json.dumps([event(token, number=number, text="x" * 900_000) for number in (1, 2)]).encode())
    with in_a_thread(tight) as url:
        answer = httpx.post(f"{url}/track", content=packed, timeout=30)

        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert works(url, token)
    assert tight.status().events == 1


def test_a_client_that_goes_in_the_middle_is_forgotten(tight, in_a_thread):
    _, token = tight.tokens.add()
    with in_a_thread(tight, QUICK) as url:
        for _ in range(20):
            with line(url) as gone:
                gone.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n[")

        assert works(url, token)
        assert httpx.get(f"{url}/health").json()["ok"]


def test_a_head_without_end_is_cut_off(tight, in_a_thread):
    with in_a_thread(tight) as url, line(url) as endless:
        endless.sendall(b"GET /track?data=")
        with pytest.raises(OSError):
            for _ in range(10_000):
                endless.sendall(b"x" * 10_000)


def test_who_comes_when_all_places_are_taken_is_told_to_come_back(tight, in_a_thread):
    with in_a_thread(tight, {"most": 2}) as url, line(url) as one, line(url) as two:
        for each in (one, two):
            each.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")
        with line(url) as late:
            assert told(late).startswith(b"HTTP/1.1 503 ")
        one.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert one.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_body_of_100_mb_is_refused_by_its_head(http, served, token):
    with line(served.url) as large:
        large.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
        assert large.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert http.post("/track", json=[event(token)]).text == "1"


def test_a_body_of_100_mb_without_a_length_is_cut_off_and_memory_is_bounded(http, served, token):
    before = memory(served.process.pid)

    with line(served.url) as large:
        large.sendall(b"POST /track HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"%x\r\n" % 1_000_000 + b"x" * 1_000_000 + b"\r\n"
        for _ in range(100):
            large.sendall(piece)
        large.sendall(b"0\r\n\r\n")
        assert large.recv(65536).startswith(b"HTTP/1.1 413 ")

    assert memory(served.process.pid) < before + 40
    assert http.post("/track", json=[event(token)]).text == "1"


def test_too_much_at_once_is_told_to_come_back(tight, in_a_thread):
    large = json.dumps([event("x", text="x" * 1_100_000)])
    with in_a_thread(tight) as url:
        answer = httpx.post(f"{url}/track", content=large)

        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_who_sends_too_much_in_a_minute_is_told_how_long_to_wait(tight, home, in_a_thread):
    _, token = tight.tokens.add()
    tight.projects.add("other")
    _, theirs = Hub.open(home, "other").tokens.add()
    with in_a_thread(tight) as url:
        assert httpx.post(f"{url}/track", json=[event(token, n=n) for n in range(5)]).text == "1"
        late = httpx.post(f"{url}/track", json=[event(token)])
        early = httpx.post(f"{url}/import", auth=(token, ""), json=[])

        assert late.status_code == early.status_code == 429
        assert 1 <= int(late.headers["retry-after"]) <= 61
        assert works(url, theirs)


def test_behind_a_proxy_that_is_trusted_clients_are_told_apart(tight, in_a_thread):
    _, token = tight.tokens.add()
    settings = tight.settings.model_copy(update={"server_trusted_proxies": "127.0.0.1"})

    def sent(url: str, address: str) -> int:
        many = [event(token, n=n) for n in range(5)]
        return httpx.post(f"{url}/track", json=many, headers={"x-forwarded-for": address}).status_code

    with in_a_thread(tight) as url:
        assert (sent(url, "192.0.2.1"), sent(url, "192.0.2.2")) == (200, 429)
    with in_a_thread(Hub(replace(tight.workspace, settings=settings))) as url:
        assert (sent(url, "192.0.2.1"), sent(url, "192.0.2.2"), sent(url, "192.0.2.1")) == (200, 200, 429)


def test_a_backlog_that_is_too_long_makes_clients_wait(hub, in_a_thread):
    _, token = hub.tokens.add()
    settings = hub.settings.model_copy(update={"server_backlog_records": 3})
    with in_a_thread(Hub(replace(hub.workspace, settings=settings))) as url:
        assert httpx.post(f"{url}/track", json=[event(token, n=n) for n in range(4)]).text == "1"
        until = time.monotonic() + 30
        while (answer := httpx.post(f"{url}/engage", json=[])).status_code != 429:
            assert time.monotonic() < until

        assert answer.headers["retry-after"] == "5"


def memory(pid: int) -> int:
    """Of a process, in MB."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1]) // 1024
