"""The HTTP edge of the Mailchimp API: who asks, what is asked, paging, the `fields` filter, errors."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import transaction
from hub_mailchimp.sandbox.account import API_KEY, Account
from hub_mailchimp.sandbox.problems import Problem, answer, invalid, named, of_status

MOST_ROWS = 1000
MOST_IN_BULK = 500
Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One authenticated request: the account, the parts of the path, the query and the JSON body."""

    account: Account
    path: Mapping[str, Any]
    query: QueryParams
    body: Json
    site: str = ""
    """Where this sandbox is reached, for addresses that it tells."""

    def flag(self, name: str) -> bool:
        """A boolean parameter: `true` and `1` are true, anything else is false."""
        return self.query.get(name, "").lower() in {"true", "1"}

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A parameter that is a whole number from 0 to `most`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit():
            raise invalid(name, "Value must be a number that is at least 0")
        if most is not None and int(text) > most:
            raise invalid(name, f"Value must be at most {most}")
        return int(text)

    def page(self) -> tuple[int, int]:
        """`count` (10 unless asked, at most 1000) and `offset`."""
        return self.number("count", 10, MOST_ROWS), self.number("offset", 0)

    def time(self, name: str) -> int | None:
        """A parameter that is an ISO 8601 time, in seconds since 1970. Without a zone it is UTC.

        A `+` that was not escaped in the URL arrives as a space, and is refused as the live API does.
        """
        text = self.query.get(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as exc:
            raise invalid(name, "Data presented is not an ISO 8601 time") from exc
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    def rows(self, name: str, most: int | None = None) -> list[Any]:
        """An array in the body, empty when it is not there."""
        value = self.body.get(name, [])
        if not isinstance(value, list):
            raise invalid(name, f"Schema describes array, {type(value).__name__} found instead")
        if most is not None and len(value) > most:
            raise invalid(name, f"This collection should contain {most} elements or less.")
        return value


Handler = Callable[[Call], Json | None]


class ApiRoute(Route):
    """A route of the API; `handlers` are by lower-case method. A handler that gives None answers 204."""

    def __init__(self, account: Account, path: str, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            try:
                return _handled(account, request, handlers, body)
            except Problem as problem:
                return answer(problem)

        super().__init__(f"/3.0{path}", endpoint, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def route(account: Account, path: str, **handlers: Handler) -> Route:
    """A route of the API; `handlers` are by lower-case method."""
    return ApiRoute(account, path, handlers)


def _handled(account: Account, request: Request, handlers: Mapping[str, Handler], body: bytes) -> Response:
    if (trigger := request.headers.get("x-trigger-error")) is not None:
        raise named(trigger)
    authenticate(request.headers.get("authorization"), account.knows)
    method = _method(request)
    site = str(request.base_url).rstrip("/")
    call = Call(account, request.path_params, request.query_params, parsed(body), site)
    return _reply(worked(handlers, method, call), request.query_params)


def worked(handlers: Mapping[str, Handler], method: str, call: Call) -> Json | None:
    """What the handler of a method answers; what it writes is written whole or not at all. Raises Problem."""
    handler = handlers.get(method.lower())
    if handler is None:
        raise of_status(405)
    if method == "GET":
        return handler(call)
    with transaction(call.account.db):
        result = handler(call)
    call.account.written()
    return result


def authenticate(header: str | None, knows: Callable[[str], bool]) -> None:
    """Let `Basic anything:KEY` and `Bearer KEY` in, and tokens that OAuth gave. Raises Problem 401."""
    scheme, _, value = (header or "").partition(" ")
    if not value.strip():
        raise Problem(401, "API Key Missing", "Your request did not include an API key.")
    key = _basic_key(value) if scheme.lower() == "basic" else value.strip() if scheme.lower() == "bearer" else ""
    if key != API_KEY and not knows(key):
        raise of_status(401)


def _basic_key(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _method(request: Request) -> str:
    override = request.headers.get("x-http-method-override")
    if override is None:
        return request.method
    if request.method != "POST" or override.upper() not in {"GET", "PUT", "PATCH", "DELETE"}:
        detail = "The X-HTTP-Method-Override header may be used with a POST, and names another method."
        raise Problem(422, "Invalid Method Override", detail)
    return override.upper()


def parsed(body: bytes) -> Json:
    """The JSON object in a body; an empty one when there is none. Raises Problem 400."""
    if not body:
        return {}
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise Problem(400, "JSON Parse Error", f"We encountered an unspecified JSON parsing error: {exc}") from exc
    if not isinstance(parsed, dict):
        raise invalid("", f"Schema describes object, {type(parsed).__name__} found instead")
    return parsed


def _reply(result: Json | None, query: QueryParams) -> Response:
    headers = {"X-Request-Id": str(uuid.uuid4())}
    if result is None:
        return Response(status_code=204, headers=headers)
    shown = filtered(result, query.get("fields"), query.get("exclude_fields"))
    return Response(orjson.dumps(shown), 200, headers, media_type="application/json; charset=utf-8")


Tree = dict[str, "Tree"]


def filtered(result: Json, fields: str | None, exclude: str | None) -> Any:
    """`result` with the `fields` asked for (comma separated, dotted, through lists) or without `exclude_fields`."""
    if fields:
        return _picked(result, _tree(fields.split(",")))
    return _dropped(result, _tree(exclude.split(","))) if exclude else result


def _tree(paths: Iterable[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        branch = tree
        for part in path.strip().split("."):
            branch = branch.setdefault(part, {})
    return tree


def _picked(value: Any, tree: Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_picked(each, tree) for each in value]
    if isinstance(value, dict):
        return {name: _picked(value[name], branch) for name, branch in tree.items() if name in value}
    return value


def _dropped(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_dropped(each, tree) for each in value]
    if isinstance(value, dict):
        return {name: _dropped(each, tree.get(name, {})) for name, each in value.items() if tree.get(name) != {}}
    return value
