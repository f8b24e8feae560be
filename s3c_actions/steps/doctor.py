"""Run checks of a machine and of what it reaches, each by itself and within a time limit; nothing is changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from s3c_actions.core.errors import S3CError
from s3c_actions.result.model import CheckFacts


class Status(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CONFIGURED = "not-configured"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    Attributes:
        status: of the check.
        text: a clause for people; may hold what others said.
        remedy: what to do; empty for nothing.
    """

    status: Status
    text: str
    remedy: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes:
        name: for people, unique in a run.
        look: makes the check; an S3CError that it raises is its result.
    """

    name: str
    look: Callable[[], Finding]


def passed(text: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(status=Status.PASSED, text=text)


def failed(text: str, remedy: str) -> Finding:
    """Return the finding of a check that failed."""
    return Finding(status=Status.FAILED, text=text, remedy=remedy)


def not_configured(text: str, remedy: str = "") -> Finding:
    """Return the finding of a check of something that is not configured."""
    return Finding(status=Status.NOT_CONFIGURED, text=text, remedy=remedy)


def run(checks: Sequence[Check], seconds: float) -> tuple[CheckFacts, ...]:
    """Run all checks at once.

    Args:
        checks: independent of each other.
        seconds: time limit of each. One that takes longer has failed; what it waits for is left to its own time limit.

    Returns:
        The results, in the order of the checks.
    """
    started = time.monotonic()
    findings: list[tuple[Finding, float] | None] = [None] * len(checks)

    def work(place: int) -> None:
        finding = _look(checks[place])
        findings[place] = (finding, time.monotonic() - started)

    threads = [
        threading.Thread(target=work, args=(place,), name=f"check {check.name}", daemon=True)
        for place, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, started + seconds - time.monotonic()))
    late = failed(
        f"no result within {seconds:g} s", "Look at what it asks: a name server, a firewall or a proxy may drop it."
    )
    results = []
    for check, entry in zip(checks, tuple(findings), strict=True):
        finding, took = entry or (late, seconds)
        results.append(
            CheckFacts(
                name=check.name,
                status=finding.status,
                text=finding.text,
                remedy=finding.remedy,
                seconds=round(took, 3),
            )
        )
    return tuple(results)


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except S3CError as error:
        text = " ".join(part for part in (error.what, error.cause) if part)
        return failed(text, error.remedy or "See the documentation of the command that needs it.")
    except Exception as error:
        # The other checks go on; the exception's text may hold anything.
        return failed(f"could not be checked: {type(error).__name__}", "Please report it, with `--debug`.")
