"""The tests of cohorts, with Spark beside DuckDB: whatever a test asks of the one, the other has to answer alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from hub.cohorts import members
from hub.cohorts.question import Question
from hub.lake.engines import engine_of
from hub.lake.reading import DuckDbReader, Reader
from hub.lake.spark.reader import opened
from hub.workspace import Project

_ASKED = ("evaluate", "members", "qualified")
"""The functions of `hub.cohorts.members` that name people, with what partners and people want to know of them."""


class Compared:
    """A plugin of pytest. It counts what was `compared`, and keeps what was answered differently."""

    def __init__(self, url: str, *, seconds: float) -> None:
        self.compared = 0
        self.people = 0
        self.differing: list[str] = []
        self.late = False
        self._engine = engine_of(url)
        self._end = time.monotonic() + seconds
        self._open = ExitStack()
        self._readers: dict[int, tuple[Reader, Reader]] = {}
        self._originals = {name: getattr(members, name) for name in _ASKED}

    def __enter__(self) -> Compared:
        """Stand beside DuckDB from now on: before a test module takes the functions by their names."""
        for name, original in self._originals.items():
            setattr(members, name, self._beside(original))
        return self

    def __exit__(self, *_: object) -> None:
        for name, original in self._originals.items():
            setattr(members, name, original)
        self._open.close()

    @pytest.hookimpl
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Stop when the time is over."""
        if time.monotonic() > self._end:
            self.late = True
            pytest.exit(f"The time is over after {self.compared} cohorts, at {nodeid}.", returncode=1)

    def _beside(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def asked(reader: Reader, project: Project, question: Question, **more: Any) -> Any:
            found = original(reader, project, question, **more)
            if isinstance(reader, DuckDbReader):
                other = self._reader_beside(reader)
                ours = _rows(reader, found)
                theirs = _rows(other, original(other, project, question, **more))
                self.compared += 1
                self.people += len(ours)
                if ours != theirs:
                    text = f"{original.__name__} of {question.definition.document()} as of {question.now}"
                    self.differing.append(text)
                    pytest.fail(f"{text}:\nDuckDB {_only(ours, theirs)}\nSpark {_only(theirs, ours)}")
            return found

        return asked

    def _reader_beside(self, reader: DuckDbReader) -> Reader:
        """A reader of Spark that sees the same snapshots as a test's reader."""
        if id(reader) not in self._readers:
            other = self._open.enter_context(opened(reader._lake, self._engine, memory_limit="1GiB"))
            other._snapshots = reader._snapshots
            self._readers[id(reader)] = reader, other  # both, so that the id is not given to another
        return self._readers[id(reader)][1]


def _rows(reader: Reader, expression: Any) -> list[str]:
    return sorted(str(row) for batch in reader.batches(expression) for row in batch.to_pylist())


def _only(rows: list[str], others: list[str]) -> str:
    return "alone: " + "; ".join([row for row in rows if row not in set(others)][:10])
