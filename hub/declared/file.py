"""The file that says what a hub holds: its keys, and reading it with errors that name file, line and path.

::

    version: 1
    project: {timezone: Europe/Oslo, identity: simplified}
    connections:
      news:
        connector: mailchimp
        settings: {audience: a6b5da1054}
    cohorts:
      loyal:
        description: Bought three times
        text: did "Purchase" at least 3 times
    syncs:
      loyal-news: {cohort: loyal, connection: news, every: 2h, within: 4h, guards: {removals: 20%}}
    alerts:
      ops: {webhook: https://ops.example/hub}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from hub.cohorts.definition import VERSION as DEFINITION_VERSION
from hub.cohorts.definition import Definition
from hub.cohorts.documents import Document, parse
from hub.cohorts.documents import Path as FieldPath
from hub.cohorts.lists.sources import DISTINCT_ID, Sql
from hub.cohorts.model import Model, Name, Words, shown, wrong
from hub.cohorts.reading import place_of, validated
from hub.declared.alert_specs import AlertSpec
from hub.declared.guards import GuardsSpec
from hub.declared.values import Interval, MappedField, Within, group, only_true
from hub.errors import DefinitionError, InputError, UsageError
from hub.sync.intervals import interval_text
from hub.sync.schedule import After, Cron, Every, Once, Schedule
from hub.sync.states import Leavers

VERSION = 1
"""The newest version of such files that this hub reads."""

SECTIONS = ("warehouses", "connections", "cohorts", "syncs", "alerts")
"""In the order in which they are applied."""

HINT = "Nothing was changed. docs/hub-as-code.md shows such a file; `hub apply --schema` prints its JSON Schema."

_WHEN = ("every", "cron", "after", "once")
_WHAT = ("text", "definition", "sql", "received", "static")


class ProjectSpec(Model):
    """What the project has to be: compared, never changed."""

    timezone: Name | None = None
    identity: Literal["simplified", "original"] | None = None


class WarehouseSpec(Model):
    """A database that is asked for members. Its password is no part of the file."""

    url: Name


class ConnectionSpec(Model):
    """An account at a partner: its settings without its secrets. What is left out has the connector's default.

    `match` are the keys by which people are matched there, in order of preference; left out, they stay as they are.
    """

    connector: Name
    settings: dict[Name, Any] = Field(default={})
    match: tuple[Name, ...] | None = None


class ListSpec(Model):
    """A list whose members are data, and no part of the file: what they are known by."""

    key: Name = DISTINCT_ID


class CohortSpec(Model):
    """A cohort: its definition as text or spelt out, or where its members come from."""

    description: Words = ""
    text: Words | None = None
    definition: Definition | None = None
    sql: Sql | None = None
    received: ListSpec | None = None
    static: ListSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_one_thing(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            found = [key for key in _WHAT if data.get(key) is not None]
            if len(found) != 1 and not {*data} - {"description", *_WHAT}:
                several = f"has {' and '.join(found)}, and can have one of them"
                raise wrong(several if found else f"must have one of {', '.join(_WHAT)}")
            _check_definition_version(data.get("definition"))
        return data


class SyncSpec(Model):
    """A sync. `leavers`, `within`, `guards`, `stopped` and `paused` left out leave it as it is; a new one removes
    leavers, has the hub's own guards and is active. Of guards that are there, what they leave out is the hub's own."""

    cohort: Name
    connection: Name
    every: Interval | None = None
    cron: Name | None = None
    zone: Name | None = None
    after: Name | None = None
    once: Annotated[Literal[True], BeforeValidator(only_true)] | None = None
    audience: Name | None = None
    mapping: Annotated[dict[Name, MappedField], BeforeValidator(group)] = Field(default={})
    leavers: Leavers | None = None
    within: Within | None = None
    guards: GuardsSpec | None = None
    stopped: bool | None = None
    paused: bool | None = None

    @model_validator(mode="after")
    def _runs_somehow(self) -> SyncSpec:
        if sum(getattr(self, key) is not None for key in _WHEN) != 1:
            raise wrong("must have either every (such as 2h) or once: true, or cron, or after")
        if self.zone is not None and self.cron is None:
            raise wrong("has a zone, which goes with cron")
        if self.stopped and self.paused:
            raise wrong("cannot be both stopped and paused")
        try:
            self.schedule  # noqa: B018 - it is made, and so read
        except UsageError as error:
            raise wrong(f"has a schedule that cannot be read: {error.message.rstrip('.')}") from error
        return self

    @property
    def schedule(self) -> Schedule:
        """When it runs."""
        if self.every is not None:
            return Every(self.every)
        if self.cron is not None:
            return Cron(self.cron, self.zone or "")
        return After(self.after) if self.after is not None else Once()

    @property
    def audience_name(self) -> str:
        """Its name at the partner."""
        return self.audience or f"hub: {self.cohort}"


def schedule_fields(schedule: Schedule) -> dict[str, Any]:
    """The keys of a sync that say when it runs."""
    match schedule:
        case Every(length=length):
            return {"every": length}
        case Cron(expression=expression, zone=zone):
            return {"cron": expression, "zone": zone or None}
        case After(sync=name):
            return {"after": name}
    return {"once": True}


Section = BeforeValidator(group)


class HubFile(Model):
    """The whole file. A section that it does not have is not spoken of: nothing of it is changed or removed."""

    version: Literal[1] = 1
    project: ProjectSpec = ProjectSpec()
    warehouses: Annotated[dict[Name, WarehouseSpec], Section] = Field(default={})
    connections: Annotated[dict[Name, ConnectionSpec], Section] = Field(default={})
    cohorts: Annotated[dict[Name, CohortSpec], Section] = Field(default={})
    syncs: Annotated[dict[Name, SyncSpec], Section] = Field(default={})
    alerts: Annotated[dict[Name, AlertSpec], Section] = Field(default={})

    @property
    def spoken_of(self) -> set[str]:
        """The sections that the file has."""
        return self.model_fields_set & {*SECTIONS}

    @model_serializer(mode="plain")
    def _as_written(self) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self.version, "project": _without_defaults(self.project)}
        for section in SECTIONS:
            entries: Mapping[str, Model] = getattr(self, section)
            found[section] = {name: _without_defaults(entry) for name, entry in entries.items()}
        return found


@dataclass(frozen=True)
class Declared:
    """A file that was read: what it says, and where each part of it stands. `source` names it in errors."""

    spec: HubFile
    document: Document
    source: str

    def problem(self, path: FieldPath, said: str, hint: str = HINT) -> InputError:
        """The refusal of a part of the file: `said` is the end of a sentence."""
        return InputError(f"{place_of(path, self.document, self.source)}{said}", hint=hint)


def read_hub_file(text: str, source: str) -> Declared:
    """Read a hub's file, YAML or JSON. Raises DefinitionError with file, line, path, and what could stand there."""
    document = parse(text, source)
    if not isinstance(document.value, Mapping):
        raise DefinitionError(f"{source}: must be a group of keys, not {shown(document.value)}.", hint=HINT)
    version = document.value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise DefinitionError(
            f"{source}: version: is {version}, and this hub reads such files up to version {VERSION}.",
            hint="A newer hub wrote it: use that version.",
        )
    if version is None:
        raise DefinitionError(f"{source}: version: is missing.", hint=f"Begin the file with `version: {VERSION}`.")
    return Declared(validated(HubFile, document, source, hint=HINT), document, source)


def _check_definition_version(value: Any) -> None:
    version = value.get("version") if isinstance(value, Mapping) else None
    if isinstance(version, int) and version > DEFINITION_VERSION:
        raise wrong(f"is of version {version}: a newer hub wrote it", key="definition")


def _without_defaults(entry: Model) -> dict[str, Any]:
    found = entry.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    for key in ("every", "within", "timeout"):
        if isinstance(length := getattr(entry, key, None), timedelta):
            found[key] = interval_text(length)
    if isinstance(entry, CohortSpec):
        for key in ("received", "static"):
            if getattr(entry, key) is not None:
                found[key] = {"key": getattr(entry, key).key}
    return found
