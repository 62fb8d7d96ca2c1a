"""The floor: a bare Starlette app on the hub's own HTTP stack that parses a body with orjson and stores it durably.

    python -m benchmarks.ingestion.floor PORT FILE

It checks nothing, knows nobody, moves nothing anywhere: bodies go to the end of one file, and each is on the disk
(`fdatasync`) before it is answered. The file is cut off now and then, so that a long run does not fill the disk.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import BinaryIO

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_MOST = 4 * 1024**3  # bytes in the file before it is cut off


class _File:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self._turn, self._size = file, threading.Lock(), 0

    def append(self, body: bytes) -> None:
        with self._turn:
            self._file.write(body)
            os.fdatasync(self._file.fileno())
            self._size += len(body)
            if self._size > _MOST:
                self._file.truncate(0)
                self._size = 0


def main(port: int, path: str) -> None:
    """Serve on 127.0.0.1 until terminated."""
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - the bare app has no need of pathlib
        bodies = _File(file)

        async def take(request: Request) -> Response:
            body = await request.body()
            records = orjson.loads(body)
            await asyncio.to_thread(bodies.append, body)
            return JSONResponse({"code": 200, "num_records_imported": len(records), "status": "OK"})

        async def health(_: Request) -> Response:
            return JSONResponse({"ok": True})

        app = Starlette(routes=[Route("/import", take, methods=["POST"]), Route("/health", health)])
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
