"""The steps that one image went through, as a picture, and commands that check what came of it."""

from __future__ import annotations

from markupsafe import Markup

from s3c_actions.core.patterns import late_pattern
from s3c_actions.findings.headline import format_count
from s3c_actions.report.document import ImageResult, ScanEntry
from s3c_actions.report.github.verdicts import ADMISSIONS
from s3c_actions.report.github.wording import brief_digest, format_seconds
from s3c_actions.report.render.markdown import mark_safe

_PLAIN_REFERENCE = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def flow_chart(image: ImageResult) -> Markup:
    """Return a Mermaid flowchart of the steps, when there was more than one; figures and digests only."""
    steps: list[tuple[str, list[str], float | None]] = []
    scan, patch, rescan, sign, verify = image.scan, image.patch, image.rescan, image.sign, image.verify
    if scan is not None:
        steps.append(("scan", _scan_label(scan), scan.seconds))
    if patch is not None:
        outcome = f"{len(patch.fixed):,} fixed" if patch.patched else "nothing to patch"
        steps.append(("patch", [outcome, brief_digest(patch.reference.rpartition("@")[2])], patch.seconds))
    if rescan is not None:
        steps.append(("rescan", _scan_label(rescan), rescan.seconds))
    if sign is not None:
        outcome = "already signed" if sign.skipped else "signed"
        steps.append(("sign", [outcome, brief_digest(sign.signature_digest)], sign.seconds))
    if verify is not None:
        steps.append(("verify", ["valid", brief_digest(verify.signature_digest)], verify.seconds))
    if image.admission is not None:
        steps.append(("admit", [ADMISSIONS[image.admission.verdict], brief_digest(image.digest)], None))
    if len(steps) < 2:
        return mark_safe("")
    lines = ["flowchart LR"]
    for index, (title, facts, seconds) in enumerate(steps):
        time = [format_seconds(seconds)] if seconds is not None else []
        label = "<br/>".join([f"<b>{title}</b>", *(text for text in facts if text), *time])
        lines.append(f'  s{index}["{label}"]')
    if image.error is not None:
        lines.append(f'  s{len(steps)}["<b>stopped</b>"]:::stopped')
    last = len(steps) + (image.error is not None)
    lines.append(f"  {' --> '.join(f's{index}' for index in range(last))}")
    if image.error is not None:
        lines.append("  classDef stopped stroke:#cf222e,stroke-width:2px")
    return mark_safe("\n".join(lines))


def _scan_label(scan: ScanEntry) -> list[str]:
    counts = scan.findings
    hidden = counts.tally.hidden.total
    if scan.findings.total is None:
        outcome = f"{hidden:,} found, not shown" if hidden else "not known"
    elif counts.total:
        outcome = f"{counts.total:,} found, {format_count(counts.fixable)} fixable"
        outcome += f", {hidden:,} not shown" if hidden else ""
    else:
        outcome = "nothing found"
    return [outcome, brief_digest(scan.reference.rpartition("@")[2])]


def check_commands(image: ImageResult) -> list[Markup]:
    """Return commands with which readers can check the result; only for references of plain characters."""
    reference = image.reference
    if "@sha256:" not in reference or len(reference) > 600 or not _PLAIN_REFERENCE.fullmatch(reference):
        return []
    commands = []
    if image.sign is not None or image.verify is not None:
        # The reader decides whom to trust: nothing written here may replace that decision.
        commands += [
            f"notation inspect {reference}",
            f"notation verify {reference}  # by your own trust policy",
            f"s3c verify {reference} --trust-store CERTIFICATE",
        ]
    if image.findings is not None:
        commands.append(f"trivy image {reference}")
    if image.admission is not None:
        commands.append("kubectl get constraints  # the gate, and what it has found")
    return [mark_safe(command) for command in commands]
