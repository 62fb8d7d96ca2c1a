"""Files that cannot be applied: what is wrong, where, what could stand there; and nothing is changed."""

# ruff: noqa: E501 (tables: a row a case)

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.app import Hub
from hub.declared.file import read_hub_file
from hub.errors import UsageError
from hub.projects import initialise
from hub.settings import load

CASES = [
    ("- a", "hub.yaml: must be a group of keys, not a list."),
    ("version: 1\ncohorts: {a: {text: x}", "hub.yaml, line 2, column"),
    ("cohorts: {}", "hub.yaml: version: is missing."),
    ("version: 2\nfuture: {}", "hub.yaml: version: is 2, and this hub reads such files up to version 1."),
    ("version: 1\ncohort: {}", "hub.yaml, line 2: cohort: is not known here: did you mean cohorts?"),
    ("version: 1\nsyncs:", "hub.yaml, line 2: syncs: must be a group of names, not nothing."),
    ("version: 1\ncohorts:\n  a: {text: in cohort b}\n  a: {text: x}", "line 4, column 3: the key 'a' stands twice"),
    ("version: 1\ncohorts:\n  a: {text: x, received: {}}", "line 3: cohorts.a: has text and received, and can have one of them."),
    ("version: 1\ncohorts:\n  a: {description: x}", "line 3: cohorts.a: must have one of text, definition, sql, received, static."),
    ("version: 1\ncohorts:\n  a: {txt: x}", "line 3: cohorts.a.txt: is not known here: did you mean text?"),
    ("version: 1\ncohorts:\n  a:\n    text: did \"P\" in last 3 dyas", 'line 4: cohorts.a.text, line 1, column 19: "dyas" cannot stand here'),
    ("version: 1\ncohorts:\n  a:\n    definition:\n      did: P\n      window: {last: {n: 0, unit: day}}", "line 6: cohorts.a.definition.window.last.n: must be at least 1, not 0."),
    ("version: 1\ncohorts:\n  a:\n    definition: {version: 2, did: P}", "line 4: cohorts.a.definition: is of version 2: a newer hub wrote it."),
    ("version: 1\ncohorts:\n  ' a': {text: any event}", "cohorts. a"),
    ("version: 1\ncohorts:\n  a: {text: in cohort b}\n  b: {text: in cohort a}", "line 3: cohorts.a: the cohort 'a': goes round in a circle: 'a' -> 'b' -> 'a'."),
    ("version: 1\ncohorts:\n  a: {text: in cohort boys}\n  buys: {text: did \"P\"}", "line 3: cohorts.a: there is no cohort 'boys': did you mean 'buys'?"),
    ("version: 1\ncohorts:\n  a: {static: {}}", "line 3: cohorts.a.static: is a list that is not there yet"),
    ("version: 1\ncohorts:\n  old: {received: {}}", "line 3: cohorts.old: the cohort is dynamic, and cannot become received."),
    ("version: 1\ncohorts:\n  q: {sql: {warehouse: w, query: SELECT 1, key: email, column: a}}", "cohorts.q.sql.warehouse: there is no warehouse 'w'"),
    ("version: 1\nwarehouses:\n  w: {url: 'duckdb:///w.db'}\ncohorts:\n  q: {sql: {warehouse: w, query: DELETE FROM x, key: email, column: a}}", "line 5: cohorts.q: the SQL is no query"),
    ("version: 1\nwarehouses:\n  w: {url: 'mysql://x'}", "line 3: warehouses.w.url: the address of a warehouse begins with"),
    ("version: 1\nwarehouses:\n  w: {url: 'postgresql://a:geheim@h/db'}", "line 3: warehouses.w.url: has a password: take it out, and put it into HUB_WAREHOUSE_W_PASSWORD."),
    ("version: 1\nconnections:\n  n: {connector: mailchmp}", "line 3: connections.n.connector: there is no connector 'mailchmp'"),
    ("version: 1\nconnections:\n  n: {connector: mailchimp, settings: {audienc: a}}", "line 3: connections.n.settings.audienc: is not known to Mailchimp: did you mean audience?"),
    ("version: 1\nconnections:\n  n-1: {connector: mailchimp, settings: {api_key: geheim}}", "connections.n-1.settings.api_key: is a secret, and no file holds one: put it into HUB_CONNECTION_N_1_API_KEY."),
    ("version: 1\nconnections:\n  n: {connector: mailchimp, settings: {create_contacts: perhaps}}", "line 3: connections.n.settings.create_contacts: input should be a valid boolean"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h}", "line 3: syncs.s.connection: there is no connection 'n'"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n}", "line 3: syncs.s: must have either every (such as 2h) or once: true, or cron, or after."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, once: true}", "line 3: syncs.s: must have either every"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, cron: '0 25 * * *'}", "line 3: syncs.s: has a schedule that cannot be read: '0 25 * * *' is not a cron schedule: Bad hour."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, after: s}\n", "These syncs would wait for each other: s after s."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, after: t}\n", "syncs.s.after: there is no sync 't'"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 30}", "syncs.s.every: must be an interval of a minute or more, such as 30m, 2h or 1d, not 30."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 59s}", "syncs.s.every: must be an interval of a minute or more"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, mapping: {A: a|lowr}}", "syncs.s.mapping.A: cannot be read: There is no step 'lowr'."),
    ("version: 1\nconnections:\n  n: {connector: mailchimp, match: [phone]}", "line 3: connections.n.match: cannot be so: Mailchimp knows nobody by phone."),
    ("version: 1\nconnections:\n  n: {connector: webhook, settings: {base_url: 'https://x.example'}}\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, mapping: {A: {value: a, missing: erase}}}", "A missing value cannot erase"),
    ("version: 1\nproject: {timezone: Asia/Tokyo}", "line 2: project.timezone: the project 'default' has UTC, and the file is for Asia/Tokyo."),
    ("version: 1\nproject: {identity: original}", "line 2: project.identity: the project 'default' has simplified, and the file is for original."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, within: 30s}", "line 3: syncs.s.within: must be an interval of a minute or more"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {removals: 130%}}", "line 3: syncs.s.guards.removals: must be a share such as 30%, learned or off, not '130%'."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {shrink: learned}}", "syncs.s.guards.shrink: must be a share such as 50%, or off, not 'learned'."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {growth: 2}}", "syncs.s.guards.growth: must be a share such as 100%, or off, not 2."),
    ("version: 1\nsyncs:\n  s:\n    cohort: old\n    connection: n\n    every: 2h\n    guards:\n      least: -1", "line 8: syncs.s.guards.least: must be at least 0, not -1."),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {changes: holds}}", "syncs.s.guards.changes: must be one of hold, go, not 'holds' (did you mean hold?)"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {remove: 1%}}", "syncs.s.guards.remove: is not known here: did you mean removals?"),
    ("version: 1\nsyncs:\n  s: {cohort: old, connection: n, every: 2h, guards: {on: off}}", "syncs.s.guards.on:"),
    ("version: 1\nalerts:\n  a: {}", "line 3: alerts.a: must have one of webhook, slack, command."),
    ("version: 1\nalerts:\n  a: {webhook: 'https://a', slack: b}", "line 3: alerts.a: has webhook and slack, and can have one of them."),
    ("version: 1\nalerts:\n  a: {webhok: 'https://a'}", "line 3: alerts.a.webhok: is not known here: did you mean webhook?"),
    ("version: 1\nalerts:\n  a: {webhook: 'https://a', level: loud}", "line 3: alerts.a.level: must be one of warning, critical, not 'loud'."),
    ("version: 1\nalerts:\n  a: {webhook: 'https://a', timeout: 3s}", "line 3: alerts.a.timeout: goes with a command."),
    ("version: 1\nalerts:\n  a: {webhook: 'ftp://a'}", "line 3: alerts.a.webhook: a webhook needs an address."),
    ("version: 1\nalerts:\n  a: {slack: 'https://hooks.example/geheim'}", "alerts.a.slack: has to be a host alone: the address is a secret, and no file holds one. Put it into HUB_ALERT_A_URL."),
    ("version: 1\nalerts:\n  a: {command: []}", "line 3: alerts.a.command"),
    ("version: 1\nalerts:\n  a: {command: [/no/such/command]}", "line 3: alerts.a.command: /no/such/command is no command of this machine."),
    ("version: 1\nalerts:\n  a: {command: [sh], timeout: 6m}", "line 3: alerts.a.command: a command may take between 1 second and 5 minutes."),
]  # fmt: skip


@pytest.fixture(scope="module")
def small_hub(tmp_path_factory):
    """One for all: nothing of this changes it."""
    home = tmp_path_factory.mktemp("hub") / "home"
    initialise(load(home))
    made = Hub.open(home)
    made.cohorts.add("old", "version: 1\ndid: P\n")
    made.cohorts.add("user", "version: 1\ncohort: old\n")
    return made


@pytest.mark.parametrize(("text", "said"), CASES, ids=[f"case {number}" for number in range(len(CASES))])
def test_a_file_that_is_wrong_is_refused_with_its_place(small_hub, text, said):
    before = small_hub.export()

    with pytest.raises(UsageError) as caught:
        small_hub.plan_file(read_hub_file(text, "hub.yaml"))
    assert said in caught.value.message
    assert caught.value.message.startswith("hub.yaml")
    assert caught.value.exit_code == 2
    assert "geheim" not in f"{caught.value.message} {caught.value.hint}"
    assert small_hub.export() == before


def test_several_faults_are_told_at_once(small_hub):
    text = (
        "version: 1\nsyncs:\n  s: {cohort: a, connection: b, every: 2h}\n  t: {cohort: c, connection: d, once: true}\n"
    )

    with pytest.raises(UsageError) as caught:
        small_hub.plan_file(read_hub_file(text, "hub.yaml"))
    assert len(caught.value.message.splitlines()) == 4


def test_nothing_is_removed_that_something_else_rests_on(small_hub):
    with pytest.raises(UsageError, match=r"cohorts\.user: the cohort 'old' is not in the file, and --prune removes it"):
        small_hub.plan_file(
            read_hub_file("version: 1\ncohorts:\n  user: {text: in cohort old}\n", "hub.yaml"), prune=True
        )


def test_the_file_of_the_page_can_be_planned(small_hub):
    page = (Path(__file__).parents[2] / "docs" / "hub-as-code.md").read_text("utf-8")
    text = re.search(r"<!-- hub file -->\n```yaml\n(.*?)```", page, re.DOTALL)[1]

    plan = small_hub.plan_file(read_hub_file(text, "hub.yaml"))
    assert [entry.name for entry in plan.to_do] == [
        "news",
        "loyal",
        "loyal-abroad",
        "loyal-news",
        "abroad-once",
        "ops",
        "chat",
    ]
    assert plan.needs == (
        "HUB_CONNECTION_NEWS_API_KEY (or HUB_MAILCHIMP_API_KEY)",
        "HUB_ALERT_OPS_SECRET",
        "HUB_ALERT_CHAT_URL",
    )
