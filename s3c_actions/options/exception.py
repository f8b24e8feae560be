"""Inputs of the commands on break-glass exceptions: `exception grant`, `exception list`, `exception revoke`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.exception_document import ALL, FINDING, MAX_FINDINGS, MAX_WHO, MAX_WHY, is_text
from s3c_actions.core.moments import parse_moment
from s3c_actions.options.common import ImageOptions
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import duration, items
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.sign import SigningOptions

LONGEST = timedelta(hours=72)


def exception_findings(value: str) -> tuple[str, ...]:
    """Parse identifiers of findings, or `all`."""
    findings = tuple(dict.fromkeys(ALL if item.lower() == ALL else item for item in items(value)))
    if not 1 <= len(findings) <= MAX_FINDINGS or not all(FINDING.fullmatch(finding) for finding in findings):
        raise ValueError(f"`{ALL}`, or 1 to {MAX_FINDINGS} identifiers of findings, such as CVE-2024-5535")
    return findings


def exception_end(value: str) -> timedelta | datetime:
    """Parse how long an exception lasts, or the moment of its end."""
    text = value.strip()
    try:
        length = timedelta(seconds=int(duration(text)))
    except ValueError:
        end = parse_moment(text)
        if end is None:
            raise ValueError("a duration such as 24h, or a time with its zone such as 2026-12-01T08:00Z") from None
        return end.replace(microsecond=0)
    if not timedelta(minutes=1) <= length <= LONGEST:
        raise ValueError("a duration of 1m to 72h, such as 24h")
    return length


def exception_reason(value: str) -> str:
    """Parse the reason of an exception."""
    reason = " ".join(value.split())
    if not reason.isprintable() or not is_text(reason, 3, MAX_WHY):
        raise ValueError(f"a reason: printable text of 3 to {MAX_WHY} characters")
    return reason


def exception_author(value: str) -> str:
    """Parse who decides."""
    author = " ".join(value.split())
    if not author.isprintable() or not is_text(author, 1, MAX_WHO):
        raise ValueError(f"a name: printable text of 1 to {MAX_WHO} characters")
    return author


class ExceptionOptions(PolicyOptions, ImageOptions):
    """The images, and the policy that says who may grant exceptions."""

    image: Input[tuple[str, ...]] = replace(
        ImageOptions.image, basic=("exception grant", "exception list", "exception revoke")
    )

    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        basic=("exception grant", "exception list", "exception revoke"),
        help="The policy, `s3c-policy.yaml`: it says who may grant exceptions, for how long, and which findings are "
        "never excused. The same that the cluster's gate has.",
        default="s3c-policy.yaml",
    )


class ExceptionStatementOptions(Group):
    """What stands in an exception or a revocation for its readers."""

    why: Input[str] = Input(
        name="why",
        basic=("exception grant", "exception revoke"),
        metavar="REASON",
        help="The reason, for everybody who sees the image run: it is signed, and shown with the time left.",
        parse=exception_reason,
        required=True,
        absent="",
        example="checkout is down, INC-1234",
    )
    who: Input[str] = Input(
        name="who",
        basic=("exception grant", "exception revoke"),
        metavar="NAME",
        help="Who decided it: a person or a team that can be asked.",
        parse=exception_author,
        required=True,
        absent="",
        example="Ada Lovelace, platform on call",
    )


class ExceptionSigningOptions(ExceptionOptions, SigningOptions):
    """Images, the policy that says who may grant exceptions for them, and the key of such a signer."""
