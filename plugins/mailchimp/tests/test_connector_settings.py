"""What may be set on a connection, and what is said when it may not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hub import SettingsWrong
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.settings import MailchimpSettings, data_centre

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("centre", ["us1", "us6", "us21"])
def test_the_key_names_the_host(centre: str) -> None:
    settings = MailchimpSettings.model_validate({"api_key": f" {KEY}-{centre}\n"})
    assert Mailchimp.base_url(settings) == f"https://{centre}.api.mailchimp.com/3.0"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (KEY, "lacks its data centre"),
        (f"{KEY}-", "lacks its data centre"),
        ("secret-us6", "not one of Mailchimp's"),
        ("", "is empty"),
    ],
)
def test_a_key_that_cannot_work_is_told_in_a_sentence_that_names_what_is_missing(key: str, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        MailchimpSettings.model_validate({"api_key": key})
    [error] = wrong.value.errors()
    assert error["loc"] == ("api_key",)
    assert said in error["msg"]
    assert "Extras" in error["msg"]  # where to find it


def test_a_refused_key_is_not_shown() -> None:
    with pytest.raises(ValidationError) as wrong:
        MailchimpSettings.model_validate({"api_key": KEY})
    assert KEY not in str(wrong.value)
    assert KEY not in repr(MailchimpSettings.model_validate({"api_key": f"{KEY}-us6"}))


def test_with_an_address_of_ones_own_any_key_will_do() -> None:
    settings = MailchimpSettings.model_validate({"api_key": "any", "base_url": "http://127.0.0.1:8801/3.0"})
    assert Mailchimp.base_url(settings) == "http://127.0.0.1:8801/3.0"
    with pytest.raises(SettingsWrong, match="data centre"):
        data_centre(settings)


def test_every_setting_has_a_title_and_a_sentence_for_the_form() -> None:
    own = set(MailchimpSettings.model_fields) - {"base_url"}
    assert {"api_key", "audience", "create_contacts", "make_fields", "webhook_secret", "client_id"} <= own
    for name in own:
        field = MailchimpSettings.model_fields[name]
        assert field.title
        assert (field.description or "").endswith(".")
