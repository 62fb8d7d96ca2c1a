"""Cohorts that are SQL on a warehouse: a real DuckDB file, and a real PostgreSQL."""

from __future__ import annotations

import json

import duckdb
import pytest

from hub.cohorts.members import qualified
from hub.cohorts.warehouses.kinds import address_of
from hub.cohorts.warehouses.sql import checked_sql
from hub.connectors.matching import MatchOn
from hub.errors import AddressRefused, AlreadyExists, NotFound, UsageError, WarehouseError
from hub.settings import Settings
from hub.store.tables import warehouses
from tests.by_target import texts
from tests.cohorts.asking import rows_of
from tests.cohorts.warehouse_servers import TABLES, postgresql
from tests.lake_rows import ProfileRow, add_profiles

EMAIL = MatchOn("$email", "$email", "email")
VALUES = {
    "PLAN": "plan",
    "AGE": "age",
    "SCORE": "score",
    "SINCE": "since",
    "SEEN": "seen",
    "VIP": "vip",
    "CITY": "city",
}
ANN = {
    "PLAN": "s:pro", "AGE": "n:40.0", "SCORE": "n:1.5", "SINCE": "s:2026-01-31", "SEEN": "s:2026-01-31T12:00:00+00:00",
    "VIP": "b:true", "CITY": "s:Oslo",
}  # fmt: skip


@pytest.fixture(scope="session")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture
def shop(hub, tmp_path):
    """A hub with a DuckDB warehouse `shop`, and a profile of Ann."""
    add_profiles(hub.workspace, [ProfileRow("ann", {"$email": "ann@x.no", "city": "Oslo", "plan": "old"})])
    fill(tmp_path, *TABLES)
    hub.warehouses.add("shop", f"duckdb://{tmp_path / 'shop.duckdb'}")
    return hub


def fill(folder, *statements):
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def going(hub, name):
    rows = rows_of(hub.workspace, qualified, hub.cohorts.question(name), match=[EMAIL], mapping=VALUES)
    assert all(row["has_profile"] for row in rows)
    return {row["person"]: (row["key"], texts(row["mapped"])) for row in rows}


def test_the_rows_of_a_query_are_the_members_with_keys_and_values_of_their_own(shop, tmp_path):
    done = shop.lists.add_sql("buyers", "SELECT * FROM people; ", "shop", key="email")
    assert (done.accepted, done.rejected, done.size, done.warnings) == (2, 0, 2, ())
    expected = {"ann": ("ann@x.no", ANN), "$match:$email:new@x.no": ("new@x.no", {"PLAN": "s:free"})}
    assert going(shop, "buyers") == expected
    fill(tmp_path, "DELETE FROM people WHERE plan = 'free'", "UPDATE people SET plan = 'team'")
    assert going(shop, "buyers") == {"ann": ("ann@x.no", {**ANN, "PLAN": "s:team"})}
    assert shop.cohorts.count("buyers").count == 1
    shop.cohorts.add("clause", "version: 1\ncohort: buyers")
    assert [row["person"] for row in shop.cohorts.members("clause")] == ["ann"]
    kept = shop.cohorts.get("buyers")
    assert (kept.kind, kept.members_from) == ("sql", "SQL on the warehouse shop")


def test_columns_are_mapped_to_the_key_and_to_properties(shop):
    query = "SELECT 'ann' AS who, plan AS tier, age FROM people WHERE age = 40"
    shop.lists.add_sql("mapped", query, "shop", column="who", properties=["tier=plan"])
    assert going(shop, "mapped") == {"ann": ("ann@x.no", {"PLAN": "s:pro", "CITY": "s:Oslo"})}
    nested = (
        "SELECT 7 AS distinct_id, [1, 2] AS plan, {'a': 1} AS age, MAP {'k': 1} AS score, uuid() AS vip, NULL AS seen"
    )
    shop.lists.add_sql("nested", nested, "shop")
    (_, found), *_ = going(shop, "nested").values()
    assert found["PLAN"] == "l:[1,2]"


def test_rows_without_a_key_and_repeated_keys_are_told_and_one_of_each_counts(shop, tmp_path):
    fill(tmp_path, "INSERT INTO people (email, plan) VALUES (NULL, 'a'), ('', 'b'), ('ANN@X.no', 'aaa'), ('null', 'x')")
    done = shop.lists.add_sql("buyers", "SELECT email, plan FROM people", "shop", key="email")
    assert (done.accepted, done.rejected, done.size) == (3, 3, 2)
    assert done.warnings == (
        "3 rows of the query on shop cannot be members, the first is row 3: There is no $email.",
        "The query on shop repeats email in 1 row: one row of each counts. GROUP BY it.",
    )
    assert going(shop, "buyers")["ann"][1]["PLAN"] == "s:aaa"
    assert shop.cohorts.count("buyers").warnings == done.warnings


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "The SQL is empty"),
        ("SELECT 1; SELECT 2", "The SQL has 2 statements"),
        ("DELETE FROM people", "The SQL is no query: it begins with DELETE"),
        ("COPY people TO '/tmp/x'", "The SQL is no query"),
        ("WITH gone AS (DELETE FROM people RETURNING *) SELECT * FROM gone", "The SQL writes or locks"),
        ("SELECT * INTO other FROM people", "The SQL writes or locks"),
        ("SELECT * FROM people FOR UPDATE", "The SQL writes or locks"),
        ("SELECT email FROM people) AS q; DROP TABLE people; --", "The SQL cannot be read: line 1"),
        ("SELEC email", "The SQL"),
    ],
)
def test_sql_that_is_no_query_is_refused_with_a_sentence(query, says):
    for dialect in ("duckdb", "postgres"):
        with pytest.raises(UsageError, match=says):
            checked_sql(query, dialect)


@pytest.mark.parametrize(
    ("query", "more", "says"),
    [
        ("SELECT plan FROM people", {}, "No column of the query is called distinct_id"),
        ("SELECT email FROM people", {"column": "mail"}, "has no column mail"),
        ("SELECT email FROM people", {"key": "email", "properties": ["plan"]}, "has no column plan"),
        ("SELECT nope FROM people", {}, "The warehouse shop says: Binder Error"),
        ("SELECT * FROM read_csv('/etc/passwd')", {}, "file system operations are disabled"),
        ("SELECT score AS distinct_id FROM people", {}, "The column distinct_id of the query is of the type decimal"),
        (
            "SELECT email AS distinct_id, 'x'::BLOB AS b FROM people",
            {},
            "The column b of the query is of the type binary",
        ),
        (
            "SELECT (CASE WHEN age = 40 THEN 'x' ELSE plan END)::INTEGER AS distinct_id FROM people",
            {},
            "Conversion Error",
        ),
    ],
)
def test_a_query_that_cannot_be_asked_keeps_nothing(shop, query, more, says):
    with pytest.raises((UsageError, WarehouseError), match=says):
        shop.lists.add_sql("buyers", query, "shop", **more)
    with pytest.raises(NotFound):
        shop.cohorts.get("buyers")


def test_a_query_that_runs_too_long_is_ended(shop):
    slow = "SELECT sum(a.i * b.i)::VARCHAR AS distinct_id FROM range(10000000) a(i), range(1000000) b(i)"
    workspace = shop.workspace
    object.__setattr__(workspace, "settings", workspace.settings.model_copy(update={"warehouse_seconds": 1}))
    with pytest.raises(WarehouseError, match="on the warehouse shop ran for longer than 1 s"):
        shop.lists.add_sql("slow", slow, "shop", column="distinct_id")


def test_a_warehouse_that_is_away_is_told_by_its_name(shop, tmp_path):
    shop.lists.add_sql("buyers", "SELECT email FROM people", "shop", key="email")
    (tmp_path / "shop.duckdb").rename(tmp_path / "moved.duckdb")
    with pytest.raises(WarehouseError, match=r"There is no file .*shop\.duckdb"):
        shop.cohorts.count("buyers")
    assert "There is no file" in shop.warehouses.check("shop").message
    (tmp_path / "shop.duckdb").write_text("no database at all" * 1000)
    with pytest.raises(WarehouseError, match=r"The warehouse shop says: .*not a valid DuckDB"):
        shop.cohorts.count("buyers")
    (tmp_path / "moved.duckdb").replace(tmp_path / "shop.duckdb")
    assert shop.warehouses.check("shop").message == ""


def test_nobody_knows_who_was_in_a_query_earlier(shop):
    shop.lists.add_sql("buyers", "SELECT email FROM people", "shop", key="email")
    with pytest.raises(UsageError, match="is SQL on a warehouse, which tells who is in it now"):
        shop.cohorts.count("buyers", as_of=shop.cohorts.get("buyers").created_at)


def test_a_warehouse_stays_while_a_cohort_is_asked_of_it(shop):
    shop.lists.add_sql("buyers", "SELECT email FROM people", "shop", key="email")
    with pytest.raises(UsageError, match="asked by the cohort 'buyers'"):
        shop.warehouses.remove("shop")
    shop.cohorts.remove("buyers")
    shop.warehouses.remove("shop")
    with pytest.raises(NotFound):
        shop.warehouses.get("shop")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://x/y", "begins with duckdb:// or postgresql://"),
        ("duckdb://", "is a file"),
        ("duckdb://:memory:", "cannot be read"),
        ("duckdb:///:memory:", "is a file"),
        ("postgresql://h", "names no database"),
        ("postgresql://h:port/db", "cannot be read"),
        ("postgresql://h/db?service=x", "parameter service"),
        ("postgresql://h/db?hostaddr=127.0.0.1", "parameter hostaddr"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url, says):
    with pytest.raises(UsageError, match=says):
        address_of(url)


def test_a_password_is_sealed_and_never_shown(hub, server, monkeypatch):
    monkeypatch.setattr("hub.cohorts.warehouses.service.Warehouses._try", lambda *_: None)
    found = hub.warehouses.add("pg", "postgres://reader:s%40cret@db.example.com:5433/shop?sslmode=require")
    assert found.url == "postgresql://reader@db.example.com:5433/shop?sslmode=require"
    with hub.workspace.store.reading() as connection:
        row = connection.execute(warehouses.select()).one()
    assert b"cret" not in row.secrets
    assert address_of("postgres://reader:s%40cret@db/shop").password == "s@cret"
    with pytest.raises(AlreadyExists):
        hub.warehouses.add("pg", found.url)


def test_private_addresses_are_refused_unless_an_operator_allows_them(hub, server):
    with pytest.raises(AddressRefused, match="not on the public internet"):
        hub.warehouses.add("pg", "postgresql://postgres@localhost:1/postgres")
    with pytest.raises(UsageError, match="A socket of this machine"):
        hub.warehouses.add("pg", server)
    with pytest.raises(WarehouseError, match="The warehouse pg says: connection failed"):
        private(hub).warehouses.add("pg", "postgresql://postgres@localhost:1/postgres")
    assert hub.warehouses.list() == []


def private(hub):
    """The same hub, allowed to call private addresses."""
    settings = hub.workspace.settings.model_copy(update={"allow_private": True, "warehouse_seconds": 2})
    object.__setattr__(hub.workspace, "settings", settings)
    return hub


def test_postgresql_is_asked_for_the_same_and_cannot_be_written_to(hub, server):
    import psycopg

    add_profiles(hub.workspace, [ProfileRow("ann", {"$email": "ann@x.no", "city": "Oslo", "plan": "old"})])
    private(hub).warehouses.add("pg", server)
    hub.lists.add_sql("buyers", "SELECT * FROM people -- all", "pg", key="email")
    expected = {"ann": ("ann@x.no", ANN), "$match:$email:new@x.no": ("new@x.no", {"PLAN": "s:free"})}
    assert going(hub, "buyers") == expected
    wide = (
        "SELECT 'ann' AS distinct_id, ARRAY[1, 2] AS plan, '{\"a\": [1]}'::jsonb AS age, gen_random_uuid() AS vip, "
        "1::bigint AS score"
    )
    hub.lists.add_sql("wide", wide, "pg")
    (_, found), *_ = going(hub, "wide").values()
    assert (found["PLAN"], found["SCORE"]) == ("l:[1,2]", "n:1.0")

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE OR REPLACE FUNCTION sneak() RETURNS text LANGUAGE sql AS "
                           "$$ DELETE FROM people; SELECT 'gone' $$")  # fmt: skip
    for sneaky, says in (
        ("SELECT sneak() AS distinct_id", "cannot execute DELETE in a read-only transaction"),
        (
            "SELECT set_config('transaction_read_only', 'off', true) AS distinct_id",
            "read-write mode must be set before",
        ),
        ("SELECT pg_sleep(9)::text AS distinct_id", "ran for longer than 2 s"),
        ("SELECT nope AS distinct_id FROM people", 'column "nope" does not exist'),
        ("SELECT '1 day'::interval AS distinct_id", "is of the type interval"),
    ):
        with pytest.raises(WarehouseError, match=says):
            hub.lists.add_sql("sneaky", sneaky, "pg")
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM people").fetchone() == (2,)


def test_the_commands_keep_a_warehouse_and_ask_it(hub, cli, tmp_path):
    fill(tmp_path, *TABLES)
    done = cli("warehouse", "add", "shop", "--json", HUB_WAREHOUSE_URL=f"duckdb://{tmp_path / 'shop.duckdb'}")
    assert set(json.loads(done.stdout)) == {"warehouse", "url", "message", "checked_at"}
    query = "SELECT email, plan FROM people"
    options = ("--sql", "-", "--warehouse", "shop", "--key", "email", "--json")
    assert json.loads(cli("cohort", "add", "buyers", *options, stdin=query).stdout)["size"] == 2
    assert hub.cohorts.get("buyers").document["sql"]["query"] == query
    assert cli("warehouse", "remove", "shop", "--yes").returncode == 2


def test_the_settings_say_how_long_a_query_may_take():
    assert Settings().warehouse_seconds == 600
