"""Accounts connected by their owner's consent: the real flow, from the printed address to a sealed token."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hub.connectors.authorizing import Asking, NotAnswered, asking, granted
from hub.connectors.callback import Callback, callback
from hub.connectors.guarding import guard_of
from hub.errors import CredentialRefused, UsageError
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.sandbox.account import CLIENT_ID, CLIENT_SECRET


@pytest.fixture
def waiting() -> Iterator[Callback]:
    with callback(0) as found:
        yield found


def app(partner, **more):
    return {"base_url": partner.settings["base_url"], "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}


def consent(asked: Asking, decision: str = "allow") -> httpx.Response:
    """What the account's owner does in a browser: opens the address, and follows one of the page's links."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(asked.url)
        link = re.search(f'id={decision} href="([^"]+)"', page.text)
        assert link
        return browser.get(asked.url.partition("?")[0] + link[1].replace("&amp;", "&"))


def in_a_browser(asked: Asking, decision: str = "allow") -> threading.Thread:
    thread = threading.Thread(target=consent, args=(asked, decision))
    thread.start()
    return thread


async def test_consent_brings_a_token_that_is_sealed_and_the_data_centre(hub, partner, waiting, home):
    asked = asking(Mailchimp, app(partner), waiting.redirect_uri)
    assert CLIENT_SECRET not in asked.url
    browser = in_a_browser(asked)
    code = await asyncio.to_thread(waiting.wait, asked)
    browser.join()
    told = await granted(asked, code, guard_of(hub.settings))
    assert told["data_centre"] == "us6"

    made = await hub.connections.add("mailchimp", "news", app(partner, **told))
    assert made.state == "connected"
    assert told["api_key"] not in str(made)
    assert told["api_key"].encode() not in (home / "hub.db").read_bytes()

    with pytest.raises(CredentialRefused, match="invalid_grant"):  # a code is good for once
        await granted(asked, code, guard_of(hub.settings))
    second = await hub.connections.add("mailchimp", "second", hub.connections.copied("news", "mailchimp"))
    assert (second.state, second.settings["data_centre"]) == ("connected", "us6")

    partner.admin.post("/oauth/revoke")
    refused = await hub.connections.check("news")
    assert refused.state == "refused"
    assert "--oauth" in refused.message


def test_an_answer_to_another_question_is_not_taken(partner, waiting):
    asked = asking(Mailchimp, app(partner), waiting.redirect_uri)
    with httpx.Client(trust_env=False) as other:
        assert other.get(f"{waiting.redirect_uri}?code=1&state={asked.state}").status_code == 404  # nobody asked yet
        in_a_browser(asked, "deny")
        with pytest.raises(NotAnswered, match="access_denied"):
            waiting.wait(asked)
        for answer in ("code=1", "code=1&state=", "code=1&state=forged", "error=x"):
            assert other.get(f"{waiting.redirect_uri}?{answer}").status_code == 400
        assert other.get(waiting.redirect_uri.replace("/oauth", "/else")).status_code == 404
    with pytest.raises(NotAnswered, match="Nobody came back"):
        waiting.wait(asked, 0.01)


async def test_the_redirect_address_is_the_same_to_the_letter(hub, partner, waiting):
    asked = asking(Mailchimp, app(partner), waiting.redirect_uri + "/")
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(f"{asked.url}&decision=allow")
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    another = asking(Mailchimp, app(partner), waiting.redirect_uri)
    with pytest.raises(CredentialRefused, match="redirect address"):
        await granted(another, code, guard_of(hub.settings))
    wrong = asking(Mailchimp, app(partner, client_secret="x" * 20), waiting.redirect_uri)
    with pytest.raises(CredentialRefused, match="invalid_client") as refused:
        await granted(wrong, code, guard_of(hub.settings))
    assert "x" * 20 not in f"{refused.value} {refused.value.hint}"


def test_what_is_missing_is_told_with_the_address_to_register(hub, waiting):
    with pytest.raises(UsageError, match="client id and secret are missing") as wrong:
        asking(Mailchimp, {}, waiting.redirect_uri)
    assert waiting.redirect_uri in wrong.value.hint
    with pytest.raises(UsageError, match="not connected by OAuth"):
        asking(hub.plugins.connector("webhook"), {}, waiting.redirect_uri)
    port = urlsplit(waiting.redirect_uri).port
    assert port
    with pytest.raises(UsageError, match="cannot be listened at"), callback(port):
        pass
