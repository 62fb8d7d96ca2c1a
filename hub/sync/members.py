"""Members as a plan has them, as a connector is given them, and as it answers about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hub.connectors.contract import Outcome
from hub.errors import PluginError

if TYPE_CHECKING:
    from hub.connectors.contract import Connector, Member
    from hub.connectors.matching import Kinds


def sound(connector: Connector, kinds: Kinds, outcome: Any, members: Sequence[Member]) -> Outcome:
    """A connector's answer with the keys as the plan has them. Raises PluginError when it cannot be made sense of."""
    if not isinstance(outcome, Outcome):
        raise nonsense(connector, f"answered with {type(outcome).__name__} where an Outcome belongs")
    if not isinstance(outcome.request_id, str):
        raise nonsense(connector, f"named its request {outcome.request_id!r}, which is no text")
    if not outcome.refused:
        return outcome
    exact = {kinds.text_of(member) for member in members}
    folded = {member.key.casefold(): kinds.text_of(member) for member in members}
    if len(folded) < len(members):  # one text is the key of two, of two kinds: only with its kind it names one of them
        folded = {}
    refused = []
    for refusal in outcome.refused:
        named = kinds.text_of(refusal)
        key = named if named in exact else folded.get(refusal.key.casefold())
        if key is None:  # somebody was refused, and nobody can tell who: nobody may count as taken
            raise nonsense(connector, f"refused {refusal.key!r}, whom it was not given")
        if not isinstance(refusal.reason, str) or not isinstance(refusal.code, str):
            raise nonsense(connector, f"refused {refusal.key!r} with a reason or a code that is no text")
        refused.append(replace(refusal, key=key))
    return Outcome(refused, outcome.request_id)


def nonsense(connector: Connector, what: str) -> PluginError:
    """What a connector's senseless answer is told as."""
    return PluginError(
        f"The connector {connector.name} {what}.", hint="This is a fault of the plugin; tell its author."
    )
