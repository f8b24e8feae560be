"""The files that a gate decided with, and those of them that a pull request changes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from s3c_actions.report.document import ImageResult, ProposedEntry, ResultDocument, ScanEntry
from s3c_actions.report.github.wording import short_name
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe

MAX_FILES = 12


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
