"""`hub serve`: the server that SDKs send to."""

from __future__ import annotations

from hub.cli.context import open_hub, say
from hub.server.serving import serve


def serve_hub(host: str, port: int) -> None:
    """Serve all projects of the hub until SIGINT or SIGTERM."""
    hub = open_hub()

    def ready(url: str) -> None:
        say(f"The hub takes events and profiles at {url}. Ctrl-C ends it.")
        say("  SDKs need this address and the token of a project (hub token add): docs/ingestion.md.")
        say(f"  Whether it is well: {url}/health")
        if not hub.settings.server_trusted_proxies and not host.startswith("127."):
            say("  Tokens travel in the clear: put a proxy with TLS in front (docs/ingestion.md).")

    serve(hub, host=host, port=port, on_ready=ready)
