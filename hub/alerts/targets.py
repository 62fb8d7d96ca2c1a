"""Where an alert can go, and what of that is a secret."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hub.alerts.machine import this_host
from hub.alerts.model import LEVELS
from hub.connectors.guarding import guard_of
from hub.connectors.signing import signing_secrets
from hub.errors import PartnerUnavailable, UsageError

if TYPE_CHECKING:
    from hub.settings import Settings

WEBHOOK, SLACK, COMMAND = "webhook", "slack", "command"

LONGEST_TIMEOUT = timedelta(minutes=5)


@dataclass(frozen=True)
class Target:
    """Where a channel leads: the `url` of a webhook or of a Slack-compatible one, or the `argv` of a command, which may
    take `timeout`."""

    kind: str
    url: str = ""
    argv: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=30)

    def check(self) -> Target:
        """The target with a command's whole path. Raises UsageError for one that cannot work."""
        if self.kind == COMMAND:
            return self._checked_command()
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname or not self.url.isprintable():
            raise UsageError("A webhook needs an address.", hint="It has the form https://host/path.")
        _port(self.url)
        if address.username or address.password:
            raise UsageError(
                "The address of a webhook holds no user name and no password.", hint="It is signed: verify that."
            )
        return self

    def _checked_command(self) -> Target:
        if not self.argv or not self.argv[0]:
            raise UsageError(
                "There is no command.", hint="Give it after --, such as: -- /usr/local/bin/page --team ops"
            )
        found = shutil.which(self.argv[0])
        if found is None:
            raise UsageError(
                f"{self.argv[0]} is no command of this machine.", hint="Give its whole path, and make it executable."
            )
        if not timedelta(seconds=1) <= self.timeout <= LONGEST_TIMEOUT:
            raise UsageError("A command may take between 1 second and 5 minutes.", hint="Give --timeout 30s.")
        return Target(COMMAND, argv=(found, *self.argv[1:]), timeout=self.timeout)


def guard(target: Target, settings: Settings) -> None:
    """Refuse an address within the hub's own network, as sending does. Raises AddressRefused.

    A name that cannot be found now is let through: whether it may be called is asked again whenever something is sent.
    """
    if target.kind == COMMAND:
        return
    with suppress(PartnerUnavailable):
        guard_of(settings).check(str(urlsplit(target.url).hostname), _port(target.url))


def _port(url: str) -> int:
    address = urlsplit(url)
    try:
        return address.port or (443 if address.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError(
            "The port of the webhook's address is none.", hint="It is a number from 1 to 65535."
        ) from error


def variable(channel: str, setting: str) -> str:
    """The variable of the environment with a secret of one channel: its `secret`, or the `url` of a chat."""
    return re.sub(r"[^A-Z0-9_]", "_", f"HUB_ALERT_{channel}_{setting}".upper())


def given_secret(channel: str) -> str:
    """The secret to sign with that the environment has for a channel of that very name; else nothing."""
    return os.environ.get(variable(channel, "secret"), "")


def parts(target: Target, secret: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What of a target may be shown, and what is sealed. The address of a chat is its password."""
    if target.kind == COMMAND:
        seconds = int(target.timeout.total_seconds())
        return {"argv": [*target.argv], "timeout_seconds": seconds, "host": this_host()}, {}
    if target.kind == SLACK:
        return {"host": str(urlsplit(target.url).hostname)}, {"url": target.url}
    return {"url": target.url}, {"secrets": secret}


def checked_secret(target: Target, secret: str) -> str:
    """The secrets that a target signs with, with a blank between them. Raises UsageError."""
    if target.kind != WEBHOOK:
        if secret:
            raise UsageError("Only a webhook is signed.", hint="Leave the secret out.")
        return ""
    try:
        return " ".join(signing_secrets(secret))
    except ValueError as error:
        raise UsageError(f"This secret cannot sign: {error}.", hint="Without one the hub makes one.") from error


def checked_level(level: str) -> str:
    """`level`, if it is one. Raises UsageError."""
    if level not in LEVELS:
        raise UsageError(f"{level!r} is no level.", hint=f"Levels are {' and '.join(LEVELS)}.")
    return level


def check_name(name: str) -> None:
    """Raises UsageError for what cannot be the name of a channel."""
    if not name.strip() or len(name) > 255 or not name.isprintable():
        raise UsageError(f"{name!r} cannot be the name of a channel.", hint="A name is one line of 1 to 255 letters.")
