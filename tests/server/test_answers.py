"""What clients are told, in the words that each of them tests for."""

from __future__ import annotations

import json

import pytest

from hub.events.arriving import Refusal
from hub.events.request import Flags
from hub.ingestion.received import Endpoint, Received, Refused
from hub.server.answers import answered, is_callback, refused

WRONG = Refusal(1, "b", "properties.time", "properties.time is missing.", "{}")


def received(accepted=1, refusals=(), form="json", **flags):
    return Received(form, Flags(**flags), accepted, list(refusals), 0, frozenset(), frozenset(), [])


def test_track_answers_one_when_at_least_one_record_went_in():
    assert answered(Endpoint.TRACK, received()).body == b"1"
    assert answered(Endpoint.TRACK, received(1, [WRONG])).body == b"1"
    assert answered(Endpoint.TRACK, received(0, [WRONG])).body == b"0"


def test_a_phone_is_told_200_whatever_became_of_its_events_for_it_would_send_them_for_ever():
    assert answered(Endpoint.TRACK, received(0, [WRONG])).status_code == 200
    assert answered(Endpoint.ENGAGE, received(0, [WRONG])).status_code == 200


def test_verbose_is_json_with_a_number_for_status():
    assert json.loads(answered(Endpoint.ENGAGE, received(verbose=True)).body) == {"status": 1, "error": None}
    assert json.loads(answered(Endpoint.TRACK, received(2, [WRONG], verbose=True)).body) == {
        "status": 1,
        "error": "1 of 3 records were refused, the first because: properties.time is missing.",
    }


def test_import_counts_and_names_the_failed_records():
    whole = answered(Endpoint.IMPORT, received(2))
    part = answered(Endpoint.IMPORT, received(2, [WRONG], strict=True))

    assert (whole.status_code, json.loads(whole.body)) == (
        200,
        {"code": 200, "num_records_imported": 2, "status": "OK"},
    )
    assert (part.status_code, json.loads(part.body)) == (
        400,
        {
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": [
                {
                    "index": 1,
                    "$insert_id": "b",
                    "insert_id": "b",
                    "field": "properties.time",
                    "message": "properties.time is missing.",
                }
            ],
            "num_records_imported": 2,
            "status": "Bad Request",
        },
    )


def test_import_without_strict_names_the_failed_records_and_is_no_failure():
    part = answered(Endpoint.IMPORT, received(2, [WRONG]))

    assert part.status_code == 200
    assert json.loads(part.body)["failed_records"][0]["index"] == 1


@pytest.mark.parametrize("asked", [{"form": "form"}, {"form": "query"}])
def test_import_of_a_form_answers_in_the_old_shape_or_mixpanel_python_raises(asked):
    assert answered(Endpoint.IMPORT, received(**asked)).body == b"1"
    assert json.loads(answered(Endpoint.IMPORT, received(verbose=True, **asked)).body)["status"] == 1


def test_an_image_is_answered_with_an_image():
    answer = answered(Endpoint.TRACK, received(0, [WRONG], img=True))

    assert (answer.status_code, answer.media_type, answer.body[:6]) == (200, "image/gif", b"GIF89a")


def test_a_callback_is_called_with_the_answer():
    answer = answered(Endpoint.TRACK, received(callback="mixpanel._jsc[123]"))
    failed = refused(Refused("No.", 413), Flags(callback="f", verbose=True))

    assert (answer.media_type, answer.body) == ("application/javascript", b"/**/mixpanel._jsc[123](1);")
    assert (failed.status_code, failed.body) == (200, b'/**/f({"status":0,"error":"No."});')


@pytest.mark.parametrize("name", ["f", "a.b.c", "mixpanel._jsc[98765432]", "$x_1", "(function(){})"])
def test_a_callback_may_be_a_path_of_names(name):
    assert is_callback(name)


@pytest.mark.parametrize("name", ["", "alert(1)", "f;g", "a..b", "1a", "f<script>", "ф", "a[b]", "a" * 200, "f\n"])
def test_a_callback_may_be_nothing_else(name):
    assert not is_callback(name)


def test_who_is_to_come_back_is_told_when():
    answer = refused(Refused("Busy.", 429, retry_after=7))

    assert answer.headers["retry-after"] == "7"
    assert json.loads(answer.body) == {"code": 429, "error": "Busy.", "status": "Too Many Requests"}
