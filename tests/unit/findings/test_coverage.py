import pytest

from s3c_actions.findings.coverage import assess_coverage
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "trivy"


def judged(name, scanners=("vuln", "secret"), pkg_types=("os", "library")):
    return assess_coverage((DATA / f"{name}.json").read_bytes(), scanners=scanners, pkg_types=pkg_types)


def test_a_known_distribution_is_seen():
    assert judged("deb").blind == ""
    assert judged("deb").warnings == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("old", "no security updates any more"),
        ("scratch", "nothing was checked"),
        ("nopkg", "package database was removed"),
        ("slack", "no advisories for the image's distribution"),
    ],
)
def test_no_findings_without_anything_looked_at_is_not_no_findings(name, why):
    assert why in judged(name).blind


def test_a_dead_distribution_with_findings_is_a_warning():
    data = (DATA / "deb.json").read_bytes().replace(b'"Name": "12.9"', b'"Name": "12.9", "EOSL": true')
    seen = assess_coverage(data, scanners=("vuln",), pkg_types=())
    assert seen.blind == ""
    assert "debian 12.9 gets no security updates" in seen.warnings[0]


def test_what_was_not_asked_for_is_not_missed():
    assert judged("scratch", scanners=("secret",)).blind == ""
    assert judged("scratch", pkg_types=("library",)).blind == ""
