"""The Mailchimp sandbox, over real HTTP: tags (static segments), restart, admin endpoints for contacts and tags."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import hub_mailchimp.sandbox
from hub.testing.sandbox import Running, running
from hub_mailchimp.sandbox import API_KEY, FIRST_LIST, MailchimpSandbox
from hub_mailchimp.sandbox.bench import benchmark

SEGMENTS = f"/lists/{FIRST_LIST}/segments"


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Running]:
    with running(MailchimpSandbox(tmp_path, stats_lag=0)) as it:
        yield it


@pytest.fixture
def api(partner: Running) -> Iterator[httpx.Client]:
    with client(partner) as it:
        yield it


def client(partner: Running) -> httpx.Client:
    return httpx.Client(base_url=partner.settings["base_url"], auth=("hub", API_KEY), timeout=30)


def people(*names: str) -> list[str]:
    return [f"{name}@example.com" for name in names]


def put(partner: Running, *names: str, status: str = "subscribed") -> None:
    contacts = [{"email": email, "status": status} for email in people(*names)]
    partner.admin.post("/contacts", {"contacts": contacts})


def make(api: httpx.Client, name: str, *names: str) -> int:
    return api.post(SEGMENTS, json={"name": name, "static_segment": people(*names)}).json()["id"]


def emails(partner: Running, tag: object) -> list[str]:
    return partner.admin.get(f"/tags/{tag}/members")["emails"]


def test_a_tag_is_made_empty_or_with_those_of_the_addresses_that_are_on_the_audience(
    api: httpx.Client, partner: Running
) -> None:
    put(partner, "ann")

    made = api.post(SEGMENTS, json={"name": "hub: Power users", "static_segment": []}).json()
    filled = make(api, "filled", "ann", "stranger")

    assert (made["type"], made["member_count"], isinstance(made["id"], int)) == ("static", 0, True)
    assert emails(partner, filled) == people("ann")


def test_a_tag_name_is_taken_whatever_its_case(api: httpx.Client) -> None:
    make(api, "Power")

    answer = api.post(SEGMENTS, json={"name": "pOWER", "static_segment": []})

    assert (answer.status_code, answer.json()["detail"]) == (400, "Sorry, that tag already exists.")


def test_tags_are_found_by_prefix_with_case_folded(api: httpx.Client) -> None:
    power, powder = make(api, "hub: Power"), make(api, "HUB: Powder")
    make(api, "other hub: Pow")

    found = api.get(f"/lists/{FIRST_LIST}/tag-search", params={"name": "Hub: pow"}).json()

    assert found == {
        "tags": [{"id": power, "name": "hub: Power"}, {"id": powder, "name": "HUB: Powder"}],
        "total_items": 2,
    }


def test_tags_are_listed_by_page(api: httpx.Client) -> None:
    ids = [make(api, f"tag {number}") for number in range(3)]

    page = api.get(SEGMENTS, params={"type": "static", "count": 2, "offset": 1}).json()

    assert ([one["id"] for one in page["segments"]], page["total_items"]) == (ids[1:], 3)
    assert api.get(SEGMENTS, params={"type": "saved"}).json()["segments"] == []


def test_addresses_are_added_and_removed_in_one_call_and_unknown_ones_are_reported(
    api: httpx.Client, partner: Running
) -> None:
    put(partner, "ann", "bob")
    tag = make(api, "t", "bob")
    body = {"members_to_add": people("ann", "zed"), "members_to_remove": people("bob", "yan")}

    done = api.post(f"{SEGMENTS}/{tag}", json=body).json()

    assert [one["email_address"] for one in done["members_added"]] == people("ann")
    assert [one["email_address"] for one in done["members_removed"]] == people("bob")
    assert done["errors"] == [
        {"email_addresses": people("zed", "yan"), "error": "Email addresses do not exist in the list"}
    ]
    assert (done["total_added"], done["total_removed"], done["error_count"]) == (1, 1, 1)
    assert emails(partner, tag) == people("ann")


def test_adding_twice_is_harmless_and_case_does_not_matter(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")
    tag = make(api, "t")

    first = api.post(f"{SEGMENTS}/{tag}", json={"members_to_add": ["ANN@example.com"]}).json()
    second = api.post(f"{SEGMENTS}/{tag}", json={"members_to_add": ["ann@example.com", "Ann@Example.com"]}).json()

    assert (first["total_added"], second["total_added"], second["error_count"]) == (1, 1, 0)
    assert emails(partner, tag) == people("ann")


@pytest.mark.parametrize("array", ["members_to_add", "members_to_remove"])
def test_an_array_holds_at_most_500_addresses(api: httpx.Client, array: str) -> None:
    tag = make(api, "t")
    addresses = people(*(f"p{number}" for number in range(501)))

    assert api.post(f"{SEGMENTS}/{tag}", json={array: addresses}).status_code == 400
    assert api.post(f"{SEGMENTS}/{tag}", json={array: addresses[:500]}).status_code == 200


def test_who_is_archived_is_not_on_the_audience_for_a_tag(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")
    tag = make(api, "t", "ann")
    api.delete(f"/lists/{FIRST_LIST}/members/ann@example.com")

    answer = api.post(f"{SEGMENTS}/{tag}", json={"members_to_add": people("ann")}).json()

    assert answer["errors"][0]["email_addresses"] == people("ann")
    assert emails(partner, tag) == []


def test_a_tag_is_replaced_emptied_and_renamed(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann", "bob")
    tag, other = make(api, "t", "ann"), make(api, "other")

    api.patch(f"{SEGMENTS}/{tag}", json={"static_segment": people("bob")})
    replaced = emails(partner, tag)
    renamed = api.patch(f"{SEGMENTS}/{tag}", json={"name": "renamed"}).json()
    kept = emails(partner, "renamed")
    api.patch(f"{SEGMENTS}/{tag}", json={"name": "renamed", "static_segment": []})

    assert (replaced, renamed["name"], kept) == (people("bob"), "renamed", people("bob"))
    assert emails(partner, tag) == []
    assert api.patch(f"{SEGMENTS}/{other}", json={"name": "Renamed"}).status_code == 400


def test_a_deleted_tag_is_a_404_and_its_people_stay(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")
    tag = make(api, "t", "ann")

    assert api.delete(f"{SEGMENTS}/{tag}").status_code == 204

    assert api.get(f"{SEGMENTS}/{tag}").status_code == 404
    assert api.post(f"{SEGMENTS}/{tag}", json={"members_to_add": people("ann")}).status_code == 404
    assert api.get(f"/lists/{FIRST_LIST}/members/ann@example.com").json()["status"] == "subscribed"


def test_a_tag_of_another_audience_is_not_there(api: httpx.Client, partner: Running) -> None:
    tag = make(api, "t")
    partner.admin.post("/lists", {"id": "b000000001", "name": "Second"})

    assert api.get(f"/lists/b000000001/segments/{tag}").status_code == 404


def test_only_active_subscribers_are_listed_and_counted_unless_others_are_included(
    api: httpx.Client, partner: Running
) -> None:
    statuses = ["subscribed", "unsubscribed", "cleaned", "transactional", "pending"]
    for status in statuses:
        put(partner, status, status=status)
    tag = make(api, "t", *statuses)
    everybody = {f"include_{status}": "true" for status in ("unsubscribed", "cleaned", "transactional")}

    alone = api.get(f"{SEGMENTS}/{tag}/members").json()
    together = api.get(f"{SEGMENTS}/{tag}/members", params={**everybody, "fields": "members.status,total_items"}).json()

    assert [one["status"] for one in alone["members"]] == ["subscribed"]
    assert together == {"members": [{"status": status} for status in statuses[:4]], "total_items": 4}
    assert api.get(f"{SEGMENTS}/{tag}").json()["member_count"] == 1


def test_pages_of_members_cover_everybody_once_and_follow_a_write(api: httpx.Client, partner: Running) -> None:
    names = [f"p{number:04}" for number in range(1205)]
    put(partner, *names)
    tag = make(api, "t", *names)

    def page(offset: int) -> list[str]:
        answer = api.get(f"{SEGMENTS}/{tag}/members", params={"count": 1000, "offset": offset}).json()
        return [one["email_address"] for one in answer["members"]]

    assert sorted(page(0) + page(1000)) == people(*names)
    api.post(f"{SEGMENTS}/{tag}", json={"members_to_remove": people(*names[:5])})
    assert sorted(page(0) + page(1000)) == people(*names[5:])


# admin endpoints


def test_the_admin_lists_tags_with_present_counts(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann", "bob")
    tag = make(api, "t", "ann", "bob")

    expected = {"id": tag, "name": "t", "list_id": FIRST_LIST, "count": 2}
    assert partner.admin.get("/tags") == {"tags": [expected]}


def test_the_admin_shows_the_members_of_a_tag_sorted_by_id_or_name(api: httpx.Client, partner: Running) -> None:
    put(partner, "zoe", "ann")
    put(partner, "bob", status="unsubscribed")
    tag = make(api, "a/b c", "zoe", "ann", "bob")

    by_name = httpx.get(f"{partner.url}/_sandbox/tags/A%2Fb c/members", params={"format": "ndjson"}).text
    assert [json.loads(line)["email"] for line in by_name.splitlines()] == people("ann", "bob", "zoe")
    assert partner.admin.get(f"/tags/{tag}/members", status="subscribed")["emails"] == people("ann", "zoe")
    assert httpx.get(f"{partner.url}/_sandbox/tags/nosuch/members").status_code == 404


def test_contacts_are_put_as_ndjson_and_found_again(partner: Running) -> None:
    people = [{"email": "ann@example.com"}, {"email": "Bob@example.com", "status": "cleaned"}]
    lines = "\n\n".join(json.dumps(person) for person in people)

    done = httpx.post(
        f"{partner.url}/_sandbox/contacts", content=lines, headers={"Content-Type": "application/x-ndjson"}
    ).json()
    bob = partner.admin.get("/contacts", email="bob@EXAMPLE.com")

    assert (done["created"], done["given"]) == (2, 2)
    assert (bob["contacts"][0]["status"], bob["forgotten_on"]) == ("cleaned", [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"contacts": [{"email": "a@example.com"}, {"status": "subscribed"}]}, "contact 2"),
        ({"contacts": [{"email": "a@example.com", "status": "asleep"}]}, "contact 1: status"),
        ({"list_id": "nosuch", "contacts": []}, "no audience 'nosuch'"),
        ([], "JSON object"),
    ],
)
def test_contacts_that_cannot_be_are_refused_as_a_whole(partner: Running, body: Any, words: str) -> None:
    answer = httpx.post(f"{partner.url}/_sandbox/contacts", json=body)

    assert answer.status_code in {400, 404}
    assert words in answer.json()["error"]
    assert partner.admin.state()["partner"]["contacts"] == 0


def test_people_unsubscribe_by_themselves(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")

    done = partner.admin.post("/contacts/unsubscribe", {"emails": people("ann", "zed")})

    assert done == {"changed": 1, "unknown": people("zed")}
    assert api.get(f"/lists/{FIRST_LIST}/members/ann@example.com").json()["status"] == "unsubscribed"


def test_state_counts_what_is_there(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")
    make(api, "t", "ann")

    held = partner.admin.state()["partner"]

    assert (held["contacts"], held["segments"], held["segment_members"]) == (1, 1, 1)
    assert held["contacts_by_status"] == {"subscribed": 1}


def test_reset_leaves_one_empty_audience(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann")
    make(api, "t", "ann")

    partner.admin.reset()

    assert api.get("/lists").json()["total_items"] == 1
    assert partner.admin.state()["partner"]["contacts"] == 0


def test_what_a_bulk_call_wrote_is_on_record_by_member(api: httpx.Client, partner: Running) -> None:
    put(partner, "ann", "bob")
    tag = make(api, "t")
    api.post(f"{SEGMENTS}/{tag}", json={"members_to_add": people("ann"), "members_to_remove": people("bob")})

    last = partner.admin.requests(writing=True, keys=True)[-1]
    assert (last["items"], last["keys"]) == (2, ["ann@example.com", "-bob@example.com"])


# its life


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with running(MailchimpSandbox(tmp_path)) as partner, client(partner) as api:
        put(partner, "ann", "bob")
        tag = make(api, "t", "ann")
        partner.admin.post("/forget", {"email": "bob@example.com"})
    with running(MailchimpSandbox(tmp_path)) as partner, client(partner) as api:
        assert emails(partner, tag) == people("ann")
        assert api.get(f"{SEGMENTS}/{tag}").json()["name"] == "t"
        assert partner.admin.get("/contacts", email="bob@example.com")["forgotten_on"] == [FIRST_LIST]
        assert len(partner.admin.requests()) == 2


def test_the_command_serves_until_a_signal_and_a_killed_one_has_kept_its_answers(tmp_path: Path) -> None:
    def started() -> tuple[subprocess.Popen[bytes], str]:
        command = [sys.executable, "-m", "hub_mailchimp.sandbox", "--home", str(tmp_path), "--port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            note = tmp_path / "running.json"
            if note.exists() and json.loads(note.read_text())["pid"] == process.pid:
                return process, json.loads(note.read_text())["url"]
            time.sleep(0.02)
        raise AssertionError("it did not start")

    first, url = started()
    httpx.post(f"{url}/_sandbox/contacts", json={"contacts": [{"email": "ann@example.com"}]}).raise_for_status()
    first.kill()
    first.wait()
    second, url = started()
    found = httpx.get(f"{url}/_sandbox/contacts", params={"email": "ann@example.com"}).json()["contacts"]
    second.send_signal(signal.SIGTERM)

    assert [one["email_address"] for one in found] == ["ann@example.com"]
    assert second.wait(timeout=20) == 0
    assert not (tmp_path / "running.json").exists()


def test_the_benchmark_measures_every_kind_of_bulk_call() -> None:
    speed = benchmark(calls=3, batch=50)

    assert min(speed.upsert, speed.upsert_again, speed.tag) > 1


def test_the_readme_shows_every_admin_endpoint(partner: Running) -> None:
    readme = (Path(hub_mailchimp.sandbox.__file__).parent / "README.md").read_text()
    shown = set(re.findall(r"\$S(/[\w/]*)", readme))

    for endpoint in partner.admin.get("/")["endpoints"]:
        fixed = endpoint["path"].removeprefix("/_sandbox").partition("{")[0]
        assert any(path.startswith(fixed) for path in shown), endpoint
