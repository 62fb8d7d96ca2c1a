"""What servers in the foreground share: a socket to listen on, and an end by signals. For the hub's own server and for
sandboxes."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from hub.errors import HubError, UsageError

LAST_PORT = 65_535
_WAITING = 2048  # connections that are not accepted yet


class SignalledServer(uvicorn.Server):
    """uvicorn, that takes SIGINT and SIGTERM for a normal end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM end the server, and nothing more."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # uvicorn raises the signal again at the end, which would end the process before it has cleaned up
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; `port` 0 is a free one.

    Raises UsageError when there is no such host or port, HubError when the port is taken.
    """
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"There is no port {port}.", hint=f"Ports go from 1 to {LAST_PORT}; 0 is a free one.")
    try:
        # asyncio turns Nagle's delay off only where it sees the protocol named: 40 ms an answer otherwise
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise _no_address(host) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _no_address(host) from error
        raise HubError(
            f"The hub cannot listen on {host}, port {port}: {error.strerror}.",
            hint="Another server may run there already; choose another port with --port, or 0 for a free one.",
        ) from error
    return listener


def _no_address(host: str) -> UsageError:
    return UsageError(f"There is no address {host} on this machine.", hint="Use 127.0.0.1, or 0.0.0.0 for all.")
