"""The view of one image in summary and comment, from its part of a `result.json` (`report.document`).

A document may come from a fork: its content is untrusted, and only its types may be relied on. Text that is marked safe
was escaped here; all other text is escaped by the templates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from markupsafe import Markup
from msgspec import UNSET

from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.text import counted, join_words
from s3c_actions.findings.base_image import describe_origin
from s3c_actions.findings.entry import FindingEntry, ReasonedFinding
from s3c_actions.findings.headline import (
    NO_GATE,
    describe_exploited,
    describe_findings,
    describe_hidden,
    describe_limits,
    format_count,
    worst_of,
)
from s3c_actions.findings.identity import COLLECTIVE_TARGETS
from s3c_actions.findings.model import FindingKind, Severity
from s3c_actions.findings.scope import Scope, SettingsFile
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.report.base_advice import better_options, describe_gain
from s3c_actions.report.document import (
    Counts,
    ErrorEntry,
    ImageResult,
    JudgementEntry,
    PatchEntry,
    ProposedEntry,
    ResultDocument,
    ScanEntry,
    SignEntry,
)
from s3c_actions.report.formats.sentences import LIKELY, format_share
from s3c_actions.report.github import comparison_view
from s3c_actions.report.github.smoke_view import describe_smoke
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import MAX_ROWS, Table, mark_safe, table_head
from s3c_actions.signing.timestamps import SHORT_LIFE

MAX_IDS = 8
MAX_WARNINGS = 10
MAX_FILES = 12
EXPIRY_NOTICE_DAYS = 30
"""Days before the expiry of a certificate from which a warning is shown."""
RATED_SEVERITIES = ("critical", "high", "medium", "low")
ADMISSIONS = {"admitted": "admitted", "denied": "denied", "unknown": "not asked"}


def view(image: ImageResult, *, titles: bool = True) -> dict[str, Any]:
    """Return the values of one image for the templates.

    Args:
        image: of a document's `images`.
        titles: whether to show the titles of findings; without them rows are half as long.
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
        "mark": mark(image),
        "gate": "" if _judged(image) else f"{NO_GATE}.",
        "verdict": image_verdict(image),
        "error": error_view(image.error) if image.error is not None else None,
        "counts": counts,
        "severities": severity_columns(image),
        "changes": [_change(image, severity) for severity in (*RATED_SEVERITIES, "unknown")],
        "digest": mark_safe(escape.code(brief_digest(image.digest))),
        "system": _system(image),
        "smoke": describe_smoke(image.smoke) if image.smoke else (),
        "base": _base(image),
        "difference": _difference(image),
        "origin": _origin(image),
        "advice": _advice(image),
        "new": len(image.base.new) if image.base is not None else None,
        "signed": _signed_sentence(image),
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
    """Return a sentence about the files that influenced the decision, with short hashes; empty when there are none."""
    files = [
        (setting.kind, setting.path, setting.sha256) for document in documents for setting in document.settings or ()
    ]
    shown = []
    for kind, path, digest in list(dict.fromkeys(files))[:MAX_FILES]:
        hash_note = f" (sha256 {escape.markdown(digest[:12], 12)})" if digest else ""
        shown.append(f"{escape.markdown(kind, 40)} {escape.code(path, 200)}{hash_note}")
    more = len(set(files)) - len(shown)
    left = f" and {more:,} more" if more > 0 else ""
    return mark_safe(f"Decided with {', '.join(shown)}{left}." if shown else "")


def describe_gate_changes(documents: Sequence[ResultDocument]) -> list[Markup]:
    """Return a sentence on each file of the gate that a pull request changes, and on the verdict with its own files."""
    changes = [
        (change.kind, change.path, change.target_sha256, change.head_sha256, change.used, change.accepted_by)
        for document in documents
        for change in document.gate_changes or ()
    ]
    sentences = []
    for kind, path, target, head, used, accepted_by in list(dict.fromkeys(changes))[:MAX_FILES]:
        file = f"{escape.code(path, 200)} ({escape.markdown(kind, 40)})"
        if accepted_by:
            effective = (
                f"this pull request's {_short_hash(head)}, accepted by {escape.code(accepted_by, 100)} with the label"
            )
        elif used == "head":
            effective = f"this pull request's {_short_hash(head)}: the target branch has none"
        else:
            effective = f"the target branch's {_short_hash(target)}, not this pull request's {_short_hash(head)}"
        sentences.append(mark_safe(f"{file} differs from the target branch's. What decides is {effective}."))
    for image in (image for document in documents for image in document.images):
        scan = image.last_scan
        if scan is not None and scan.proposed:
            sentences.append(_describe_proposed(image, scan, scan.proposed))
    return sentences


def _short_hash(digest: str) -> str:
    return f"(sha256 {escape.markdown(digest[:12], 12)})" if digest else "(not there)"


def _describe_proposed(image: ImageResult, scan: ScanEntry, proposed: ProposedEntry) -> Markup:
    """Describe the decision of a gate, and its decision with the pull request's own files."""
    decision = "does not pass" if scan.closed else "passes"
    outcomes = {
        "passed": "would pass",
        "refused": f"would not pass: {escape.markdown(proposed.reason, 300)}",
        "failed": f"cannot be judged: {escape.markdown(proposed.reason, 300)}",
    }
    proposed_outcome = outcomes[proposed.verdict].rstrip(".")
    return mark_safe(
        f"{escape.code(short_name(image.image), 100)} {decision} "
        "with the target branch's files; with this pull request's "
        f"own it {proposed_outcome}."
    )


def order_by_urgency(images: Iterable[ImageResult]) -> list[ImageResult]:
    """Return the images that failed first, then those that were refused, each in the given order."""
    return sorted(images, key=lambda image: ("failed", "refused", "passed").index(image.verdict))


def overview_severities(images: Sequence[ImageResult]) -> list[str]:
    """Return the severities of the table of several images; the last is for unrated findings, if any image has some."""
    unrated = any(counts.unknown for image in images for _, counts in _count_rows(image))
    return [*RATED_SEVERITIES, *(["unknown"] if unrated else [])]


def overview_titles(images: Sequence[ImageResult]) -> list[str]:
    """Return the titles of these columns, which say what an arrow is when some image was patched."""
    note = "<br/><sub>before&nbsp;→&nbsp;after</sub>" if any(len(_count_rows(image)) > 1 for image in images) else ""
    return [mark_safe(f"{severity.capitalize()}{note}") for severity in overview_severities(images)]


def short_name(reference: str) -> str:
    """Return an image's short name: the last part, without tag and digest."""
    return reference.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or reference


def distinct_names(images: Sequence[ImageResult]) -> list[str]:
    """Return the short names of images, in full where two short names are equal."""
    names = [short_name(image.image) for image in images]
    return [name if names.count(name) == 1 else image.image for name, image in zip(names, images, strict=True)]


def error_view(error: ErrorEntry) -> dict[str, str]:
    """Return the values of an error for the templates; `details` are the lines under what happened."""
    return {
        "what": error.what,
        "image": mark_safe(escape.code(error.image)) if error.image else "",
        "details": _error_details(error),
    }


def render_error(command: str, error: ErrorEntry) -> Markup:
    """Render the error that ended a command, without a template: wrong input does not wait for their library."""
    heading = f"### {REFUSED} s3c {escape.markdown(command, 2000)} · {escape.markdown(error.what, 2000)}\n\n"
    image = f"{escape.code(error.image)}\n\n" if error.image else ""
    return mark_safe(f"{heading}{image}{_error_details(error)}")


def _error_details(error: ErrorEntry) -> Markup:
    remedy, cause = render_prose(error.remedy), render_prose(error.cause)
    lines = [f"**What to do:** {remedy}", ""] if remedy else []
    lines += [f"> {cause}"] if cause else []
    if error.original:
        lines += [">"] if cause else []
        lines.append(f"> <sub>{escape.markdown(error.original[:2000], 2000)}</sub>")
    return mark_safe("".join(f"{line}\n" for line in lines))


def render_prose(text: str, limit: int = 2000) -> Markup:
    """Render sentences with the text between backticks as code, so that a command can be copied unchanged."""
    parts = escape.line(text, limit).split("`")
    if len(parts) % 2 == 0:
        return mark_safe(escape.markdown(text, limit))
    return mark_safe(
        "".join(
            escape.code(part, limit) if index % 2 else escape.markdown(part, limit) for index, part in enumerate(parts)
        )
    )


PASSED, REFUSED, LET_PASS = "✅", "❌", "⚠️"
NEUTRAL = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.UNKNOWN: "⚪",
}
"""Of an image that no gate judged: the colour of its worst findings."""


def mark(image: ImageResult) -> str:
    """Return the mark of an image: green only when a gate judged all of its findings, or when it was not scanned."""
    if image.error is not None:
        return REFUSED
    if not _judged(image) or (image.findings is not None and not image.findings.tally.counted):
        return NEUTRAL[_worst(image) or Severity.UNKNOWN]
    scan = image.last_scan
    return LET_PASS if scan is not None and scan.closed else PASSED


def overall_mark(images: Sequence[ImageResult], *, failed: bool = False) -> str:
    """Return the mark of several images.

    Args:
        images: of one or several documents.
        failed: whether a command ended with an error of no single image.
    """
    marks = {mark(image) for image in images}
    if failed or REFUSED in marks:
        return REFUSED
    if LET_PASS in marks:
        return LET_PASS
    if marks <= {PASSED}:
        return PASSED
    neutral = (image for image in images if mark(image) in NEUTRAL.values())
    return NEUTRAL[worst_of([_worst(image) for image in neutral]) or Severity.UNKNOWN]


def _judged(image: ImageResult) -> bool:
    """Return whether a gate judged the image, or nothing was scanned that one could judge.

    A result of a version without `gated` counts as judged.
    """
    scan = image.last_scan
    admitted = image.admission is not None and image.admission.verdict == "admitted"
    policy = image.judgement is not None and image.judgement.admitted
    return scan is None or scan.gated is not False or admitted or policy


def _worst(image: ImageResult) -> Severity | None:
    return image.findings.tally.worst if image.findings is not None else None


def image_verdict(image: ImageResult) -> str:
    """Return the outcome of an image in a few words without a full stop."""
    if image.error is not None:
        return image.error.what.rstrip(".")
    outcomes = []
    if image.patch is not None:
        outcomes.append("patched" if image.patch.patched else "nothing to patch")
    if image.sign is not None:
        outcomes.append("signed" if image.verify is None else "signed and verified")
    elif image.verify is not None:
        outcomes.append("verified")
    if image.judgement is not None and image.judgement.admitted:
        outcomes.append("admitted by the policy")
    if image.admission is not None and image.admission.verdict != "unknown":
        outcomes.append(ADMISSIONS[image.admission.verdict])
    if image.smoke and image.patch is None:
        outcomes.append(image.smoke.verdict)
    if image.mirror:
        outcomes.append("already mirrored" if image.mirror.skipped else "mirrored")
    counts = image.findings
    limits = describe_limits(_scope(image))
    if counts is not None and not outcomes:
        scan = image.last_scan
        unchecked = scan is not None and bool(scan.blind or scan.overridden) and not counts.total
        return "; ".join(
            part for part in ("not checked" if unchecked else describe_findings(counts.tally), limits) if part
        )
    if counts is not None and (attacks := describe_exploited(counts.tally)):
        outcomes.append(attacks)
    if counts is not None and counts.fixable:
        outcomes.append(f"{counts.fixable:,} fixable left")
    if counts is not None and (note := describe_hidden(counts.tally)):
        outcomes.append(note)
    return ", ".join([*outcomes, *([limits] if limits else [])]) or "done"


def _scope(image: ImageResult) -> Scope | None:
    """Return how much the last scan covered; None where it is not known."""
    scope = image.last_scan.scope if image.last_scan is not None else None
    if not scope:
        return None
    return Scope(
        scanners=scope.scanners,
        pkg_types=scope.pkg_types,
        platforms=scope.platforms,
        skip_dirs=scope.skip_dirs,
        skip_files=scope.skip_files,
        files=tuple(SettingsFile(kind=file.kind, path=file.path, sha256=file.sha256) for file in scope.files),
        stated=scope.stated,
    )


def overall_verdict(images: Sequence[ImageResult]) -> str:
    """Return the outcome of several images."""
    total = len(images)
    names = list(zip(distinct_names(images), images, strict=True))
    clauses = []
    for verdict in ("failed", "refused"):
        named = [name for name, image in names if image.verdict == verdict]
        if named:
            clauses.append(f"{len(named)} of {total} images {verdict} ({enumerate_names(named)})")
    if clauses:
        return ", ".join(clauses)
    verdicts = {image_verdict(image) for image in images}
    if len(verdicts) == 1:
        return f"{total} images: {verdicts.pop()}"
    return f"{total} images passed" if all(map(_judged, images)) else f"{total} images, not judged by any gate"


def image_warnings(image: ImageResult) -> list[str]:
    """Return the warnings about what a person should know or change, without duplicates."""
    scans = [scan for scan in (image.scan, image.rescan) if scan is not None]
    texts = [text for scan in scans for text in (*scan.warnings, scan.blind) if text]
    distinct = list(dict.fromkeys(texts))
    more = len(distinct) - MAX_WARNINGS
    return distinct[:MAX_WARNINGS] + ([f"and {more:,} more warnings: they are in the log"] if more > 0 else [])


def brief_digest(digest: str) -> str:
    """Return a short digest, `sha256:33955bb0…`; empty when the text is no digest."""
    return f"{digest[:15]}…" if re.fullmatch(r"sha(256|384|512):[0-9a-f]{64,128}", digest) else ""


def short_reference(reference: str) -> str:
    """Return a reference with a short digest."""
    name_of, _, digest = reference.rpartition("@")
    return f"{name_of}@{brief_digest(digest)}" if brief_digest(digest) else reference


def format_seconds(value: float) -> str:
    """Format a duration for people."""
    return f"{value:.1f} s" if value < 90 else f"{int(value // 60)} min {int(value % 60)} s"


def format_size(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


# Counts


def _count_rows(image: ImageResult) -> list[tuple[str, Counts]]:
    """Return the rows of the table of counts: title and counts."""
    patch = image.patch
    if patch is not None and patch.after is not None:
        return [("before", patch.before), ("**after**", image.findings or patch.after)]
    counts = image.findings
    return [("found", counts)] if counts is not None else []


def severity_columns(image: ImageResult) -> list[str]:
    """Return the severities of the table of counts; the last is for unrated findings, if there are any."""
    scans = _count_rows(image)
    unrated = any(counts.unknown or counts.tally.hidden.filtered.get(Severity.UNKNOWN) for _, counts in scans)
    return [*RATED_SEVERITIES, *(["unknown"] if unrated else [])] if scans else []


def _counts(image: ImageResult) -> list[dict[str, Any]]:
    rows = []
    for title, counts in _count_rows(image):
        after = title not in {"before", "found"}
        bold = "**" if after else ""
        rows.append(
            {
                "name": mark_safe(title),
                "numbers": [
                    mark_safe(f"{bold}{format_count(counts.of(severity))}{bold}")
                    for severity in severity_columns(image)
                ],
                "note": _note(counts, after=after),
            }
        )
    return rows


def _note(counts: Counts, *, after: bool) -> Markup:
    exploited = describe_exploited(counts.tally)
    text = _numbers_note(counts, after=after)
    return mark_safe("; ".join(part for part in (text, exploited and f"**{exploited}**") if part))


def _numbers_note(counts: Counts, *, after: bool) -> str:
    total, fixable = counts.total, counts.fixable
    hidden = describe_hidden(counts.tally)
    if total is None:
        return hidden
    if not total:
        return "nothing left" if after else "nothing found"
    if not fixable:
        fixes = "none has a fix yet" if total > 1 else "it has no fix yet"
    elif fixable == total:
        fixes = "all have a fix" if total > 1 else "it has a fix"
    else:
        fixes = f"{fixable:,} {'has' if fixable == 1 else 'have'} a fix"
    note = f"{total:,} left, {fixes}" if after else fixes
    return f"{note}; {hidden}" if hidden else note


def _change(image: ImageResult, severity: str) -> Markup:
    """Return `22 → **0**`, or a single number when nothing was patched."""
    numbers = [format_count(counts.of(severity)) for _, counts in _count_rows(image)]
    return mark_safe(f"{numbers[0]}&nbsp;→&nbsp;**{numbers[1]}**" if len(numbers) == 2 else "".join(numbers))


_BAR_LENGTH = 40


def _chart(image: ImageResult) -> Markup:
    """Render a bar of text for each severity: fixed by the patch, with a fix, without a fix."""
    counts = image.findings
    if counts is None or (not image.remaining and not (image.patch and image.patch.fixed)):
        return mark_safe("")
    fixed = _count_by_severity(image.patch.fixed if image.patch is not None else ())
    fixable = _count_by_severity(finding for finding in image.remaining if finding.fixable)
    rows = [
        severity
        for severity in (*RATED_SEVERITIES, "unknown")
        if severity != "unknown" or counts.of(severity) or fixed.get(severity)
    ]
    totals = {severity: fixed.get(severity, 0) + (counts.of(severity) or 0) for severity in rows}
    numbers = {
        severity: format_count(total if counts.of(severity) is not None else None) for severity, total in totals.items()
    }
    highest = max(totals.values())
    width = max(map(len, numbers.values()))
    lines = []
    for severity in rows:
        solved = fixed.get(severity, 0), fixable.get(severity, 0)
        parts = (*solved, max(0, totals[severity] - sum(solved)))
        bar = "".join(symbol * _bar_length(part, highest) for symbol, part in zip("░▒█", parts, strict=True))
        lines.append(f"{severity.capitalize():<9}{numbers[severity]:>{width}}  {bar}".rstrip())
    shown_parts = [
        bool(fixed),
        bool(fixable),
        any((counts.of(severity) or 0) - fixable.get(severity, 0) > 0 for severity in rows),
    ]
    legend = zip(("░ fixed", "▒ has a fix", "█ no fix yet"), shown_parts, strict=True)
    return mark_safe("\n".join([*lines, "", "   ".join(text for text, shown in legend if shown)]))


def _bar_length(part: int, highest: int) -> int:
    """Return the length of a part of a bar: at least 1 for a count above 0; the count itself when counts are low."""
    return part if highest <= _BAR_LENGTH else max(round(part * _BAR_LENGTH / highest), int(part > 0))


def _count_by_severity(findings: Iterable[FindingEntry]) -> dict[str, int]:
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
    return f"{escape.line(scan.os, 80)} is past its end of life: its distributor no longer publishes fixes."


def _base(image: ImageResult) -> Markup:
    base = image.base
    if base is None:
        return mark_safe("")
    new, fixed, left = len(base.new), len(base.fixed), base.left
    worst = next(
        (severity for severity in (*RATED_SEVERITIES, "unknown") if _count_by_severity(base.new).get(severity)), ""
    )
    new_text = f"**{new:,} new**" + (f" ({_count_by_severity(base.new)[worst]:,} {worst})" if worst else "")
    return mark_safe(f"Compared with {escape.code(base.name, 100)}: {new_text}, {fixed:,} fixed, {left:,} unchanged.")


def _origin(image: ImageResult) -> Markup:
    """Return whose the findings are: the image's own, or its base's; empty where the base is not known."""
    base = image.base_image
    if base is UNSET:
        return mark_safe("")
    own, inherited = describe_origin(
        {Severity[name]: number for name, number in base.own.items()},
        {Severity[name]: number for name, number in base.inherited.items()},
    )
    return mark_safe(f"Of these, **{own}** and {inherited}, {escape.code(base.name, 200)}.")


def _advice(image: ImageResult) -> Markup:
    """Return which tags of the base have fewer findings; empty where that was not looked at."""
    advice = image.base_advice
    if advice is UNSET:
        return mark_safe("")
    better = [
        f"{escape.code(option.tag, 128)} ({option.change}) {describe_gain(option)}" for option in better_options(advice)
    ]
    name = escape.code(advice.repository, 200)
    return mark_safe(f"Of {name}, {join_words(better)}." if better else f"No tag of {name} has fewer findings.")


def _signed_sentence(image: ImageResult) -> Markup:
    sign = image.sign
    if sign is None:
        return mark_safe("")
    days = sign.certificate.days_left
    until = f"expires in {counted(days, 'day')}" if days >= 0 else f"expired {counted(-days, 'day')} ago"
    verb = "Already signed" if sign.skipped else "Signed"
    warning = "⚠️ " if days < EXPIRY_NOTICE_DAYS and not _outlived(sign) else ""
    # The result of another step may say whether a gate judged it; results of older versions do not.
    last = image.last_scan
    judged = sign.judged is not False or (last is not None and last.gated is True)
    note = "" if judged else ", not judged by any gate"
    return mark_safe(f"{verb} by {escape.code(sign.certificate.subject)} ({warning}certificate {until}){note}")


def _outlived(sign: SignEntry) -> bool:
    """Return whether the signature's end is no news: a signing service's certificate of a few days, time-stamped."""
    try:
        life = datetime.fromisoformat(sign.certificate.not_after) - datetime.fromisoformat(sign.certificate.not_before)
    except (ValueError, TypeError):  # a document of another version, or not ours
        return False
    return sign.timestamped and life <= SHORT_LIFE


def _signature(image: ImageResult) -> Markup:
    """Return the details of the signature, which few readers need."""
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
    """Describe the attached evidence, or that the policy admits the image."""
    attach, judgement = image.attach, image.judgement
    if judgement is not None and judgement.admitted:
        return mark_safe(f"the policy admits it{_exceptions(judgement)}")
    if attach is None:
        return mark_safe("")
    kinds = ", ".join(escape.markdown(document.kind, 40) for document in attach.documents[:10])
    return mark_safe(f"evidence {'there already' if attach.skipped else 'attached'}: {kinds}")


def _exceptions(judgement: JudgementEntry) -> str:
    """Describe the break-glass exceptions that count, with their ends."""
    exceptions = () if judgement.exceptions is UNSET else judgement.exceptions
    granted = [
        f"{escape.markdown(', '.join(exception.findings[:5]), 200)} until {escape.markdown(exception.until, 40)} "
        f"by {escape.markdown(exception.who, 100)}: {escape.markdown(exception.why, 300)}"
        for exception in exceptions[:5]
        if not exception.ignored
    ]
    return f" with break-glass exceptions: {'; '.join(granted)}" if granted else ""


def _admission(image: ImageResult) -> Markup:
    admission = image.admission
    if admission is None:
        return mark_safe("")
    answer = ADMISSIONS[admission.verdict]
    if admission.verdict == "denied":
        by = f" by {escape.code(admission.constraint, 100)}" if admission.constraint else ""
        trace = f", trace {escape.code(admission.trace, 60)}" if admission.trace else ""
        answer = f"**denied**{by}{trace}"
    return mark_safe(f"admission: {answer}")


def _mirrored(image: ImageResult) -> Markup:
    mirror = image.mirror
    if not mirror:
        return mark_safe("")
    source = escape.code(mirror.source)
    if mirror.skipped:
        sentence = f"everything of {source} was there"
    else:
        parts = [f"{counted(mirror.manifests, 'manifest')} and {counted(mirror.blobs, 'blob')} sent"]
        parts += [f"{counted(mirror.mounted, 'blob')} mounted"] * bool(mirror.mounted)
        parts += [f"{mirror.existing:,} found there"] * bool(mirror.existing)
        sentence = f"copied from {source}: {', '.join(parts)} ({format_size(mirror.size)})"
    sentence += f"; {counted(mirror.referrers, 'referrer')} came along" if mirror.referrers else ""
    if mirror.platforms:
        sentence += f"; {escape.markdown(', '.join(mirror.platforms), 500)}"
    if mirror.tag:
        sentence += f"; tag {escape.code(mirror.tag)}"
        sentence += f", which was {escape.code(brief_digest(mirror.replaced))}" if mirror.replaced else ""
    return mark_safe(sentence)


def _difference(image: ImageResult) -> list[Markup]:
    """Return what changed between the original and the patched image, a sentence for each platform."""
    changes = image.patch.changes if image.patch is not None else None
    if not changes:
        return []
    sign = "🔎" if comparison_view.is_clean(changes) else "⚠️"
    return [
        mark_safe(f"{sign} Compared with the original: {line[:1].lower()}{line[1:]}")
        for line in comparison_view.sentences(changes)
    ]


# Tables


def _tables(image: ImageResult, titles: bool) -> Iterable[Table]:
    refused = image.scan.refused if image.scan is not None and image.patch is None else ()
    base = image.base
    new = base.new if base is not None else ()
    new_keys = {_finding_key(finding) for finding in new}
    # New findings that close the gate are in the gate's table, marked.
    open_findings = _without(new, refused)
    if refused:
        yield findings_table("What closes the gate", refused, titles=titles, opened=True, new=new_keys)
    if base is not None and open_findings:
        yield findings_table(f"New since {base.name[:100]}", open_findings, titles=titles, opened=True)
    patch = image.patch
    if patch is not None:
        if patch.new:
            yield findings_table("Came with the patch", patch.new, titles=titles, opened=True)
        if patch.fixed:
            yield _fixed_table(patch)
        if patch.changes:
            yield from comparison_view.tables(patch.changes)
        if image.remaining:
            yield _left_table(image.remaining)
    elif image.scan is not None:
        others = _without(image.remaining, [*refused, *open_findings])
        if others:
            yield findings_table("Other findings" if refused or new else "Findings", others, titles=titles)
    if image.set_aside:
        rows = [
            f"| {_id_link(finding)}{_exploitation(finding)} | {finding.severity.capitalize()} | {_where(finding)} "
            f"| {escape.markdown(finding.reason, 200)} |"
            for finding in image.set_aside[:MAX_ROWS]
        ]
        yield Table("Set aside", table_head("Finding", "Severity", "Where", "Reason"), rows, len(image.set_aside))


def _finding_key(finding: FindingEntry) -> tuple[Any, ...]:
    return (finding.kind, finding.id, finding.package, finding.installed, finding.place, finding.line, finding.detail)


def _without(findings: Sequence[FindingEntry], others: Iterable[FindingEntry]) -> list[FindingEntry]:
    """Return the findings without as many of each as there are among the others."""
    shown = Counter(map(_finding_key, others))
    left = []
    for finding in findings:
        key = _finding_key(finding)
        if shown[key]:
            shown[key] -= 1
        else:
            left.append(finding)
    return left


def _left_table(remaining: Sequence[ReasonedFinding]) -> Table:
    rows = [
        f"| {_id_link(finding)}{_exploitation(finding)} | {finding.severity.capitalize()} | {_where(finding)} "
        f"| {escape.markdown(finding.reason, 200)} |"
        for finding in remaining[:MAX_ROWS]
    ]
    return Table("Left", table_head("Finding", "Severity", "Where", "Why it is left"), rows, len(remaining))


def _fixed_table(patch: PatchEntry) -> Table:
    upgrades: dict[tuple[str, str, str], list[FindingEntry]] = {}
    for finding in patch.fixed:
        upgrades.setdefault((finding.package, finding.installed, _package_file(finding)), []).append(finding)
    rows = [
        f"| {escape.code(package)}{_in_file(file)} | {escape.code(installed, 60)} → "
        f"{escape.code(patch.upgraded.get(package, ''), 60) or _fixed_in(findings)} | {_id_links(findings)} |"
        for (package, installed, file), findings in islice(upgrades.items(), MAX_ROWS)
    ]
    packages = counted(len({package for package, *_ in upgrades}), "package")
    total = f"{len(patch.fixed):,} in {packages}"
    return Table("Fixed", table_head("Package", "From → to", "Findings"), rows, len(upgrades), total=total)


def _fixed_in(findings: Sequence[FindingEntry]) -> str:
    """Return the versions with the fixes, for when the version installed now is not known."""
    versions = list(dict.fromkeys(finding.fixed_version for finding in findings))
    more = len(versions) - MAX_IDS
    return ", ".join(escape.code(version, 60) for version in versions[:MAX_IDS]) + (
        f" and {more:,} more" if more > 0 else ""
    )


def findings_table(
    title: str, of: Sequence[FindingEntry], *, titles: bool, opened: bool = False, new: Container[tuple[Any, ...]] = ()
) -> Table:
    """Return a table of findings, a row each; findings whose key is in `new` are marked."""
    rows = [
        f"| {finding.severity.capitalize()} "
        f"| {_id_link(finding)}{' **new**' if _finding_key(finding) in new else ''}{_exploitation(finding)} | "
        f"{_where(finding)} | {_fix(finding)} |" + (f" {escape.markdown(finding.title, 120)} |" if titles else "")
        for finding in of[:MAX_ROWS]
    ]
    columns = ["Severity", "Finding", "Where", "Fix", *(["What it is"] if titles else [])]
    return Table(title, table_head(*columns), rows, len(of), opened=opened and len(of) <= 20)


def _exploitation(finding: FindingEntry) -> str:
    """Return what is known of attacks, for the cell of the id; empty when it is neither exploited nor likely to be."""
    if finding.exploited_since is not UNSET:
        due = f", due {escape.markdown(finding.exploited_due, 10)}" if finding.exploited_due is not UNSET else ""
        ransomware = ", ransomware" if finding.ransomware is not UNSET else ""
        return f"<br/>**exploited** ({escape.markdown(finding.exploited_since, 10)}{due}{ransomware})"
    likely = finding.epss is not UNSET and finding.epss >= LIKELY
    return f"<br/>EPSS {format_share(finding.epss)}" if likely and finding.epss is not UNSET else ""


def _id_link(finding: FindingEntry) -> str:
    return escape.markdown_link(finding.id, finding.url)


def _id_links(findings: Sequence[FindingEntry]) -> str:
    more = len(findings) - MAX_IDS
    return ", ".join(_id_link(finding) for finding in findings[:MAX_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _where(finding: FindingEntry) -> str:
    if finding.package:
        package = f"{escape.code(finding.package)} {escape.markdown(finding.installed, 60)}".rstrip()
        return package + _in_file(_package_file(finding))
    line = f":{finding.line}" if finding.line else ""
    return escape.code(f"{_path_end(finding.place)}{line}")


def _package_file(finding: FindingEntry) -> str:
    """Return the file of a package; empty where the distribution or all of the image has it."""
    return "" if finding.class_ == "os-pkgs" or finding.place in COLLECTIVE_TARGETS else finding.place


def _in_file(path: str) -> str:
    return f" in {escape.code(_path_end(path))}" if path else ""


def _path_end(path: str, most: int = 100) -> str:
    """Return a path that a table has room for: its end, which has the file's name."""
    return path if len(path) <= most else f"…{path[1 - most :]}"


def _fix(finding: FindingEntry) -> str:
    if finding.kind is FindingKind.VULNERABILITY:
        fixed = escape.code(finding.fixed_version, 60)
        status = finding.status.replace("_", " ")
        return fixed or escape.markdown(status if status not in {"", "affected"} else "none yet", 40)
    return escape.markdown(finding.remedy, 80)


# The chain


_PLAIN_REFERENCE = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def _flow(image: ImageResult) -> Markup:
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


def _commands(image: ImageResult) -> list[Markup]:
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
