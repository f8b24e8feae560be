"""The sentence on a comparison: short, and escaped, for images wrote parts of it."""

from s3c_actions.report.document import PlatformSmokeEntry, SmokeEntry
from s3c_actions.report.github.smoke_view import describe_smoke
from tests.support.hostile import TEXTS


def entry(*platforms: PlatformSmokeEntry) -> SmokeEntry:
    pinned = "r/a@sha256:" + "0" * 64
    return SmokeEntry(verdict="works", original=pinned, reference=pinned, platforms=platforms, seconds=1.0)


def platform(verdict: str = "works", **more: object) -> PlatformSmokeEntry:
    values = {"reason": "", "differences": (), "checks": (), "versions": (), "runtime": "runc", "seconds": 1.0}
    return PlatformSmokeEntry(platform="linux/amd64", verdict=verdict, **values | more)  # type: ignore[arg-type]


def test_one_platform() -> None:
    works = platform(checks=("both stay up",), versions=("nginx 1.25.3 → 1.25.5",))
    assert describe_smoke(entry(works)) == ["✅ **works** as the original does: both stay up (nginx 1.25.3 → 1.25.5)"]
    differs = platform("differs", differences=("ended with exit code 127",))
    assert describe_smoke(entry(differs)) == ["❌ **differs** from the original: ended with exit code 127"]
    not_tried = platform("not tried", reason="no runtime")
    assert describe_smoke(entry(not_tried)) == ["⚠️ **not tried** beside the original: no runtime"]


def test_several_platforms_are_named_and_bounded() -> None:
    shown = describe_smoke(entry(*[platform(differences=("x",) * 100)] * 20))
    assert len(shown) == 9 and shown[0].startswith("✅ linux/amd64: **works**") and shown[0].endswith("; and 94 more")
    assert shown[-1] == "… and 12 more platforms"


@TEXTS
def test_hostile_texts_stay_text(text: str) -> None:
    (shown,) = describe_smoke(entry(platform("differs", differences=(text,), versions=(text,))))
    assert "\n" not in shown and "<" not in shown and len(shown) < 6000
