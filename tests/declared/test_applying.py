"""A hub as code: planned, applied, exported; the same file twice, another hub, and what moved in between."""

from __future__ import annotations

import asyncio
import json

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.app import Hub
from hub.cohorts.text.reading import definition_of_text
from hub.declared.file import SECTIONS, HubFile, read_hub_file
from hub.declared.schema import hub_file_schema
from hub.errors import CredentialRefused, Held, UsageError, WarehouseError
from hub.projects import initialise
from hub.settings import load
from tests.customers import tagged

FILE = """
version: 1
project: {timezone: UTC, identity: simplified}
connections:
  news:
    connector: mailchimp
    settings: {base_url: %s}
cohorts:
  vip: {text: in cohort loyal and user.plan = "pro"}
  loyal:
    description: Bought three times
    definition:
      all:
        - {did: Purchase, count: {at_least: 3}}
        - did_not: Returned
  pushed: {received: {key: email}}
syncs:
  loyal-news: {cohort: loyal, connection: news, every: 2h}
  vips: {cohort: vip, connection: news, once: true, audience: VIP, stopped: true,
    mapping: {FNAME: $first_name|trim, PLAN: {value: "plan|lower", missing: clear}}}
"""


@pytest.fixture
def file(partner, monkeypatch) -> str:
    """The text of a file for a hub with the sandbox's account, whose secret is in the environment."""
    monkeypatch.setenv("HUB_CONNECTION_NEWS_API_KEY", partner.settings["api_key"])
    return FILE % partner.settings["base_url"]


def planned(hub, text, **options):
    return hub.plan_file(read_hub_file(text, "hub.yaml"), **options)


def applied(hub, text, **options):
    return hub.apply_file(read_hub_file(text, "hub.yaml"), **options)


def actions(plan) -> dict[str, str]:
    return {f"{entry.thing} {entry.name}": entry.action for entry in plan.entries}


def test_a_file_makes_a_hub_and_again_changes_nothing(hub, file):
    plan = applied(hub, file)
    assert {*actions(plan).values()} == {"make"}
    assert [entry.name for entry in plan.of("cohorts", "make")].index("loyal") < [
        entry.name for entry in plan.of("cohorts", "make")
    ].index("vip")
    assert hub.cohorts.get("loyal").text == 'did "Purchase" at least 3 times and did not do "Returned"'
    assert hub.cohorts.versions("loyal")[0].reason == "hub apply hub.yaml"
    assert (hub.syncs.get("loyal-news").state, hub.syncs.get("vips").state) == ("active", "stopped")
    checked = hub.connections.get("news").checked_at

    again = applied(hub, file, prune=True)
    assert again.to_do == ()
    assert hub.connections.get("news").checked_at == checked  # the partner was not asked again
    assert [len(hub.cohorts.versions(each.name)) for each in hub.cohorts.list()] == [1, 1, 1]


def test_an_export_says_what_is_there_and_makes_the_same_elsewhere(hub, file, partner, tmp_path, monkeypatch):
    applied(hub, file)
    text = hub.export()
    assert partner.settings["api_key"] not in text
    assert "# api_key comes from HUB_CONNECTION_NEWS_API_KEY (or HUB_MAILCHIMP_API_KEY)" in text
    monkeypatch.delenv("HUB_CONNECTION_NEWS_API_KEY")
    assert applied(hub, text, prune=True).to_do == ()

    initialise(load(tmp_path / "other"))
    other = Hub.open(tmp_path / "other")
    monkeypatch.setenv("HUB_ALLOW_PRIVATE", "true")
    assert planned(other, text).needs == ("HUB_CONNECTION_NEWS_API_KEY (or HUB_MAILCHIMP_API_KEY)",)
    with pytest.raises(UsageError, match="secrets are missing: HUB_CONNECTION_NEWS_API_KEY"):
        applied(other, text)
    monkeypatch.setenv("HUB_MAILCHIMP_API_KEY", partner.settings["api_key"])
    applied(Hub.open(tmp_path / "other"), text)
    assert Hub.open(tmp_path / "other").export() == text


def test_changes_are_told_field_by_field_and_made_in_place(hub, file):
    applied(hub, file)
    changed = (
        file.replace("every: 2h", "every: 1d, mapping: {PLAN: plan}")
        .replace("at_least: 3", "at_least: 4")
        .replace("stopped: true", "stopped: false")
        .replace("{base_url", "{create_contacts: true, base_url")
        .replace("    connector: mailchimp", "    connector: mailchimp\n    match: [$email=work_email]")
    )
    plan = planned(hub, changed)
    fields = {entry.name: [(each.name, each.before, each.after) for each in entry.fields] for entry in plan.to_do}
    assert fields["news"] == [("create_contacts", False, True), ("match", "$email", "$email=work_email")]
    assert fields["loyal-news"] == [("every", "2h", "1d"), ("mapping", {}, {"PLAN": "plan"})]
    assert fields["vips"] == [("stopped", True, False)]
    assert fields["loyal"][0][2] == [
        "# Bought three times",
        'did "Purchase" at least 4 times',
        'and did not do "Returned"',
    ]
    assert plan.of("cohorts", "change")[0].notes == ("The syncs that follow: loyal-news.",)
    assert hub.connections.get("news").settings["create_contacts"] is False

    applied(hub, changed, message="summer")
    assert hub.connections.get("news").settings["create_contacts"] is True
    assert hub.connections.get("news").settings["audience"] == "a6b5da1054"
    assert hub.syncs.get("loyal-news").figures()["every_seconds"] == 86_400
    assert hub.syncs.get("vips").state == "active"
    assert hub.cohorts.versions("loyal")[-1].reason == "summer"


def test_what_the_file_does_not_have_is_left_or_with_prune_removed_in_its_sections(hub, file):
    applied(hub, file)
    hub.cohorts.add("mine", definition_of_text("in cohort loyal"))
    small = file[: file.index("cohorts:")] + 'cohorts:\n  other: {text: did "X"}\nsyncs: {}\n'

    plan = applied(hub, small)
    assert actions(plan) == {
        "connection news": "unchanged",
        "cohort other": "make",
        **{f"cohort {name}": "left" for name in ("loyal", "mine", "pushed", "vip")},
        "sync loyal-news": "left",
        "sync vips": "left",
    }
    without_syncs = small.replace("syncs: {}\n", "")
    with pytest.raises(UsageError, match="The cohort 'loyal' cannot be removed: the sync 'loyal-news' uses it"):
        planned(hub, without_syncs, prune=True)

    applied(hub, small, prune=True)
    assert [each.name for each in hub.cohorts.list()] == ["other"]
    assert hub.syncs.list() == []
    assert hub.cohorts.versions("loyal")[-1].change == "removed"


def test_a_digest_binds_the_file_and_the_hub(hub, file):
    plan = planned(hub, file)
    assert planned(hub, file).digest == plan.digest
    assert planned(hub, f"# a comment\n{file}").digest == plan.digest

    with pytest.raises(Held) as caught:
        applied(hub, file.replace("2h", "3h"), digest=plan.digest)
    assert caught.value.exit_code == 3
    hub.cohorts.add("meanwhile", definition_of_text('did "X"'))
    with pytest.raises(Held, match="or the hub has changed"):
        applied(hub, file, digest=plan.digest)
    assert hub.connections.list() == []
    applied(hub, file, digest=planned(hub, file).digest)
    assert len(hub.syncs.list()) == 2


def test_a_partner_that_refuses_keeps_everything_from_being_done(hub, file, monkeypatch):
    monkeypatch.setenv("HUB_CONNECTION_NEWS_API_KEY", "0" * 32 + "-us6")
    with pytest.raises(CredentialRefused, match="The connection news: "):
        applied(hub, file)
    assert hub.cohorts.list() == hub.connections.list() == hub.syncs.list() == []


def test_a_secret_is_renewed_by_the_variable_of_its_connection_alone(hub, file, partner, monkeypatch):
    applied(hub, file)
    monkeypatch.delenv("HUB_CONNECTION_NEWS_API_KEY")
    monkeypatch.setenv("HUB_MAILCHIMP_API_KEY", "1" * 32 + "-us6")
    assert planned(hub, file).to_do == ()
    monkeypatch.setenv("HUB_CONNECTION_NEWS_API_KEY", "1" * 32 + "-us6")
    (entry,) = planned(hub, file).to_do
    assert [(each.name, each.before, each.after) for each in entry.fields] == [
        ("api_key", "(secret)", "(secret, from HUB_CONNECTION_NEWS_API_KEY)")
    ]


def test_what_a_sync_sends_and_where_to_does_not_change_under_its_name(hub, file):
    applied(hub, file)
    with pytest.raises(UsageError, match=r"syncs.loyal-news.cohort: the sync has the cohort 'loyal'"):
        planned(hub, file.replace("cohort: loyal,", "cohort: vip,"))
    with pytest.raises(UsageError, match=r"writes the audience 'HUB: Loyal', which the sync 'loyal-news' writes"):
        planned(hub, f"{file}  twice: {{cohort: vip, connection: news, every: 1h, audience: 'HUB: Loyal'}}\n")


async def test_a_sync_with_another_name_takes_the_audience_over(connected, partner):
    await connected.syncs.run(connected.syncs.start("loyal", "news", every=None, name="old").name)
    connected.syncs.start("loyal", "news", every=None, name="older")
    text = "version: 1\nsyncs:\n  new: {cohort: loyal, connection: news, every: 2h}\n"
    (made,) = planned(connected, text).to_do
    assert made.notes == ("The sync older, which writes that audience, is stopped.",)

    await asyncio.to_thread(applied, connected, text, prune=True)
    assert [each.name for each in connected.syncs.list()] == ["new"]
    run = await connected.syncs.run("new")
    assert (run.added, run.removed, run.unchanged) == (0, 0, 40)
    assert len(tagged(partner)) == 40


def test_lists_and_queries_are_part_of_the_file_and_their_members_are_not(hub, tmp_path):
    import duckdb

    with duckdb.connect(tmp_path / "shop.duckdb") as made:
        made.execute("CREATE TABLE people AS SELECT 'p1' AS id, 3 AS orders")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    hub.lists.add_static("fair", tmp_path / "ids.txt", description="From the fair")
    text = f"""
version: 1
warehouses:
  shop: {{url: "duckdb://{tmp_path}/shop.duckdb"}}
cohorts:
  fair: {{static: {{}}, description: From the fair}}
  buyers:
    sql:
      warehouse: shop
      key: distinct_id
      column: id
      query: |
        SELECT id, orders
        FROM people;
"""
    assert actions(applied(hub, text)) == {
        "warehouse shop": "make",
        "cohort fair": "unchanged",
        "cohort buyers": "make",
    }
    assert hub.cohorts.count("buyers").count == 1
    assert applied(hub, text, prune=True).to_do == applied(hub, hub.export(), prune=True).to_do == ()
    assert "      query: |-\n        SELECT id, orders\n        FROM people\n" in hub.export()

    wrong = text.replace("FROM people", "FROM nobody")
    with pytest.raises(WarehouseError, match="nobody"):
        applied(hub, wrong)
    assert len(hub.cohorts.versions("buyers")) == 1
    query = "{warehouse: shop, key: distinct_id, column: id, query: SELECT id FROM people}"
    edited = hub.cohorts.edit("buyers", f"version: 1\ndescription: They buy\nsql: {query}")
    assert (edited.cohort.version, edited.cohort.description) == (2, "They buy")
    assert hub.cohorts.revert("buyers", 1).changed


def test_the_schema_takes_what_is_exported_and_refuses_what_is_wrong(hub, file):
    applied(hub, file)
    check = jsonschema.Draft202012Validator(hub_file_schema())
    check.check_schema(check.schema)
    for text in (file, hub.export()):
        assert [*check.iter_errors(yaml.safe_load(text))] == []
    for wrong in (
        {"cohorts": {}},
        {"version": 1, "cohort": {}},
        {"version": 1, "cohorts": {"a": {"description": "x"}}},
        {"version": 1, "cohorts": {"a": {"definition": {"didd": "x"}}}},
        {"version": 1, "syncs": {"a": {"cohort": "a", "connection": "b"}}},
        {"version": 1, "syncs": {"a": {"cohort": "a", "connection": "b", "every": "soon"}}},
    ):
        assert [*check.iter_errors(wrong)], wrong


_names = st.sampled_from(["a", "b", "c d", "Ærlig", "no", "12", "it's"])
_leaves = st.sampled_from(['did "X"', 'user.plan = "pro"', 'did "Y" in last 3 days'])


@st.composite
def _cohorts(draw):
    """Cohorts that name others, in any direction that goes round in no circle."""
    names = draw(st.lists(_names, unique=True, max_size=6))
    found = {}
    for place, name in enumerate(names):
        others = [f"in cohort {json.dumps(other)}" for other in names[:place]]
        parts = draw(st.lists(st.sampled_from([*others, 'did "X"', 'user.plan = "pro"']), min_size=1, max_size=4))
        described = draw(st.sampled_from(["", "It's: so\n - and # so", "  two  "]))
        found[name] = {"text": draw(st.sampled_from([" and ", " or "])).join(parts), "description": described}
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_cohorts())
def test_from_any_cohorts_to_any_others_and_what_is_exported_reads_back(hub, cohorts):
    applied(hub, json.dumps({"version": 1, "cohorts": cohorts}), prune=True)

    assert {each.name: each.description for each in hub.cohorts.list()} == {
        name: each["description"] for name, each in cohorts.items()
    }
    assert applied(hub, hub.export(), prune=True).to_do == ()
    assert applied(hub, json.dumps({"version": 1, "cohorts": cohorts}), prune=True).to_do == ()


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_texts, _texts, max_size=3), _texts)
def test_whatever_a_file_holds_reads_back_as_it_was_written(values, word):
    from hub.cohorts.documents import write_yaml

    fields = {target: json.dumps(name) for target, name in values.items()}
    spec = HubFile.model_validate(
        {
            "version": 1,
            "connections": {word: {"connector": word, "settings": {**values, "n": 1.5, "yes": True, "none": None}}},
            "cohorts": {word: {"text": word, "description": word}},
            "syncs": {word: {"cohort": word, "connection": word, "once": True, "mapping": fields}},
        }
    )
    written = spec.model_dump(mode="json")
    read = read_hub_file(write_yaml(written), "hub.yaml").spec
    assert read.model_dump(mode="json") == written
    assert {*SECTIONS} == read.spoken_of


def test_the_commands_plan_apply_and_export(hub, file, cli, tmp_path, partner):
    (tmp_path / "hub.yaml").write_text(file)
    planned = cli("apply", "hub.yaml", "--plan", "--json")
    assert planned.returncode == 0
    plan = json.loads(planned.stdout)
    assert (plan["applied"], plan["make"], plan["entries"][0]["section"]) == (False, 6, "connections")
    assert hub.cohorts.list() == []

    done = cli("apply", "hub.yaml", "--digest", plan["digest"], HUB_ACTOR="ci")
    assert done.returncode == 0, done.stderr
    assert "+ cohort loyal\n      # Bought three times\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "6 made, 0 changed, 0 removed; 0 things are as the file says."
    assert hub.cohorts.versions("loyal")[0].actor == "ci"

    assert cli("export", "out.yaml").returncode == 0
    assert cli("export", "out.yaml").returncode == 2
    assert (tmp_path / "out.yaml").read_text() == hub.export()
    again = cli("apply", "-", stdin=hub.export())
    assert again.stdout == "Nothing to do: 6 things are as the file says.\n"

    (tmp_path / "hub.yaml").write_text("version: 1\nsyncs: {}\n")
    asked = cli("apply", "hub.yaml", "--prune")
    assert asked.returncode == 2
    assert "To be removed: sync loyal-news, sync vips." in asked.stderr
    assert len(hub.syncs.list()) == 2
    assert json.loads(cli("apply", "hub.yaml", "--prune", "--yes", "--json").stdout)["remove"] == 2
    assert json.loads(cli("apply", "--schema").stdout)["title"] == "What a hub holds"
