"""Sentences and clauses on one image: its base, its signature, what was attached, admitted, mirrored."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup
from msgspec import UNSET

from s3c_actions.core.text import counted, join_words
from s3c_actions.findings.base_image import describe_origin
from s3c_actions.findings.model import Severity
from s3c_actions.report.base_advice import better_options, describe_gain
from s3c_actions.report.document import ImageResult, JudgementEntry, SignEntry
from s3c_actions.report.github import comparison_view
from s3c_actions.report.github.counts_view import RATED_SEVERITIES, count_by_severity
from s3c_actions.report.github.verdicts import ADMISSIONS
from s3c_actions.report.github.wording import brief_digest, format_size
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe
from s3c_actions.signing.timestamps import SHORT_LIFE

MAX_WARNINGS = 10
EXPIRY_NOTICE_DAYS = 30
"""Days before the expiry of a certificate from which a warning is shown."""


def image_warnings(image: ImageResult) -> list[str]:
    """Return the warnings about what a person should know or change, without duplicates."""
    scans = [scan for scan in (image.scan, image.rescan) if scan is not None]
    texts = [text for scan in scans for text in (*scan.warnings, scan.blind) if text]
    distinct = list(dict.fromkeys(texts))
    more = len(distinct) - MAX_WARNINGS
    return distinct[:MAX_WARNINGS] + ([f"and {more:,} more warnings: they are in the log"] if more > 0 else [])


def system_sentence(image: ImageResult) -> str:
    """Return a sentence on an operating system past its end of life; empty for any other."""
    scan = image.last_scan
    if scan is None or not scan.os_end_of_life:
        return ""
    return f"{escape.line(scan.os, 80)} is past its end of life: its distributor no longer publishes fixes."


def base_sentence(image: ImageResult) -> Markup:
    """Return how the findings compare with those of the baseline; empty without one."""
    base = image.base
    if base is None:
        return mark_safe("")
    new, fixed, left = len(base.new), len(base.fixed), base.left
    worst = next(
        (severity for severity in (*RATED_SEVERITIES, "unknown") if count_by_severity(base.new).get(severity)), ""
    )
    new_text = f"**{new:,} new**" + (f" ({count_by_severity(base.new)[worst]:,} {worst})" if worst else "")
    return mark_safe(f"Compared with {escape.code(base.name, 100)}: {new_text}, {fixed:,} fixed, {left:,} unchanged.")


def origin_sentence(image: ImageResult) -> Markup:
    """Return whose the findings are: the image's own, or its base's; empty where the base is not known."""
    base = image.base_image
    if base is UNSET:
        return mark_safe("")
    own, inherited = describe_origin(
        {Severity[name]: number for name, number in base.own.items()},
        {Severity[name]: number for name, number in base.inherited.items()},
    )
    return mark_safe(f"Of these, **{own}** and {inherited}, {escape.code(base.name, 200)}.")


def advice_sentence(image: ImageResult) -> Markup:
    """Return which tags of the base have fewer findings; empty where that was not looked at."""
    advice = image.base_advice
    if advice is UNSET:
        return mark_safe("")
    better = [
        f"{escape.code(option.tag, 128)} ({option.change}) {describe_gain(option)}" for option in better_options(advice)
    ]
    name = escape.code(advice.repository, 200)
    return mark_safe(f"Of {name}, {join_words(better)}." if better else f"No tag of {name} has fewer findings.")


def signed_sentence(image: ImageResult) -> Markup:
    """Return who signed, and when the certificate ends, marked where that is soon; empty where nobody did."""
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


def signature_details(image: ImageResult) -> Markup:
    """Return the details of the signature, which few readers need."""
    sign = image.sign
    if sign is None:
        return mark_safe("")
    facts = [escape.markdown(sign.certificate.key, 60), sign.signature_format.upper()]
    facts += ["time-stamped"] * sign.timestamped
    facts += [f"expires {escape.markdown(sign.expires[:10])}"] * bool(sign.expires)
    return mark_safe(f"signature {escape.code(sign.signature_digest)} ({', '.join(facts)})")


def scanner_line(image: ImageResult) -> str:
    """Return what scanned the image, with which data; empty where nothing did."""
    scan = image.last_scan
    if scan is None:
        return ""
    database = f"vulnerability data of {scan.database[:10]}" if scan.database else ""
    facts = (f"Trivy {scan.scanner_version[:40]}", database, scan.os[:80], scan.platform[:200])
    return " · ".join(fact for fact in facts if fact)


def verified_sentence(image: ImageResult) -> Markup:
    """Return which policy a verified signature fulfils; empty where none was verified."""
    verify = image.verify
    if verify is None:
        return mark_safe("")
    policy = escape.code(verify.policy, 100)
    if image.sign is not None and image.sign.certificate.subject == verify.signer:
        return mark_safe(f"verified by policy {policy}")
    return mark_safe(f"Signature by {escape.code(verify.signer)} is valid and trusted by policy {policy}")


def evidence_clause(image: ImageResult) -> Markup:
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


def admission_clause(image: ImageResult) -> Markup:
    """Return the cluster's answer; empty where it was not asked."""
    admission = image.admission
    if admission is None:
        return mark_safe("")
    answer = ADMISSIONS[admission.verdict]
    if admission.verdict == "denied":
        by = f" by {escape.code(admission.constraint, 100)}" if admission.constraint else ""
        trace = f", trace {escape.code(admission.trace, 60)}" if admission.trace else ""
        answer = f"**denied**{by}{trace}"
    return mark_safe(f"admission: {answer}")


def mirrored_clause(image: ImageResult) -> Markup:
    """Return what was copied from where; empty where nothing was."""
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


def difference_sentences(image: ImageResult) -> list[Markup]:
    """Return what changed between the original and the patched image, a sentence for each platform."""
    changes = image.patch.changes if image.patch is not None else None
    if not changes:
        return []
    sign = "🔎" if comparison_view.is_clean(changes) else "⚠️"
    return [
        mark_safe(f"{sign} Compared with the original: {line[:1].lower()}{line[1:]}")
        for line in comparison_view.sentences(changes)
    ]
