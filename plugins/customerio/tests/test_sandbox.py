"""The sandbox does what the reference says of Customer.io, and the plugin is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.testing.sandbox import Running, running
from hub_customerio.connector import CustomerIO
from hub_customerio.sandbox import APP_KEY, SITE_ID, TRACK_KEY, CustomerIOSandbox


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Running]:
    """A workspace in which changes of segments show after a minute."""
    with running(CustomerIOSandbox(tmp_path, lag=60)) as partner:
        yield partner


@pytest.fixture
def track(late: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=late.url, auth=(SITE_ID, TRACK_KEY), trust_env=False) as client:
        yield client


@pytest.fixture
def app(late: Running) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {APP_KEY}"}
    with httpx.Client(base_url=late.url, headers=headers, trust_env=False) as client:
        yield client


def item(name: str, **attributes: Any) -> dict[str, Any]:
    return {"type": "person", "identifiers": {"id": name}, "action": "identify", "attributes": attributes}


def test_what_is_written_shows_later_and_what_nobody_has_becomes_an_empty_person(
    late: Running, track: httpx.Client, app: httpx.Client
) -> None:
    made = app.post("/v1/segments", json={"segment": {"name": "Late"}}).json()["segment"]
    assert (made["id"], made["type"], made["deduplicate_id"][:2]) == (1, "manual", "1:")
    late.admin.post("/people", {"people": [{"id": "gone"}, {"id": "quiet"}]})
    late.admin.post("/people/suppress", {"ids": ["quiet"]})
    path = "/api/v1/segments/1/add_customers"

    assert track.post(path, json={"ids": ["new", 7, "quiet"]}).json() == {}
    assert track.post(path, params={"id_type": "cio_id"}, json={"ids": ["new"]}).status_code == 200
    assert app.get("/v1/segments/1/customer_count").json() == {"count": 0}
    late.admin.post("/settle")
    page = app.get("/v1/segments/1/membership", params={"limit": 30_000}).json()
    assert page == {"identifiers": [{"email": None, "id": "new", "cio_id": "a30000000003"}], "ids": ["new"], "next": ""}

    late.admin.post("/facts", {"unknown_ids": "ignore"})
    track.post(path, json={"ids": ["newer"]})
    assert [each["id"] for each in late.admin.get("/people")["people"]] == ["gone", "quiet", "new"]


def test_limits_and_faults_of_single_items_are_customer_ios(track: httpx.Client, app: httpx.Client) -> None:
    items = [
        item("ann", plan="pro"),
        {**item("bob"), "identifiers": {"id": "bob", "email": "b@x.no"}},
        item("cat", bio="x" * 1001),
        item("x" * 151),
        {**item("dan"), "action": "suppress"},
        item("eve", _update=True),
    ]
    answer = track.post("/api/v2/batch", json={"batch": items})
    assert answer.status_code == 207
    assert [each["batch_index"] for each in answer.json()["errors"]] == [1, 2, 3, 4]
    assert set(answer.json()["errors"][0]) == {"batch_index", "reason", "field", "message"}
    assert app.post("/v1/customers/attributes", json={"ids": ["ann", "bob", "eve"]}).json() == {
        "customers": [{"customer": {
            "id": "ann", "attributes": {"plan": "pro", "cio_id": "a30000000001", "id": "ann"},
            "unsubscribed": False, "timestamps": {}, "devices": [],
        }}]
    }  # fmt: skip

    assert track.post("/api/v2/batch", json={"batch": [item("ann", bio="x" * 500_000)]}).status_code == 413
    assert track.post("/api/v2/batch", json={"batch": []}).status_code == 400
    app.post("/v1/segments", json={"segment": {"name": "Full"}})
    many = {"ids": [str(number) for number in range(1001)]}
    assert track.post("/api/v1/segments/1/add_customers", json=many).status_code == 400
    assert app.get("/v1/segments/1/membership", params={"limit": 30_001}).status_code == 422
    assert app.get("/v1/messages", params={"start_ts": 1, "end_ts": 200 * 86_400}).status_code == 422
    assert app.get("/v1/messages", params={"start": "no cursor"}).status_code == 400


def test_an_eleventh_app_request_in_a_second_is_refused_without_a_word_on_how_long(
    track: httpx.Client, app: httpx.Client
) -> None:
    answers = [app.get("/v1/segments") for _ in range(11)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused == answers[10:]
    assert "Retry-After" not in answers[10].headers
    assert track.get("/api/v1/accounts/region").json() == {
        "url": "https://track.customer.io", "region": "us", "environment_id": 7,
    }  # fmt: skip


def test_a_restarted_sandbox_goes_on_and_a_reset_one_is_new(tmp_path: Path) -> None:
    for expected in (0, 1):
        with running(CustomerIOSandbox(tmp_path / "home")) as partner:
            assert partner.admin.state()["partner"]["segments"] == expected
            partner.admin.post("/segments", {"name": "Kept"})
    with running(CustomerIOSandbox(tmp_path / "home")) as partner:
        partner.admin.reset()
        assert partner.admin.state()["partner"]["segments"] == 0


def test_the_entry_point_brings_the_connector_and_the_sandbox_and_imports_nothing_heavy() -> None:
    [found] = entry_points(group="hub.plugins", name="customerio")
    plugin = found.load()
    assert plugin.hub_connectors() == [CustomerIO]
    assert plugin.hub_sandboxes() == [CustomerIOSandbox]
    heavy = "{'httpx', 'aiohttp', 'pydantic', 'starlette', 'uvicorn'}"
    code = f"import hub_customerio, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
