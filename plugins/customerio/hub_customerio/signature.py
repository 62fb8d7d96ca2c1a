"""Customer.io's signature of a reporting webhook, scheme v0.

`X-CIO-Signature` is the hex HMAC-SHA256, by the webhook's signing key, of `v0:`, `X-CIO-Timestamp`, `:` and the raw
body.
Source: https://docs.customer.io/integrations/data-out/webhooks/#securely-verify-requests
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hub import InboundRequest, NotVerified

OLDEST = timedelta(days=7, hours=2)
"""Customer.io tries a call again for seven days, and does not say that it is signed anew; the first wait is an hour."""
NEWEST = timedelta(minutes=5)
"""How far a clock may be ahead of ours."""
_LONGEST_TIMESTAMP = 12


def verify(request: InboundRequest, keys: Sequence[bytes]) -> None:
    """Raise NotVerified unless one of the keys signed these very bytes, within the time that retries need."""
    if not keys:
        raise NotVerified(
            "The connection has no signing key, so nothing can be proven to come from Customer.io.",
            hint="Copy it from the webhook's page in Customer.io: `hub connection edit NAME --set signing_key=...`.",
        )
    timestamp = request.headers.get("x-cio-timestamp", "").strip()
    given = request.headers.get("x-cio-signature", "").strip().lower()
    if not timestamp or not given:
        raise NotVerified("The request is not signed: X-CIO-Timestamp or X-CIO-Signature is missing.")
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > _LONGEST_TIMESTAMP:
        raise NotVerified("X-CIO-Timestamp is no time in seconds since 1970.")
    # every key is tried, so that the time it takes does not tell which one it was
    matches = [hmac.compare_digest(signature(key, timestamp, request.body).encode(), given.encode()) for key in keys]
    if not any(matches):
        raise NotVerified(
            "The signature is not by this connection's signing key, or the body is not what was signed.",
            hint="Compare the signing key with the one on the webhook's page in Customer.io.",
        )
    _refuse_replay(datetime.fromtimestamp(int(timestamp), UTC), request.received_at)


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """The signature of a body, in hex. `timestamp` is in seconds since 1970, as text."""
    return hmac.new(key, b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def _refuse_replay(signed_at: datetime, received_at: datetime) -> None:
    if received_at - signed_at > OLDEST:
        raise NotVerified("The request was signed more than seven days ago: Customer.io has given it up by then.")
    if signed_at - received_at > NEWEST:
        raise NotVerified("The request is dated ahead of this machine's clock.", hint="Look at both clocks.")
