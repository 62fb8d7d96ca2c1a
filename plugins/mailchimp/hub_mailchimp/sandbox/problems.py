"""Mailchimp's errors: `application/problem+json` with five keys, and the titles that the API uses.

Titles and statuses: https://mailchimp.com/developer/marketing/docs/errors/
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import orjson
from starlette.responses import Response

DOCS = "https://mailchimp.com/developer/marketing/docs/errors/"

Field = tuple[str, str]


class Problem(Exception):
    """An error answer. `errors` are pairs of a field and what is wrong with it."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[Field] = ()) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors


class MemberProblem(Problem):
    """What is wrong with one member: an item of `errors` in a bulk answer, a 400 in a single call."""

    def __init__(
        self, detail: str, *, title: str = "Invalid Resource", code: str = "ERROR_GENERIC", errors: Sequence[Field] = ()
    ) -> None:
        super().__init__(400, title, detail, errors)
        self.code = code


def answer(problem: Problem) -> Response:
    """The answer to send; `X-Request-Id` equals `instance`."""
    instance = str(uuid.uuid4())
    body: dict[str, object] = {
        "type": DOCS,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.errors:
        body["errors"] = [{"field": field, "message": message} for field, message in problem.errors]
    headers = {"X-Request-Id": instance}
    return Response(orjson.dumps(body), problem.status, headers, media_type="application/problem+json")


NOT_FOUND = "The requested resource could not be found."

TITLES: dict[int, tuple[str, str]] = {
    400: ("Bad Request", "Your request could not be understood."),
    401: ("API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."),
    403: ("Forbidden", "You are not permitted to access this resource."),
    404: ("Resource Not Found", NOT_FOUND),
    405: ("Method Not Allowed", "The requested method and resource are not compatible."),
    429: (
        "Too Many Requests",
        "You have exceeded the limit of 10 simultaneous connections. When you reach the connection limit, we will"
        " throttle server response.",
    ),
    500: ("Internal Server Error", "An unexpected internal error has occurred. Please contact Support."),
}
"""What the API says by itself for a status code."""

NAMED: dict[str, tuple[int, str]] = {
    "BadRequest": (400, "Bad Request"),
    "InvalidAction": (400, "Invalid Action"),
    "InvalidResource": (400, "Invalid Resource"),
    "JSONParseError": (400, "JSON Parse Error"),
    "APIKeyMissing": (401, "API Key Missing"),
    "APIKeyInvalid": (401, "API Key Invalid"),
    "Forbidden": (403, "Forbidden"),
    "UserDisabled": (403, "User Disabled"),
    "WrongDatacenter": (403, "Wrong Datacenter"),
    "ResourceNotFound": (404, "Resource Not Found"),
    "MethodNotAllowed": (405, "Method Not Allowed"),
    "ResourceNestingTooDeep": (414, "Resource Nesting Too Deep"),
    "InvalidMethodOverride": (422, "Invalid Method Override"),
    "RequestedFieldsInvalid": (422, "Requested Fields Invalid"),
    "TooManyRequests": (429, "Too Many Requests"),
    "InternalServerError": (500, "Internal Server Error"),
    "ComplianceRelated": (599, "Compliance Related"),
}
"""Error names that the header `X-Trigger-Error` asks for."""


def of_status(status: int) -> Problem:
    """The problem that Mailchimp tells with this status code."""
    title, detail = TITLES.get(status, ("Error", "An error occurred."))
    return Problem(status, title, detail)


def not_found() -> Problem:
    """404."""
    return of_status(404)


def invalid(field: str, message: str) -> Problem:
    """400 for a field or parameter of the request."""
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return Problem(400, "Invalid Resource", detail, [(field, message)])


def named(name: str) -> Problem:
    """The problem that `X-Trigger-Error: name` asks for; an unknown name is a Bad Request."""
    status, title = NAMED.get(name, (400, "Bad Request"))
    detail = TITLES[status][1] if TITLES.get(status, ("",))[0] == title else f"{title}, as X-Trigger-Error asked."
    return Problem(status, title, detail)
