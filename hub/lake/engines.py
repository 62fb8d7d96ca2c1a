"""Which engine answers questions, as the setting `engine` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from hub.errors import UsageError

DUCKDB = "duckdb"
SPARK = "spark"

_HINT = "Set HUB_ENGINE to duckdb, or to spark://HOST:7077 for a cluster of Spark (docs/engines.md)."


@dataclass(frozen=True)
class Engine:
    """An engine by `name` (DUCKDB or SPARK). A cluster's `master` has no options; they are properties of Spark."""

    name: str = DUCKDB
    master: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """Where the masters of the cluster listen: one, or several of which one leads."""
        places = (place.rpartition(":") for place in self.master.removeprefix("spark://").split(","))
        return [(host.strip("[]"), int(port)) for host, _, port in places]


def engine_of(setting: str) -> Engine:
    """The engine that the setting names: `duckdb`, or `spark://HOST:PORT[,HOST:PORT][?OPTION=VALUE&...]`.

    Raises UsageError for anything else.
    """
    text = setting.strip()
    if text in ("", DUCKDB):
        return Engine()
    if not text.startswith("spark://"):
        raise UsageError(f"The setting engine is wrong: there is no engine {text.partition('?')[0]!r}.", hint=_HINT)
    master, _, rest = text.partition("?")
    engine = Engine(SPARK, master.rstrip("/"), _options(rest))
    try:
        sound = all(host and 0 < port < 65_536 for host, port in engine.hosts)
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"The setting engine is wrong: {master!r} names no host with its port.", hint=_HINT)
    return engine


def _options(query: str) -> dict[str, str]:
    try:
        found = parse_qsl(query, strict_parsing=bool(query), keep_blank_values=True)
    except ValueError:
        found = [(query, "")]
    for name, value in found:
        if not name.startswith("spark.") or not value:
            raise UsageError(
                f"The setting engine is wrong: {name!r} is no property of Spark with its value.",
                hint="Write them after the address, as in spark://HOST:7077?spark.executor.memory=4g&spark.cores.max=8.",
            )
    return dict(found)
