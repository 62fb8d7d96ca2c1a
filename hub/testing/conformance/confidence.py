"""The check that no secret is told: not by errors, not in logs, whatever the partner says."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from hub.testing.conformance.bench import Bench, blame
from hub.testing.conformance.checks import check

_STATUSES = (400, 401, 404, 422, 429, 500)


@check()
async def secrets_kept(bench: Bench) -> None:
    """No secret is in an error, a log line, or what the connector shows, even when the partner repeats it."""
    good = bench.settings()
    tried = [good, *(bench.settings(**bad) for bad in bench.subject.bad_credentials[:1])]
    secrets = bench.secrets(*tried)
    with _overheard() as lines:
        for settings in tried:
            for status in _STATUSES:
                await _refused(bench, settings, status, list(bench.secrets(settings)))
        async with bench.opened(good) as connector:
            account = await bench.good("check with good settings", connector.check())
            audience = await bench.audience(connector)
            outcome = await bench.add(connector, audience, bench.people(1))
            shown = [f"{account} {audience} {outcome.request_id} {connector!r} {connector.settings!r}"]
    _search("an error", bench.told, secrets, "Leave it out of the message, and the partner's words only without it.")
    _search("what the connector shows", shown, secrets, "Account, Audience and repr are shown and stored as they are.")
    _search("a log line", lines, secrets, "Log less: logs are read and kept by others.")


async def _refused(bench: Bench, settings: object, status: int, secrets: list[str]) -> None:
    echo = f"You sent {' '.join(secrets)}"
    body = dict.fromkeys(("error", "errors", "message", "detail", "title", "reason"), echo)
    async with bench.opened(settings) as connector:  # type: ignore[arg-type]
        for spoken in (body, {"status": "failure", "error": {"message": echo, "code": status}}):
            bench.partner.admin.clear_faults()
            bench.partner.admin.fault(kind="status", status=status, body=spoken, count=None)
            try:
                await connector.check()
            except Exception as error:  # noqa: BLE001 - only its words matter here
                bench.hear(error)
            bench.partner.admin.clear_faults()


@contextlib.contextmanager
def _overheard() -> Iterator[list[str]]:
    """Every log line of the process meanwhile, from DEBUG on."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")

    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers = [Ear(logging.DEBUG)]  # nobody else wants to read them
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.handlers = handlers
        root.setLevel(level)


def _search(where: str, texts: list[str], secrets: dict[str, str], do: str) -> None:
    for text in texts:
        for secret, name in secrets.items():
            if secret in text:
                blame(f"The secret {name} is in {where}: {text.replace(secret, '***')[:200]}", do)
