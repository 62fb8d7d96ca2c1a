"""Requests as SDKs and people send them, over real HTTP, and what the hub holds afterwards."""

from __future__ import annotations

import base64
import gzip
import json
import time

import pytest

from hub.tokens import Kind
from tests.server.conftest import event

FORM = {"content-type": "application/x-www-form-urlencoded"}


def encoded(records, *, url_safe=False) -> str:
    text = json.dumps(records).encode()
    return (base64.urlsafe_b64encode(text) if url_safe else base64.b64encode(text)).decode()


def held(project) -> int:
    """How many events the hub holds, when all that has come in is moved."""
    return project.status().events


def test_events_come_in_in_every_form_and_by_both_paths(http, project, token):
    def one(number):
        return event(token, number=number)

    answers = [
        http.post("/track", data={"data": json.dumps(one(1)), "ip": "0"}),
        http.post("/track/", data={"data": json.dumps([one(2), one(3)])}),
        http.post("/track/?ip=1&_=1", content=f"data={encoded([one(4)], url_safe=True)}", headers=FORM),
        http.get("/track/", params={"data": encoded(one(5))}),
        http.post("/track?ip=1", json=[one(6)]),
        http.post("/track", content=gzip.compress(json.dumps([one(7)]).encode()), headers={"content-encoding": "gzip"}),
        http.post("/track", content=f"{json.dumps(one(8))}\n{json.dumps(one(9))}\n"),
        http.post("/track/?verbose=1", content=f"data={encoded([one(10)])}", headers={"content-type": "text/plain"}),
    ]

    assert [(each.status_code, each.text) for each in answers] == [
        *[(200, "1")] * 7,
        (200, '{"status":1,"error":null}'),
    ]
    assert held(project) == 10


def test_one_wrong_record_does_not_spoil_the_others(http, project, token):
    answer = http.post("/track?verbose=1", json=[event(token), event(token, name=""), 7, event(token, time="never")])

    assert answer.json()["status"] == 1
    assert answer.json()["error"].startswith("3 of 4 records were refused")
    assert held(project) == 1


def test_events_of_two_tokens_go_to_two_projects_and_so_do_refusals(http, served, project, token):
    other = served.project("original")
    _, theirs = other.tokens.add()
    wrong = event(theirs, time="never")

    answer = http.post("/track", json=[event(token), event(theirs), event(theirs, name="Seen"), wrong])

    assert answer.text == "1"
    assert (held(project), held(other)) == (1, 2)
    assert [each.reason for each in other.rejections()] == ["properties.time is not a number."]
    assert project.rejections() == []


def test_an_unknown_token_is_told_and_counted_and_not_sent_again(http, project, token):
    before = http.get("/health").json()["since_start"]["unknown"]

    answers = [http.post(path, json=[event("0123456789abcdef")]) for path in ("/track", "/track?verbose=1")]
    both = http.post("/track?verbose=1", json=[event(token), event("0123456789abcdef"), event()])

    assert [(each.status_code, each.text) for each in answers] == [
        (200, "0"),
        (200, '{"status":0,"error":"The token is no project\'s."}'),
    ]
    assert both.json()["status"] == 1
    since = http.get("/health").json()["since_start"]
    assert (since["unknown"] - before, since["last_unknown"]) == (4, "cdef")
    assert held(project) == 1


def test_profiles_come_in_through_engage(http, project, token):
    answer = http.post(
        "/engage?verbose=1",
        data={"data": encoded([{"$token": token, "$distinct_id": "ann", "$set": {"plan": "pro"}}, {"$token": token}])},
    )

    assert answer.json()["status"] == 1
    assert project.status().profiles == 1


def test_import_takes_a_project_token_a_secret_and_a_service_account(http, project, token):
    secret = project.tokens.add(Kind.SECRET)[1]
    account = project.tokens.add(Kind.SERVICE, name=project.workspace.project.name)[1]
    user = project.workspace.project.name
    mine = str(project.workspace.project.id)
    logins = [(token, ""), (secret, ""), (user, account)]

    answers = [
        http.post("/import?strict=1", params={"strict": 1, "project_id": named}, auth=login, json=[sent(number)])
        for number, (login, named) in enumerate(
            [*[(login, "2195193") for login in logins], (logins[2], mine), (logins[2], user)]
        )
    ]

    assert [each.json() for each in answers] == [{"code": 200, "num_records_imported": 1, "status": "OK"}] * 5
    assert held(project) == 5


def test_import_refuses_who_is_unknown_and_who_names_another_project(http, served, project, token):
    other = served.project()

    nobody = http.post("/import", json=[sent(1)])
    wrong = http.post("/import", json=[sent(1)], auth=(token, "guess"))
    bearer = http.post("/import", json=[sent(1)], headers={"authorization": f"Bearer {token}"})
    elsewhere = http.post(f"/import?project_id={other.workspace.project.id}", json=[sent(1)], auth=(token, ""))

    assert [each.status_code for each in (nobody, wrong, bearer, elsewhere)] == [401, 401, 401, 403]
    assert elsewhere.json()["status"] == "Forbidden"
    assert held(project) == held(other) == 0


def test_a_partial_import_keeps_the_good_ones(http, project, token):
    answer = http.post("/import?strict=1", auth=(token, ""), json=[sent(1), {"event": "A", "properties": {}}, sent(2)])

    assert answer.status_code == 400
    assert answer.json()["num_records_imported"] == 2
    assert [(each["index"], each["field"]) for each in answer.json()["failed_records"]] == [
        (1, "properties.distinct_id")
    ]
    assert held(project) == 2


def test_a_token_that_was_revoked_works_for_three_seconds_at_most(http, project, token):
    assert http.post("/track", json=[event(token)]).text == "1"
    project.tokens.revoke(token)

    until = time.monotonic() + 30
    while http.post("/track", json=[event(token)]).text == "1":
        assert time.monotonic() < until


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{half", 400),
        (b"", 400),
        (gzip.compress(b"[]" * 10_000, mtime=0)[:20], 400),
        (gzip.compress(b" " * 200_000_000, 1, mtime=0), 413),
        (b"[" + b"[" * 500_000, 400),
        (b"[" + b",".join([b"{}"] * 2001) + b"]", 413),
    ],
    ids=["half an object", "nothing", "half a stream", "a bomb", "deep", "too many"],
)
def test_a_body_of_which_nothing_can_be_read_is_refused_and_the_server_stays_up(http, token, body, status):
    answer = http.post("/track", content=body)

    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert http.post("/track", json=[event(token)]).text == "1"


def test_what_is_not_there_is_told_in_json(http):
    assert http.post("/groups", json=[]).json() == {
        "code": 404,
        "error": "Nothing matches the given URI",
        "status": "Not Found",
    }
    assert http.put("/track").status_code == 405
    assert http.options("/track").headers["allow"] == "GET, POST, OPTIONS"


def test_a_redirect_is_not_followed_and_a_wrong_callback_takes_nothing_in(http, project, token):
    away = http.get("/track/", params={"data": encoded(event(token)), "redirect": "https://elsewhere.example"})
    wrong = {"data": encoded(event(token)), "callback": "alert(1)//"}
    answers = http.get("/track/", params=wrong), http.post("/track/", data=wrong)

    assert (away.status_code, away.text) == (200, "1")
    assert [answer.status_code for answer in answers] == [400, 400]
    assert held(project) == 1


def test_a_browser_on_any_page_may_send(http, token):
    asked = http.options(
        "/track/",
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-own",
        },
    )
    sent = http.post("/track/", json=[event(token)], headers={"origin": "null"})
    refused = http.post("/track/", content=b"{half", headers={"origin": "https://shop.example"})

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "https://shop.example"
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "x-own" in asked.headers["access-control-allow-headers"]
    assert asked.headers["access-control-max-age"] == "86400"
    assert sent.headers["access-control-allow-origin"] == "null"
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    assert refused.headers["access-control-expose-headers"] == "Retry-After"


def sent(number: int) -> dict[str, object]:
    """An event that `/import` takes under its strict rules."""
    return event(None, time=1_767_600_000 + number, **{"$insert_id": f"i-{number}"})
