"""Other tags of a base beside the one in use: what each would change; what is not known is not taken for none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.findings.base_image import attribute
from s3c_actions.findings.model import BaseImage, ScanReport, Severity
from s3c_actions.registry import ImageConfig
from s3c_actions.registry.content import OCI_MANIFEST, Descriptor, Manifest
from s3c_actions.result.base_advice import BaseAdvice
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import base_advice
from s3c_actions.steps.base_advice import AdviceTools
from tests.support import outcomes

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAME = "b.example/python"
DIGESTS = {tag: f"sha256:{number:064x}" for number, tag in enumerate(("used", "now", "patch", "minor", "broken"))}
FINDINGS = {"used": (1, 2, 3), "now": (2, 3), "patch": (3,), "minor": (4,), "broken": ()}


class Bases:
    """A registry's answers about bases, by tag and digest, and what was asked and scanned."""

    def __init__(self, tags: Mapping[str, str], listed: tuple[str, ...] | Exception | None = None) -> None:
        self.images = tags
        self.listed = tuple(tags) if listed is None else listed
        self.config_document: dict[str, Any] = {"created": "2026-11-18T12:00:00Z"}
        self.size: Any = 1_000_000
        self.scanned: list[str] = []

    def tags(self, _reference: Reference, *, field: str) -> tuple[str, ...]:
        assert field == "base-image"
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    def _digest(self, reference: Reference) -> str:
        if reference.digest:
            return reference.digest
        if reference.tag not in self.images:
            raise InputError("base-image", f"tag {reference.tag} does not exist.", remedy="Look.")
        return DIGESTS[self.images[reference.tag]]

    def config(self, reference: Reference, *, platform: str, field: str) -> ImageConfig:
        assert (platform in {"", "linux/amd64"}, field) == (True, "base-image")
        digest = self._digest(reference)
        return ImageConfig(
            manifest=digest, platform="linux/amd64", diff_ids=("sha256:a",), labels={}, document=self.config_document
        )

    def manifest(self, reference: Reference, *, field: str) -> Manifest:
        assert field == "base-image"
        blob = {"digest": DIGESTS["used"], "size": self.size, "mediaType": "x"}
        descriptor = Descriptor(digest=reference.digest, media_type=OCI_MANIFEST, size=1)
        return Manifest(descriptor=descriptor, document={"layers": [blob]}, content=b"")

    def scan(self, image: str, _name: str) -> ScanResult:
        kind = next(name for name, digest in DIGESTS.items() if image == f"{NAME}@{digest}")
        self.scanned.append(kind)
        if kind == "broken":
            raise OutsideError("Trivy failed.", remedy="Again.")
        findings = [outcomes.vulnerability(number, Severity.HIGH) for number in FINDINGS[kind]]
        return outcomes.scan(outcomes.report(*findings, digest=image.rpartition("@")[2]))


def scanned(name: str = f"{NAME}:3.12-slim") -> ScanReport:
    plain = outcomes.report(outcomes.vulnerability(1, Severity.HIGH), diff_ids=("sha256:a", "sha256:b"))
    reference = f"{NAME}@{DIGESTS['used']}"
    return attribute(plain, BaseImage(name=name, reference=reference, layers=("sha256:a",), source="the Dockerfile"))


def advise(bases: Bases, report: ScanReport | None = None, *, scan: Callable[..., Any] | None = None) -> BaseAdvice:
    registry: Any = bases
    return base_advice.run(
        report or scanned(), AdviceTools(registry=registry, scan=scan or bases.scan, now=NOW, jobs=2)
    )


TAGS = {"3.12-slim": "now", "3.12.9-slim": "patch", "3.13-slim": "minor", "3.13": "broken"}


def test_each_tag_is_counted_against_the_base_in_use() -> None:
    advice = advise(Bases(TAGS))
    assert (advice.current.tag, advice.current.days, advice.current.size) == ("3.12-slim", 10, 1_000_000)
    assert advice.current.counts is not None
    assert advice.current.counts[Severity.HIGH] == 3
    assert [(option.tag, option.change, option.fixed, option.new) for option in advice.options] == [
        ("3.12-slim", "same tag", 1, 0),
        ("3.12.9-slim", "patch", 2, 0),
        ("3.13-slim", "minor version", 3, 1),
    ]


def test_the_same_image_by_another_tag_is_scanned_once() -> None:
    bases = Bases({"3.12-slim": "used", "3.12.9-slim": "used", "3.13-slim": "minor", "3.14-slim": "minor"})
    advice = advise(bases)
    assert [(option.tag, option.same_as, option.fixed, option.new) for option in advice.options] == [
        ("3.12-slim", "3.12-slim", 0, 0),
        ("3.12.9-slim", "3.12-slim", 0, 0),
        ("3.14-slim", "", 3, 1),
        ("3.13-slim", "3.14-slim", 3, 1),
    ]
    assert sorted(bases.scanned) == ["minor", "used"]


def test_a_tag_that_vanished_or_fails_stops_no_other() -> None:
    advice = advise(Bases({"3.12-slim": "broken", "3.13-slim": "minor"}, ("3.12-slim", "3.12.9-slim", "3.13-slim")))
    assert [(option.tag, option.problem, option.counts is None) for option in advice.options] == [
        ("3.12-slim", "Trivy failed", True),
        ("3.12.9-slim", "base-image: tag 3.12.9-slim does not exist", True),
        ("3.13-slim", "", False),
    ]


def test_what_could_not_be_checked_has_no_numbers() -> None:
    bases = Bases({"3.12-slim": "now"})

    def scan(image: str, name: str) -> ScanResult:
        blind = "the distribution is unknown" if image.endswith(DIGESTS["now"]) else ""
        return replace(bases.scan(image, name), blind=blind)

    (option,) = advise(bases, scan=scan).options
    assert (option.counts, option.fixed, option.problem) == (None, None, "the distribution is unknown")


def test_a_base_that_could_not_be_checked_is_compared_with_nothing() -> None:
    bases = Bases({"3.12-slim": "now"})
    with pytest.raises(InputError, match="could not be checked"):
        advise(bases, scan=lambda image, name: replace(bases.scan(image, name), overridden="unknown"))


def test_where_tags_cannot_be_listed_the_same_tag_is_compared() -> None:
    advice = advise(Bases(TAGS, OutsideError("its list of tags has more than 100 pages.", remedy="")))
    assert [option.tag for option in advice.options] == ["3.12-slim"]
    assert advice.notices == (
        f"The tags of {NAME} could not be listed, so only the same tag is compared: "
        "its list of tags has more than 100 pages.",
    )


@pytest.mark.parametrize(
    ("created", "days"),
    [
        ("2026-11-28T12:00:00Z", 0),
        ("1970-01-01T00:00:00Z", None),
        ("2027-01-01T00:00:00Z", None),
        ("2026-11-18", None),
        ("x" * 100_000, None),
        (None, None),
        ([], None),
        (7, None),
    ],
)
def test_a_made_up_time_is_no_age(created: Any, days: int | None) -> None:
    bases = Bases(TAGS)
    bases.config_document = {"created": created}
    assert advise(bases).current.days == days


@pytest.mark.parametrize("size", [-1, 2**60])
def test_an_impossible_size_is_none(size: int) -> None:
    bases = Bases(TAGS)
    bases.size = size
    assert advise(bases).current.size is None


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (outcomes.report(), "is not known"),
        (scanned(f"{NAME}@{DIGESTS['used']}"), "named by its digest alone"),
    ],
)
def test_without_a_known_tag_there_is_nothing_to_compare(report: ScanReport, message: str) -> None:
    with pytest.raises(InputError, match=message):
        advise(Bases(TAGS), report)


def test_a_name_without_a_tag_means_latest() -> None:
    assert advise(Bases({"latest": "now"}), scanned(NAME)).current.tag == "latest"
