"""What several platforms are together, and the error of a comparison that was required."""

import pytest

from s3c_actions.core.errors import Exit
from s3c_actions.result.smoke import PlatformSmoke, SmokeRefused, SmokeResult, SmokeVerdict

WORKS = PlatformSmoke(platform="linux/amd64", verdict=SmokeVerdict.WORKS, checks=("both stay up",))
DIFFERS = PlatformSmoke(platform="linux/arm64", verdict=SmokeVerdict.DIFFERS, differences=("a", "b"))
NOT_TRIED = PlatformSmoke(platform="linux/s390x", verdict=SmokeVerdict.NOT_TRIED, reason="no QEMU")


def result(*platforms: PlatformSmoke) -> SmokeResult:
    return SmokeResult(original="r/a@sha256:1", reference="r/a@sha256:2", platforms=platforms)


@pytest.mark.parametrize(
    ("platforms", "sentence"),
    [
        ((WORKS,), "works: both stay up."),
        ((WORKS, DIFFERS, NOT_TRIED), "differs: linux/arm64: a; b."),
        ((WORKS, NOT_TRIED), "not tried: linux/s390x: no QEMU."),
        ((), "not tried."),
    ],
)
def test_the_worst_platform_decides(platforms: tuple[PlatformSmoke, ...], sentence: str) -> None:
    assert result(*platforms).sentence == sentence
    assert sentence.startswith(result(*platforms).verdict)


@pytest.mark.parametrize(
    ("platform", "what"),
    [
        (DIFFERS, "r/a@sha256:2 does not do what the original does."),
        (NOT_TRIED, "Whether r/a@sha256:2 still works was not tried."),
    ],
)
def test_a_refusal_names_what_and_keeps_the_comparison(platform: PlatformSmoke, what: str) -> None:
    error = SmokeRefused(result(platform))
    assert (error.what, error.exit_code, error.result) == (what, Exit.REFUSED, result(platform))
    assert error.cause == result(platform).sentence and "`report`" in error.remedy
