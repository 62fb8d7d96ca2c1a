"""The example package is a third party's: found by its entry point, it is a partner like the others."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.metadata import EntryPoint

import pytest

from hub.connectors.plugins import load_from
from hub.sync.states import RunState
from hub.testing.sandbox import running
from tests.customers import LOYAL, NAMES, buy, describe, email

ROWS = "[hub.plugins]\nslack-digest = hub_slack_digest\n"


@pytest.fixture
def site(tmp_path, pytestconfig):
    """A folder of installed packages with the example's in it, as pip writes it."""
    folder = tmp_path / "site"
    about = folder / "hub_slack_digest-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hub-slack-digest\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text(ROWS)
    return f"{folder}:{pytestconfig.rootpath / 'examples' / 'hub-slack-digest'}"


def test_it_is_listed_and_its_sandbox_is_found(site, cli):
    listed = json.loads(cli("plugin", "list", "--json", PYTHONPATH=site).stdout)
    sandboxes = cli("sandbox", "nosuch", PYTHONPATH=site).stderr

    [found] = [plugin for plugin in listed if plugin["name"] == "slack-digest"]
    assert (found["distribution"], found["connectors"], found["error"]) == ("hub-slack-digest", ["slack-digest"], "")
    assert "slack-digest" in sandboxes


async def test_a_channel_reads_who_entered_who_left_and_which_run_failed(hub, tmp_path, monkeypatch):
    found = load_from([EntryPoint("slack-digest", "hub_slack_digest", "hub.plugins")])
    monkeypatch.setattr("hub.connectors.plugins.load_plugins", lambda: found)
    hub.plugins = found
    buy(hub, tmp_path, NAMES[:3])
    describe(hub, tmp_path, NAMES[:3], plan="pro")
    hub.cohorts.add("loyal", LOYAL)

    home = hub.workspace.settings.home / "sandbox" / "slack-digest"
    with running(found.sandbox("slack-digest")(home)) as channel:
        await hub.connections.add("slack-digest", "team", channel.settings)
        hub.syncs.start("loyal", "team", every=timedelta(days=1), name="digest")
        entered = await hub.syncs.run("digest")
        buy(hub, tmp_path, NAMES[:1], event="Returned")
        left = await hub.syncs.run("digest")
        monkeypatch.setenv("SLACK_DIGEST_FAILURES", channel.settings["webhook_url"])
        buy(hub, tmp_path, NAMES[3:4])
        describe(hub, tmp_path, NAMES[3:4], plan="pro")
        channel.admin.fault(kind="status", status=404)
        failed = await hub.syncs.run("digest")
        messages = channel.admin.get("/messages")["messages"]

    assert (entered.added, left.removed, failed.state) == (3, 1, RunState.FAILED)
    assert messages[0].splitlines() == ["*3 entered* hub: loyal", *(f"• {email(name)}" for name in sorted(NAMES[:3]))]
    assert messages[1] == f"*1 left* hub: loyal\n• {email(NAMES[0])}"
    assert messages[2].startswith(":warning: digest (slack-digest) failed, 1 owed: ")
