import pytest

from s3c_actions.core import artifact_types
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.fleet.find import facts
from tests.support import evidence
from tests.support.findable import purl_package, sarif, spdx

EVIDENCE, SUBJECT = "sha256:" + 64 * "e", "sha256:" + 64 * "a"


def extract(content, artifact_type):
    return facts.extract(content, artifact_type, evidence=EVIDENCE, subject=SUBJECT)


def test_a_bill_of_materials():
    content = spdx([purl_package("pkg:npm/lodash@4.17.20", "4.17.20")], "2026-11-29T08:00:00+02:00")
    read = extract(content, artifact_types.SPDX)
    assert (read.kind, read.created, read.evidence, read.subject) == ("sbom", "2026-11-29T06:00:00Z", EVIDENCE, SUBJECT)
    assert [package.name for package in read.packages] == ["lodash"]


def test_a_report_with_what_does_not_count():
    accepted = evidence.finding("CVE-2024-2")
    accepted["suppressions"] = [{"kind": "external", "justification": "Accepted until Friday."}]
    ignored = evidence.finding("CVE-2024-3", suppressed=True)
    read = extract(sarif(SUBJECT, [accepted, evidence.finding("CVE-2024-1"), ignored]), artifact_types.SARIF)
    assert [(finding.id, finding.reason) for finding in read.findings] == [
        ("CVE-2024-1", ""),
        ("CVE-2024-2", "Accepted until Friday."),
        ("CVE-2024-3", "suppressed"),
    ]
    assert read.created == "2026-11-29T06:00:00Z"


@pytest.mark.parametrize(
    ("content", "artifact_type"),
    [(b"{}", artifact_types.SPDX), (b"{}", artifact_types.SARIF), (sarif("sha256:" + 64 * "b"), artifact_types.SARIF)],
)
def test_an_unusable_document_has_no_facts(content, artifact_type):
    with pytest.raises(UnusableDocument):
        extract(content, artifact_type)


@pytest.mark.parametrize("key", ["exploited-since", "exploitedSince"])
def test_a_finding_that_the_report_states_to_be_exploited(key):
    """By the name of a statement, and by that of a report that was attached as it is."""
    listed = [evidence.finding("CVE-2024-1"), evidence.finding("CVE-2024-2"), evidence.finding("CVE-2024-3")]
    for finding, day in zip(listed, ["2021-12-10", "\x1b[31mtoday", 7], strict=True):
        finding["properties"][key] = day
    read = extract(sarif(SUBJECT, listed), artifact_types.SARIF)
    assert {finding.id: finding.exploited_since for finding in read.findings} == {
        "CVE-2024-1": "2021-12-10",
        "CVE-2024-2": "",
        "CVE-2024-3": "",
    }


def test_other_ids_of_a_finding():
    listed = [evidence.finding(f"CVE-2024-{number}") for number in (1, 2, 3)]
    listed[0]["properties"]["aliases"] = ["GHSA-xc9x-jj77-9p9j", 7, ""]
    listed[1]["properties"]["aliases"] = "GHSA-xc9x-jj77-9p9j"
    read = extract(sarif(SUBJECT, listed), artifact_types.SARIF)
    assert {finding.id: finding.aliases for finding in read.findings} == {
        "CVE-2024-1": ("GHSA-xc9x-jj77-9p9j",),
        "CVE-2024-2": (),
        "CVE-2024-3": (),
    }
    assert not read.completeness.unaliased
