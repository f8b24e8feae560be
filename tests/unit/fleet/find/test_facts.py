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
