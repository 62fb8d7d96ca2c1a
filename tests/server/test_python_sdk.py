"""mixpanel-python as it is published, pointed at the hub: what its users see, and what the hub holds afterwards."""

from __future__ import annotations

import time

import pytest
from mixpanel import BufferedConsumer, Consumer, Mixpanel, MixpanelException
from mixpanel.credentials import ServiceAccountCredentials

from hub.tokens import Kind


@pytest.fixture
def urls(served) -> dict[str, str]:
    """What a consumer is given instead of Mixpanel's addresses."""
    return {
        "events_url": f"{served.url}/track",
        "people_url": f"{served.url}/engage",
        "import_url": f"{served.url}/import",
        "groups_url": f"{served.url}/groups",
    }


def test_it_tracks_and_sets_profiles(project, token, urls):
    mixpanel = Mixpanel(token, Consumer(**urls))
    mixpanel.track("ann", "Bought", {"amount": 20})
    mixpanel.people_set("ann", {"$email": "ann@shop.example", "plan": "free"})
    mixpanel.people_set_once("ann", {"plan": "pro", "first": "x"})
    mixpanel.people_increment("ann", {"bought": 2})
    mixpanel.people_append("ann", {"colours": "red"})
    mixpanel.people_union("ann", {"colours": ["red", "blue"]})
    mixpanel.people_remove("ann", {"colours": "red"})
    mixpanel.people_unset("ann", ["first"])
    mixpanel.people_set("bob", {"plan": "free"})
    mixpanel.people_delete("bob")

    status = project.status()
    assert (status.events, status.profiles) == (1, 1)
    properties = project.profiles.get("ann").properties
    assert {name: properties.get(name) for name in ("$email", "plan", "first", "bought", "colours")} == {
        "$email": "ann@shop.example",
        "plan": "free",
        "first": None,
        "bought": 2,
        "colours": ["blue"],
    }


def test_it_sends_in_batches(project, token, urls):
    consumer = BufferedConsumer(max_size=50, **urls)
    mixpanel = Mixpanel(token, consumer)
    for number in range(120):
        mixpanel.track(f"p{number}", "Bought")
        mixpanel.people_set(f"p{number}", {"n": number})
    consumer.flush()

    status = project.status()
    assert (status.events, status.profiles) == (120, 120)


def test_it_imports_with_a_secret_and_with_a_service_account(project, token, urls):
    secret = project.tokens.add(Kind.SECRET)[1]
    name = f"loader of {project.workspace.project.name}"
    account = project.tokens.add(Kind.SERVICE, name=name)[1]
    credentials = ServiceAccountCredentials(name, account, "2195193")
    old = int(time.time()) - 400 * 86_400

    Mixpanel(token, Consumer(**urls)).import_data(None, "ann", "Bought", old, api_secret=secret)
    Mixpanel(token, Consumer(**urls, credentials=credentials)).import_data(None, "ann", "Bought", old)

    assert project.status().events == 2


def test_it_merges_two_ids_and_nobody_in_another_project(served, urls):
    project, other = served.project("original"), served.project("original")
    for each in (project, other):
        mixpanel = Mixpanel(each.tokens.add()[1], Consumer(**urls))
        mixpanel.track("ann-at-home", "Bought")
        mixpanel.track("ann-at-work", "Bought")
    secret = project.tokens.add(Kind.SECRET)[1]

    Mixpanel("any", Consumer(**urls)).merge(None, "ann-at-home", "ann-at-work", api_secret=secret)

    assert (project.mtu().mtu, other.mtu().mtu) == (1, 2)


def test_it_raises_with_the_words_of_the_hub(token, urls):
    with pytest.raises(MixpanelException, match="The token is no project's"):
        Mixpanel("0123456789abcdef", Consumer(**urls)).track("ann", "Bought")
    with pytest.raises(MixpanelException, match="no such token"):
        Mixpanel(token, Consumer(**urls)).import_data(
            None, "ann", "Bought", time.time(), api_secret="wrong-secret-16ch"
        )
    with pytest.raises(MixpanelException, match="Nothing matches"):
        Mixpanel(token, Consumer(**urls)).group_set("company", "acme", {"a": 1})
