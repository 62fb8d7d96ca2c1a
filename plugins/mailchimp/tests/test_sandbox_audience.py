"""The Mailchimp sandbox, over real HTTP: access, limits, audiences, contacts. Rules are those of the partner page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.testing.sandbox import Running, running
from hub_mailchimp.sandbox import API_KEY, FIRST_LIST, MailchimpSandbox

LIST = f"/lists/{FIRST_LIST}"


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Running]:
    with running(MailchimpSandbox(tmp_path, stats_lag=0)) as it:
        yield it


@pytest.fixture
def api(partner: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=partner.settings["base_url"], auth=("hub", API_KEY), timeout=30) as client:
        yield client


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def upsert(api: httpx.Client, *members: dict[str, Any], **options: Any) -> dict[str, Any]:
    params = {name: "true" for name in ("skip_duplicate_check", "skip_merge_validation") if options.pop(name, False)}
    answer = api.post(LIST, json={"members": members, **options}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def new(email: str, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def member(api: httpx.Client, email: str) -> dict[str, Any]:
    return api.get(f"{LIST}/members/{md5(email)}").json()


def put_contacts(partner: Running, **statuses: str) -> None:
    contacts = [{"email": f"{name}@example.com", "status": status} for name, status in statuses.items()]
    partner.admin.post("/contacts", {"contacts": contacts})


# access and errors


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {API_KEY}",
        "Basic " + base64.b64encode(f"anystring:{API_KEY}".encode()).decode(),
        "Basic " + base64.b64encode(f":{API_KEY}".encode()).decode(),
    ],
)
def test_the_key_opens_as_bearer_and_as_basic_with_any_user(partner: Running, header: str) -> None:
    answer = httpx.get(f"{partner.url}/3.0/ping", headers={"Authorization": header})

    assert answer.json() == {"health_status": "Everything's Chimpy!"}


def test_the_key_has_the_shape_of_a_real_one() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}-us\d+", API_KEY)


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({}, "API Key Missing"),
        ({"Authorization": "Bearer"}, "API Key Missing"),
        ({"Authorization": f"Bearer {'0' * 32}-us6"}, "API Key Invalid"),
        ({"Authorization": "Basic not-base64!"}, "API Key Invalid"),
        ({"Authorization": f"Token {API_KEY}"}, "API Key Invalid"),
    ],
)
def test_a_missing_or_wrong_key_is_refused_by_its_title(partner: Running, headers: dict[str, str], title: str) -> None:
    answer = httpx.get(f"{partner.url}/3.0/lists", headers=headers)

    assert (answer.status_code, answer.json()["title"]) == (401, title)


def test_an_error_is_a_problem_with_five_keys_and_its_request_id(api: httpx.Client) -> None:
    answer = api.get("/lists/nosuchlist")

    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
    assert answer.json()["instance"] == answer.headers["x-request-id"]
    assert (answer.status_code, answer.json()["title"]) == (404, "Resource Not Found")


def test_unknown_paths_and_methods_are_problems_too(api: httpx.Client) -> None:
    assert api.get("/nothing/here").json()["title"] == "Resource Not Found"
    assert api.delete("/ping").json()["title"] == "Method Not Allowed"


def test_a_body_that_is_not_json_is_a_parse_error(api: httpx.Client) -> None:
    assert api.post(LIST, content=b"{members").json()["title"] == "JSON Parse Error"


@pytest.mark.parametrize(
    ("name", "status", "title"),
    [
        ("APIKeyMissing", 401, "API Key Missing"),
        ("TooManyRequests", 429, "Too Many Requests"),
        ("Oops", 400, "Bad Request"),
    ],
)
def test_a_header_triggers_an_error(api: httpx.Client, name: str, status: int, title: str) -> None:
    answer = api.get("/ping", headers={"X-Trigger-Error": name})

    assert (answer.status_code, answer.json()["title"]) == (status, title)


def test_a_post_can_stand_for_another_method_and_nothing_else_can(api: httpx.Client, partner: Running) -> None:
    put_contacts(partner, ann="subscribed")
    path = f"{LIST}/members/{md5('ann@example.com')}"

    assert api.post(path, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert member(api, "ann@example.com")["status"] == "archived"
    assert api.get(path, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 422


def test_the_eleventh_simultaneous_call_gets_429(api: httpx.Client, partner: Running) -> None:
    partner.admin.fault(kind="latency", seconds=1, count=None, path="/3.0/ping")

    with ThreadPoolExecutor(11) as pool:
        answers = list(pool.map(lambda _: api.get("/ping"), range(11)))

    refused = [answer for answer in answers if answer.status_code != 200]
    assert [answer.json()["title"] for answer in refused] == ["Too Many Requests"]
    assert "retry-after" not in refused[0].headers
    assert partner.admin.state()["limits"]["concurrency"]["highest"] == 11


def test_ten_simultaneous_calls_are_let_in_whatever_the_credential_looks_like(partner: Running) -> None:
    partner.admin.fault(kind="latency", seconds=1, count=None, path="/3.0/ping")
    headers = [{"Authorization": f"Bearer {API_KEY}"}, {"Authorization": f"bearer {API_KEY}"}]

    with ThreadPoolExecutor(11) as pool:
        answers = pool.map(lambda n: httpx.get(f"{partner.url}/3.0/ping", headers=headers[n % 2]), range(11))

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429]


# the account and its audiences


def test_the_account_shows_only_the_fields_asked_for(api: httpx.Client) -> None:
    asked = api.get("/", params={"fields": "account_id,role,nothing"}).json()

    assert asked == {"account_id": "8d3a3db4d97663a9074efcc16", "role": "owner"}


def test_there_is_one_audience_at_first_start(api: httpx.Client) -> None:
    asked = api.get("/lists", params={"fields": "lists.id,lists.name,lists.stats.member_count,total_items"}).json()

    expected = {"id": "a6b5da1054", "name": "Sandbox audience", "stats": {"member_count": 0}}
    assert asked == {"lists": [expected], "total_items": 1}


def test_fields_can_be_left_out(api: httpx.Client) -> None:
    asked = api.get(LIST, params={"exclude_fields": "stats.member_count,name"}).json()

    assert "name" not in asked
    assert "member_count" not in asked["stats"]
    assert asked["stats"]["merge_field_count"] == 3


@pytest.mark.parametrize("params", [{"count": "1001"}, {"count": "-1"}, {"offset": "x"}])
def test_a_page_has_at_most_a_thousand_rows(api: httpx.Client, params: dict[str, str]) -> None:
    answer = api.get("/lists", params=params)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")
    assert answer.json()["errors"][0]["field"] == next(iter(params))


def test_ten_rows_come_unless_more_are_asked_for(api: httpx.Client, partner: Running) -> None:
    for number in range(11):
        partner.admin.post("/lists", {"name": f"Audience {number}", "double_optin": True})

    first, rest = api.get("/lists").json(), api.get("/lists", params={"offset": 10}).json()

    assert (len(first["lists"]), len(rest["lists"]), rest["total_items"]) == (10, 2, 12)
    assert rest["lists"][-1]["double_optin"] is True


def test_statistics_are_as_old_as_mailchimps(tmp_path: Path) -> None:
    with running(MailchimpSandbox(tmp_path)) as partner:
        api = httpx.Client(base_url=partner.settings["base_url"], auth=("hub", API_KEY))
        before = api.get(LIST).json()["stats"]["member_count"]
        upsert(api, new("ann@example.com"))

        assert (before, api.get(LIST).json()["stats"]["member_count"]) == (0, 0)


# merge fields


def field(api: httpx.Client, tag: str, kind: str = "text", **more: Any) -> httpx.Response:
    return api.post(f"{LIST}/merge-fields", json={"tag": tag, "name": tag.title(), "type": kind, **more})


def test_a_merge_field_is_made_and_listed(api: httpx.Client) -> None:
    made = field(api, "plan").json()

    listed = api.get(f"{LIST}/merge-fields", params={"count": 1000}).json()
    assert (made["tag"], made["merge_id"]) == ("PLAN", 4)
    assert [each["tag"] for each in listed["merge_fields"]] == ["FNAME", "LNAME", "PHONE", "PLAN"]


@pytest.mark.parametrize(
    "body",
    [
        {"tag": "ELEVEN_LONG", "name": "x", "type": "text"},
        {"tag": "WITH SPACE", "name": "x", "type": "text"},
        {"tag": "EMAIL", "name": "x", "type": "text"},
        {"tag": "FNAME", "name": "x", "type": "text"},
        {"tag": "OK", "name": "", "type": "text"},
        {"tag": "OK", "name": "x", "type": "boolean"},
        {"tag": "OK", "name": "x", "type": "dropdown"},
    ],
)
def test_a_merge_field_that_cannot_be_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    answer = api.post(f"{LIST}/merge-fields", json=body)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


@pytest.mark.parametrize(
    ("kind", "good", "kept", "bad"),
    [
        ("text", 7, "7", None),
        ("text", "é" * 200, "é" * 127, True),
        ("number", "12.5", 12.5, "many"),
        ("date", "2026-02-28", "2026-02-28", "2026-02-30"),
        ("birthday", "02/29", "02/29", "29/02"),
        ("zip", "12345", "12345", "1234"),
        (
            "address",
            {"addr1": "a", "city": "b", "state": "c", "zip": "1"},
            {"addr1": "a", "city": "b", "state": "c", "zip": "1"},
            {"addr1": "a"},
        ),
        ("dropdown", "red", "red", "blue"),
    ],
)
def test_a_merge_field_takes_what_its_type_takes(api: httpx.Client, kind: str, good: Any, kept: Any, bad: Any) -> None:
    field(api, "VALUE", kind, options={"choices": ["red"]})

    taken = upsert(api, new("ann@example.com", merge_fields={"VALUE": good}))
    refused = upsert(api, new("bob@example.com", merge_fields={"VALUE": bad}))

    assert taken["error_count"] == 0
    assert member(api, "ann@example.com")["merge_fields"]["VALUE"] == kept
    assert refused["errors"][0]["field"] == "VALUE"
    assert refused["errors"][0]["error"] == "Your merge fields were invalid."


def test_an_empty_string_clears_a_value_and_other_values_stay(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com", merge_fields={"FNAME": "Ann", "LNAME": "Lee"}))
    upsert(api, new("ann@example.com", merge_fields={"FNAME": ""}), update_existing=True)

    values = member(api, "ann@example.com")["merge_fields"]
    assert (values["FNAME"], values["LNAME"]) == ("", "Lee")


def test_a_field_that_the_audience_lacks_is_ignored(api: httpx.Client) -> None:
    assert upsert(api, new("ann@example.com", merge_fields={"NOSUCH": "x"}))["total_created"] == 1
    assert "NOSUCH" not in member(api, "ann@example.com")["merge_fields"]


def test_a_required_field_is_waived_only_by_skip_merge_validation(api: httpx.Client) -> None:
    field(api, "RADIO", required=True)

    refused = upsert(api, new("ann@example.com"))
    waived = upsert(api, new("ann@example.com"), skip_merge_validation=True)
    still_wrong = upsert(api, new("bob@example.com", merge_fields={"RADIO": None}), skip_merge_validation=True)

    assert [(one["field"], one["field_message"]) for one in refused["errors"]] == [("RADIO", "Please enter a value")]
    assert (waived["total_created"], still_wrong["error_count"]) == (1, 1)


# bulk upsert


def test_a_bulk_upsert_answers_for_each_member_with_200(api: httpx.Client) -> None:
    done = upsert(api, new("Ann@Example.com "), new("bob@example"))

    [ann] = done["new_members"]
    assert (ann["id"], ann["email_address"], ann["status"]) == (md5("ann@example.com"), "Ann@Example.com", "subscribed")
    assert done["errors"] == [
        {
            "email_address": "bob@example",
            "error": "Please provide a valid email address.",
            "error_code": "ERROR_GENERIC",
            "field": "",
            "field_message": "",
        }
    ]
    assert (done["total_created"], done["total_updated"], done["error_count"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("no-at-sign", "valid email address"),
        ("two@@example.com", "valid email address"),
        ("dots@example..com", "valid email address"),
        ("ann@fake.invalid", "looks fake or invalid"),
        ("ann@many-lists.invalid", "signed up to a lot of lists"),
    ],
)
def test_bad_addresses_are_refused_in_the_apis_words(api: httpx.Client, address: str, words: str) -> None:
    done = upsert(api, new(address), new("good@example.com"))

    assert words in done["errors"][0]["error"]
    assert done["total_created"] == 1


def test_more_than_500_members_are_refused_as_a_whole(api: httpx.Client) -> None:
    members = [new(f"p{number}@example.com") for number in range(501)]

    assert api.post(LIST, json={"members": members}).status_code == 400
    assert api.get(LIST).json()["stats"]["member_count"] == 0
    assert upsert(api, *members[:500])["total_created"] == 500


def test_an_existing_contact_is_an_error_unless_updating_is_asked_for(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com"))

    refused = upsert(api, new("ann@example.com"))
    done = upsert(api, new("ann@example.com", merge_fields={"FNAME": "Ann"}), update_existing=True)

    assert refused["errors"][0]["error_code"] == "ERROR_CONTACT_EXISTS"
    assert [one["email_address"] for one in done["updated_members"]] == ["ann@example.com"]


def test_status_overwrites_and_status_if_new_does_not(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com"), new("bob@example.com"))
    bob = {"email_address": "bob@example.com", "status": "unsubscribed"}
    upsert(api, new("ann@example.com", status_if_new="unsubscribed"), bob, update_existing=True)

    assert member(api, "ann@example.com")["status"] == "subscribed"
    assert member(api, "bob@example.com")["status"] == "unsubscribed"


def test_a_new_contact_needs_a_status(api: httpx.Client) -> None:
    assert upsert(api, {"email_address": "ann@example.com"})["errors"][0]["field"] == "status"


def test_two_equal_addresses_fail_unless_the_check_is_skipped_and_then_the_first_wins(api: httpx.Client) -> None:
    twice = [new("ann@example.com", status_if_new="pending"), new("ANN@example.com")]

    refused = upsert(api, *twice, new("bob@example.com"))
    done = upsert(api, *twice, skip_duplicate_check=True)

    assert (refused["total_created"], refused["error_count"]) == (1, 2)
    assert (done["total_created"], done["error_count"]) == (1, 0)
    assert member(api, "ann@example.com")["status"] == "pending"


@pytest.mark.parametrize("opted_out", ["unsubscribed", "cleaned"])
def test_who_opted_out_cannot_be_subscribed_again_yet_fields_and_tags_can_be_written(
    api: httpx.Client, partner: Running, opted_out: str
) -> None:
    put_contacts(partner, ann=opted_out)
    ann = {"email_address": "ann@example.com", "merge_fields": {"FNAME": "Ann"}, "tags": ["vip"]}

    refused = upsert(api, {**ann, "status": "subscribed"}, update_existing=True)
    alone = api.patch(f"{LIST}/members/{md5('ann@example.com')}", json={"status": "subscribed"})
    written = upsert(api, {**ann, "status_if_new": "subscribed"}, update_existing=True)

    assert "is in a compliance state due to unsubscribe, bounce" in refused["errors"][0]["error"]
    assert (alone.status_code, alone.json()["title"]) == (400, "Member In Compliance State")
    assert written["total_updated"] == 1
    after = member(api, "ann@example.com")
    assert (after["status"], after["merge_fields"]["FNAME"], after["tags"][0]["name"]) == (opted_out, "Ann", "vip")


def test_who_opted_out_comes_back_by_confirming(api: httpx.Client, partner: Running) -> None:
    put_contacts(partner, ann="unsubscribed")

    upsert(api, {"email_address": "ann@example.com", "status": "pending"}, update_existing=True)
    pending = member(api, "ann@example.com")["status"]
    partner.admin.post("/contacts/confirm", {"emails": ["ann@example.com"]})

    assert (pending, member(api, "ann@example.com")["status"]) == ("pending", "subscribed")


def test_tags_are_added_to_existing_contacts_and_replaced_only_by_sync_tags(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com", tags=["old"]))
    upsert(api, new("ann@example.com", tags=["hub: New"]), update_existing=True)
    added = [tag["name"] for tag in member(api, "ann@example.com")["tags"]]
    upsert(api, new("ann@example.com", tags=["HUB: new"]), update_existing=True, sync_tags=True)

    assert added == ["old", "hub: New"]
    assert [tag["name"] for tag in member(api, "ann@example.com")["tags"]] == ["hub: New"]
    assert api.post(LIST, json={"members": [new("b@example.com")], "sync_tags": True}).status_code == 400


def test_a_bulk_call_whose_answer_was_lost_is_committed_and_can_be_repeated(
    api: httpx.Client, partner: Running
) -> None:
    partner.admin.fault(kind="answer_lost", method="POST", path="/3.0/lists/")

    with pytest.raises(httpx.TransportError):
        upsert(api, new("ann@example.com", tags=["vip"]), update_existing=True)
    again = upsert(api, new("ann@example.com", tags=["vip"]), update_existing=True)

    assert (again["total_created"], again["total_updated"]) == (0, 1)
    assert partner.admin.get("/tags/vip/members")["emails"] == ["ann@example.com"]
    assert [repeat["items"] for repeat in partner.admin.repeats()] == [1]


# one contact


def test_put_adds_with_status_if_new_and_then_changes(api: httpx.Client) -> None:
    path = f"{LIST}/members/{md5('ann@example.com')}"

    first = api.put(path, json=new("ann@example.com", merge_fields={"FNAME": "Ann"})).json()
    second = api.put(path, json=new("ann@example.com", status_if_new="pending", merge_fields={"LNAME": "Lee"})).json()

    assert (first["status"], second["status"]) == ("subscribed", "subscribed")
    assert (second["merge_fields"]["FNAME"], second["merge_fields"]["LNAME"]) == ("Ann", "Lee")


def test_post_of_an_existing_member_is_told_to_use_put(api: httpx.Client) -> None:
    body = {"email_address": "ann@example.com", "status": "subscribed"}

    assert api.post(f"{LIST}/members", json=body).status_code == 200
    again = api.post(f"{LIST}/members", json=body).json()
    assert (again["title"], "Use PUT" in again["detail"]) == ("Member Exists", True)


def test_a_member_is_read_by_hash_address_and_contact_id(api: httpx.Client) -> None:
    upsert(api, new("Ann@example.com"))
    contact_id = member(api, "ann@example.com")["contact_id"]

    for name in (md5("ann@example.com"), "ANN@example.com", contact_id):
        assert api.get(f"{LIST}/members/{name}").json()["email_address"] == "Ann@example.com"
    assert api.get(f"{LIST}/members/{md5('Ann@example.com')}").status_code == 404


def test_a_faulty_member_alone_is_a_400_with_its_fields(api: httpx.Client) -> None:
    field(api, "WHEN", "date")
    answer = api.put(
        f"{LIST}/members/{md5('ann@example.com')}", json=new("ann@example.com", merge_fields={"WHEN": "soon"})
    )

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")
    assert [one["field"] for one in answer.json()["errors"]] == ["WHEN"]


def test_a_changed_address_keeps_the_contact_under_its_new_hash(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com", tags=["vip"]), new("bob@example.com"))
    path = f"{LIST}/members/{md5('ann@example.com')}"

    taken = api.patch(path, json={"email_address": "bob@example.com"})
    moved = api.patch(path, json={"email_address": "anne@example.com"}).json()

    assert taken.json()["title"] == "Member Exists"
    assert (moved["id"], moved["tags"][0]["name"]) == (md5("anne@example.com"), "vip")
    assert api.get(path).status_code == 404


def test_archiving_twice_is_a_405_and_an_archived_contact_can_come_back(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com"))
    path = f"{LIST}/members/{md5('ann@example.com')}"

    assert api.delete(path).status_code == 204
    again = api.delete(path)
    assert (again.status_code, again.json()["detail"]) == (
        405,
        "This list member cannot be removed.  Please contact support.",
    )
    assert upsert(api, new("ann@example.com"))["total_created"] == 1
    assert member(api, "ann@example.com")["status"] == "subscribed"


def test_an_archived_contact_who_had_opted_out_has_still_opted_out(api: httpx.Client, partner: Running) -> None:
    put_contacts(partner, ann="unsubscribed")
    api.delete(f"{LIST}/members/{md5('ann@example.com')}")

    assert "compliance state" in upsert(api, new("ann@example.com"))["errors"][0]["error"]


def test_who_was_permanently_deleted_is_a_404_and_cannot_be_imported_again(api: httpx.Client, partner: Running) -> None:
    upsert(api, new("ann@example.com"), new("bob@example.com"))
    ann = f"{LIST}/members/{md5('ann@example.com')}"

    assert api.post(f"{ann}/actions/delete-permanent").status_code == 204
    partner.admin.post("/forget", {"email": "bob@example.com"})

    assert api.get(ann).status_code == 404
    assert api.put(ann, json=new("ann@example.com")).json()["title"] == "Forgotten Email Not Subscribed"
    errors = upsert(api, new("ann@example.com"), new("Bob@example.com"), update_existing=True)["errors"]
    assert ["was permanently deleted and cannot be re-imported" in error["error"] for error in errors] == [True, True]


def test_tags_of_one_member_are_set_and_taken_and_others_left_alone(api: httpx.Client) -> None:
    upsert(api, new("ann@example.com", tags=["kept", "dropped"]))
    tags = [{"name": "Dropped", "status": "inactive"}, {"name": "made", "status": "active"}]

    answer = api.post(f"{LIST}/members/{md5('ann@example.com')}/tags", json={"tags": tags, "is_syncing": True})

    assert (answer.status_code, answer.content) == (204, b"")
    assert [tag["name"] for tag in member(api, "ann@example.com")["tags"]] == ["kept", "made"]


def test_members_of_an_audience_are_paged_by_status(api: httpx.Client, partner: Running) -> None:
    put_contacts(partner, ann="subscribed", bob="unsubscribed", cid="subscribed")

    page = api.get(f"{LIST}/members", params={"status": "subscribed", "count": 1, "offset": 1}).json()

    assert ([one["email_address"] for one in page["members"]], page["total_items"]) == (["cid@example.com"], 2)
