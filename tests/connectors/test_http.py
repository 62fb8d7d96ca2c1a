"""Every failure of a call to a partner has one meaning."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from hub.connectors.addresses import AddressGuard
from hub.connectors.http import PartnerClient
from hub.connectors.retry import LONGEST_WAIT, persist, retry_after
from hub.errors import (
    AddressRefused,
    BatchRefused,
    CredentialRefused,
    PartnerUnavailable,
    SettingsWrong,
    Wait,
)


def client(handler) -> PartnerClient:
    return PartnerClient(
        "https://api.example/3.0", guard=AddressGuard(), transport=httpx.MockTransport(handler), read_attempts=1
    )


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (301, SettingsWrong),
        (400, BatchRefused),
        (401, CredentialRefused),
        (403, CredentialRefused),
        (404, SettingsWrong),
        (408, PartnerUnavailable),
        (413, BatchRefused),
        (422, BatchRefused),
        (429, Wait),
        (500, PartnerUnavailable),
        (502, PartnerUnavailable),
        (503, PartnerUnavailable),
    ],
)
async def test_each_status_has_one_meaning(status, meaning):
    async with client(lambda request: httpx.Response(status)) as http:
        with pytest.raises(meaning, match=str(status)):
            await http.post("/lists", {})


@pytest.mark.parametrize(("method", "lost"), [("POST", True), ("GET", False)])
async def test_a_cut_answer_is_lost_only_if_something_may_have_been_done(method, lost):
    def cut(request):
        raise httpx.ReadError("connection reset")

    async with client(cut) as http:
        with pytest.raises(PartnerUnavailable) as caught:
            await http.request(method, "/")

    assert caught.value.answer_lost is lost


async def test_a_partner_that_was_never_reached_has_lost_no_answer():
    def unreachable(request):
        raise httpx.ConnectError("refused")

    async with client(unreachable) as http:
        with pytest.raises(PartnerUnavailable, match="cannot be reached") as caught:
            await http.post("/", {})

    assert caught.value.answer_lost is False


async def test_an_answer_that_is_not_json_is_no_answer():
    async with client(lambda request: httpx.Response(200, text="<html>oops</html>")) as http:
        with pytest.raises(PartnerUnavailable, match="not JSON") as caught:
            await http.post("/", {})

    assert caught.value.answer_lost


async def test_the_connector_may_explain_an_answer_better():
    async with client(lambda request: httpx.Response(403, text="busy")) as http:
        http.explain = lambda response: Wait("busy") if response.status_code == 403 else None
        with pytest.raises(Wait):
            await http.get("/")


async def test_the_credential_is_in_no_error():
    async with client(lambda request: httpx.Response(500)) as http:
        http.headers["Authorization"] = "Bearer s3cret"
        with pytest.raises(PartnerUnavailable) as caught:
            await http.get("/")

    assert "s3cret" not in repr(caught.value) + str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("-3", 0, 0),
        (timedelta(hours=1), 3500, 3600),
        (timedelta(hours=-1), 0, 0),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(header, low, high):
    if isinstance(header, timedelta):
        header = format_datetime(datetime.now(UTC) + header, usegmt=True)

    assert low <= retry_after(header) <= high


@pytest.mark.parametrize("header", [None, "", "soon", "Fri, 99 Nov"])
def test_a_retry_after_that_cannot_be_read_is_no_hint(header):
    assert retry_after(header) is None


class Partner:
    """Answers with these errors, one a call, then with "done"."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = [*errors]
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that were waited, without waiting."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    return waited


async def test_a_busy_partner_is_waited_for_as_long_as_it_asks(waits):
    partner = Partner(Wait("busy", seconds=7), Wait("busy", seconds=3))

    assert await persist(partner) == "done"
    assert waits == [7, 3]


async def test_without_a_hint_the_waits_grow_and_have_a_ceiling(waits):
    partner = Partner(*[PartnerUnavailable("away")] * 12)

    await persist(partner, attempts=13)

    assert waits[0] < 2 < 30 < waits[-1] <= LONGEST_WAIT


async def test_the_attempts_are_bounded_and_the_last_error_is_told(waits):
    partner = Partner(*[PartnerUnavailable(f"away {number}") for number in range(9)])

    with pytest.raises(PartnerUnavailable, match="away 2"):
        await persist(partner, attempts=3)


async def test_a_partner_that_asks_for_an_hour_is_left_alone(waits):
    partner = Partner(Wait("busy", seconds=3600))

    with pytest.raises(Wait):
        await persist(partner)
    assert (partner.calls, waits) == (1, [])


@pytest.mark.parametrize("final", [CredentialRefused("no"), BatchRefused("no"), SettingsWrong("no"), ValueError("bug")])
async def test_what_will_not_change_is_not_tried_again(waits, final):
    partner = Partner(final)

    with pytest.raises(type(final)):
        await persist(partner)
    assert partner.calls == 1


async def test_a_request_whose_connection_broke_is_sent_once_even_where_the_library_would_repeat_it():
    seen: list[str] = []

    async def partner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            seen.append(line.split()[1].decode())
            while (await reader.readline()).strip():
                pass
            if len(seen) > 1:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(partner, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        guard = AddressGuard(allow_private=True)
        async with PartnerClient(f"http://127.0.0.1:{port}", guard=guard, read_attempts=1) as http:
            await http.get("/first")
            with pytest.raises(PartnerUnavailable):
                await http.get("/second")

    assert seen == ["/first", "/second"]


async def test_a_partner_may_have_a_second_host_and_the_guard_looks_at_that_one_too():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(200, json={})

    async with client(answer) as http:
        await http.get("/lists")
        await http.get("https://app.example/v1/segments")
    assert asked == ["https://api.example/3.0/lists", "https://app.example/v1/segments"]

    async with PartnerClient("https://api.example", guard=AddressGuard(), read_attempts=1) as http:
        for _ in range(2):
            with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
                await http.get("https://10.0.0.1/v1/segments")
