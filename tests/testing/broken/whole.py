"""A connector that keeps every promise, with more abilities than the starter: it lists, reads, clears, closes, pulls
and receives. Its sandbox is the starter's with message events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from pydantic import Field, SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from hub import (
    Ability,
    AudienceGone,
    InboundRequest,
    Member,
    MessageEvent,
    MessageEventKind,
    MessageEvents,
    NotVerified,
    Received,
    signature_headers,
)
from hub.testing.conformance import Subject
from hub.testing.starter.hub_acme.connector import Acme, AcmeSettings
from hub.testing.starter.hub_acme.sandbox import AcmeSandbox

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANOTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
EVENTS_A_PAGE = 4
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


class WholeSettings(AcmeSettings):
    """With the secret of its webhooks."""

    signing_secret: SecretStr = Field(default=SecretStr(SECRET), title="Signing secret", description="Of webhooks.")


class WholeSandbox(AcmeSandbox):
    """Acme, with message events and groups that can be deleted."""

    events = 0

    def app(self) -> Starlette:
        routes = [
            Route("/v1/groups/{group:int}", self.delete, methods=["DELETE"]),
            Route("/v1/events", self.told),
            Mount("/", super().app()),
        ]
        return Starlette(routes=routes)

    def admin_routes(self) -> list[Route]:
        return [*super().admin_routes(), Route("/_sandbox/happen", self.happen, methods=["POST"])]

    def reset(self) -> None:
        super().reset()
        self.events = 0

    async def happen(self, request: Request) -> Response:
        """Ten more message events."""
        self.events += 10
        return JSONResponse({"happened": 10})

    async def told(self, request: Request) -> Response:
        after = int(request.query_params["after"])
        return JSONResponse([event(number) for number in range(after + 1, self.events + 1)][:EVENTS_A_PAGE])

    async def delete(self, request: Request) -> Response:
        with self.db:
            self.db.execute("DELETE FROM groups WHERE id = ?", (request.path_params["group"],))
        return Response(status_code=204)


def event(number: int) -> dict[str, object]:
    return {"seq": number, "id": f"e{number}", "type": "open", "email": "ann@example.com"}


class Whole(Acme):
    """Acme with all abilities but CREATE and LISTEN."""

    Settings = WholeSettings
    abilities = frozenset(Ability) - {Ability.CREATE, Ability.LISTEN}
    message_events = MessageEvents(
        source="acme",
        page="https://acme.example/api#events",
        kinds=(MessageEventKind("open", "$campaign_open", exempt=False),),
    )

    async def read_members(self, audience, targets):
        after = ""
        while page := await self.http.get(f"/groups/{audience.ref['group']}/people", params={"after": after}):
            yield [Member(person["email"], {name: person["fields"].get(name) for name in targets}) for person in page]
            after = page[-1]["email"]

    async def close_audience(self, audience):
        try:
            await self.http.request("DELETE", f"/groups/{audience.ref['group']}")
        except AudienceGone:
            return

    async def pull(self, cursor):
        after = cursor.get("after", 0)
        while page := await self.http.get("/events", params={"after": after}):
            after = page[-1]["seq"]
            yield [self.message_event(each) for each in page], {"after": after}

    def message_event(self, told) -> MessageEvent:
        return MessageEvent(told["type"], told["id"], ("$email", told["email"]), FIRST + timedelta(minutes=told["seq"]))

    def verify(self, request: InboundRequest) -> None:
        try:
            Webhook(self.settings.signing_secret.get_secret_value()).verify(request.body, dict(request.headers))
        except (WebhookVerificationError, ValueError) as error:
            raise NotVerified("The signature is not Acme's.") from error

    def receive(self, request: InboundRequest) -> Received:
        return Received(events=[self.message_event(told) for told in orjson.loads(request.body)])


def signed(settings: WholeSettings, at: datetime) -> InboundRequest:
    """Two message events, as Acme would send them."""
    body = orjson.dumps([event(1), event(2)])
    secret = settings.signing_secret.get_secret_value()
    return InboundRequest("POST", signature_headers([secret], message_id="m1", at=at, body=body), {}, body, at)


WHOLE = Subject(
    connector=Whole,
    sandbox=WholeSandbox,
    bad_credentials=[{"api_key": "acme-not-a-key-999"}],
    refused=Member("no-address"),
    value=("plan", "pro"),
    happen=lambda partner: partner.admin.post("/happen")["happened"],
    signed=signed,
    wrong_keys=[{"signing_secret": ANOTHER}],
)
