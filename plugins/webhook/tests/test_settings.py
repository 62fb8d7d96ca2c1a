"""What may be set, what is signed, and what is said when it may not."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from importlib.metadata import entry_points

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier

from hub import new_signing_secret, signature_headers, signing_secrets
from hub_webhook.connector import Webhook
from hub_webhook.sandbox import WebhookSandbox
from hub_webhook.settings import WebhookSettings, parsed_headers

URL = "https://crm.example.com/hook"


def test_the_entry_point_brings_the_connector_and_the_sandbox() -> None:
    [found] = entry_points(group="hub.plugins", name="webhook")
    plugin = found.load()
    assert plugin.hub_connectors() == [Webhook]
    assert plugin.hub_sandboxes() == [WebhookSandbox]


def test_the_standards_published_vector() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, spec and libraries
    headers = signature_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_is_signed_can_be_verified_with_the_library_and_by_hand() -> None:
    secret, body = new_signing_secret(), '{"name": "Zoë"}'.encode()
    headers = signature_headers([secret, new_signing_secret()], message_id="msg_1", at=datetime.now(UTC), body=body)
    assert Verifier(secret).verify(body, headers) == {"name": "Zoë"}

    # the ten lines of the README
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    expected = "v1," + b64encode(digest).decode()
    assert any(hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split())


def test_a_secret_is_made_when_none_is_given() -> None:
    made = {WebhookSettings.model_validate({"base_url": URL}).signing_secret.get_secret_value() for _ in range(2)}
    assert len(made) == 2
    assert all(signing_secrets(secret) == [secret] for secret in made)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("base_url", "ftp://crm.example.com", "https://host/path"),
        ("base_url", "https://ann:pw@crm.example.com/hook", "settings of their own"),
        ("base_url", "https://crm.example.com/hook#top", "never sent"),
        ("signing_secret", "", "needs a secret"),
        ("signing_secret", "swordfish", "whsec_ and base64"),
        ("signing_secret", "whsec_c2hvcnQ=", "24 to 64"),
        ("headers", "no colon", "Name: value"),
        ("headers", "X-Key: a\rb", "plain ASCII"),
        ("headers", "webhook-id: 1", "set by the connector"),
        ("headers", '{"X-Key": 1}', "one object of texts"),
    ],
)
def test_what_cannot_work_is_told_without_showing_it(field: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as wrong:
        WebhookSettings.model_validate({"base_url": URL, field: value})
    assert "swordfish" not in str(wrong.value)


def test_a_password_needs_a_user_name_and_one_kind_of_authorization() -> None:
    with pytest.raises(ValidationError, match="needs a user name"):
        WebhookSettings.model_validate({"base_url": URL, "password": "secret"})
    with pytest.raises(ValidationError, match="either"):
        WebhookSettings.model_validate({"base_url": URL, "username": "hub", "headers": "authorization: Bearer x"})


def test_headers_are_lines_or_json() -> None:
    assert parsed_headers("X-A: 1\n\n X-B : two: three \n") == {"X-A": "1", "X-B": "two: three"}
    assert parsed_headers('{"X-A": "1"}') == {"X-A": "1"}
    assert parsed_headers("") == {}


def test_every_setting_has_a_title_and_a_sentence_for_the_form() -> None:
    for field in WebhookSettings.model_fields.values():
        assert field.title
        assert (field.description or "").endswith(".")
