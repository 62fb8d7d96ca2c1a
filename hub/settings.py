"""Where a hub lives and how it runs: `HUB_*` in the environment, `.env`, then `hub.toml` in its home."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hub.errors import UsageError

DEFAULT_HOME = Path.home() / ".cohort-hub"


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
    memory_limit: str = "2GiB"
    """What one DuckDB connection may use before it spills to disk."""
    threads: int = Field(default=0, ge=0)
    """Threads of one DuckDB connection; 0 means one a core."""
    allow_private: bool = Field(default=False, validation_alias=AliasChoices("allow_private", "HUB_ALLOW_PRIVATE"))
    """Let addresses given by users lead to private and loopback networks."""

    @property
    def lake_root(self) -> Path:
        """The folder of the Delta tables."""
        return self.lake or self.home / "lake"

    @property
    def control_plane_url(self) -> str:
        """The SQLAlchemy URL of the control plane."""
        return self.database_url or f"sqlite:///{self.home / 'hub.db'}"

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
            f"The setting {name} is wrong: {first['msg']}.",
            hint=f"Look at HUB_{name.upper()} in the environment, at .env and at hub.toml.",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"A settings file cannot be read: {error}.", hint="Look at hub.toml in the home and at .env."
        ) from error
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


@lru_cache(maxsize=1)
def version() -> str:
    """The installed version of the hub."""
    from importlib.metadata import version as installed

    return installed("cohort-hub")
