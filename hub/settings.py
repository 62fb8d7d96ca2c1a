"""Where a hub lives and how it runs: `HUB_*` in the environment, `.env`, then `hub.toml` in its home."""

from __future__ import annotations

import getpass
import json
import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hub.errors import UsageError

DEFAULT_HOME = Path(os.path.expanduser("~")) / ".cohort-hub"  # noqa: PTH111 - a user without a home is no error here

Pair = tuple[str | None, str]
"""A source marker and an event name, both case-sensitive. Without a marker the event of any source is meant."""

_WHOLE_PATH = "Give its whole path with --home or HUB_HOME."
_LIST = 'a list such as ["mailchimp: Mailchimp - Replied", "Cron Tick"]'


def _pairs(value: Any) -> list[Pair]:
    """The pairs of a list of `source: event` and `event`; a text (of the environment) is such a list in JSON."""
    return [_pair(number, entry) for number, entry in enumerate(_entries(value), 1)]


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str):
        if not value.strip():
            return []
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{value[:80]!r} is not {_LIST}") from error
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not {_LIST}")  # noqa: TRY004 - pydantic tells of ValueError only
    return list(value)


def _pair(number: int, entry: Any) -> Pair:
    where = f"entry {number}, {entry!r},"
    if not isinstance(entry, str):
        raise ValueError(f'{where} is not a text such as "source: event"')  # noqa: TRY004 - see above
    # a blank after the colon sets a source apart: event names such as app:open stay whole
    source, colon, event = (part.strip() for part in f"{entry} ".partition(": "))
    if not colon:
        source, event = "*", source
    if not event:
        raise ValueError(f'{where} names no event; write "source: event", or "event" for any source')
    if not source:
        raise ValueError(f'{where} names no source; write "source: event", or "*: event" for any source')
    return (None if source == "*" else source), event


Pairs = Annotated[tuple[Pair, ...], NoDecode, BeforeValidator(_pairs)]
"""Pairs as people write them: `source: event`; `event` or `*: event` for any source."""


def _addresses(text: str) -> str:
    """A list of addresses and networks, as it is: a name in it would be believed of nobody."""
    from ipaddress import ip_network

    for each in filter(None, map(str.strip, text.split(","))):
        try:
            if each != "*":
                ip_network(each)
        except ValueError as error:
            raise ValueError(f"{each!r} is neither an address nor a network such as 10.0.0.0/8") from error
    return text


class Settings(BaseSettings):
    """One hub's settings. Every field can be set as `HUB_<FIELD>`; the environment wins over the file."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True)

    home: Path = DEFAULT_HOME
    """The folder that holds everything: database, lake, runs, sandboxes."""
    database_url: str = ""
    """SQLAlchemy URL of the control plane; empty means `hub.db` in the home."""
    lake: Path | None = None
    """The folder of the Delta tables; unset means `lake` in the home."""
    key: SecretStr | None = None
    """Key(s) that encrypt secrets at rest, newest first, separated by commas; unset means `secret.key`."""
    project: str = ""
    """The project that commands work on; empty means the only (or first) one."""
    actor: str = ""
    """Who is at work, for the history of what was changed; empty means the login name."""
    memory_limit: str = "2GiB"
    """What one DuckDB connection may use before it spills to disk, and what this machine's part of Spark may."""
    threads: int = Field(default=0, ge=0)
    """Threads of one DuckDB connection; 0 means one a core."""
    engine: str = "duckdb"
    """What answers questions: `duckdb`, or `spark://HOST:7077` with properties of Spark after a `?`."""
    warehouse_seconds: int = Field(default=600, gt=0)
    """How long a query on a warehouse may take."""
    allow_private: bool = Field(default=False, validation_alias=AliasChoices("allow_private", "HUB_ALLOW_PRIVATE"))
    """Let addresses given by users lead to private and loopback networks."""
    mtu_exempt_add: Pairs = ()
    """Events that do not make anybody a monthly tracked user, beside those that ship and that connectors declare."""
    mtu_exempt_remove: Pairs = ()
    """Events that count all the same. What is both added and removed counts."""
    server_trusted_proxies: Annotated[str, AfterValidator(_addresses)] = ""
    """Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between; `*` is everybody."""
    server_client_bytes: ByteSize = Field(default=ByteSize(2_000_000_000), gt=0)
    """What one client (an address, for one project) may send in a minute, in bytes of bodies as they come."""
    server_client_records: int = Field(default=12_000_000, gt=0)
    """What one client may send in a minute, in events and profile updates."""
    server_backlog_bytes: ByteSize = Field(default=ByteSize(4 * 1024**3), gt=0)
    """How many bytes may wait to be moved to the lake until clients are told to come back."""
    server_backlog_records: int = Field(default=10_000_000, gt=0)
    """How many records may wait to be moved to the lake until clients are told to come back."""
    server_bytes_in_flight: ByteSize = Field(default=ByteSize(128 * 1024**2), gt=0)
    """How many bytes, of bodies and of what is being stored, the server holds in memory at once until clients are told
    to come back."""
    server_body_seconds: float = Field(default=60, gt=0)
    """How long the body of one request may take."""
    server_connections: int = Field(default=4096, gt=0)
    """How many connections the server holds open at once."""

    server_url: str = ""
    """Where partners reach the server, such as https://hub.example.com; what `hub connection show` begins with."""
    inbound_days: int = Field(default=30, ge=0)
    """For how many days a partner's request is kept after it was decoded, so that it can be decoded again."""
    inbound_parked_days: int = Field(default=365, ge=1)
    """For how many days a partner's request is kept that could not be decoded."""
    ledger_days: int = Field(default=0, ge=0)
    """For how many days after its end the attempts and the plan of a run are kept; 0 means for ever."""
    daemon_syncs: int = Field(default=4, ge=1, le=64)
    """How many syncs and pulls a daemon or a worker works on at a time."""
    daemon_health: Path | None = None
    """Where a daemon tells how it is; unset means `daemon.json` in the home."""
    worker_health: Path | None = None
    """Where a worker tells how it is; unset means `worker-HOST.json` in the home."""

    @property
    def health_file(self) -> Path:
        """Where a daemon tells how it is."""
        return self.daemon_health or self.home / "daemon.json"

    @property
    def worker_health_file(self) -> Path:
        """Where a worker tells how it is: workers on several machines share a home."""
        return self.worker_health or self.home / f"worker-{socket.gethostname()}.json"

    @property
    def who(self) -> str:
        """Who is at work: as set, or the login name."""
        return self.actor.strip() or _login_name()

    @property
    def lake_root(self) -> Path:
        """The folder of the Delta tables."""
        return self.lake or self.home / "lake"

    @property
    def control_plane_url(self) -> str:
        """The SQLAlchemy URL of the control plane."""
        return self.database_url or f"sqlite:///{self.home / 'hub.db'}"

    @property
    def intake_url(self) -> str:
        """The SQLAlchemy URL of the intake log: a file of its own; on PostgreSQL beside the control plane's tables."""
        on_a_server = self.database_url.startswith("postgres")
        return self.database_url if on_a_server else f"sqlite:///{self.home / 'intake.db'}"

    @property
    def key_file(self) -> Path:
        """Where the key is kept (mode 0600) when HUB_KEY is not set. Not part of a back-up."""
        return self.home / "secret.key"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, `.env`, then the home's `hub.toml`."""
        toml = TomlConfigSettingsSource(settings_cls, _toml_of(init_settings, env_settings, dotenv_settings))
        return init_settings, env_settings, dotenv_settings, toml


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _toml_of(*sources: PydanticBaseSettingsSource) -> Path:
    homes = (source().get("home") for source in sources)
    return Path(next((home for home in homes if home), DEFAULT_HOME)) / "hub.toml"


def load(home: Path | None = None) -> Settings:
    """Read the settings, of the hub in `home` or of the one that HUB_HOME names.

    Raises UsageError naming the setting that cannot be read and where it may have come from.
    """
    try:
        settings = Settings(home=home) if home else Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"The setting {name} is wrong: {first['msg'].removeprefix('Value error, ')}.",
            hint=f"Look at HUB_{name.upper()} in the environment, at .env and at hub.toml.",
        ) from error
    except RuntimeError as error:
        raise UsageError(f"The home cannot be found: {error}", hint=_WHOLE_PATH) from error
    except (ValueError, OSError) as error:
        raise UsageError(
            f"A settings file cannot be read: {error}.", hint="Look at hub.toml in the home and at .env."
        ) from error
    return settings.model_copy(update={"home": _absolute(settings.home)})


def _absolute(home: Path) -> Path:
    try:
        return home.expanduser().absolute()
    except (OSError, RuntimeError) as error:  # a user that there is not, or a folder that was deleted meanwhile
        raise UsageError(f"The home {home} cannot be found: {error}.", hint=_WHOLE_PATH) from error


@lru_cache(maxsize=1)
def version() -> str:
    """The installed version of the hub."""
    from importlib.metadata import version as installed

    return installed("cohort-hub")
