"""The recorder of `checks.crash`: posts events and profile updates, and keeps its own record of the answers.

    python -m checks.crash_recorder PORT TOKEN FILE

A line of JSON an answer: `sent` before a batch leaves for the first time, `events` when it was acknowledged; `adding`
before an update leaves, `added` when it was acknowledged. Batches without an answer are sent again until there is one;
updates are not, because `$add` has no id by which a repetition could be known. SIGTERM finishes what is in hand.
"""

from __future__ import annotations

import base64
import json
import random
import signal
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, BinaryIO

_THREADS = 3
_TIMEOUT = 20.0


class _Record:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self._turn = file, threading.Lock()

    def note(self, **what: Any) -> None:
        with self._turn:
            self._file.write(json.dumps(what).encode() + b"\n")
            self._file.flush()


class _Sender:
    """One client: `/import` and `/track` with events, `/engage` with a counter."""

    def __init__(self, port: int, token: str, name: int, record: _Record, ended: threading.Event) -> None:
        self._port, self._token, self._name = port, token, name
        self._record, self._ended = record, ended
        self._chance = random.Random(name)
        self._number = 0

    def run(self) -> None:
        while not self._ended.is_set():
            batch = self._events()
            ids = [event["properties"]["$insert_id"] for event in batch]
            self._record.note(sent=ids)
            path = "/track" if len(batch) == 1 else "/import"
            while not self._accepted(path, batch):
                time.sleep(0.02)
            self._record.note(events=ids)
            if self._number % 5 == 0:
                self._count()

    def _events(self) -> list[dict[str, Any]]:
        self._number += 1
        size = self._chance.choice([1, 1, 10, 200])
        now = int(time.time())
        return [self._event(f"{self._name}-{self._number}-{nth}", now - nth) for nth in range(size)]

    def _event(self, insert_id: str, at: int) -> dict[str, Any]:
        who = f"p{self._chance.randrange(50)}"
        properties = {"token": self._token, "distinct_id": who, "time": at, "$insert_id": insert_id, "n": self._number}
        if self._chance.random() < 0.2:
            properties |= {"$device_id": f"d{self._chance.randrange(50)}", "$user_id": who}
        return {"event": "Ticked", "properties": properties}

    def _count(self) -> None:
        self._record.note(adding=1)
        if self._accepted("/engage", [{"$token": self._token, "$distinct_id": "counter", "$add": {"n": 1}}]):
            self._record.note(added=1)

    def _accepted(self, path: str, records: list[dict[str, Any]]) -> bool:
        basic = base64.b64encode(f"{self._token}:".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request("POST", f"{path}?verbose=1", json.dumps(records), headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status == 200 and json.loads(body).get("status") in (1, "OK")
        except (OSError, HTTPException, ValueError):
            return False
        finally:
            connection.close()


def main(port: int, token: str, path: Path) -> None:
    """Send until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with path.open("ab") as file:
        record = _Record(file)
        senders = [_Sender(port, token, name, record, ended) for name in range(_THREADS)]
        threads = [threading.Thread(target=sender.run) for sender in senders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
