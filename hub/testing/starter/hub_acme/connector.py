"""Acme: keeps a group there equal to a cohort. Every request is named in the README."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from pydantic import Field, SecretStr

from hub import (
    Ability,
    Account,
    Audience,
    AudienceGone,
    Connector,
    ConnectorSettings,
    Limits,
    Matching,
    MatchKey,
    Member,
    Outcome,
    PartnerClient,
    PartnerError,
    PartnerUnavailable,
    Refusal,
)


class AcmeSettings(ConnectorSettings):
    """What an operator chooses for a connection to Acme."""

    api_key: SecretStr = Field(title="API key", description="Made at Acme, under Settings, API keys.")


class Acme(Connector):
    """One account at Acme."""

    name = "acme"
    label = "Acme"
    docs_url = "https://acme.example/api"
    Settings = AcmeSettings
    matching = Matching(keys=(MatchKey("$email", normalize="email"),))
    limits = Limits(batch_size=100, concurrency=4, source="https://acme.example/api#limits")
    abilities = frozenset({Ability.REMOVE, Ability.CLEAR, Ability.LIST})

    def __init__(self, settings: AcmeSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        http.headers["X-Api-Key"] = settings.api_key.get_secret_value()
        http.explain = explain

    @classmethod
    def base_url(cls, settings: AcmeSettings) -> str:
        """Acme has one address for everybody."""
        return settings.base_url or "https://api.acme.example/v1"

    async def check(self) -> Account:
        """Ask whose key it is."""
        told = await self.http.get("/account")
        return Account(id=told["id"], label=told["name"])

    async def open_audience(self, name: str) -> Audience:
        """The group of that name; Acme makes it when there is none."""
        group = await self.http.post("/groups", {"name": name})
        return Audience(ref={"group": group["id"]}, name=group["name"])

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Put one batch into the group, with the fields that are mapped."""
        people = [{"email": member.key, "fields": dict(member.values)} for member in members]
        return outcome(await self.http.post(f"/groups/{audience.ref['group']}/add", {"people": people}))

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Take one batch out of the group."""
        emails = [member.key for member in members]
        return outcome(await self.http.post(f"/groups/{audience.ref['group']}/remove", {"emails": emails}))

    async def list_members(self, audience: Audience) -> AsyncIterator[Sequence[str]]:
        """Everybody in the group, page by page."""
        after = ""
        while page := await self.http.get(f"/groups/{audience.ref['group']}/people", params={"after": after}):
            yield [person["email"] for person in page]
            after = page[-1]["email"]


def outcome(answer: Any) -> Outcome:
    """What became of a batch: Acme answers 200 and names whom it did not take."""
    if not isinstance(answer, dict) or "refused" not in answer:
        raise PartnerUnavailable("Acme's answer does not say who was taken.", answer_lost=True)
    return Outcome([Refusal(each["email"], each["reason"]) for each in answer["refused"]])


def explain(answer: httpx.Response) -> PartnerError | None:
    """What an answer of 400 or above means, where Acme means something of its own."""
    return AudienceGone("The group was deleted at Acme.") if answer.status_code == 410 else None
