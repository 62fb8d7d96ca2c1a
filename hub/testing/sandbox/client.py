"""What a test says to a running sandbox."""

from __future__ import annotations

from typing import Any

import httpx


class Admin:
    """A client of the admin endpoints of the sandbox at `url`. Raises httpx.HTTPStatusError when refused."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/_sandbox", timeout=120, trust_env=False)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at an admin path, e.g. `get("/tags")`."""
        return self._done(self._http.get(path, params=query)).json()

    def post(self, path: str, body: Any = None) -> Any:
        """Post JSON to an admin path; the JSON of the answer, or None when it has none."""
        answer = self._done(self._http.post(path, json=body))
        return answer.json() if answer.content else None

    def fault(self, **fault: Any) -> int:
        """Queue one fault (the fields of `Fault`); returns its id."""
        return int(self.post("/faults", fault)["ids"][0])

    def faults(self) -> list[dict[str, Any]]:
        """The faults in waiting."""
        return list(self.get("/faults")["faults"])

    def clear_faults(self) -> None:
        """Take every fault away."""
        self._done(self._http.delete("/faults"))

    def requests(self, *, since: int = 0, writing: bool = False, keys: bool = False) -> list[dict[str, Any]]:
        """What was asked after sequence number `since`."""
        found = self.get("/requests", since=since, writing=int(writing), keys=int(keys))
        return list(found["requests"])

    def forget_requests(self) -> None:
        """Forget what was asked and the highest concurrency seen."""
        self._done(self._http.delete("/requests"))

    def repeats(self) -> list[dict[str, Any]]:
        """The writing calls that came more than once with the same body."""
        return list(self.get("/repeats")["repeats"])

    def state(self) -> dict[str, Any]:
        """The counts at `/_sandbox/state`."""
        return dict(self.get("/state"))

    def reset(self) -> None:
        """Back to the first start."""
        self.post("/reset")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _done(self, answer: httpx.Response) -> httpx.Response:
        return answer.raise_for_status()
