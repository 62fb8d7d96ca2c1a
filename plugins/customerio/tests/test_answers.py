"""What each of Customer.io's answers means, at its own hosts, without its own server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from hub import (
    Audience,
    AudienceGone,
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
from hub_customerio.connector import CustomerIO
from hub_customerio.settings import CustomerIOSettings

KEYS = {"site_id": "5a4d6b8c", "track_api_key": "track-secret", "app_api_key": "app-secret"}
SEGMENT = Audience({"segment": 7}, "hub: Power users")
REGION = {"url": "https://track-eu.customer.io", "region": "eu", "environment_id": 3}
NO_SEGMENT = {"errors": [{"detail": "segment not found", "status": "404"}]}


def connector(router: respx.Router, **settings: Any) -> CustomerIO:
    chosen = CustomerIOSettings.model_validate({**KEYS, "create_people": True, **settings})
    transport = httpx.MockTransport(router.async_handler)
    guard = AddressGuard(allow_private=False)
    return CustomerIO(
        chosen, PartnerClient(CustomerIO.base_url(chosen), guard=guard, read_attempts=1, transport=transport)
    )


def router(*, add: httpx.Response | None = None, **routes: httpx.Response) -> respx.Router:
    """Customer.io's two EU hosts, with one answer each for what a test is not about."""
    made = respx.Router(assert_all_called=False)
    made.get(url__regex=r"https://track(-eu)?\.customer\.io/api/v1/accounts/region").respond(json=REGION)
    made.get("https://api-eu.customer.io/v1/segments/7").mock(
        return_value=routes.get("segment") or httpx.Response(200, json={"segment": {"id": 7, "type": "manual"}})
    )
    made.post("https://track-eu.customer.io/api/v2/batch").mock(
        return_value=routes.get("batch") or httpx.Response(200, json={})
    )
    made.post("https://track-eu.customer.io/api/v1/segments/7/add_customers").mock(
        return_value=add or httpx.Response(200)
    )
    made.delete("https://api-eu.customer.io/v1/segments/7").mock(
        return_value=routes.get("deleted") or httpx.Response(204)
    )
    return made


@pytest.mark.parametrize("region", ["auto", "eu"])
async def test_the_region_is_asked_at_the_chosen_host_and_each_key_goes_to_its_own_api(region: str) -> None:
    customerio = router()
    outcome = await connector(customerio, region=region).add(SEGMENT, [Member("ann", {"plan": "pro"})])

    assert outcome.refused == []
    asked = [
        (str(call.request.url.copy_with(query=None)), call.request.headers["Authorization"])
        for call in customerio.calls
    ]
    track = "Basic NWE0ZDZiOGM6dHJhY2stc2VjcmV0"
    assert asked == [
        (f"https://track{'' if region == 'auto' else '-eu'}.customer.io/api/v1/accounts/region", track),
        ("https://api-eu.customer.io/v1/segments/7", "Bearer app-secret"),
        ("https://track-eu.customer.io/api/v2/batch", track),
        ("https://track-eu.customer.io/api/v1/segments/7/add_customers", track),
    ]


async def test_an_address_in_an_answer_is_never_called() -> None:
    customerio = respx.Router()
    told = {"url": "https://evil.example", "region": "elsewhere", "environment_id": 3}
    customerio.get("https://track.customer.io/api/v1/accounts/region").respond(json=told)
    with pytest.raises(SettingsWrong, match="'elsewhere', which this connector does not know"):
        await connector(customerio).check()


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return (
        httpx.Response(status, json=body, headers=headers)
        if body is not None
        else httpx.Response(status, headers=headers)
    )


ANSWERS = [
    # status and body of add_customers, the error, its seconds or whether the answer was lost, a part of its words
    (answer(400, {"meta": {"error": "ids is required"}}), BatchRefused, None, "ids is required"),
    (answer(400, {"meta": {"errors": ["a", "b"]}}), BatchRefused, None, "a; b"),
    (answer(401), CredentialRefused, None, r"Track API key \(with its site ID\)"),
    (answer(403, {"errors": [{"detail": "forbidden", "status": 403}]}), CredentialRefused, None, "lacks a permission"),
    (answer(404, {"meta": {"error": "not found"}}), AudienceGone, None, "was deleted"),
    (answer(413), BatchRefused, None, "413"),
    (answer(422, {"errors": [{"detail": "bad", "source": {"pointer": "/data"}}]}), BatchRefused, None, "bad"),
    (answer(301, Location="https://elsewhere.example"), SettingsWrong, None, "Wrong region"),
    (answer(429), Wait, None, "429"),
    (answer(429, {"errors": []}, **{"Retry-After": "12"}), Wait, 12, "429"),
    (answer(503, **{"Retry-After": "3"}), Wait, 3, "503"),
    (answer(408), PartnerUnavailable, False, "408"),
    (answer(500, {"errors": [{"detail": "track-secret leaked"}]}), PartnerUnavailable, False, r"\*\*\* leaked"),
    (answer(503), PartnerUnavailable, False, "503"),
    (answer(502), PartnerUnavailable, True, "502"),
    (answer(524), PartnerUnavailable, True, "524"),
]


@pytest.mark.parametrize(
    ("said", "error", "more", "words"), ANSWERS, ids=lambda each: getattr(each, "status_code", None)
)
async def test_what_an_answer_of_the_track_api_means(
    said: httpx.Response, error: type[PartnerError], more: Any, words: str
) -> None:
    known = {"customers": [{"customer": {"id": "ann"}}]}
    routes = router(add=said)
    routes.post("https://api-eu.customer.io/v1/customers/attributes").respond(json=known)
    customerio = connector(routes, create_people=False)
    with pytest.raises(error, match=words) as raised:
        await customerio.add(SEGMENT, [Member("ann")])
    if isinstance(raised.value, Wait):
        assert raised.value.seconds == more
    elif isinstance(raised.value, PartnerUnavailable):
        assert raised.value.answer_lost is more


@pytest.mark.parametrize(
    ("errors", "refused"),
    [
        (
            [{"batch_index": 1, "reason": "invalid", "field": "identifiers", "message": "no"}],
            [("bob", "identifiers: no")],
        ),
        (
            [{"batch_index": 0, "reason": "required"}, {"batch_index": 0, "field": "plan", "message": "bad."}],
            [("ann", "required; plan: bad")],
        ),
    ],
)
async def test_a_207_refuses_whom_it_lists(errors: list[dict[str, Any]], refused: list[tuple[str, str]]) -> None:
    customerio = router(batch=httpx.Response(207, json={"errors": errors}))
    outcome = await connector(customerio).add(SEGMENT, [Member("ann"), Member("bob")])
    assert [(each.key, each.reason) for each in outcome.refused] == refused
    kept = [name for name in ("ann", "bob") if name != refused[0][0]]
    assert customerio.calls[-1].request.content == f'{{"ids":["{kept[0]}"]}}'.encode()


async def test_a_207_that_names_nobody_is_halved_until_it_is_clear_whom_it_is_about() -> None:
    nobody = httpx.Response(207, json={"errors": [{"reason": "invalid", "message": "something"}]})
    customerio = connector(router(batch=nobody))
    with pytest.raises(BatchRefused, match="did not say whom: something"):
        await customerio.add(SEGMENT, [Member("ann"), Member("bob")])
    outcome = await customerio.add(SEGMENT, [Member("ann")])
    assert [(each.key, each.reason) for each in outcome.refused] == [("ann", "something")]


async def test_a_segment_that_is_gone_or_in_use_is_told() -> None:
    with pytest.raises(AudienceGone):
        await connector(router(segment=httpx.Response(404, json=NO_SEGMENT))).add(SEGMENT, [Member("ann")])
    in_use = httpx.Response(409, json={"errors": [{"detail": "segment in use", "status": 409}]})
    with pytest.raises(SettingsWrong, match="segment in use") as told:
        await connector(router(deleted=in_use)).close_audience(SEGMENT)
    assert "campaigns that use it" in told.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"track_api_key": " "}, {"app_api_key": "two words"}, {"site_id": "a:b"}, {"region": "au"},
        {"backfill_days": "0"}, {"backfill_days": "181"}, {"signing_key": "a b c d"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_without_showing_them(wrong: dict[str, str]) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as refused:
        CustomerIOSettings.model_validate({**KEYS, **wrong})
    assert next(iter(wrong)) in str(refused.value)
    assert "two words" not in str(refused.value)
