"""How a message leaves: as a signed request to an address, or as the standard input of a command.

Both return what was answered, in a few words, and raise HubError when it did not arrive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hub.clock import now
from hub.connectors.guarding import guard_of
from hub.connectors.signing import signature_headers
from hub.errors import HubError, NotDelivered, PartnerUnavailable, Wait

if TYPE_CHECKING:
    import httpx

    from hub.errors import PartnerError
    from hub.settings import Settings

TIMEOUT = timedelta(seconds=15)
"""How long a receiver may take to answer."""
_WORDS = 300  # letters of what a command said


async def post_to(
    url: str,
    body: bytes,
    settings: Settings,
    *,
    signed_by: Sequence[str] = (),
    message_id: str = "",
) -> str:
    """POST a JSON body, signed with each of the secrets, and return the status. Redirects are not followed.

    Raises NotDelivered. No error tells the address: that of a chat is a secret.
    """
    from hub.connectors.http import PartnerClient
    from hub.connectors.retry import retry_after

    def told(response: httpx.Response) -> PartnerError:
        said = f"{response.request.url.host} answered {response.status_code}."
        wait = retry_after(response.headers.get("Retry-After"))
        return PartnerUnavailable(said) if wait is None else Wait(said, seconds=wait)

    address = url.rstrip("/")
    headers = {}
    if signed_by:
        headers = signature_headers([*signed_by], message_id=message_id, at=now(), body=body)
    try:
        client = PartnerClient(address, guard=guard_of(settings), timeout=TIMEOUT, concurrency=1)
        async with client:
            client.explain = told
            response = await client.request("POST", url[len(address) :], body=body, headers=headers)
    except HubError as error:
        wait = error.seconds if isinstance(error, Wait) else None
        raise NotDelivered(error.message, hint=error.hint, after=wait or 0.0) from error
    return f"{response.status_code} {response.reason_phrase}".strip()


async def run_command(argv: Sequence[str], body: bytes, *, lasts: timedelta, folder: Path) -> str:
    """Run a command without a shell, with `body` as its standard input, and return that it ended well.

    It gets no variable whose name begins with HUB_: those may hold secrets. One that `lasts` longer is killed,
    with all that it started. Raises NotDelivered.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    with tempfile.TemporaryFile() as said:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=said,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise NotDelivered(f"{argv[0]} cannot be run: {error.strerror or error}.") from error
        try:
            async with asyncio.timeout(lasts.total_seconds()):
                await process.communicate(body)
        except TimeoutError as error:
            raise NotDelivered(f"{argv[0]} took longer than {lasts.total_seconds():.0f} s, and was ended.") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            raise NotDelivered(f"{argv[0]} ended with {process.returncode}{_words(said)}.")
    return "ended with 0"


def _words(said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read(_WORDS).decode(errors="replace")
    shown = "".join(letter if letter.isprintable() else " " for letter in text).strip().rstrip(".")
    return f": {shown}" if shown else ""
