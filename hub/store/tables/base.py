"""What all tables of the control plane share: their metadata, and the types of their columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Index, Integer, MetaData, TypeDecorator, text


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored as UTC. Refuses a naive one."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""A number that rises with every row."""


def free_after_removal(table: str) -> Index:
    """A name belongs to one row of a project at a time; a row that was removed (`removed_at`) gives it free."""
    live = text("removed_at IS NULL")
    return Index(f"uq_{table}_live", "project_id", "name", unique=True, sqlite_where=live, postgresql_where=live)
