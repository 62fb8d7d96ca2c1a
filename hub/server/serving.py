"""Running the server in the foreground, until a signal."""

from __future__ import annotations

import gc
import resource
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from hub.app import Hub
from hub.listening import SignalledServer, listen
from hub.server.app import Server
from hub.server.mover import DECODING, Mover
from hub.server.protocol import IDLE_SECONDS, GuardedProtocol, guarded
from hub.settings import Settings

GRACE_SECONDS = 4
"""How long requests in hand may take when the server ends. With the mover's, it all ends within 10 s."""
_OTHER_FILES = 256  # beside connections: the lake's, the databases'


def serve(hub: Hub, *, host: str, port: int, on_ready: Callable[[str], None], moving: bool = True) -> None:
    """Serve `hub` until SIGINT or SIGTERM; requests in hand are finished, and everything is kept.

    `port` 0 is a free one. `on_ready` is given the address once it answers. With `moving`, a mover runs beside it, and
    a decoder once a partner has sent something.
    Raises HubError when the port is taken, UsageError when there is no such host or port, StoreError when nothing can
    be stored.
    """
    protocol = guarded(most=_connections(hub.settings.server_connections))
    with closing(listen(host, port)) as listener:
        home = hub.settings.home
        server = Server(hub, mover=Mover(home), decoder=Mover(home, DECODING)) if moving else Server(hub)
        server.open()
        _spare_the_collector()
        Listening(server, hub.settings, listener, on_ready, protocol).run(sockets=[listener])


class Listening(SignalledServer):
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
