"""Which column of a CSV file is what, as the user says it, held against the file's header."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePath
from typing import get_args

import msgspec

from hub.errors import InputError
from hub.events.lines import MAX_TEXT
from hub.events.table import Cell, PropertyType, Table

_NAMED_FORMATS = ("iso", "epoch", "epoch-ms")
_TYPES = get_args(PropertyType)
_PACKED = (".gz", ".zst", ".zstd")
_OWN = ("distinct_id", "time", "$insert_id")  # properties that --id, --time and --insert-id make


class Mapping(msgspec.Struct, frozen=True):
    """Which column is what.

    The events' name is `event_name`, or stands in `event_column`. `id`, `time` and `insert_id` are headings.
    `time_format` is `iso`, `epoch` (seconds), `epoch-ms`, or a format of `strptime`; it holds for all times of the
    file, and a time without a zone is one of the project's zone. `properties` are
    COLUMN[=NAME][:number|boolean|text|time]; without any, all other columns become texts. `delimiter` is one character,
    `tab`, or "": a comma, or a tab when the name ends in .tsv.
    """

    event_name: str = ""
    event_column: str = ""
    id: str = ""
    time: str = ""
    time_format: str = "iso"
    insert_id: str = ""
    properties: tuple[str, ...] = ()
    delimiter: str = ""


def is_called_a_table(name: str) -> bool:
    """Whether a file's name says that it is CSV: .csv or .tsv, perhaps with .gz or .zst after it."""
    return _bare(name).endswith((".csv", ".tsv"))


def delimiter_of(mapping: Mapping, name: str) -> str:
    """The character between the cells. Raises InputError when the given one is none."""
    given = "\t" if mapping.delimiter in ("tab", "\\t") else mapping.delimiter
    if not given:
        return "\t" if _bare(name).endswith(".tsv") else ","
    if len(given) != 1 or given in '"\r\n\0' or not given.isascii():
        raise InputError(f"--delimiter {mapping.delimiter} is not one character.", hint="Such as `;`, or `tab`.")
    return given


def table_of(mapping: Mapping, header: Sequence[str], *, name: str, zone: str) -> Table:
    """Find the columns of a mapping in a file's header. `zone` is the IANA name of the project's.

    Raises InputError when a mapping says too little, or names what is not there.
    """
    _check(mapping, header, name)
    headings = Headings(name, header)
    identity, time = headings.cell(mapping.id, "--id"), headings.cell(mapping.time, "--time")
    event = headings.cell(mapping.event_column, "--event-column") if mapping.event_column else None
    insert_id = headings.cell(mapping.insert_id, "--insert-id") if mapping.insert_id else None
    taken = {cell.index for cell in (identity, time, event, insert_id) if cell}
    others = [Cell(index, heading, heading) for index, heading in enumerate(header) if heading and index not in taken]
    properties = [headings.property(spelt) for spelt in mapping.properties] or others
    _check_names(properties, name)
    return Table(
        delimiter=delimiter_of(mapping, name),
        width=len(header),
        zone=zone,
        time_format=mapping.time_format,
        id=identity,
        time=time,
        event_name=mapping.event_name,
        event=event,
        insert_id=insert_id,
        properties=tuple(properties),
    )


def digest_of(digest: str, table: Table) -> str:
    """What names the import of a file by a mapping: the same file with another mapping is another import."""
    return sha256(digest.encode() + msgspec.json.encode(table)).hexdigest()


class Headings:
    """A file's header, to look columns up in."""

    def __init__(self, file: str, header: Sequence[str]) -> None:
        self._file, self._header = file, header

    def cell(self, heading: str, option: str) -> Cell:
        """The column of that heading. `option` is what asked for it. Raises InputError."""
        count = self._header.count(heading)
        if count > 1:
            raise InputError(f"{self._file} has {count} columns {heading}.", hint="Rename one of them.")
        if not count:
            raise InputError(f"{self._file} has no column {heading} ({option}).", hint=self._nearest(heading))
        return Cell(self._header.index(heading), heading)

    def property(self, spelt: str) -> Cell:
        """The column of COLUMN[=NAME][:TYPE], and the property that it becomes. Raises InputError."""
        column, _, kind = spelt.rpartition(":")
        if kind not in _TYPES:
            column, kind = spelt, "text"
        heading, _, name = column.partition("=")
        found = self.cell(heading, "--property")
        return Cell(found.index, heading, name or heading, msgspec.convert(kind, PropertyType))

    def _nearest(self, heading: str) -> str:
        lower = {known.lower(): known for known in self._header}
        near = difflib.get_close_matches(heading.lower(), lower, 1)
        return f"Did you mean {lower[near[0]]}?" if near else _listed(self._header)


def _check(mapping: Mapping, header: Sequence[str], name: str) -> None:
    """Whether a mapping says all that is needed, and nothing twice."""
    missing = [option for option, given in (("--id", mapping.id), ("--time", mapping.time)) if not given]
    if not mapping.event_name and not mapping.event_column:
        missing.append("--event-name or --event-column")
    if missing:
        raise InputError(f"{name} is CSV: say which column is what with {', '.join(missing)}.", hint=_listed(header))
    if mapping.event_name and mapping.event_column:
        raise InputError("--event-name and --event-column exclude each other.", hint="Leave one of them out.")
    if mapping.time_format not in _NAMED_FORMATS and not _is_format(mapping.time_format):
        raise InputError(
            f"--time-format {mapping.time_format} is no format of a time.",
            hint="It is iso, epoch, epoch-ms, or such as '%d.%m.%Y %H:%M'.",
        )


def _check_names(properties: Sequence[Cell], name: str) -> None:
    for cell in properties:
        if cell.name in _OWN:
            raise InputError(
                f"{name}: column {cell.heading} would become the property {cell.name}, which has a meaning of its own.",
                hint=f"Name the properties that you want, such as --property {cell.heading}=other_name.",
            )
        if len(cell.name) > MAX_TEXT or "\0" in cell.name:
            raise InputError(f"{name}: {cell.name[:40]!r} is not fit to be a property's name.", hint="Rename it.")
    twice = [known for known, count in Counter(cell.name for cell in properties).items() if count > 1]
    if twice:
        raise InputError(f"{name}: two columns would become the property {twice[0]}.", hint="Rename one of them.")


def _is_format(given: str) -> bool:
    """Whether `strptime` knows a format: what it wrote, it must read."""
    try:
        datetime.strptime(datetime(2026, 10, 3, tzinfo=UTC).strftime(given), given)  # noqa: DTZ007
    except ValueError:
        return False
    return "%" in given


def _listed(header: Sequence[str]) -> str:
    return f"Its columns: {', '.join(header[:30])}{', ...' if len(header) > 30 else ''}."


def _bare(name: str) -> str:
    path = PurePath(name.lower())
    return path.stem if path.suffix in _PACKED else path.name
