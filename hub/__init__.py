"""What a plugin author imports. Names load when first used, so that `import hub` stays light.

The promise of compatibility (docs/plugins/reference.md has it in full):

- *Stable* are the names in `__all__`, the hooks, and `hub.testing.sandbox`. Within a major version of the hub none is
  taken away or changes its meaning; optional arguments, attributes, hooks and abilities may come. What is to go is told
  by a DeprecationWarning for two minor versions first, from 1.0 on. Until then a minor version may change them, and
  says so in the changelog with what to write instead.
- *Provisional* are the names in `PROVISIONAL`, and `hub.testing.conformance`: they may change in any minor version, and
  checks may be added to the suite.
- *Everything else* in the hub is its own, and may change at any time.

A plugin says which hub it needs as any package does (`dependencies = ["cohort-hub>=0.1,<0.2"]`), or by `requires_hub =
">=0.1"` in the module that its entry point names. One that needs another hub is named, and left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.connectors.contract import (
        Ability,
        Account,
        Audience,
        Connector,
        ConnectorSettings,
        Cursor,
        Limits,
        Matching,
        MatchKey,
        Member,
        Option,
        Outcome,
        Page,
        Rate,
        Refusal,
        Value,
    )
    from hub.connectors.hookspecs import hookimpl
    from hub.connectors.http import PartnerClient
    from hub.connectors.incoming import CohortAction, CohortPage, InboundRequest, Received, Reply, Unknown
    from hub.connectors.matching import MatchOn
    from hub.connectors.messages import MessageEvent, MessageEventKind, MessageEvents, Metric, Origin
    from hub.connectors.oauth import OAuth
    from hub.connectors.observing import ConnectionRef, SyncRun
    from hub.connectors.retry import retry_after
    from hub.connectors.signing import new_signing_secret, signature_headers, signing_secrets
    from hub.errors import (
        AudienceGone,
        BatchRefused,
        CredentialRefused,
        HubError,
        MappingWrong,
        MemberRefused,
        NotVerified,
        PartnerError,
        PartnerUnavailable,
        SettingsWrong,
        Wait,
    )

_HOMES = {
    "hub.connectors.contract": (
        "Ability",
        "Account",
        "Audience",
        "Connector",
        "ConnectorSettings",
        "Cursor",
        "Limits",
        "MatchKey",
        "Matching",
        "Member",
        "Option",
        "Outcome",
        "Page",
        "Rate",
        "Refusal",
        "Value",
    ),
    "hub.connectors.hookspecs": ("hookimpl",),
    "hub.connectors.http": ("PartnerClient",),
    "hub.connectors.incoming": ("CohortAction", "CohortPage", "InboundRequest", "Received", "Reply", "Unknown"),
    "hub.connectors.matching": ("MatchOn",),
    "hub.connectors.messages": ("MessageEvent", "MessageEventKind", "MessageEvents", "Metric", "Origin"),
    "hub.connectors.oauth": ("OAuth",),
    "hub.connectors.observing": ("ConnectionRef", "SyncRun"),
    "hub.connectors.retry": ("retry_after",),
    "hub.connectors.signing": ("new_signing_secret", "signature_headers", "signing_secrets"),
    "hub.errors": (
        "AudienceGone",
        "BatchRefused",
        "CredentialRefused",
        "HubError",
        "MappingWrong",
        "MemberRefused",
        "NotVerified",
        "PartnerError",
        "PartnerUnavailable",
        "SettingsWrong",
        "Wait",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Ability",
    "Account",
    "Audience",
    "AudienceGone",
    "BatchRefused",
    "CohortAction",
    "CohortPage",
    "ConnectionRef",
    "Connector",
    "ConnectorSettings",
    "CredentialRefused",
    "Cursor",
    "HubError",
    "InboundRequest",
    "Limits",
    "MappingWrong",
    "MatchKey",
    "MatchOn",
    "Matching",
    "Member",
    "MemberRefused",
    "MessageEvent",
    "MessageEventKind",
    "MessageEvents",
    "Metric",
    "NotVerified",
    "OAuth",
    "Option",
    "Origin",
    "Outcome",
    "Page",
    "PartnerClient",
    "PartnerError",
    "PartnerUnavailable",
    "Rate",
    "Received",
    "Refusal",
    "Reply",
    "SettingsWrong",
    "SyncRun",
    "Unknown",
    "Value",
    "Wait",
    "hookimpl",
    "new_signing_secret",
    "retry_after",
    "signature_headers",
    "signing_secrets",
]

PROVISIONAL = frozenset(
    {
        "CohortAction",
        "CohortPage",
        "ConnectionRef",
        "InboundRequest",
        "MatchOn",
        "OAuth",
        "Received",
        "Reply",
        "SyncRun",
        "Unknown",
    }
)
"""Names that may still change in a minor version: what is about the door, consent, and the hooks around the loop."""


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hub' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
