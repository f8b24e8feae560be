"""The gate: whether findings let an image pass. Independent of what is reported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from s3c_actions.core.errors import Refused
from s3c_actions.core.moments import CLOCK_SKEW
from s3c_actions.core.text import plural
from s3c_actions.findings.exploit_facts import grace_start, is_exploited, is_likely
from s3c_actions.findings.model import Finding, FindingKind, Severity, count_by_severity


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is accepted for a while.

    Attributes:
        id: of the finding.
        package: only in this one; None: in any.
        ends: from then on it has no effect; `until` is its last day, `YYYY-MM-DD`.
        why, who: for people; untrusted.
    """

    id: str
    package: str | None
    ends: datetime
    until: str
    why: str
    who: str


class Threshold(msgspec.Struct, frozen=True):
    """What is refused.

    Attributes:
        fail_on: the lowest severity refused; None lets everything pass.
        fixable_only: findings without a fix pass.
        refuse: severities refused, when a policy sets them; then `fail_on` has no effect.
        deny: ids in capitals that are refused regardless of everything else.
        exemptions: findings that pass until they expire, compared with `now`.
        graces: severities refused so long after there is a fix, and the time.
        epss: vulnerabilities refused from this likelihood on, as `exploit_facts.epss_text`; empty: none.
        deny_exploited: what is known to be exploited is refused regardless of everything else. Of a finding of which
            that is not known, the data is missing, which closes the gate apart from this (`policy.image_rules`).
        own_only: findings that came with the base image pass, unless they are denied by id.
        bases: images that count as a base, as references or patterns; they decide which findings are the base's.
    """

    fail_on: Severity | None
    fixable_only: bool = False
    refuse: frozenset[Severity] | None = None
    deny: frozenset[str] = frozenset()
    exemptions: tuple[Exemption, ...] = ()
    graces: tuple[tuple[Severity, timedelta], ...] = ()
    epss: str = ""
    deny_exploited: bool = False
    own_only: bool = False
    bases: tuple[str, ...] = ()
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    @property
    def closes(self) -> bool:
        """Whether anything can close it."""
        return self.fail_on is not None or self.refuse is not None

    @property
    def threshold(self) -> str:
        """What it refuses, for people: `at or over High`."""
        if self.refuse is not None:
            return "refused by the policy"
        return f"at or over {self.fail_on.title if self.fail_on is not None else 'any severity'}"

    def denies(self, finding: Finding) -> bool:
        """Whether this finding closes the gate whatever excuses it."""
        return finding.id.upper() in self.deny or (self.deny_exploited and is_exploited(finding))

    def rejects(self, finding: Finding) -> bool:
        """Whether this finding closes the gate."""
        if self.denies(finding):
            return True
        return self.matches(finding) and not self.is_exempt(finding) and not self.in_grace(finding)

    def matches(self, finding: Finding) -> bool:
        """Whether this finding closes the gate unless an exemption or a grace lets it pass."""
        if self.denies(finding):
            return True
        if not finding.fixable and self.fixable_only:
            return False
        if self.own_only and finding.from_base:
            return False
        return self._is_refused_at_once(finding) or any(severity is finding.severity for severity, _ in self.graces)

    def wants_fixed(self, finding: Finding) -> bool:
        """Whether this finding has a fix that is due: it closes the gate, or will when its grace is over."""
        if not finding.fixable:
            return False
        return self.rejects(finding) or (self.matches(finding) and not self.is_exempt(finding))

    def in_grace(self, finding: Finding) -> bool:
        """Whether only a grace lets this finding pass today."""
        if self._is_refused_at_once(finding):
            return False
        ends = self.grace_end(finding)
        return ends is not None and ends > self.now

    def grace_end(self, finding: Finding) -> datetime | None:
        """From when on the grace of its severity no longer lets this finding pass; None without one.

        What is dated in days to come has none, as it would last until then.
        """
        grace = next((grace for severity, grace in self.graces if severity is finding.severity), None)
        start = grace_start(finding)
        if grace is None or start is None or start - CLOCK_SKEW > self.now:
            return None
        return start + grace

    def _is_refused_at_once(self, finding: Finding) -> bool:
        if is_likely(finding, self.epss):
            return True
        if self.refuse is not None:
            return finding.severity in self.refuse
        return self.fail_on is not None and finding.severity >= self.fail_on

    def is_exempt(self, finding: Finding) -> bool:
        """Whether an exemption lets this finding pass today."""
        return any(exemption.ends > self.now for exemption in self.matching_exemptions(finding))

    def matching_exemptions(self, finding: Finding) -> tuple[Exemption, ...]:
        """The exemptions that name a finding, expired or not."""
        return tuple(
            exemption
            for exemption in self.exemptions
            if exemption.id == finding.id and exemption.package in {None, finding.package}
        )

    def refused(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The findings that close the gate; it is open when there are none."""
        return tuple(f for f in findings if self.rejects(f))


def explain_rejection(refused: Sequence[Finding]) -> str:
    """Explain why the gate is closed and what opens it, in one clause without a full stop; package names are untrusted.

    "2 critical findings have a fix: bump libssl3 and curl". What is exploited comes first, else what is most severe.

    Args:
        refused: what closes it, at least one finding.
    """
    worst, at_worst = _worst(refused)
    packages = list(dict.fromkeys(f.package for f in at_worst if f.fixable and f.package))
    if packages:
        fixable = [f for f in at_worst if f.fixable and f.package]
        return f"{count_phrase(len(fixable), worst)} {_verb(len(fixable))} a fix: bump {enumerate_names(packages)}"
    own_content = [f for f in at_worst if f.kind in {FindingKind.SECRET, FindingKind.MISCONFIGURATION}]
    if own_content:
        locations = list(dict.fromkeys(f"{f.id} in {f.target}{f':{f.line}' if f.line else ''}" for f in own_content))
        return f"{count_phrase(len(own_content), worst)} to fix: {enumerate_names(locations)}"
    if all(f.kind is FindingKind.LICENSE for f in at_worst):
        names = list(dict.fromkeys(f.id for f in at_worst))
        return f"{count_phrase(len(at_worst), worst)} in licences: {enumerate_names(names)}"
    names = list(dict.fromkeys(f.id for f in at_worst))
    return f"{count_phrase(len(at_worst), worst)} without a fix: {enumerate_names(names)}"


def _worst(refused: Sequence[Finding]) -> tuple[str, list[Finding]]:
    """Return the findings that are named first, and what they have in common: `exploited`, `critical`."""
    if exploited := [finding for finding in refused if is_exploited(finding)]:
        return "exploited", exploited
    severity = max(finding.severity for finding in refused)
    return severity.name.lower(), [finding for finding in refused if finding.severity is severity]


def closed_error(reference: str, gate: Threshold, refused: Sequence[Finding], *, consequence: str = "") -> Refused:
    """The error of findings that the gate refuses.

    Args:
        reference: the image.
        gate: that refuses.
        refused: at least one finding.
        consequence: a sentence on what was not done because of it.
    """
    per_severity = ", ".join(f"{n} {severity.name.lower()}" for severity, n in count_by_severity(refused).items() if n)
    total = f"{len(refused)} {plural(len(refused), 'finding')}"
    cause = f"The policy refuses {total}" if gate.refuse is not None else f"The gate refuses {total} {gate.threshold}"
    cause += f" ({per_severity})"
    # What is denied is refused without a fix too.
    cause += " that have a fix" if gate.fixable_only and all(finding.fixable for finding in refused) else ""
    return Refused(
        f"{explain_rejection(refused)}.",
        cause=f"{cause}.",
        remedy=_remedy(gate, refused) + (f" {consequence}" if consequence else ""),
        image=reference,
    )


def _remedy(gate: Threshold, refused: Sequence[Finding]) -> str:
    ways = ["bump what is named" if any(f.package and f.fixable for f in _worst(refused)[1]) else "fix what is named"]
    if any(finding.package and finding.fixable for finding in refused):
        ways.append("let the patch step run")
    denied = [finding for finding in refused if gate.denies(finding)]
    if len(denied) < len(refused):
        ways.append(
            "accept the finding in the policy, with a reason and a date"
            if gate.refuse is not None
            else "name the finding with a reason and a date in an ignore file"
        )
    text = f"{', '.join(ways[:-1])}, or {ways[-1]}" if len(ways) > 1 else ways[0]
    note = " No exception in the policy excuses what is exploited or denied by name." if denied else ""
    return f"{text[0].upper()}{text[1:]}.{note}"


def count_phrase(amount: int, kind: str) -> str:
    """`2 critical findings`."""
    return f"{amount:,} {kind} {plural(amount, 'finding')}"


def _verb(amount: int) -> str:
    return "has" if amount == 1 else "have"


def enumerate_names(names: Sequence[str], most: int = 3) -> str:
    """`a, b and c`, the rest as a count; each name cut at 80 characters."""
    shown = [name if len(name) <= 80 else name[:79] + "…" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
