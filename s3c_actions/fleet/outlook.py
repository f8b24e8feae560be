"""What lies ahead of a fleet's images: what their policies will refuse, and what excuses them now.

A forecast tells, and decides nothing: neither the state of an image nor the exit code depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import Loss, ReportedImage
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.policy.forecast import Change

MAX_LOSSES = 20
"""Moments that are kept of one image."""
MAX_REASONS = 10
MAX_TEXT = 1000


class Subject(Struct, frozen=True, kw_only=True):
    """An image of the fleet that a policy can be asked about.

    Attributes:
        image: as the report has it.
        reference: pinned: what is to be deployed of it, else the image itself.
        policy: path of its policy, as in the plan.
        renewed: whether the fleet's runs renew its report and the signature over that.
    """

    image: str
    reference: str
    policy: str
    renewed: bool


class Outlook(Struct, frozen=True, kw_only=True):
    """What a policy says of one image.

    Attributes:
        changes: what it has against the image, by moment; that of the report for what it refuses already.
        exceptions: the break-glass exceptions beside the image.
        problem: why that is not known, as a sentence; empty when it is.
    """

    changes: tuple[Change, ...] = ()
    exceptions: tuple[JudgedException, ...] = ()
    problem: str = ""


LookAhead = Callable[[Sequence[Subject]], Mapping[str, Outlook]]
"""Returns image → outlook, of those that have a policy that can be asked."""


def subjects(plan: Plan, images: Iterable[ReportedImage], default_policy: str) -> list[Subject]:
    """Return the images that a policy can be asked about.

    Args:
        plan: names their policies.
        images: of the report.
        default_policy: of those for which the plan names none; empty without one.
    """
    policies = {image.image: image.policy or default_policy for image in plan.images}
    policies |= {image.image: image.policy or default_policy for image in plan.current}
    return [
        Subject(image=image.image, reference=reference, policy=policy, renewed=not image.needs_attention)
        for image in images
        if (policy := policies.get(image.image, "")) and (reference := deployed_reference(image))
    ]


def add_losses(
    images: Sequence[ReportedImage], outlooks: Mapping[str, Outlook], now: datetime
) -> tuple[list[ReportedImage], list[str]]:
    """Return the images with what they will be lost by, and sentences on what is not known."""
    problems = [outlook.problem for outlook in outlooks.values() if outlook.problem]
    known = {image: outlook for image, outlook in outlooks.items() if not outlook.problem}
    added = [
        replace(image, losses=tuple(_losses(known[image.image].changes, now))) if image.image in known else image
        for image in images
    ]
    if not problems:
        return added, []
    of = counted(len(problems), "image")
    return added, [f"What the policy will refuse is not known of {of}: {problems[0]}"]


def _losses(changes: Sequence[Change], now: datetime) -> Iterable[Loss]:
    for change in changes[:MAX_LOSSES]:
        texts = [objection.text for objection in change.objections]
        if (rest := len(texts) - MAX_REASONS) > 0:
            texts = [*texts[:MAX_REASONS], counted(rest, "more objection")]
        yield Loss(
            at=change.at.astimezone(UTC).isoformat(timespec="seconds"),
            now=change.at <= now,
            reasons=tuple(clip(text) for text in texts),
        )


def deployed_reference(image: ReportedImage) -> str:
    """Return what is to be deployed of an image, pinned; else the image itself; empty when neither is known."""
    return pinned(image.reference) or pinned(image.image)


def pinned(text: str) -> str:
    """Return `registry/repository@digest` of a reference with a digest; empty for any other text."""
    if "@" not in text:
        return ""
    try:
        reference = Reference.parse(text)
    except InputError:
        return ""
    return reference.pinned if reference.digest else ""


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text within a limit, that can be written: half a character, which JSON can escape, is a `?`."""
    whole = text if text.isascii() else text.encode(errors="replace").decode()
    return whole if len(whole) <= limit else f"{whole[: limit - 1]}…"
