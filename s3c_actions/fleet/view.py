"""What every rendering of a fleet's report shows alike: states, names, and the reasons to decide something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from s3c_actions.core.text import counted
from s3c_actions.findings.entry import NAMES, SeverityName
from s3c_actions.findings.model import Severity
from s3c_actions.fleet.report_document import (
    ExpiringException,
    FleetReport,
    Loss,
    ReportedFinding,
    ReportedImage,
    State,
)
from s3c_actions.policy.break_glass import describe_left
from s3c_actions.report.render import escape

EXPIRY_NOTICE_DAYS = 30
"""Days before the end of a signature from which it is marked."""
MAX_EXAMPLES = 3
"""Images that are named of each reason."""

STATES: dict[State, tuple[str, str, str]] = {
    "failed": ("bad", "✘", "failed"),
    "missing": ("bad", "✘", "no result"),
    "unplanned": ("bad", "✘", "not planned"),
    "refused": ("bad", "✘", "refused"),
    "patched": ("good", "✔", "patched"),
    "passed": ("good", "✔", "passed"),
    "current": ("good", "✔", "current"),
}
"""State → tone, mark and word."""
SHOWN: tuple[SeverityName, ...] = tuple(
    NAMES[severity] for severity in sorted(Severity, reverse=True) if severity is not Severity.UNKNOWN
)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A reason for which images wait for a decision.

    Attributes:
        state: of STATES.
        reason: a sentence, in which the image has no name of its own.
        remedy: what to do; empty when it is not known.
        images: all that wait for it, in the report's order.
    """

    state: tuple[str, str, str]
    reason: str
    remedy: str
    images: tuple[ReportedImage, ...]

    @property
    def examples(self) -> list[str]:
        """Return the names of the first images."""
        return [short_name(image) for image in self.images[:MAX_EXAMPLES]]

    @property
    def more(self) -> int:
        """Return how many images are no examples."""
        return max(0, len(self.images) - MAX_EXAMPLES)

    @property
    def owners(self) -> list[str]:
        """Return the owners of most of the images."""
        return [owner for owner, _ in Counter(image.owner for image in self.images).most_common(4) if owner]


def causes(images: Sequence[ReportedImage]) -> list[Cause]:
    """Return the reasons for which images wait for a decision, each once, those of most images first."""
    groups: dict[tuple[State, str], list[ReportedImage]] = {}
    for image in images:
        if image.needs_attention:
            groups.setdefault((image.state, _general(image)), []).append(image)
    order = list(STATES)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), order.index(item[0][0])))
    return [
        Cause(
            state=STATES[state],
            reason=reason[:1].upper() + reason[1:],
            remedy=group[0].remedy,
            images=tuple(group),
        )
        for (state, reason), group in ranked
    ]


def _general(image: ReportedImage) -> str:
    """Return an image's reason without its own name, so that the same reason of two images is the same."""
    reason = image.reason
    name, _, digest = image.image.partition("@")
    repository = f"{name.rpartition('/')[0]}/{name.rpartition('/')[2].partition(':')[0]}"
    by_digest = f"{repository}@{digest}" if digest else ""
    names = {image.image, name, by_digest, repository, image.reference, *image.names}
    for text in sorted(names, key=len, reverse=True):
        if text:
            reason = reason.replace(text, "the image")
    return reason


def ends_soon(image: ReportedImage, report: FleetReport) -> bool:
    """Return whether the image's signature ends within EXPIRY_NOTICE_DAYS, or has ended."""
    age = age_in_hours(report.created, image.signature.ends) if image.signature is not None else None
    return age is not None and age < EXPIRY_NOTICE_DAYS * 24


def losing(report: FleetReport) -> list[tuple[ReportedImage, Loss]]:
    """Return the images that their policy refuses at the next start, with from when on, the first ones first."""
    return sorted(((image, image.losses[0]) for image in report.images if image.losses), key=lambda pair: pair[1].at)


def describe_losing(report: FleetReport) -> str:
    """Return how many images are refused at their next start, as a clause; empty for none."""
    firsts = [loss for _, loss in losing(report)]
    if not firsts:
        return ""
    now = sum(loss.now for loss in firsts)
    what = f"{counted(len(firsts), 'image')} {'is' if len(firsts) == 1 else 'are'} refused at the next start"
    later = [loss.at for loss in firsts if not loss.now]
    parts = [f"{now:,} now" if now else "", f"{len(later):,} from {later[0][:10]} on" if later else ""]
    return f"{what}: {', '.join(filter(None, parts))}"


def when(loss: Loss) -> str:
    """Return from when on a policy refuses an image."""
    return "now" if loss.now else f"{loss.at[:16].replace('T', ' ')} UTC"


def reasons(image: ReportedImage) -> list[tuple[str, str]]:
    """Return moment and reason of each thing that the policy has or will have against an image."""
    return [(when(loss), reason) for loss in image.losses or () for reason in loss.reasons]


def time_left(exception: ExpiringException, report: FleetReport) -> str:
    """Return how long a break-glass exception still counts, `5 h 20 min left`; empty for an exception of a policy."""
    try:
        left = datetime.fromisoformat(exception.ends) - datetime.fromisoformat(report.created)
    except (ValueError, TypeError):
        return ""
    return f"{describe_left(left)} left"


def describe_attacks(finding: ReportedFinding) -> str:
    """Return since when a finding is listed as exploited, and what CISA says besides; empty for another."""
    if not finding.exploited_since:
        return ""
    due = f", due {finding.exploited_due[:10]}" if finding.exploited_due else ""
    return f"{finding.exploited_since[:10]}{due}{', ransomware' if finding.ransomware else ''}"


def short_name(image: ReportedImage) -> str:
    """Return an image's name without its digest."""
    return escape.line(image.image.partition("@")[0], 200)


def age_in_hours(time: str, now: str) -> float | None:
    """Return the hours between two times; None when one of them is none."""
    try:
        return round((datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds() / 3600, 1)
    except (ValueError, TypeError):
        return None
