"""Mailchimp's batches: many requests handed in at once, worked on there, their answers fetched as an archive.

Source: https://mailchimp.com/developer/marketing/guides/run-async-requests-batch-endpoint/. Operations run in no fixed
order; a finished batch is not a successful one; the archive is in somebody else's storage and gets no credential.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import orjson

from hub import PartnerClient, PartnerUnavailable
from hub_mailchimp.paths import told

OPERATIONS = 500
"""Operations in a batch. Mailchimp documents no limit; its guides use up to 1,000."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 60.0
"""Seconds between two questions whether a batch is done: doubled from the first to the longest."""


@dataclass(frozen=True)
class Get:
    """One GET of a batch. `name` finds its answer again."""

    name: str
    path: str
    params: Mapping[str, str]

    @property
    def operation(self) -> dict[str, Any]:
        """As Mailchimp takes it."""
        return {"method": "GET", "path": self.path, "operation_id": self.name, "params": dict(self.params)}


@dataclass(frozen=True)
class Answer:
    """The answer to one operation, or to a page of it."""

    name: str
    status: int
    body: Any


async def submit(http: PartnerClient, gets: Sequence[Get]) -> list[str]:
    """Hand in requests; the ids of the batches, in order."""
    ids = []
    for start in range(0, len(gets), OPERATIONS):
        operations = [get.operation for get in gets[start : start + OPERATIONS]]
        batch = told(await http.post("/batches", {"operations": operations}), "id", "a batch", lost=True)
        ids.append(str(batch["id"]))
    return ids


async def archive_of(http: PartnerClient, batch: str) -> str:
    """Where the answers of a batch are, for ten minutes from now; empty while it is not finished.

    Raises NotThere when Mailchimp keeps it no longer (seven days).
    """
    path = f"/batches/{quote(batch, safe='')}"
    status = told(await http.get(path, params={"fields": "status,response_body_url"}), "status", path)
    return str(status.get("response_body_url") or "") if status["status"] == "finished" else ""


async def answers(http: PartnerClient, url: str) -> AsyncIterator[list[Answer]]:
    """The answers in an archive, file by file. Raises PartnerUnavailable when it cannot be had or read."""
    with await http.download(url) as file:
        files = _files(file)
        try:
            while (found := await asyncio.to_thread(next, files, None)) is not None:
                yield found
        except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
            raise PartnerUnavailable(f"An archive of Mailchimp's batches cannot be read: {error}") from error


def _files(file: IO[bytes]) -> Iterator[list[Answer]]:
    with tarfile.open(fileobj=file, mode="r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield [_answer(row) for row in orjson.loads(content.read())]


def _answer(row: Mapping[str, Any]) -> Answer:
    response = row.get("response")
    try:
        body = orjson.loads(response) if response else None
    except orjson.JSONDecodeError:  # a gateway's page in the place of an answer
        body = None
    return Answer(str(row["operation_id"]), int(row["status_code"]), body)
