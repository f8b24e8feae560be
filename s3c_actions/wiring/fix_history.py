"""From the options: what adds to a report from when on its fixes may have been there, where a policy has graces."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.evidence.fix_history import FixHistory
from s3c_actions.options.registry import NotationOptions

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.options.declare import Group
    from s3c_actions.policy.model import Policy
    from s3c_actions.wiring.context import Context


def create_fix_history(
    options: Group, context: Context, policy: Policy | None
) -> Callable[[ScanReport, str], ScanReport] | None:
    """Return a function of a report and the image's reference that adds the times; None where nothing asks for them.

    Args:
        options: of the command. Only those that verify signatures can read what is signed; without them a grace counts
            from the publication of a vulnerability.
        context: of the run.
        policy: the one in force.
    """
    if policy is None or not policy.findings.graces or not policy.signers or not isinstance(options, NotationOptions):
        return None
    return _Histories(options, context, policy).add


class _Histories:
    """The histories of the images of a run, each read once."""

    def __init__(self, options: NotationOptions, context: Context, policy: Policy) -> None:
        self._options, self._context, self._policy = options, context, policy
        self._read: dict[str, FixHistory] = {}
        self._lock = threading.Lock()

    def add(self, report: ScanReport, reference: str) -> ScanReport:
        """Return a report with the times.

        Args:
            report: of a scan.
            reference: of the image; empty where it is not known, and then the report's own counts.
        """
        try:
            image = Reference.parse(reference or report.image)
        except S3CError:
            return report
        if not image.digest:
            return report
        with self._lock:
            if image.pinned not in self._read:
                self._read[image.pinned] = self._load(image)
        return self._read[image.pinned].apply(report)

    def _load(self, image: Reference) -> FixHistory:
        from s3c_actions.steps import fix_history
        from s3c_actions.wiring.judging import open_policy_judge

        try:
            with open_policy_judge(self._options, self._context, self._policy, {image.registry}) as judge:
                return fix_history.read(judge, image, self._context.progress)
        except S3CError as error:
            self._context.progress.warning(
                f"{image.name}: earlier reports could not be read, so that graces count from the publication of a "
                f"vulnerability: {error.what}"
            )
            return FixHistory()
