"""Numbers of findings as sentences, the same in every report: what is shown, and what is not.

A number is given only where it is the truth: what was not shown or not counted is named, never reported as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from s3c_actions.core.text import counted, join_words
from s3c_actions.findings.model import Hidden, ScanReport, Severity
from s3c_actions.findings.scope import DEFAULT_SCOPE, DISPLAY_NAMES, Scope, missing_parts

NOT_COUNTED = "–"
"""In place of a number that is not known, or not shown."""

NO_GATE = "No gate was set (fail-on: none)"
RATED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of findings.

    Attributes:
        counts: by severity, each severity present, the most severe first; None where the number is not shown or not
            known.
        total, fixable: of the findings shown; None in place of 0 where some are not shown, or may exist.
        hidden: what is not shown.
        exploited: known to be exploited, shown or not; None where that is not known.
    """

    counts: Mapping[Severity, int | None]
    total: int | None
    fixable: int | None
    hidden: Hidden
    exploited: int | None = None

    @property
    def worst(self) -> Severity | None:
        """The highest severity of which there are findings, shown or not; None when none are known."""
        return next(
            (
                severity
                for severity in sorted(Severity, reverse=True)
                if self.counts[severity] or self.hidden.filtered.get(severity) or self.hidden.unfixed.get(severity)
            ),
            None,
        )

    @property
    def clean(self) -> bool:
        """Whether it is certain that there are no findings."""
        return self.total == 0

    @property
    def counted(self) -> bool:
        """Whether it is known of every rated severity how many findings there are."""
        return not {*RATED} & {*self.hidden.uncounted}


def tally(report: ScanReport) -> Tally:
    """Return the numbers of a report."""
    return Tally(
        counts=report.counts,
        total=report.total,
        fixable=report.total_fixable,
        hidden=report.hidden,
        exploited=report.total_exploited,
    )


def describe_findings(numbers: Tally) -> str:
    """Describe findings in a clause: `2 exploited today, 210 findings (66 high, 144 medium)`, `nothing found`.

    With some not shown: `66 findings (66 high; 144 medium not shown)`, `no critical findings (66 high not shown)`,
    `12 high without a fix not shown`.
    """
    return ", ".join(part for part in (describe_exploited(numbers), _describe_numbers(numbers)) if part)


def describe_exploited(numbers: Tally) -> str:
    """Describe what is known to be exploited: `2 exploited today (1 not shown)`; empty when nothing is known to be."""
    if not numbers.exploited:
        return ""
    hidden = numbers.hidden.exploited
    note = f" ({'' if hidden == numbers.exploited else f'{hidden:,} '}not shown)" if hidden else ""
    return f"{numbers.exploited:,} exploited today{note}"


def _describe_numbers(numbers: Tally) -> str:
    if numbers.clean:
        return "nothing found"
    note = describe_hidden(numbers)
    if not numbers.total and not numbers.hidden.total and {*RATED} <= {*numbers.hidden.uncounted}:
        return "its findings are not known"
    if not numbers.total:
        absent = _describe_absence(numbers)
        return f"{absent} ({note})" if absent and note else absent or note
    shown = list_counts(numbers.counts)
    return f"{counted(numbers.total, 'finding')} ({'; '.join(part for part in (shown, note) if part)})"


def describe_hidden(numbers: Tally) -> str:
    """Describe what is not shown or not known: `66 high and 144 medium not shown`; empty when everything is shown."""
    hidden = numbers.hidden
    parts = [f"{number:,} {severity.name.lower()}" for severity, number in hidden.filtered.items() if number]
    parts += [f"{number:,} {severity.name.lower()} without a fix" for severity, number in hidden.unfixed.items()]
    clauses = [f"{join_words(parts)} not shown"] if parts else []
    unknown = [severity.name.lower() for severity in hidden.uncounted if severity in RATED]
    if unknown:
        clauses.append(
            f"{join_words(unknown)} not known" if len(unknown) < len(RATED) else "what else it has is not known"
        )
    return "; ".join(clauses)


def list_counts(counts: Mapping[Severity, int | None]) -> str:
    """List the numbers above 0: `66 high, 144 medium`."""
    return ", ".join(f"{number:,} {severity.name.lower()}" for severity, number in counts.items() if number)


def format_count(number: int | None) -> str:
    """Format a number for a table; `–` where it is not known."""
    return NOT_COUNTED if number is None else f"{number:,}"


def describe_limits(scope: Scope | None) -> str:
    """Describe what a scan did not look at: `secrets not looked for, 2 paths skipped`; empty when nothing was left out.

    Args:
        scope: of the scan; None where it is not known.
    """
    if scope is None:
        return ""
    parts = []
    for name in missing_parts(scope, DEFAULT_SCOPE):
        verb = "looked for" if name == "vuln" else "looked at"
        parts.append(f"{DISPLAY_NAMES[name]} not {verb if scope.stated else 'in the report'}")
    # A report that somebody gave has no trace of a scanner that found nothing.
    if scope.stated and "secret" not in scope.scanners:
        parts.append("secrets not looked for")
    skipped = len(scope.skip_dirs) + len(scope.skip_files)
    if skipped:
        parts.append(f"{counted(skipped, 'path')} skipped")
    return ", ".join(parts)


def _describe_absence(numbers: Tally) -> str:
    """Describe what was looked for and is not there: `no critical or high findings`; empty when nothing is known."""
    absent = [severity.name.lower() for severity, number in numbers.counts.items() if number == 0 and severity in RATED]
    return f"no {join_words(absent, 'or')} findings" if absent else ""


def worst_of(severities: Sequence[Severity | None]) -> Severity | None:
    """Return the highest severity; None when there is none."""
    return max((severity for severity in severities if severity is not None), default=None)
