"""Braze's instances: which REST host belongs to the name that a customer sees in the dashboard.

Source: https://www.braze.com/docs/api/basics/#endpoints. Braze has no call that tells the instance of a key: a good key
on the wrong host is answered 401.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hub import SettingsWrong

HOSTS: Mapping[str, str] = {
    **{f"US-{number:02}": f"rest.iad-{number:02}.braze.com" for number in range(1, 9)},
    "US-10": "rest.us-10.braze.com",
    "EU-01": "rest.fra-01.braze.eu",
    "EU-02": "rest.fra-02.braze.eu",
    "AU-01": "rest.au-01.braze.com",
    "ID-01": "rest.id-01.braze.com",
    "JP-01": "rest.jp-01.braze.com",
    "KR-01": "rest.kr-01.braze.com",
}
"""REST hosts by instance."""

_REST_HOST = re.compile(r"rest\.[a-z0-9-]+\.braze\.(com|eu)")


def rest_url(instance: str) -> str:
    """The address of the REST API of an instance, told by its name (`US-03`) or its host. Raises SettingsWrong."""
    if (fault := fault_of(instance)) is not None:
        raise SettingsWrong(fault)
    return f"https://{_host(instance)}"


def fault_of(instance: str) -> str | None:
    """What is wrong with an instance's name, for people; None when nothing is."""
    host = _host(instance)
    if _REST_HOST.fullmatch(host):
        return None
    if host.startswith("sdk."):
        return f"{host} is the host of the SDKs. The REST host begins with rest, as rest.iad-03.braze.com does."
    if not host:
        return f"The instance is missing. It is one of {', '.join(HOSTS)}, or a REST host."
    return f"{instance!r} is no instance of Braze. It is one of {', '.join(HOSTS)}, or a host as rest.iad-03.braze.com."


def _host(instance: str) -> str:
    named = instance.strip()
    bare = named.lower().removeprefix("https://").rstrip("/")
    return HOSTS.get(named.upper(), bare)
