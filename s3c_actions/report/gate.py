"""The gate: whether what was found is allowed to go on. Apart from what is reported."""

from __future__ import annotations

from dataclasses import dataclass

from s3c_actions.report.model import Finding, Severity


@dataclass(frozen=True)
class Gate:
    """What is refused.

    Attributes:
        fail_on: the lowest severity refused; None lets everything pass.
        fixable_only: findings without a fix pass.
    """

    fail_on: Severity | None = None
    fixable_only: bool = False

    def refuses(self, finding: Finding) -> bool:
        """Whether this finding closes the gate."""
        if self.fail_on is None or finding.severity < self.fail_on:
            return False
        return finding.fixable or not self.fixable_only

    def refused(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The findings that close the gate; it is open when there are none."""
        return tuple(f for f in findings if self.refuses(f))
