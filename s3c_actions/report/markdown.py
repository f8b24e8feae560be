"""The job summary and `summary.md`, in GitHub's Markdown: the verdict first, the facts under it, long lists folded.

Templates are sandboxed and escape every value that is not marked safe, so that forgetting costs formatting and never
structure. Tables are cut at whole rows, with a count, to stay within a number of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s3c_actions.errors import Exit
from s3c_actions.report import deployment, escape
from s3c_actions.report.model import Finding, Kind, ScanReport, Severity

if TYPE_CHECKING:
    import jinja2

    from s3c_actions.errors import S3CError
    from s3c_actions.steps.results import ImageOutcome, Outcome, PatchResult, ScanResult

SUMMARY_BYTES = 1_000_000
MOST_ROWS = 500
MOST_IDS = 8
_TEMPLATE, _PARTS = "summary.md.j2", "parts.md.j2"


def _safe(text: str) -> Markup:
    """Mark what was made here, of text that is escaped already."""
    return Markup(text)  # noqa: S704


@dataclass
class Table:
    """A folded table; `rows` are whole lines, of which `shown` fit.

    Attributes:
        title: for the fold, without the number.
        head: the header row and the line under it.
        count: how many rows there would be; only the first MOST_ROWS are made.
        opened: unfolded to begin with.
        total: how many things the rows stand for, when that is not their number.
    """

    title: str
    head: Markup
    rows: list[str]
    count: int
    opened: bool = False
    total: str = ""
    shown: int = field(init=False)

    def __post_init__(self) -> None:
        self.shown = len(self.rows)

    @property
    def text(self) -> Markup:
        """The rows that fit, one a line."""
        return _safe("\n".join(self.rows[: self.shown]))

    @property
    def omitted(self) -> int:
        """How many rows do not."""
        return self.count - self.shown


def summary(outcome: Outcome, error: S3CError | None = None, *, budget: int = SUMMARY_BYTES) -> str:
    """Render what a command did.

    Args:
        outcome: on one image, several or none.
        error: that ended the command as a whole.
        budget: the most bytes of UTF-8; the least severe rows are left out first, and counted.

    Returns:
        Markdown that ends with a newline; empty when there is nothing to tell.
    """
    views = [_image(image) for image in outcome.images]
    names = [view["name"] for view in views]
    for view, image in zip(views, outcome.images, strict=True):
        if names.count(view["name"]) > 1:
            view["name"] = image.image
    template = _environment().get_template(_TEMPLATE)
    values = {
        "command": outcome.command,
        "images": views,
        "error": _error(error) if error is not None and not any(i.failure is error for i in outcome.images) else None,
        "verdict": _overall(outcome) if len(views) > 1 else "",
        "good": not any(image.failure for image in outcome.images),
        "seconds": _seconds(outcome.seconds),
        "deploy": deployment.view(outcome) if outcome.deploy is not None else None,
    }
    tables = [table for view in views for table in view["tables"]]
    text = template.render(values)
    if len(text.encode()) > budget:
        for table in tables:
            table.shown = 0
        room = budget - len(template.render(values).encode()) - 100 * len(tables)
        # The worst stands in a table's first rows: so the tables share the room.
        for number, table in enumerate(tables):
            share = room // (len(tables) - number)
            for row in table.rows:
                size = len(row.encode()) + 1
                if size > share:
                    break
                share, room = share - size, room - size
                table.shown += 1
        text = template.render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" if text.strip() else ""


def prepare() -> None:
    """Do ahead of time what `summary` needs to have done once."""
    for name in (_TEMPLATE, _PARTS):
        _environment().get_template(name)


def _image(image: ImageOutcome) -> dict[str, Any]:
    scan = image.scan or (image.patch.before if image.patch else None)
    return {
        "name": _name(image.image),
        "image": _safe(escape.code(image.image)),
        "reference": _safe(escape.code(image.reference)) if image.reference and image.reference != image.image else "",
        "good": image.failure is None,
        "verdict": _verdict(image),
        "error": _error(image.failure) if image.failure is not None else None,
        "counts": _counts(image),
        "changes": [_change(image, severity) for severity in _FOUR],
        "digest": _safe(escape.code(_short(image.reference.rpartition("@")[2]))),
        "severities": _columns(image),
        "system": _system(image.final_report),
        "difference": _difference(scan),
        "signed": _signed(image),
        "verified": _verified(image),
        "flow": _flow(image),
        "commands": _commands(image),
        "warnings": list(dict.fromkeys([*scan.warnings, scan.blind])) if scan is not None else [],
        "tables": list(_tables(image)),
    }


def _name(image: str) -> str:
    """What people call it: the last part, without tag and digest."""
    return image.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or image


def _error(error: S3CError) -> dict[str, str]:
    return {
        "what": error.what,
        "image": _safe(escape.code(error.image)) if error.image else "",
        "cause": error.cause,
        "remedy": error.remedy,
        "original": error.original[:2000],
    }


def _verdict(image: ImageOutcome) -> str:
    if image.failure is not None:
        return image.failure.what.rstrip(".")
    done = []
    if image.patch is not None:
        done.append("patched" if image.patch.patched else "nothing to patch")
    if image.sign is not None:
        done.append("signed" if image.verify is None else "signed and verified")
    elif image.verify is not None:
        done.append("verified")
    report = image.final_report
    if report is not None and not done:
        return "nothing found" if not report.findings else _totals(report)
    if report is not None and report.fixable:
        done.append(f"{len(report.fixable):,} fixable left")
    return ", ".join(done) or "done"


def _totals(report: ScanReport) -> str:
    counts = ", ".join(f"{n:,} {severity.name.lower()}" for severity, n in report.counts.items() if n)
    return f"{len(report.findings):,} finding{'s' * (len(report.findings) != 1)} ({counts})"


def _overall(outcome: Outcome) -> str:
    total = len(outcome.images)
    codes = [image.failure.exit_code for image in outcome.images if image.failure is not None]
    refused = codes.count(Exit.REFUSED)
    failed = len(codes) - refused
    if codes:
        told = [f"{failed} of {total} images failed"] * bool(failed) + [f"{refused} of {total} refused"] * bool(refused)
        return ", ".join(told)
    verdicts = {_verdict(image) for image in outcome.images}
    if len(verdicts) == 1 and not outcome.images[0].scan:
        return f"{total} images: {verdicts.pop()}"
    return f"{total} images done"


def _scans(image: ImageOutcome) -> list[tuple[str, ScanReport]]:
    if image.patch is not None:
        before = [("before", _shown(image.patch.before))]
        return before + ([("**after**", _shown(image.patch.after))] if image.patch.after is not None else [])
    return [("found", _shown(image.scan))] if image.scan is not None else []


def _shown(scan: ScanResult) -> ScanReport:
    return scan.shown or scan.report


def _columns(image: ImageOutcome) -> list[Severity]:
    scans = _scans(image)
    unknown = any(report.counts[Severity.UNKNOWN] for _, report in scans)
    return [severity for severity in sorted(Severity, reverse=True) if severity or unknown] if scans else []


def _counts(image: ImageOutcome) -> list[dict[str, Any]]:
    rows = []
    columns = _columns(image)
    for name, report in _scans(image):
        fixable = len(report.fixable)
        if not report.findings:
            note = "nothing left" if "after" in name else "nothing found"
        elif "after" in name:
            note = f"{len(report.findings):,} left, " + (
                f"{fixable:,} can be fixed" if fixable else "none has a fix yet"
            )
        else:
            note = f"{fixable:,} can be fixed" if fixable else "none has a fix yet"
        bold = "**" if "after" in name else ""
        numbers = [_safe(f"{bold}{report.counts[severity]:,}{bold}") for severity in columns]
        rows.append({"name": _safe(name), "numbers": numbers, "note": note})
    return rows


_FOUR = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def _change(image: ImageOutcome, severity: Severity) -> Markup:
    """`22 → **0**`, or one number when nothing was patched."""
    numbers = [f"{report.counts[severity]:,}" for _, report in _scans(image)]
    return _safe(f"{numbers[0]} → **{numbers[1]}**" if len(numbers) == 2 else "".join(numbers))


def _system(report: ScanReport | None) -> str:
    if report is None or not report.os_end_of_life:
        return ""
    return f"{escape.line(report.os, 80)} is past its end of life: its distributor mends nothing any more."


def _difference(scan: ScanResult | None) -> Markup:
    if scan is None or scan.difference is None:
        return _safe("")
    change = scan.difference
    return _safe(f"**{len(change.new):,} new**, {len(change.fixed):,} fixed, {len(change.left):,} unchanged")


def _signed(image: ImageOutcome) -> Markup:
    if image.sign is None:
        return _safe("")
    sign, certificate = image.sign, image.sign.certificate
    facts = [escape.markdown(certificate.key), f"{certificate.days_left:,} days left", sign.signature_format.upper()]
    facts += ["time-stamped"] * sign.timestamped
    facts += [f"expires {escape.markdown(sign.expires[:10])}"] * bool(sign.expires)
    verb = "Already signed" if sign.skipped else "Signed"
    signature = escape.code(sign.signature_digest)
    return _safe(f"{verb} by {escape.code(certificate.subject)} ({', '.join(facts)}), signature {signature}")


def _verified(image: ImageOutcome) -> Markup:
    if image.verify is None:
        return _safe("")
    one = image.verify
    return _safe(f"Signature by {escape.code(one.signer)} is valid and trusted by policy {escape.code(one.policy)}")


def _tables(image: ImageOutcome) -> Iterable[Table]:
    if image.patch is not None:
        yield from _patch_tables(image.patch)
        suppressed = _shown(image.patch.after or image.patch.before).suppressed
    elif image.scan is not None:
        report = _shown(image.scan)
        refused = set(map(id, image.scan.refused))
        if image.scan.difference is not None and image.scan.difference.new:
            yield _findings("New since the baseline", image.scan.difference.new, opened=True)
        if image.scan.refused:
            yield _findings("What closes the gate", image.scan.refused, opened=True)
        rest = [finding for finding in report.findings if id(finding) not in refused]
        if rest:
            yield _findings("Other findings" if image.scan.refused else "Findings", rest)
        suppressed = report.suppressed
    else:
        return
    if suppressed:
        rows = [
            f"| {_id(f)} | {f.severity.title} | {_where(f)} | {escape.markdown(f.suppressed, 200)} |"
            for f in suppressed[:MOST_ROWS]
        ]
        yield Table("Set aside", _head("Finding", "Severity", "Where", "Reason"), rows, len(suppressed))


def _patch_tables(patch: PatchResult) -> Iterable[Table]:
    if patch.new:
        yield _findings("Came with the patch", patch.new, opened=True)
    if patch.left:
        rows = [
            f"| {_id(one.finding)} | {one.finding.severity.title} | {_where(one.finding)} | "
            f"{escape.markdown(one.reason, 200)} |"
            for one in patch.left[:MOST_ROWS]
        ]
        yield Table("Left", _head("Finding", "Severity", "Package", "Why it is left"), rows, len(patch.left))
    if patch.fixed:
        upgrades: dict[tuple[str, str], list[Finding]] = {}
        for finding in patch.fixed:
            upgrades.setdefault((finding.package, finding.installed), []).append(finding)
        rows = [
            f"| {escape.code(package)} | {escape.code(installed, 60)} | {_fixed_in(found)} | {_ids(found)} |"
            for (package, installed), found in islice(upgrades.items(), MOST_ROWS)
        ]
        packages = len({package for package, _ in upgrades})
        total = f"{len(patch.fixed):,} in {packages:,} package{'s' * (packages != 1)}"
        yield Table("Fixed", _head("Package", "Was", "Fixed in", "Findings"), rows, len(upgrades), total=total)


def _fixed_in(findings: Sequence[Finding]) -> str:
    """The versions that brought the fixes; the one installed now is the newest of them, or newer."""
    versions = list(dict.fromkeys(finding.fixed for finding in findings))
    more = len(versions) - MOST_IDS
    return ", ".join(escape.code(one, 60) for one in versions[:MOST_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _findings(title: str, findings: Sequence[Finding], *, opened: bool = False) -> Table:
    rows = [
        f"| {finding.severity.title} | {_id(finding)} | {_where(finding)} | {_fix(finding)} | "
        f"{escape.markdown(finding.title, 120)} |"
        for finding in findings[:MOST_ROWS]
    ]
    head = _head("Severity", "Finding", "Where", "Fix", "What it is")
    return Table(title, head, rows, len(findings), opened=opened and len(findings) <= 20)


def _head(*columns: str) -> Markup:
    return _safe(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def _id(finding: Finding) -> str:
    return escape.markdown_link(finding.id, finding.url)


def _ids(findings: Sequence[Finding]) -> str:
    more = len(findings) - MOST_IDS
    return ", ".join(_id(finding) for finding in findings[:MOST_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _where(finding: Finding) -> str:
    if finding.package:
        return f"{escape.code(finding.package)} {escape.markdown(finding.installed, 60)}".rstrip()
    line = f":{finding.line}" if finding.line else ""
    return escape.code(f"{finding.target}{line}")


def _fix(finding: Finding) -> str:
    if finding.kind is Kind.VULNERABILITY:
        fixed = escape.code(finding.fixed, 60)
        return fixed or escape.markdown(finding.status.replace("_", " ") or "none yet", 40)
    return escape.markdown(finding.remedy, 80)


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def _flow(image: ImageOutcome) -> Markup:
    """A Mermaid flowchart of the steps taken, when there was more than one; figures and digests only."""
    steps: list[tuple[str, list[str], float | None, bool]] = []
    if image.scan is not None:
        steps.append(("scan", _label(image.scan), image.scan.seconds, bool(image.scan.refused and not image.patch)))
    if image.patch is not None:
        patch = image.patch
        said = [f"{len(patch.fixed):,} fixed" if patch.patched else "nothing to patch"]
        steps.append(("patch", [*said, _short(patch.digest)], patch.seconds, False))
        if patch.after is not None:
            steps.append(("rescan", _label(patch.after), patch.after.seconds, False))
    if image.sign is not None:
        said = ["already signed" if image.sign.skipped else "signed", _short(image.sign.signature_digest)]
        steps.append(("sign", said, image.sign.seconds, False))
    if image.verify is not None:
        steps.append(("verify", ["valid"], image.verify.seconds, False))
    if len(steps) < 2:
        return _safe("")
    lines = ["flowchart LR"]
    for number, (name, said, seconds, _) in enumerate(steps):
        label = "<br/>".join([f"<b>{name}</b>", *(one for one in said if one), _seconds(seconds)])
        lines.append(f'  s{number}["{label}"]')
    if image.failure is not None:
        lines.append(f'  s{len(steps)}["<b>stopped</b>"]:::stopped')
    last = len(steps) + (image.failure is not None)
    lines.append(f"  {' --> '.join(f's{number}' for number in range(last))}")
    if image.failure is not None:
        lines.append("  classDef stopped stroke:#cf222e,stroke-width:2px")
    return _safe("\n".join(lines))


def _label(scan: ScanResult) -> list[str]:
    report = _shown(scan)
    if not report.findings:
        return ["nothing found", _short(scan.reference.rpartition("@")[2])]
    return [
        f"{len(report.findings):,} found, {len(report.fixable):,} fixable",
        _short(scan.reference.rpartition("@")[2]),
    ]


def _short(digest: str) -> str:
    """`sha256:33955bb0…`, or nothing when it is no digest."""
    return f"{digest[:15]}…" if re.fullmatch(r"sha(256|384|512):[0-9a-f]{64,128}", digest) else ""


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 90 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _commands(image: ImageOutcome) -> list[Markup]:
    """What a reader can run to see for themselves; only for references of plain characters."""
    reference = image.reference
    if "@sha256:" not in reference or len(reference) > 600 or not _PLAIN.fullmatch(reference):
        return []
    commands = []
    if image.sign is not None or image.verify is not None:
        # Whom to trust is for the reader to say: nothing written here may stand in for it.
        commands += [f"notation inspect {reference}", f"s3c verify {reference} --trust-store CERTIFICATE"]
    if image.final_report is not None:
        commands.append(f"trivy image {reference}")
    return [_safe(command) for command in commands]


def _finalize(value: object) -> object:
    # What a macro made and what was marked safe here has `__html__`, and passes.
    return _safe(escape.markdown(value, 2000)) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(
        loader=jinja2.PackageLoader("s3c_actions.report"),
        # `finalize` comes before HTML's escape, and leaves nothing to it.
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
