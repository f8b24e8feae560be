"""What the tests of all folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.github.server import GitHub

# Of the programs in Go that tests start: a fifth of a scan is the collection of garbage, and two fifths of a policy's
# evaluation by OPA.
os.environ.setdefault("GOGC", "400")
# No test is about time: on a machine that does something else besides, an example may take long to make or to run.
settings.register_profile("s3c", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("s3c")


@pytest.fixture(params=["api.github.com"])
def github(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """GitHub's stand-in with a pull request and a run's token. A call that GitHub does not describe fails the test.

    Parametrized indirectly with `ghes-3.19`, it is an Enterprise Server with its API below /api/v3.
    """
    # Unit tests do without it, and it reads GitHub's whole description.
    from s3c_actions.github import api
    from tests.support.github.server import serving
    from tests.support.github.state import Token

    # GitHub asks for this pause; its stand-in does not.
    monkeypatch.setattr(api, "BETWEEN_WRITES", 0.0)
    name: str = request.param
    with serving(name, "" if name == "api.github.com" else "/api/v3") as server:
        server.state.tokens["run-token"] = Token()
        server.state.pull(7)
        yield server
    assert not server.violations, server.violations
