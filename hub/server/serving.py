"""Running the server in the foreground, until a signal."""

from __future__ import annotations

import errno
import gc
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

import uvicorn

from hub.app import Hub
from hub.errors import HubError, UsageError
from hub.server.app import Server
from hub.server.mover import Mover
from hub.server.protocol import IDLE_SECONDS, GuardedProtocol, guarded
from hub.settings import Settings

GRACE_SECONDS = 4
"""How long requests in hand may take when the server ends. With the mover's, it all ends within 10 s."""
LAST_PORT = 65_535
_WAITING = 2048  # connections that are not accepted yet
_OTHER_FILES = 256  # beside connections: the lake's, the databases'


def serve(hub: Hub, *, host: str, port: int, on_ready: Callable[[str], None], moving: bool = True) -> None:
    """Serve `hub` until SIGINT or SIGTERM; requests in hand are finished, and everything is kept.

    `port` 0 is a free one. `on_ready` is given the address once it answers. With `moving`, a mover runs beside it.
    Raises HubError when the port is taken, UsageError when there is no such host or port, StoreError when nothing can
    be stored.
    """
    protocol = guarded(most=_connections(hub.settings.server_connections))
    with closing(listen(host, port)) as listener:
        server = Server(hub, mover=Mover(hub.settings.home) if moving else None)
        server.open()
        _spare_the_collector()
        Listening(server, hub.settings, listener, on_ready, protocol).run(sockets=[listener])


class Listening(uvicorn.Server):
    """uvicorn, that says when it listens and takes a signal for a normal end."""

    def __init__(
        self,
        server: Server,
        settings: Settings,
        listener: socket.socket,
        on_ready: Callable[[str], None],
        protocol: type[GuardedProtocol],
    ) -> None:
        trusted = settings.server_trusted_proxies
        super().__init__(
            uvicorn.Config(
                server.app(),
                http=protocol,
                ws="none",
                lifespan="on",
                loop="uvloop",
                access_log=False,
                log_level="error",
                log_config=None,
                proxy_headers=bool(trusted),
                forwarded_allow_ips=trusted,
                server_header=False,
                backlog=_WAITING,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._address = _address(listener)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self._on_ready(self._address)

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


def _spare_the_collector() -> None:
    """Records make no cycles, and a collection walks all that is there: a third of a request's time (measured)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _connections(most: int) -> int:
    """How many connections there may be, with the files that this process may open raised as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return most if soft == resource.RLIM_INFINITY else max(min(most, soft - _OTHER_FILES), 1)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _no_address(host: str) -> UsageError:
    return UsageError(f"There is no address {host} on this machine.", hint="Use 127.0.0.1, or 0.0.0.0 for all.")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; `port` 0 is a free one. Raises UsageError, HubError (see `serve`)."""
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"There is no port {port}.", hint=f"Ports go from 1 to {LAST_PORT}; 0 is a free one.")
    try:
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
