"""A table of Braze's answers, and what happens next."""

from __future__ import annotations

from email.utils import formatdate
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
    SettingsWrong,
    Wait,
)
from hub.connectors.addresses import AddressGuard
from hub_braze.cohorts import BrazeCohorts
from hub_braze.connector import Braze
from hub_braze.instances import HOSTS, rest_url

KEY = "5ad0b7c2-4e1f-4c3a-9d86-7b1e2f30a4c5"
API = "https://rest.fra-01.braze.eu"
AUDIENCE = Audience({"attribute": "vips"}, "vips")
MEMBERS = [Member("ann", match="$braze_external_id"), Member("bob@example.com", match="$email")]


def connector(router: respx.Router) -> Braze:
    settings = Braze.Settings.model_validate({"api_key": KEY, "instance": "eu-01"})
    transport = httpx.MockTransport(router.async_handler)
    guard = AddressGuard(allow_private=True)
    return Braze(settings, PartnerClient(Braze.base_url(settings), guard=guard, read_attempts=1, transport=transport))


ANSWERS: list[tuple[int, dict[str, Any], type[PartnerError], str]] = [
    (400, {"message": "Max input length exceeded"}, BatchRefused, "Max input length"),
    (
        400,
        {"message": "Valid data must be provided", "errors": [{"type": "'email' is invalid"}]},
        BatchRefused,
        "email",
    ),
    (401, {"message": f"Invalid API key: {KEY}"}, CredentialRefused, r"Invalid API key: \*\*\*"),
    (403, {"message": "Access Denied"}, CredentialRefused, r"lacks the permission users\.track"),
    (403, {"message": "Forbidden"}, SettingsWrong, "Forbidden"),
    (404, {"message": "Invalid URL"}, SettingsWrong, "Invalid URL"),
    (413, {}, BatchRefused, "413"),
    (423, {"message": "Resource locked"}, Wait, "locked"),
    (429, {"message": "Rate limit"}, Wait, "Rate limit"),
    (500, {}, PartnerUnavailable, "500"),
    (503, {}, PartnerUnavailable, "503"),
]


@pytest.mark.parametrize(("status", "body", "error", "words"), ANSWERS)
async def test_a_status_says_what_happens_next(status, body, error, words):
    router = respx.Router()
    router.post(f"{API}/users/track").respond(status, json=body)
    with pytest.raises(PartnerError, match=words) as raised:
        await connector(router).add(AUDIENCE, MEMBERS)

    assert isinstance(raised.value, error)
    assert KEY not in str(raised.value)
    assert raised.value.answer_lost is (status == 503)  # 502, 503 and 504 were possibly carried out


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset": "1763800030", "Date": formatdate(1763800000, usegmt=True)}, 30),
        ({"x-ratelimit-reset": "1763800000", "Date": formatdate(1763800009, usegmt=True)}, 0),
        ({"Retry-After": "7"}, 7),
        ({"x-ratelimit-reset": "soon"}, None),
    ],
)
async def test_a_full_window_is_waited_for_by_the_clock_of_the_answer(headers, seconds):
    router = respx.Router()
    router.post(f"{API}/users/track").respond(429, headers=headers)
    with pytest.raises(Wait) as raised:
        await connector(router).add(AUDIENCE, MEMBERS)
    assert raised.value.seconds == seconds


@pytest.mark.parametrize(
    ("errors", "refused"),
    [
        ([], []),
        (
            [{"type": "x is wrong", "input_array": "attributes", "index": 1}],
            [("bob@example.com", "$email", "x is wrong")],
        ),
        (
            [
                {"type": "a", "input_array": "attributes", "index": 0},
                {"type": "b", "input_array": "attributes", "index": 0},
            ],
            [("ann", "$braze_external_id", "a; b")],
        ),
    ],
)
async def test_errors_inside_a_2xx_are_read_by_their_index(errors, refused):
    router = respx.Router()
    router.post(f"{API}/users/track").respond(201, json={"message": "success", "errors": errors})
    outcome = await connector(router).add(AUDIENCE, MEMBERS)
    assert [(each.key, each.match, each.reason) for each in outcome.refused] == refused


@pytest.mark.parametrize(
    "error",
    [
        {"type": "x"},
        {"type": "x", "input_array": "events", "index": 0},
        {"type": "x", "input_array": "attributes", "index": 2},
        {"type": "x", "input_array": "attributes", "index": -1},
        "x",
    ],
)
async def test_an_error_about_nobody_is_found_out_by_halving_and_one_alone_is_meant(error):
    router = respx.Router()
    router.post(f"{API}/users/track").respond(201, json={"message": "success", "errors": [error]})
    with pytest.raises(BatchRefused, match="did not say whom"):
        await connector(router).add(AUDIENCE, MEMBERS)
    assert [each.reason for each in (await connector(router).add(AUDIENCE, MEMBERS[:1])).refused] == ["x"]


async def test_a_page_of_a_proxy_is_no_success():
    router = respx.Router()
    router.post(f"{API}/users/track").respond(200, json={"status": "logged out"})
    with pytest.raises(PartnerUnavailable) as raised:
        await connector(router).add(AUDIENCE, MEMBERS)
    assert raised.value.answer_lost


def test_an_instance_is_told_by_its_name_or_by_its_rest_host():
    assert rest_url("US-03") == rest_url(" rest.iad-03.braze.com ") == "https://rest.iad-03.braze.com"
    assert rest_url("https://rest.us-11.braze.com/") == "https://rest.us-11.braze.com"
    assert len(HOSTS) == 15
    for wrong in ("", "US-99", "sdk.iad-01.braze.com", "rest.iad-01.braze.com.evil.example"):
        with pytest.raises(SettingsWrong, match=r"rest\.|missing"):
            rest_url(wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": " ", "instance": "US-01"},
        {"api_key": KEY, "instance": "US-99"},
        {"api_key": KEY, "instance": "US-01", "currents_tokens": "short"},
        {"api_key": KEY, "instance": "US-01", "currents_folder": "not/whole"},
        {"api_key": KEY, "instance": "US-01", "external_id_property": "a:b"},
    ],
)
def test_settings_that_cannot_work_are_refused_without_telling_them(settings):
    with pytest.raises(ValueError, match=r".") as raised:
        Braze.Settings.model_validate(settings)
    assert KEY not in str(raised.value)


def test_a_partner_is_a_part_of_a_path():
    with pytest.raises(ValueError, match="letters, digits"):
        BrazeCohorts.Settings.model_validate(
            {"instance": "US-01", "partner": "../x", "partner_api_key": "k", "client_secret": "s"}
        )
