"""Which findings came with the base: by layers that were compared, never by a name alone."""

from __future__ import annotations

import pytest

from s3c_actions.findings.base_image import attribute, describe_origin, starts_with
from s3c_actions.findings.model import BaseImage, Finding, FindingKind, ScanReport, Severity, count_by_severity
from s3c_actions.findings.threshold import Threshold

A, B, C = "sha256:a", "sha256:b", "sha256:c"


def base(*layers: str) -> BaseImage:
    return BaseImage(name="docker.io/library/debian:12", reference="b.example/x@sha256:0", layers=layers, source="")


def finding(layer: str, name: str = "CVE-1", severity: Severity = Severity.HIGH) -> Finding:
    return Finding(kind=FindingKind.VULNERABILITY, id=name, severity=severity, package="p", layer=layer, fixed="2")


def report(*findings: Finding, layers: tuple[str, ...] = (A, B, C)) -> ScanReport:
    return ScanReport(image="app", digest="", findings=findings, created="", database="", diff_ids=layers)


@pytest.mark.parametrize(
    ("layers", "of_base", "begins"),
    [
        ((A, B, C), (A, B), True),
        ((A, B, C), (A, B, C), True),
        ((A, B, C), (), False),
        ((A, B, C), (B,), False),
        ((A, B), (A, B, C), False),
        ((A, C), (A, B), False),
        ((), (A,), False),
    ],
)
def test_a_base_is_where_the_image_begins(layers: tuple[str, ...], of_base: tuple[str, ...], begins: bool) -> None:
    assert starts_with(layers, of_base) is begins


def test_findings_of_the_lowest_layers_are_the_bases() -> None:
    attributed = attribute(report(finding(A), finding(B), finding(C), finding("")), base(A, B))
    assert [finding.from_base for finding in attributed.findings] == [True, True, False, False]
    assert (len(attributed.own), attributed.inherited and len(attributed.inherited)) == (2, 2)


def test_a_layer_that_comes_again_above_the_base_is_the_images_own() -> None:
    """The base may have repaired in B what A brought, and A on top undoes it."""
    attributed = attribute(report(finding(A), finding(B), layers=(A, B, A)), base(A, B))
    assert [finding.from_base for finding in attributed.findings] == [False, True]


def test_what_is_set_aside_says_whose_it_is_too() -> None:
    attributed = attribute(
        ScanReport(
            image="app", digest="", findings=(), suppressed=(finding(A),), created="", database="", diff_ids=(A, C)
        ),
        base(A),
    )
    assert attributed.suppressed[0].from_base is True
    assert attributed.total_inherited == 0


def test_a_base_that_the_image_does_not_begin_with_is_never_taken() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        attribute(report(finding(A)), base(B))


def test_where_the_base_is_not_known_every_finding_is_its_own() -> None:
    unknown = report(finding(A), finding(C))
    assert (unknown.total_own, unknown.inherited, unknown.total_inherited) == (2, None, None)


def test_the_gate_counts_what_is_its_own_and_what_is_denied_by_id() -> None:
    attributed = attribute(report(finding(A, "CVE-1"), finding(A, "CVE-2"), finding(C, "CVE-3")), base(A, B))
    own = Threshold(Severity.HIGH, own_only=True, deny=frozenset({"CVE-2"}))
    assert [finding.id for finding in own.refused(attributed.findings)] == ["CVE-2", "CVE-3"]
    assert len(Threshold(Severity.HIGH).refused(attributed.findings)) == 3
    assert len(own.refused(report(finding(A, "CVE-1")).findings)) == 1


def test_both_parts_are_counted_in_words() -> None:
    own = count_by_severity([finding(C), finding(C, severity=Severity.LOW)])
    assert describe_origin(own, count_by_severity([])) == ("2 of its own (1 high, 1 low)", "0 of its base")
