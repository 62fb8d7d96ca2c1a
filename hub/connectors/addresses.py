"""The guard in front of every address that a user gives.

Whatever a user configures as a URL must not become a way into the hub's own network. Names are resolved,
and every address must be public, unless the operator allows private ones (`HUB_ALLOW_PRIVATE`) or a sandbox
that runs from this hub's own home listens there.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

from hub.errors import AddressRefused, PartnerUnavailable


@dataclass(frozen=True)
class AddressGuard:
    """Decides which hosts may be called.

    `allow_private` lets everything pass; `sandboxes` are the (host, port) of this home's running sandboxes.
    """

    allow_private: bool = False
    sandboxes: Collection[tuple[str, int]] = ()

    def check(self, host: str, port: int) -> list[str]:
        """The IP addresses that `host` stands for, all of which may be called.

        Blocks while the name is resolved. Raises AddressRefused for an address that is not public, and
        PartnerUnavailable when the name cannot be resolved.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise PartnerUnavailable(
                f"The host {host} cannot be found ({error}).", hint="Look for a typing error in the address."
            ) from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self.allow_private and (host, port) not in self.sandboxes:
            for address in addresses:
                _refuse_private(host, address)
        return addresses


def _refuse_private(host: str, address: str) -> None:
    if not ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_global:
        raise AddressRefused(
            f"The address {host} leads to {address}, which is not on the public internet.",
            hint="If that is meant, an operator can allow it with HUB_ALLOW_PRIVATE=true.",
        )
