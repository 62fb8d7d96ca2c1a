"""The pytest plugin of the hub, found by its entry point: fixtures for a plugin's own tests, and the conformance suite.

`hub_sandbox` runs a sandbox for the length of a test; `conformance_check` is what `hub.testing.conformance.Conformance`
asks for. Nothing of the hub is imported until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hub.testing.sandbox import Running, Sandbox


@pytest.fixture
def hub_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[type[Sandbox]], Running]]:
    """Run a sandbox for the length of a test: `partner = hub_sandbox(AcmeSandbox)`."""
    from hub.testing.sandbox import running

    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(running(kind(tmp_path_factory.mktemp(kind.name))))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test of a Conformance class for each check."""
    if "conformance_check" in metafunc.fixturenames and metafunc.cls is not None:
        from hub.testing.conformance import CHECKS

        metafunc.parametrize("conformance_check", list(CHECKS), indirect=True)


@pytest.fixture(scope="class")
def _conformance_partner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from hub.testing.conformance.examining import serving

    subject = getattr(request.cls, "subject", None)
    if subject is None:
        pytest.fail(f"{request.cls.__name__} names no `subject` to examine.", pytrace=False)
    with serving(subject, tmp_path_factory.mktemp(subject.name)) as partner:
        yield partner


@pytest.fixture
def conformance_check(request: pytest.FixtureRequest, _conformance_partner: Any) -> Callable[[], None]:
    """The check that the test is parametrized with: it fails the test with its message, or skips it with its reason."""
    from hub.testing.conformance import CHECKS, Verdict
    from hub.testing.conformance.examining import finding

    def make() -> None:
        found = finding(CHECKS[request.param], request.cls.subject, _conformance_partner)
        if found.verdict is Verdict.FAILED:
            pytest.fail(f"{found.what}\n{found.message}\n{found.hint}", pytrace=False)
        if found.verdict is Verdict.LEFT_OUT:
            pytest.skip(found.message)

    return make
