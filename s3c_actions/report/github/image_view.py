"""The view of one image in summary and comment, from its part of a `result.json` (`report.document`).

A document may come from a fork: its content is untrusted, and only its types may be relied on. Text that is marked safe
was escaped in the modules that this one joins; all other text is escaped by the templates.
"""

from __future__ import annotations

from typing import Any

from s3c_actions.findings.headline import NO_GATE
from s3c_actions.report.document import ImageResult
from s3c_actions.report.github.chain_view import check_commands, flow_chart
from s3c_actions.report.github.counts_view import (
    RATED_SEVERITIES,
    counts_table,
    severity_change,
    severity_chart,
    severity_columns,
)
from s3c_actions.report.github.finding_tables import image_tables
from s3c_actions.report.github.image_sentences import (
    admission_clause,
    advice_sentence,
    base_sentence,
    difference_sentences,
    evidence_clause,
    image_warnings,
    mirrored_clause,
    origin_sentence,
    scanner_line,
    signature_details,
    signed_sentence,
    system_sentence,
    verified_sentence,
)
from s3c_actions.report.github.smoke_view import describe_smoke
from s3c_actions.report.github.verdicts import image_verdict, is_judged, mark
from s3c_actions.report.github.wording import brief_digest, error_view, render_prose, short_name, short_reference
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe


def view(image: ImageResult, *, titles: bool = True) -> dict[str, Any]:
    """Return the values of one image for the templates.

    Args:
        image: of a document's `images`.
        titles: whether to show the titles of findings; without them rows are half as long.
    """
    counts = counts_table(image)
    return {
        "name": short_name(image.image),
        "image": mark_safe(escape.code(image.image)),
        "reference": mark_safe(escape.code(short_reference(image.reference)))
        if image.reference not in {"", image.image}
        else "",
        "pinned": mark_safe(escape.code(image.reference)) if image.digest else "",
        "good": image.error is None,
        "mark": mark(image),
        "gate": "" if is_judged(image) else f"{NO_GATE}.",
        "verdict": image_verdict(image),
        "error": error_view(image.error) if image.error is not None else None,
        "counts": counts,
        "severities": severity_columns(image),
        "changes": [severity_change(image, severity) for severity in (*RATED_SEVERITIES, "unknown")],
        "digest": mark_safe(escape.code(brief_digest(image.digest))),
        "system": system_sentence(image),
        "smoke": describe_smoke(image.smoke) if image.smoke else (),
        "base": base_sentence(image),
        "difference": difference_sentences(image),
        "origin": origin_sentence(image),
        "advice": advice_sentence(image),
        "new": len(image.base.new) if image.base is not None else None,
        "signed": signed_sentence(image),
        "signature": signature_details(image),
        "scanner": scanner_line(image),
        "verified": verified_sentence(image),
        "evidence": evidence_clause(image),
        "admission": admission_clause(image),
        "mirrored": mirrored_clause(image),
        "chart": severity_chart(image),
        "flow": flow_chart(image),
        "commands": check_commands(image),
        "warnings": [render_prose(text) for text in image_warnings(image)],
        "tables": list(image_tables(image, titles)),
    }
