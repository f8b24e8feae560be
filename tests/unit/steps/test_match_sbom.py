"""The signed SBOM is matched once the database is there; what goes wrong on the way means a scan."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.progress import Progress, Silent
from s3c_actions.fleet.match_rules import Unchanged
from s3c_actions.policy.judge import EvidenceDocument, SignerStatus
from s3c_actions.policy.model import Policy
from s3c_actions.programs.trivy.arguments import MatchRequest, ScanOptions
from s3c_actions.programs.trivy.cache import DatabaseMetadata
from s3c_actions.steps.match_sbom import SbomMatcher
from tests.support import evidence as samples

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=3)
SBOM = f"sha256:{5:064x}"
FINDING = {"VulnerabilityID": "CVE-2026-1", "PkgName": "libc6", "InstalledVersion": "2.36-9", "Severity": "HIGH"}


class Trivy:
    """Matches nothing, slowly enough that several at once are seen."""

    version = "0.74.0"

    def __init__(self, *findings: dict[str, str], updated: datetime | None = NOW - timedelta(hours=6)) -> None:
        self.findings, self.updated = findings, updated
        self.updates: list[ScanOptions] = []
        self.matched: list[dict[str, Any]] = []
        self.fails: dict[str, Exception] = {}
        self.running = self.most = 0
        self._lock = threading.Lock()

    def update_database(self, options: ScanOptions, _progress: Progress) -> None:
        self.updates.append(options)
        if "update" in self.fails:
            raise self.fails["update"]

    def database(self, _name: str = "db") -> DatabaseMetadata | None:
        return DatabaseMetadata(updated_at=self.updated) if self.updated is not None else None

    def sources(self) -> frozenset[str] | None:
        return frozenset({"debian 12"})

    def match(self, request: MatchRequest, _progress: Progress) -> tuple[str, ...]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if "match" in self.fails:
                raise self.fails["match"]
            document = json.loads(request.sbom.read_bytes())
            self.matched.append(document)
            packages = [{"Name": package["name"], "Version": "1"} for package in document["packages"]]
            result = {"Target": "x", "Class": "os-pkgs", "Type": "debian", "Packages": packages}
            report = {
                "SchemaVersion": 2,
                "ArtifactName": "sbom",
                "ArtifactType": "spdx",
                "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}},
                "Results": [{**result, "Vulnerabilities": list(self.findings)}],
            }
            request.output.write_text(json.dumps(report))
            threading.Event().wait(0.02)
        finally:
            with self._lock:
                self.running -= 1
        return ()


class RecordedNotices(Silent):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def spdx(*names: str) -> bytes:
    document = {
        "spdxVersion": "SPDX-2.3",
        "creationInfo": {"creators": ["Tool: trivy-0.74.0"]},
        "packages": [{"SPDXID": f"SPDXRef-Package-{name}", "name": name} for name in names],
        "relationships": [],
    }
    return json.dumps(document).encode()


def reports(*platforms: str, **stated: Any) -> tuple[EvidenceDocument, ...]:
    runs = [
        samples.run(OLD, **{"sbom": SBOM, "platform": platform, "scanner": "trivy 0.74.0", **stated})
        for platform in platforms or ("linux/amd64",)
    ]
    return (samples.document(samples.sarif(*runs)),)


def beside(
    content: bytes | None, trust: SignerStatus = SignerStatus.ALLOWED
) -> Callable[[str], EvidenceDocument | None]:
    return lambda digest: EvidenceDocument(digest=digest, trust=trust, content=content) if digest == SBOM else None


def matcher(trivy: Trivy, temp: Path, progress: Silent | None = None, at_once: int = 2) -> SbomMatcher:
    options = ScanOptions(scanners=("vuln",))
    return SbomMatcher(trivy, options, at_once=at_once, temp=temp, now=NOW, progress=progress or Silent())


def matched(trivy: Trivy, temp: Path, given: Any = None, read: Any = None) -> Unchanged | str:
    return matcher(trivy, temp)(Policy(version=1), given or reports(), read or beside(spdx("libc6")), "app")


def test_nothing_new_is_reported_with_the_day_of_the_database(tmp_path: Path) -> None:
    assert matched(Trivy(), tmp_path) == Unchanged(database="2026-11-29T06:00:00Z")
    assert list(tmp_path.iterdir()) == []


def test_what_is_new_means_work(tmp_path: Path) -> None:
    assert "1 new finding, CVE-2026-1" in str(matched(Trivy(FINDING), tmp_path))


def test_each_platform_is_matched_by_its_part_of_the_document(tmp_path: Path) -> None:
    trivy = Trivy()
    both = reports("linux/amd64", "linux/arm64")
    outcome = matched(trivy, tmp_path, both, beside(spdx("a-linux-amd64", "b-linux-arm64", "c-linux-arm64")))
    assert outcome == Unchanged(database="2026-11-29T06:00:00Z")
    assert [len(document["packages"]) for document in trivy.matched] == [1, 2]
    assert "has nothing on linux/arm64" in str(matched(Trivy(), tmp_path, both, beside(spdx("a-linux-amd64"))))


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda _digest: None, "cannot be read"),
        (beside(None), "cannot be read"),
        (beside(spdx("libc6"), SignerStatus.UNSIGNED), "is not signed by whom the policy allows"),
        (beside(spdx("libc6"), SignerStatus.STRANGER), "is not signed by whom the policy allows"),
        (beside(b"{"), "cannot be read"),
        (beside(b'{"bomFormat": "CycloneDX"}'), "is not SPDX 2.3"),
        (beside(spdx()), "No packages were found"),
    ],
)
def test_an_sbom_that_proves_nothing_means_work(tmp_path: Path, read: Any, why: str) -> None:
    assert why in str(matched(Trivy(), tmp_path, read=read))


def test_a_match_that_fails_means_work_for_its_image_alone(tmp_path: Path) -> None:
    trivy = Trivy()
    trivy.fails["match"] = OutsideError("Trivy took longer than 60 s.")
    match = matcher(trivy, tmp_path)
    arguments = (Policy(version=1), reports(), beside(spdx("libc6")), "app")
    assert match(*arguments) == "its SBOM could not be matched: Trivy took longer than 60 s"
    trivy.fails.clear()
    assert isinstance(match(*arguments), Unchanged)


@pytest.mark.parametrize(
    ("updated", "why"),
    [
        (NOW - timedelta(days=20), "20 days old"),
        (OLD - timedelta(hours=1), "newer advisories"),
        (None, "there are no advisories"),
    ],
)
def test_old_advisories_are_none(tmp_path: Path, updated: datetime | None, why: str) -> None:
    trivy = Trivy(updated=updated)
    assert why in str(matched(trivy, tmp_path))
    assert trivy.matched == []


def test_the_database_is_updated_once_and_its_failure_is_reported_once(tmp_path: Path) -> None:
    trivy, progress = Trivy(), RecordedNotices()
    trivy.fails["update"] = OutsideError("The database could not be downloaded.")
    match = matcher(trivy, tmp_path, progress)
    for _ in range(3):
        reason = match(Policy(version=1), reports(), beside(spdx("libc6")), "app")
        assert reason == "there are no advisories to match its SBOM against"
    assert len(trivy.updates) == 1
    assert progress.notices == [
        "No SBOM is matched, and every image with an older report is planned: The database could not be downloaded."
    ]


def test_nothing_is_downloaded_where_no_match_could_help(tmp_path: Path) -> None:
    trivy = Trivy()
    assert "names no SBOM" in str(matched(trivy, tmp_path, reports(sbom="")))
    assert trivy.updates == []


def test_no_more_are_matched_at_once_than_are_let(tmp_path: Path) -> None:
    trivy = Trivy()
    match = matcher(trivy, tmp_path, at_once=2)
    results: list[Unchanged | str] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(match(Policy(version=1), reports(), beside(spdx("libc6")), "app"))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [Unchanged(database="2026-11-29T06:00:00Z")] * 8
    assert trivy.most == 2
