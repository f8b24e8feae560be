"""Make the in-toto statements of an image, of its scans, its patch and its gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions import __version__
from s3c_actions.core import reading
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import intoto
from s3c_actions.evidence.intoto import PatchFacts
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    from s3c_actions.findings.threshold import Threshold
    from s3c_actions.report.document import PatchEntry
    from s3c_actions.result.model import PatchResult, ScanResult


class StatementSource(msgspec.Struct, frozen=True, kw_only=True):
    """What the statements about one digest are made of.

    Attributes:
        reference: of the image, pinned.
        scans: of it; of an index, of each platform.
        created: RFC 3339 time of the oldest of them.
        passed: the gate's verdict on them.
        gate, policy: what decided: the threshold, and the digest of the policy file it comes from.
        document: returns the document of a kind that a statement wraps (`vex`, `spdx`, `cyclonedx`); None without one.
        patch: the image's patch, when it has one.
        environment: of the process.
    """

    reference: Reference
    scans: Sequence[ScanResult]
    created: str
    passed: bool
    gate: Threshold
    policy: str
    document: Callable[[str], bytes | None]
    patch: PatchResult | PatchEntry | None
    environment: Mapping[str, str]

    def render(self, kind: str) -> bytes | None:
        """Return a statement of a kind of `artifact_types.PREDICATES`; None when there is nothing to state."""
        predicate = self._predicate(kind)
        return intoto.render_statement(kind, self.reference, predicate) if predicate is not None else None

    def _predicate(self, kind: str) -> Mapping[str, Any] | None:
        if kind == "intoto-vulns":
            return intoto.vulnerability_report([scan.report for scan in self.scans])
        if kind == "provenance":
            facts = self._patch_facts()
            return intoto.provenance(facts) if facts is not None else None
        if kind == "vsa":
            return intoto.verification_summary(
                self.reference,
                self.gate,
                policy=self.policy,
                passed=self.passed,
                created=self.created,
                version={"s3c": __version__} | ({"trivy": self._scanned_by()} if self._scanned_by() else {}),
            )
        content = self.document(kind.removeprefix("intoto-"))
        document = reading.parse_json(content) if content is not None else None
        return document if isinstance(document, dict) else None

    def _scanned_by(self) -> str:
        versions = (scan.report.scanner_version for scan in self.scans)
        return next((escape.line(version, 50) for version in versions if version), "")

    def _patch_facts(self) -> PatchFacts | None:
        """Return the facts of the patch; None without one, or where an earlier run made it: that run knows them."""
        patch = self.patch
        if patch is None or not patch.patched or not patch.programs:
            return None
        databases = [scan.report.database for scan in self.scans if scan.report.database]
        return PatchFacts(
            original=Reference.parse(patch.original),
            tag=patch.tag,
            platforms=patch.platforms,
            upgraded=patch.upgraded,
            programs={escape.line(name, 50): escape.line(text, 50) for name, text in patch.programs.items()},
            database=min(databases, default=""),
            builder=builder_id(self.environment),
            invocation=_invocation(self.environment),
        )


def builder_id(environment: Mapping[str, str]) -> str:
    """Return the URI of who builds: on GitHub Actions the workflow at its ref, elsewhere a machine not known.

    https://docs.github.com/actions/reference/workflows-and-actions/variables (GITHUB_WORKFLOW_REF). It is what the run
    says of itself.
    """
    server, workflow = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_WORKFLOW_REF", "")
    return f"{server}/{workflow}" if server and workflow else intoto.LOCAL_BUILDER


def _invocation(environment: Mapping[str, str]) -> str:
    values = [environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    if not all(values):
        return ""
    attempt = environment.get("GITHUB_RUN_ATTEMPT", "")
    return "{}/{}/actions/runs/{}".format(*values) + (f"/attempts/{attempt}" if attempt else "")
