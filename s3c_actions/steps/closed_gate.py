"""Why a gate is closed for a scanned image."""

from __future__ import annotations

from s3c_actions.core.errors import Refused
from s3c_actions.findings.scope import describe_parts
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.result.model import ScanResult


def closed_gate_error(result: ScanResult, gate: Threshold, *, consequence: str = "") -> Refused | None:
    """Return why the gate is closed for a scanned image, None when it is open.

    Args:
        result: of the scan.
        gate: of the scan.
        consequence: a sentence on what was not done because of it.
    """
    then = f" {consequence}" if consequence else ""
    if result.refused:
        return closed_error(result.reference, gate, result.refused, consequence=consequence)
    if result.contents or result.objections:
        return _rule_error(result, then)
    if result.missing:
        return Refused(
            f"The policy requires a scan that looks at {describe_parts(result.missing)}, and this one did not.",
            cause="The inputs `scanners` and `pkg-types` leave it out, or the report given was made without it.",
            remedy=f"Scan with all that the policy requires, and list all packages.{then}",
            image=result.reference,
        )
    if result.outdated:
        return Refused(
            result.outdated,
            cause="Vulnerabilities become known every day, and an earlier report has none of them.",
            remedy="Scan again, or say in the policy how old a report may be (`report.maximum-age`)." + then,
            image=result.reference,
        )
    if result.blind and gate.closes:
        return Refused(
            result.blind,
            cause="That no findings are there does not mean that none are: the gate stays closed.",
            remedy="Base the image on a distribution that Trivy knows, let Trivy download today's database, scan "
            "libraries only with `pkg-types: library`, or accept it with `unscanned: warn`." + then,
            image=result.reference,
        )
    return None


def _rule_error(result: ScanResult, then: str) -> Refused:
    """Return the error of rules of the policy on contents, exploitation data, platform or base."""
    if result.contents:
        from s3c_actions.policy.judge import content_objections

        what = "; ".join(objection.text for objection in content_objections(result.contents))
        return Refused(
            f"{what[:1].upper()}{what[1:]}.",
            cause="The policy refuses packages and licences by name.",
            remedy="Change what the image is made of, or the policy." + then,
            image=result.reference,
        )
    what = "; ".join(objection.text for objection in result.objections)
    return Refused(
        f"{what[:1].upper()}{what[1:]}.",
        cause="The policy has rules on exploited vulnerabilities, on the platform or on the base.",
        remedy="Do what is named, or change the policy." + then,
        image=result.reference,
    )
