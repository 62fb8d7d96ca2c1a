"""Which of the campaigns that somebody got messages of were renamed, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from hub.inbound.store import CONNECTION
from hub.people.views import people_events

if TYPE_CHECKING:
    from hub.inbound.origins import Campaign
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Renaming:
    """A campaign got another name: when the first event told it, and the change in a sentence."""

    at: datetime
    said: str


def renamings(
    workspace: Workspace,
    campaigns: Sequence[Campaign],
    person: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Renaming]:
    """The renamings of the campaigns of a person's messages, the oldest first, between two instants.

    Nothing is read as long as no campaign was renamed.
    """
    renamed = {(each.connection, each.id): each for each in campaigns if each.former}
    if not renamed:
        return []
    with workspace.reading() as reader:
        events = people_events(reader, workspace.project)
        campaign = events.strings.get("campaign_id")
        theirs = events.filter(events.person == person, campaign.isin(sorted({each for _, each in renamed})))
        told = theirs.select(connection=theirs.strings.get(CONNECTION), campaign=theirs.strings.get("campaign_id"))
        seen = {tuple(row.values()) for batch in reader.batches(told.distinct()) for row in batch.to_pylist()}
    found = [each for key, of in renamed.items() if key in seen for each in _of(of)]
    return sorted(
        (each for each in found if (not since or each.at >= since) and (not until or each.at <= until)),
        key=lambda each: each.at,
    )


def _of(campaign: Campaign) -> list[Renaming]:
    names = [*(name for name, _ in campaign.former), campaign.name]
    about = f"the campaign {campaign.id} at {campaign.connection}"
    return [
        Renaming(until, f"{about}, {before!r}, is called {after!r}")
        for (before, after), (_, until) in zip(pairwise(names), campaign.former, strict=True)
    ]
