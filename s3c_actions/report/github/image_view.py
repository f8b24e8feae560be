"""What summary and comment say of one image, from its part of a `result.json` (`report.document`).

A document may come from a fork: everything in it is untrusted, and only its shape may be relied on. What is marked safe
was escaped here; all other text is escaped by the templates.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from itertools import islice
from typing import Any

from markupsafe import Markup

from s3c_actions.core.text import counted
from s3c_actions.findings.entry import FindingEntry, ReasonedFinding
from s3c_actions.findings.model import FindingKind
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.report.document import (
    Counts,
    ErrorEntry,
    ImageResult,
    PatchEntry,
    ProposedEntry,
    ResultDocument,
    ScanEntry,
)
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import MAX_ROWS, Table, mark_safe, table_head

MAX_IDS = 8
MAX_WARNINGS = 10
MAX_FILES = 12
EXPIRY_NOTICE_DAYS = 30
"""Days that a certificate is still good for when people are told."""
RATED_SEVERITIES = ("critical", "high", "medium", "low")
ADMISSIONS = {"admitted": "admitted", "denied": "denied", "unknown": "not asked"}


def view(image: ImageResult, *, titles: bool = True) -> dict[str, Any]:
    """The facts of one image for the templates.

    Args:
        image: of a document's `images`.
        titles: findings with what they are about; without, rows are half as long.
    """
    counts = _counts(image)
    return {
        "name": short_name(image.image),
        "image": mark_safe(escape.code(image.image)),
        "reference": mark_safe(escape.code(short_reference(image.reference)))
        if image.reference not in {"", image.image}
        else "",
        "pinned": mark_safe(escape.code(image.reference)) if image.digest else "",
        "good": image.error is None,
        "verdict": image_verdict(image),
        "error": error_view(image.error) if image.error is not None else None,
        "counts": counts,
        "severities": severity_columns(image),
        "changes": [_change(image, severity) for severity in RATED_SEVERITIES],
        "digest": mark_safe(escape.code(short_digest(image.digest))),
        "system": _system(image),
        "base": _base(image),
        "new": len(image.base.new) if image.base is not None else None,
        "signed": _signed(image),
        "signature": _signature(image),
        "scanner": _scanner(image),
        "verified": _verified(image),
        "evidence": _evidence(image),
        "admission": _admission(image),
        "mirrored": _mirrored(image),
        "chart": _chart(image),
        "flow": _flow(image),
        "commands": _commands(image),
        "warnings": [render_prose(text) for text in image_warnings(image)],
        "tables": list(_tables(image, titles)),
    }


def describe_settings(documents: Sequence[ResultDocument]) -> Markup:
    """One sentence on the files that had a say, with the beginning of their hashes; empty when none had."""
    files = [(one.kind, one.path, one.sha256) for document in documents for one in document.settings or ()]
    shown = []
    for kind, path, digest in list(dict.fromkeys(files))[:MAX_FILES]:
        known = f" (sha256 {escape.markdown(digest[:12], 12)})" if digest else ""
        shown.append(f"{escape.markdown(kind, 40)} {escape.code(path, 200)}{known}")
    more = len(set(files)) - len(shown)
    left = f" and {more:,} more" if more > 0 else ""
    return mark_safe(f"Decided with {', '.join(shown)}{left}." if shown else "")


def describe_gate_changes(documents: Sequence[ResultDocument]) -> list[Markup]:
    """A sentence on each file of the gate that a pull request changes, and on what its own would have come to."""
    changes = [
        (one.kind, one.path, one.target_sha256, one.head_sha256, one.used, one.accepted_by)
        for document in documents
        for one in document.gate_changes or ()
    ]
    told = []
    for kind, path, theirs, mine, used, by in list(dict.fromkeys(changes))[:MAX_FILES]:
        named = f"{escape.code(path, 200)} ({escape.markdown(kind, 40)})"
        if by:
            decides = f"this pull request's {_hashed(mine)}, accepted by {escape.code(by, 100)} with the label"
        elif used == "head":
            decides = f"this pull request's {_hashed(mine)}: the target branch has none"
        else:
            decides = f"the target branch's {_hashed(theirs)}, not this pull request's {_hashed(mine)}"
        told.append(mark_safe(f"{named} differs from the target branch's. What decides is {decides}."))
    for image in (image for document in documents for image in document.images):
        scan = image.last_scan
        if scan is not None and scan.proposed:
            told.append(_proposed(image, scan, scan.proposed))
    return told


def _hashed(digest: str) -> str:
    return f"(sha256 {escape.markdown(digest[:12], 12)})" if digest else "(not there)"


def _proposed(image: ImageResult, scan: ScanEntry, proposed: ProposedEntry) -> Markup:
    """What a gate decided, and what it would have with the pull request's own files."""
    decided = "does not pass" if scan.closed else "passes"
    words = {
        "passed": "would pass",
        "refused": f"would not pass: {escape.markdown(proposed.reason, 300)}",
        "failed": f"cannot be judged: {escape.markdown(proposed.reason, 300)}",
    }
    with_own = words[proposed.verdict].rstrip(".")
    return mark_safe(
        f"{escape.code(short_name(image.image), 100)} {decided} "
        "with the target branch's files; with this pull request's "
        f"own it {with_own}."
    )


def short_name(reference: str) -> str:
    """What people call an image: the last part, without tag and digest."""
    return reference.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or reference


def distinct_names(images: Sequence[ImageResult]) -> list[str]:
    """The names of several, in full where two would be called the same."""
    names = [short_name(one.image) for one in images]
    return [each if names.count(each) == 1 else one.image for each, one in zip(names, images, strict=True)]


def error_view(error: ErrorEntry) -> dict[str, str]:
    """An error for `told` in the templates."""
    return {
        "what": error.what,
        "image": mark_safe(escape.code(error.image)) if error.image else "",
        "cause": render_prose(error.cause),
        "remedy": render_prose(error.remedy),
        "original": error.original[:2000],
    }


def render_prose(text: str, limit: int = 2000) -> Markup:
    """Sentences in which what stands between backticks is code, so that a command can be copied as it is."""
    parts = escape.line(text, limit).split("`")
    if len(parts) % 2 == 0:
        return mark_safe(escape.markdown(text, limit))
    return mark_safe(
        "".join(escape.code(part, limit) if n % 2 else escape.markdown(part, limit) for n, part in enumerate(parts))
    )


def image_verdict(image: ImageResult) -> str:
    """What became of it, in a few words without a full stop."""
    if image.error is not None:
        return image.error.what.rstrip(".")
    done = []
    if image.patch is not None:
        done.append("patched" if image.patch.patched else "nothing to patch")
    if image.sign is not None:
        done.append("signed" if image.verify is None else "signed and verified")
    elif image.verify is not None:
        done.append("verified")
    if image.judgement is not None and image.judgement.admitted:
        done.append("admitted by the policy")
    if image.admission is not None and image.admission.verdict != "unknown":
        done.append(ADMISSIONS[image.admission.verdict])
    if image.mirror:
        done.append("already mirrored" if image.mirror.skipped else "mirrored")
    found = image.findings
    if found is not None and not done:
        return "nothing found" if not found.total else _totals(found)
    if found is not None and found.fixable:
        done.append(f"{found.fixable:,} fixable left")
    return ", ".join(done) or "done"


def overall_verdict(images: Sequence[ImageResult]) -> str:
    """What became of several."""
    total = len(images)
    names = list(zip(distinct_names(images), images, strict=True))
    told = []
    for word in ("failed", "refused"):
        those = [called for called, one in names if one.verdict == word]
        if those:
            told.append(f"{len(those)} of {total} images {word} ({enumerate_names(those)})")
    if told:
        return ", ".join(told)
    said = {image_verdict(one) for one in images}
    return f"{total} images: {said.pop()}" if len(said) == 1 else f"{total} images passed"


def image_warnings(image: ImageResult) -> list[str]:
    """What a person should know or change, each once."""
    scans = [scan for scan in (image.scan, image.rescan) if scan is not None]
    found = [text for scan in scans for text in (*scan.warnings, scan.blind) if text]
    each = list(dict.fromkeys(found))
    more = len(each) - MAX_WARNINGS
    return each[:MAX_WARNINGS] + ([f"and {more:,} more warnings: they are in the log"] if more > 0 else [])


def short_digest(digest: str) -> str:
    """`sha256:33955bb0…`, or nothing when it is no digest."""
    return f"{digest[:15]}…" if re.fullmatch(r"sha(256|384|512):[0-9a-f]{64,128}", digest) else ""


def short_reference(reference: str) -> str:
    """With as much of the digest as people read."""
    name_of, _, digest = reference.rpartition("@")
    return f"{name_of}@{short_digest(digest)}" if short_digest(digest) else reference


def format_seconds(value: float) -> str:
    """A time as people read it."""
    return f"{value:.1f} s" if value < 90 else f"{int(value // 60)} min {int(value % 60)} s"


def format_size(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def _totals(found: Counts) -> str:
    counts = ", ".join(
        f"{found.of(severity):,} {severity}" for severity in (*RATED_SEVERITIES, "unknown") if found.of(severity)
    )
    return f"{counted(found.total, 'finding')} ({counts})"


# Counts


def _scans(image: ImageResult) -> list[tuple[str, Counts]]:
    """The rows of the table of counts."""
    patch = image.patch
    if patch is not None and patch.after is not None:
        return [("before", patch.before), ("**after**", image.findings or patch.after)]
    found = image.findings
    return [("found", found)] if found is not None else []


def severity_columns(image: ImageResult) -> list[str]:
    """The severities of the table of counts, of which the last is for findings that nobody rated."""
    scans = _scans(image)
    return [*RATED_SEVERITIES, *(["unknown"] if any(found.unknown for _, found in scans) else [])] if scans else []


def _counts(image: ImageResult) -> list[dict[str, Any]]:
    rows = []
    for title, found in _scans(image):
        after = title not in {"before", "found"}
        bold = "**" if after else ""
        rows.append(
            {
                "name": mark_safe(title),
                "numbers": [mark_safe(f"{bold}{found.of(severity):,}{bold}") for severity in severity_columns(image)],
                "note": _note(found, after=after),
            }
        )
    return rows


def _note(found: Counts, *, after: bool) -> str:
    total, fixable = found.total, found.fixable
    if not total:
        return "nothing left" if after else "nothing found"
    if not fixable:
        can = "none has a fix yet" if total > 1 else "it has no fix yet"
    elif fixable == total:
        can = "all have a fix" if total > 1 else "it has a fix"
    else:
        can = f"{fixable:,} {'has' if fixable == 1 else 'have'} a fix"
    return f"{total:,} left, {can}" if after else can


def _change(image: ImageResult, severity: str) -> Markup:
    """`22 → **0**`, or one number when nothing was patched."""
    numbers = [f"{found.of(severity):,}" for _, found in _scans(image)]
    return mark_safe(f"{numbers[0]}&nbsp;→&nbsp;**{numbers[1]}**" if len(numbers) == 2 else "".join(numbers))


_BAR = 40


def _chart(image: ImageResult) -> Markup:
    """Bars of text, one for each severity: what the patch fixed, what has a fix, what has none."""
    found = image.findings
    if found is None or (not image.remaining and not (image.patch and image.patch.fixed)):
        return mark_safe("")
    fixed = _by_severity(image.patch.fixed if image.patch is not None else ())
    fixable = _by_severity(each for each in image.remaining if each.fixable)
    rows = [s for s in (*RATED_SEVERITIES, "unknown") if s != "unknown" or found.of(s) or fixed.get(s)]
    totals = {s: fixed.get(s, 0) + found.of(s) for s in rows}
    most = max(totals.values())
    width = max(len(f"{total:,}") for total in totals.values())
    lines = []
    for severity in rows:
        mended = fixed.get(severity, 0), fixable.get(severity, 0)
        parts = (*mended, max(0, totals[severity] - sum(mended)))
        bar = "".join(sign * _cells(part, most) for sign, part in zip("░▒█", parts, strict=True))
        lines.append(f"{severity.capitalize():<9}{totals[severity]:>{width},}  {bar}".rstrip())
    used = [bool(fixed), bool(fixable), any(found.of(s) - fixable.get(s, 0) > 0 for s in rows)]
    legend = zip(("░ fixed", "▒ has a fix", "█ no fix yet"), used, strict=True)
    return mark_safe("\n".join([*lines, "", "   ".join(text for text, shown in legend if shown)]))


def _cells(part: int, most: int) -> int:
    """At least one for what is there at all; one for each when few."""
    return part if most <= _BAR else max(round(part * _BAR / most), int(part > 0))


def _by_severity(findings: Iterable[FindingEntry]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in findings:
        severity = finding.severity.lower()
        counts[severity] = counts.get(severity, 0) + 1
    return counts


# Sentences


def _system(image: ImageResult) -> str:
    scan = image.last_scan
    if scan is None or not scan.os_end_of_life:
        return ""
    return f"{escape.line(scan.os, 80)} is past its end of life: its distributor mends nothing any more."


def _base(image: ImageResult) -> Markup:
    base = image.base
    if base is None:
        return mark_safe("")
    new, fixed, left = len(base.new), len(base.fixed), base.left
    worst = next((s for s in (*RATED_SEVERITIES, "unknown") if _by_severity(base.new).get(s)), "")
    said = f"**{new:,} new**" + (f" ({_by_severity(base.new)[worst]:,} {worst})" if worst else "")
    return mark_safe(f"Compared with {escape.code(base.name, 100)}: {said}, {fixed:,} fixed, {left:,} unchanged.")


def _signed(image: ImageResult) -> Markup:
    sign = image.sign
    if sign is None:
        return mark_safe("")
    days = sign.certificate.days_left
    until = f"expires in {counted(days, 'day')}" if days >= 0 else f"expired {counted(-days, 'day')} ago"
    verb = "Already signed" if sign.skipped else "Signed"
    soon = "⚠️ " if days < EXPIRY_NOTICE_DAYS else ""
    # Another step's result may tell of the gate; one of an older version tells of none.
    last = image.last_scan
    judged = sign.judged is not False or (last is not None and last.gated is True)
    told = "" if judged else ", not judged by any gate"
    return mark_safe(f"{verb} by {escape.code(sign.certificate.subject)} ({soon}certificate {until}){told}")


def _signature(image: ImageResult) -> Markup:
    """What only few ask for."""
    sign = image.sign
    if sign is None:
        return mark_safe("")
    facts = [escape.markdown(sign.certificate.key, 60), sign.signature_format.upper()]
    facts += ["time-stamped"] * sign.timestamped
    facts += [f"expires {escape.markdown(sign.expires[:10])}"] * bool(sign.expires)
    return mark_safe(f"signature {escape.code(sign.signature_digest)} ({', '.join(facts)})")


def _scanner(image: ImageResult) -> str:
    scan = image.last_scan
    if scan is None:
        return ""
    database = f"vulnerability data of {scan.database[:10]}" if scan.database else ""
    facts = (f"Trivy {scan.scanner_version[:40]}", database, scan.os[:80], scan.platform[:200])
    return " · ".join(fact for fact in facts if fact)


def _verified(image: ImageResult) -> Markup:
    verify = image.verify
    if verify is None:
        return mark_safe("")
    policy = escape.code(verify.policy, 100)
    if image.sign is not None and image.sign.certificate.subject == verify.signer:
        return mark_safe(f"verified by policy {policy}")
    return mark_safe(f"Signature by {escape.code(verify.signer)} is valid and trusted by policy {policy}")


def _evidence(image: ImageResult) -> Markup:
    """What was attached, or that the policy admits it."""
    attach, judgement = image.attach, image.judgement
    if judgement is not None and judgement.admitted:
        return mark_safe("the policy admits it")
    if attach is None:
        return mark_safe("")
    kinds = ", ".join(escape.markdown(document.kind, 40) for document in attach.documents[:10])
    return mark_safe(f"evidence {'there already' if attach.skipped else 'attached'}: {kinds}")


def _admission(image: ImageResult) -> Markup:
    admission = image.admission
    if admission is None:
        return mark_safe("")
    said = ADMISSIONS[admission.verdict]
    if admission.verdict == "denied":
        by = f" by {escape.code(admission.constraint, 100)}" if admission.constraint else ""
        trace = f", trace {escape.code(admission.trace, 60)}" if admission.trace else ""
        said = f"**denied**{by}{trace}"
    return mark_safe(f"admission: {said}")


def _mirrored(image: ImageResult) -> Markup:
    mirror = image.mirror
    if not mirror:
        return mark_safe("")
    source = escape.code(mirror.source)
    if mirror.skipped:
        said = f"everything of {source} was there"
    else:
        parts = [f"{counted(mirror.manifests, 'manifest')} and {counted(mirror.blobs, 'blob')} sent"]
        parts += [f"{counted(mirror.mounted, 'blob')} mounted"] * bool(mirror.mounted)
        parts += [f"{mirror.found:,} found there"] * bool(mirror.found)
        said = f"copied from {source}: {', '.join(parts)} ({format_size(mirror.size)})"
    said += f"; {counted(mirror.referrers, 'referrer')} came along" if mirror.referrers else ""
    if mirror.platforms:
        said += f"; {escape.markdown(', '.join(mirror.platforms), 500)}"
    if mirror.tag:
        said += f"; tag {escape.code(mirror.tag)}"
        said += f", which was {escape.code(short_digest(mirror.replaced))}" if mirror.replaced else ""
    return mark_safe(said)


# Tables


def _tables(image: ImageResult, titles: bool) -> Iterable[Table]:
    refused = image.scan.refused if image.scan is not None and image.patch is None else ()
    closing = {_key(finding) for finding in refused}
    base = image.base
    new = base.new if base is not None else ()
    fresh = {_key(finding) for finding in new}
    # What is new and closes the gate stands in the gate's table, marked.
    quiet = [finding for finding in new if _key(finding) not in closing]
    if refused:
        yield findings_table("What closes the gate", refused, titles=titles, opened=True, new=fresh)
    if base is not None and quiet:
        yield findings_table(f"New since {base.name[:100]}", quiet, titles=titles, opened=True)
    patch = image.patch
    if patch is not None:
        if patch.new:
            yield findings_table("Came with the patch", patch.new, titles=titles, opened=True)
        if patch.fixed:
            yield _fixed(patch)
        if image.remaining:
            yield _left(image.remaining)
    elif image.scan is not None:
        rest = [finding for finding in image.remaining if _key(finding) not in closing | fresh]
        if rest:
            yield findings_table("Other findings" if refused or new else "Findings", rest, titles=titles)
    if image.set_aside:
        rows = [
            f"| {_id(f)} | {f.severity.capitalize()} | {_where(f)} | {escape.markdown(f.reason, 200)} |"
            for f in image.set_aside[:MAX_ROWS]
        ]
        yield Table("Set aside", table_head("Finding", "Severity", "Where", "Reason"), rows, len(image.set_aside))


def _key(finding: FindingEntry) -> tuple[Any, ...]:
    return (finding.kind, finding.id, finding.package, finding.target, finding.line)


def _left(remaining: Sequence[ReasonedFinding]) -> Table:
    rows = [
        f"| {_id(f)} | {f.severity.capitalize()} | {_where(f)} | {escape.markdown(f.reason, 200)} |"
        for f in remaining[:MAX_ROWS]
    ]
    return Table("Left", table_head("Finding", "Severity", "Where", "Why it is left"), rows, len(remaining))


def _fixed(patch: PatchEntry) -> Table:
    upgrades: dict[tuple[str, str], list[FindingEntry]] = {}
    for finding in patch.fixed:
        upgrades.setdefault((finding.package, finding.installed), []).append(finding)
    rows = [
        f"| {escape.code(package)} | {escape.code(installed, 60)} → "
        f"{escape.code(patch.upgraded.get(package, ''), 60) or _fixed_in(found)} | {_ids(found)} |"
        for (package, installed), found in islice(upgrades.items(), MAX_ROWS)
    ]
    packages = counted(len({package for package, _ in upgrades}), "package")
    total = f"{len(patch.fixed):,} in {packages}"
    return Table("Fixed", table_head("Package", "From → to", "Findings"), rows, len(upgrades), total=total)


def _fixed_in(found: Sequence[FindingEntry]) -> str:
    """The versions that brought the fixes, where the one installed now is not known."""
    versions = list(dict.fromkeys(finding.fixed_version for finding in found))
    more = len(versions) - MAX_IDS
    return ", ".join(escape.code(one, 60) for one in versions[:MAX_IDS]) + (f" and {more:,} more" if more > 0 else "")


def findings_table(
    title: str, of: Sequence[FindingEntry], *, titles: bool, opened: bool = False, new: Container[tuple[Any, ...]] = ()
) -> Table:
    """A table of findings, a row each; those whose key is in `new` are marked."""
    rows = [
        f"| {finding.severity.capitalize()} | {_id(finding)}{' **new**' if _key(finding) in new else ''} | "
        f"{_where(finding)} | {_fix(finding)} |" + (f" {escape.markdown(finding.title, 120)} |" if titles else "")
        for finding in of[:MAX_ROWS]
    ]
    columns = ["Severity", "Finding", "Where", "Fix", *(["What it is"] if titles else [])]
    return Table(title, table_head(*columns), rows, len(of), opened=opened and len(of) <= 20)


def _id(finding: FindingEntry) -> str:
    return escape.markdown_link(finding.id, finding.url)


def _ids(found: Sequence[FindingEntry]) -> str:
    more = len(found) - MAX_IDS
    return ", ".join(_id(finding) for finding in found[:MAX_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _where(finding: FindingEntry) -> str:
    if finding.package:
        return f"{escape.code(finding.package)} {escape.markdown(finding.installed, 60)}".rstrip()
    line = f":{finding.line}" if finding.line else ""
    return escape.code(f"{finding.target}{line}")


def _fix(finding: FindingEntry) -> str:
    if finding.kind is FindingKind.VULNERABILITY:
        fixed = escape.code(finding.fixed_version, 60)
        status = finding.status.replace("_", " ")
        return fixed or escape.markdown(status if status not in {"", "affected"} else "none yet", 40)
    return escape.markdown(finding.remedy, 80)


# The chain


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def _flow(image: ImageResult) -> Markup:
    """A Mermaid flowchart of the steps taken, when there was more than one; figures and digests only."""
    steps: list[tuple[str, list[str], float | None]] = []
    scan, patch, rescan, sign, verify = image.scan, image.patch, image.rescan, image.sign, image.verify
    if scan is not None:
        steps.append(("scan", _label(scan), scan.seconds))
    if patch is not None:
        said = f"{len(patch.fixed):,} fixed" if patch.patched else "nothing to patch"
        steps.append(("patch", [said, short_digest(patch.reference.rpartition("@")[2])], patch.seconds))
    if rescan is not None:
        steps.append(("rescan", _label(rescan), rescan.seconds))
    if sign is not None:
        said = "already signed" if sign.skipped else "signed"
        steps.append(("sign", [said, short_digest(sign.signature_digest)], sign.seconds))
    if verify is not None:
        steps.append(("verify", ["valid", short_digest(verify.signature_digest)], verify.seconds))
    if image.admission is not None:
        steps.append(("admit", [ADMISSIONS[image.admission.verdict], short_digest(image.digest)], None))
    if len(steps) < 2:
        return mark_safe("")
    lines = ["flowchart LR"]
    for number, (title, said_of_it, took) in enumerate(steps):
        time = [format_seconds(took)] if took is not None else []
        label = "<br/>".join([f"<b>{title}</b>", *(text for text in said_of_it if text), *time])
        lines.append(f'  s{number}["{label}"]')
    if image.error is not None:
        lines.append(f'  s{len(steps)}["<b>stopped</b>"]:::stopped')
    last = len(steps) + (image.error is not None)
    lines.append(f"  {' --> '.join(f's{number}' for number in range(last))}")
    if image.error is not None:
        lines.append("  classDef stopped stroke:#cf222e,stroke-width:2px")
    return mark_safe("\n".join(lines))


def _label(scan: ScanEntry) -> list[str]:
    found = scan.findings
    said = f"{found.total:,} found, {found.fixable:,} fixable" if found.total else "nothing found"
    return [said, short_digest(scan.reference.rpartition("@")[2])]


def _commands(image: ImageResult) -> list[Markup]:
    """What a reader can run to see for themselves; only for references of plain characters."""
    reference = image.reference
    if "@sha256:" not in reference or len(reference) > 600 or not _PLAIN.fullmatch(reference):
        return []
    commands = []
    if image.sign is not None or image.verify is not None:
        # Whom to trust is for the reader to say: nothing written here may stand in for it.
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
