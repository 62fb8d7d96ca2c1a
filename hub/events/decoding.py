"""Decoding blocks of lines in several processes at once, in order.

Decoding is Python's work and would keep one core busy while the others wait. The helpers are plain child processes that
read jobs from their standard input: they end when it closes, so also when this process is killed.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import IO, Protocol, cast

import msgspec
import pyarrow as pa

from hub.errors import HubError, InputError
from hub.events.batch import Job, Tally, decode_block
from hub.events.blocks import Block

_MOST_WORKERS = 4  # beyond that, one thread that writes to the lake is the limit
_LENGTH = 8

Decoded = tuple[Block, Tally, pa.RecordBatch]


class Decoder(Protocol):
    """Makes a batch of each block, in the blocks' order. When the blocks end in an InputError, it comes last."""

    def __call__(self, blocks: Iterable[tuple[Block, Job]]) -> Iterator[Decoded]:
        """Decode; a few blocks ahead of what was taken."""


def decode_here(blocks: Iterable[tuple[Block, Job]]) -> Iterator[Decoded]:
    """Decode in this process: for files that are done before a helper has started."""
    for block, job in blocks:
        yield (block, *decode_block(block.data, job))


@contextmanager
def helpers(count: int = 0) -> Iterator[Decoder]:
    """Start `count` helper processes (0: one a core) for as long as the context lasts."""
    count = count or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    with ExitStack() as stack:
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for _ in range(count):
            idle.put(stack.enter_context(_helper()))
        threads = stack.enter_context(ThreadPoolExecutor(count, "decode"))

        def decode(block: Block, job: Job) -> Decoded:
            helper = idle.get()
            answer = _ask(helper, block.data, job)
            idle.put(helper)
            return (block, *answer)

        def decode_all(blocks: Iterable[tuple[Block, Job]]) -> Iterator[Decoded]:
            ahead: deque[Future[Decoded]] = deque()
            broken: InputError | None = None
            try:
                for block, job in blocks:
                    ahead.append(threads.submit(decode, block, job))
                    if len(ahead) > 2 * count:
                        yield ahead.popleft().result()
            except InputError as error:
                broken = error  # what was read before the break is decoded
            while ahead:
                yield ahead.popleft().result()
            if broken:
                raise broken

        yield decode_all


@contextmanager
def _helper() -> Iterator[subprocess.Popen[bytes]]:
    # -P: not from a folder `hub` where the user happens to stand; a session of its own: Ctrl-C is for the parent alone
    command = [sys.executable, "-P", "-c", "from hub.events.decoding import serve; serve()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()
        process.wait()


def _ask(helper: subprocess.Popen[bytes], data: bytes, job: Job) -> tuple[Tally, pa.RecordBatch]:
    requests, answers = cast("IO[bytes]", helper.stdin), cast("IO[bytes]", helper.stdout)
    try:
        _send(requests, msgspec.msgpack.encode(job), data)
        tally, rows = _receive(answers), _receive(answers)
    except (OSError, EOFError) as error:
        raise HubError(
            f"A process that decodes lines has ended ({helper.poll()}).",
            hint="The machine may be short of memory. Run the same command again: it goes on where it stopped.",
        ) from error
    with pa.ipc.open_stream(rows) as stream:
        return msgspec.msgpack.decode(tally, type=Tally), stream.read_next_batch()


def serve() -> None:
    """Run as a helper: answer jobs until standard input closes."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    gc.disable()  # decoding makes no cycles, and a collection walks all records at hand
    with suppress(EOFError, BrokenPipeError):
        while True:
            job = msgspec.msgpack.decode(_receive(requests), type=Job)
            tally, rows = decode_block(_receive(requests), job)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema) as stream:
                stream.write_batch(rows)
            _send(answers, msgspec.msgpack.encode(tally), sink.getvalue())
    os._exit(0)  # without a last flush to a parent that is gone


def _send(pipe: IO[bytes], *parts: bytes | pa.Buffer) -> None:
    for part in parts:
        pipe.write(len(part).to_bytes(_LENGTH))
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    size = int.from_bytes(_exactly(pipe, _LENGTH))
    return _exactly(pipe, size)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
