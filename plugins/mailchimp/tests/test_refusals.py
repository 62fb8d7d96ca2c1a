"""Every error that Mailchimp documents, and what happens next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from hub import (
    Audience,
    BatchRefused,
    CredentialRefused,
    Member,
    PartnerClient,
    PartnerError,
    PartnerUnavailable,
    Refusal,
    SettingsWrong,
    Wait,
)
from hub.connectors.addresses import AddressGuard
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.refusals import NotThere, member_refusals, segment_refusals
from hub_mailchimp.settings import MailchimpSettings

KEY = "0123456789abcdef0123456789abcdef-us6"
API = "https://us6.api.mailchimp.com/3.0"
AUDIENCE = Audience({"list": "a6b5da1054", "segment": 7}, "hub: Power users")


def connector(router: respx.Router, **settings: Any) -> Mailchimp:
    chosen = MailchimpSettings.model_validate({"api_key": KEY, "audience": "a6b5da1054", **settings})
    transport = httpx.MockTransport(router.async_handler)
    guard = AddressGuard(allow_private=True)
    return Mailchimp(chosen, PartnerClient(API, guard=guard, read_attempts=1, transport=transport))


def problem(status: int, title: str, detail: str = "Something is wrong.", **more: Any) -> httpx.Response:
    body = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status}
    return httpx.Response(status, json={**body, "detail": detail, "instance": "995c5cb0", **more})


GLOSSARY = [
    (400, "Bad Request", BatchRefused),
    (400, "Invalid Action", BatchRefused),
    (400, "Invalid Resource", BatchRefused),
    (400, "JSON Parse Error", BatchRefused),
    (401, "API Key Missing", CredentialRefused),
    (401, "API Key Invalid", CredentialRefused),
    (403, "Forbidden", CredentialRefused),
    (403, "User Disabled", CredentialRefused),
    (403, "Wrong Datacenter", SettingsWrong),
    (403, "WrongDatacenter", SettingsWrong),
    (404, "Resource Not Found", NotThere),
    (422, "Requested Fields Invalid", BatchRefused),
    (426, "Upgrade Required", SettingsWrong),
    (429, "Too Many Requests", Wait),
    (500, "Internal Server Error", PartnerUnavailable),
    (500, "Compliance Related", SettingsWrong),
    (503, "Service Unavailable", PartnerUnavailable),
    (401, "A Title Of Next Year", CredentialRefused),
    (400, "A Title Of Next Year", BatchRefused),
]


@pytest.mark.parametrize(("status", "title", "error"), GLOSSARY)
async def test_a_title_of_the_glossary_says_what_happens_next(
    status: int, title: str, error: type[PartnerError]
) -> None:
    router = respx.Router()
    router.post(f"{API}/x").mock(return_value=problem(status, title))
    with pytest.raises(PartnerError) as raised:
        await connector(router).http.post("/x", {})
    assert type(raised.value) is error
    if error is not PartnerUnavailable:
        assert title in str(raised.value)
        assert "995c5cb0" in str(raised.value)  # for Mailchimp's support
        assert raised.value.hint


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("body", [b"", b"<html><body>Too busy</body></html>", b'"busy"'])
async def test_under_load_an_answer_without_a_problem_is_a_wish_for_a_pause(status: int, body: bytes) -> None:
    router = respx.Router()
    router.post(f"{API}/x").mock(return_value=httpx.Response(status, content=body))
    with pytest.raises(Wait) as wait:
        await connector(router).http.post("/x", {})
    assert wait.value.seconds is None


async def test_a_404_that_is_not_mailchimps_own_never_counts_as_a_deleted_tag() -> None:
    router = respx.Router()
    router.route().mock(return_value=httpx.Response(404, text="<html>nginx</html>"))
    with pytest.raises(SettingsWrong) as wrong:
        await connector(router).add(AUDIENCE, [Member("ann@example.com")])
    assert not isinstance(wrong.value, NotThere)


async def test_the_gateways_time_out_may_have_lost_the_answer_of_a_writing_call() -> None:
    router = respx.Router()
    router.post(f"{API}/x").mock(return_value=httpx.Response(504, text="<html>"))
    with pytest.raises(PartnerUnavailable) as lost:
        await connector(router).http.post("/x", {})
    assert lost.value.answer_lost


async def test_the_fields_that_are_wrong_are_named() -> None:
    router = respx.Router()
    errors = [{"field": "members.item:3", "message": "Schema describes object, string found instead"}]
    router.post(f"{API}/x").mock(return_value=problem(400, "Invalid Resource", errors=errors))
    with pytest.raises(BatchRefused, match=r"members\.item:3: Schema describes object"):
        await connector(router).http.post("/x", {})


async def test_the_key_is_not_shown_even_if_an_answer_repeats_it() -> None:
    router = respx.Router()
    router.get(f"{API}/ping").mock(return_value=problem(401, "API Key Invalid", f"{KEY} is not a key"))
    with pytest.raises(CredentialRefused) as refused:
        await connector(router).check()
    assert KEY not in f"{refused.value} {refused.value.hint} {refused.value!r}"


MEMBER_ERRORS = [
    ("Please provide a valid email address.", None, "when the address changes"),
    ("ann@example.com looks fake or invalid, please enter a real email address.", None, "when the address changes"),
    (
        "ann@example.com was permanently deleted and cannot be re-imported. The contact must re-subscribe to get"
        " back on the list.",
        None,
        "Only the person can come back",
    ),
    (
        "ann@example.com is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be"
        " subscribed.",
        None,
        "Only the person can come back",
    ),
    (
        "ann@example.com has signed up to a lot of lists very recently; we're not allowing more signups for now",
        timedelta(days=1),
        "tried again in a day",
    ),
    ("ann@example.com is already a list member, do you want to update?", timedelta(days=1), "tried again in a day"),
    ("Your merge fields were invalid.", None, "when the value or the mapping changes"),
    ("Words that nobody has heard yet.", None, ""),
]


@pytest.mark.parametrize(("words", "again", "explained"), MEMBER_ERRORS)
def test_a_member_is_refused_for_good_or_for_a_day_and_told_what_would_help(
    words: str, again: timedelta | None, explained: str
) -> None:
    error = {"email_address": "Ann@Example.com", "error": words, "error_code": "ERROR_GENERIC"}
    [refused] = member_refusals([error], ["bob@example.com", "ann@example.com"])
    assert refused == Refusal("ann@example.com", refused.reason, "ERROR_GENERIC", again)
    assert refused.reason.startswith(words)
    assert explained in refused.reason


def test_a_field_fault_names_the_field() -> None:
    error = {
        "email_address": "ann@example.com", "error": "Your merge fields were invalid.", "error_code": "ERROR_GENERIC",
        "field": "SIZE", "field_message": "Please enter a number",
    }  # fmt: skip
    [refusal] = member_refusals([error], ["ann@example.com"])
    assert "(SIZE: Please enter a number)" in refusal.reason


def test_a_complaint_about_nobody_in_particular_halves_the_batch_down_to_whom_it_is_about() -> None:
    error = {"email_address": "", "error": "Invalid"}
    with pytest.raises(BatchRefused, match="Invalid"):
        member_refusals([error], ["ann@example.com", "bob@example.com"])
    assert [refusal.key for refusal in member_refusals([error], ["ann@example.com"])] == ["ann@example.com"]


def test_every_address_of_a_segment_error_is_refused_for_a_day() -> None:
    error = {"email_addresses": ["ANN@example.com", "bob@example.com"], "error": "Email addresses do not exist"}
    refused = segment_refusals([error], ["ann@example.com", "bob@example.com", "cid@example.com"])
    assert [(each.key, each.retry_after) for each in refused] == [
        ("ann@example.com", timedelta(days=1)),
        ("bob@example.com", timedelta(days=1)),
    ]


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("Email addresses do not exist in the list", []),
        ("ann@example.com is not subscribed to the list", []),
        ("The segment is locked", ["ann@example.com"]),
    ],
)
async def test_a_removal_fails_only_for_a_reason_other_than_not_being_there(words: str, refused: list[str]) -> None:
    router = respx.Router()
    answer = {"errors": [{"email_addresses": ["ann@example.com"], "error": words}], "error_count": 1}
    router.post(f"{API}/lists/a6b5da1054/segments/7").respond(json=answer, headers={"X-Request-Id": "r-1"})
    outcome = await connector(router).remove(AUDIENCE, [Member("ann@example.com"), Member("bob@example.com")])
    assert [each.key for each in outcome.refused] == refused
    assert outcome.request_id == "r-1"


async def test_no_call_ever_carries_a_status_or_replaces_tags() -> None:
    router = respx.Router()
    sent: list[bytes] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(
            200, json={"id": "a6b5da1054", "errors": [], "merge_fields": [{"tag": "FNAME"}], "total_items": 1}
        )

    router.route().mock(side_effect=note)
    for create in (True, False):
        adding = connector(router, create_contacts=create)
        await adding.add(AUDIENCE, [Member("ann@example.com", {"FNAME": "Ann"})])
        await adding.remove(AUDIENCE, [Member("ann@example.com")])
    text = b" ".join(sent)
    assert b'"status"' not in text
    assert b'"sync_tags":true' not in text
    assert text.count(b'"status_if_new":"subscribed"') == 1  # with create_contacts only
