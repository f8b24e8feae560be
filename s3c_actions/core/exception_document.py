"""The break-glass exception beside an image: findings that are excused for at most 72 hours, and its revocation.

Both are OCI artifacts of the type `artifact_types.EXCEPTION`: referrers of the image, signed by notation as evidence
is. An exception:

    {"version": 1, "kind": "exception", "subject": "sha256:…", "findings": ["CVE-2024-1"], "created": "…Z",
     "until": "…Z", "who": "…", "why": "…"}

A revocation names the manifests of exceptions, so that whoever may push but not delete can take one back, and pushing a
deleted exception again does not bring it back:

    {"version": 1, "kind": "revocation", "subject": "sha256:…", "revokes": ["sha256:…"], "created": "…Z", "who": "…",
     "why": "…"}

They are read as strictly as policy/evidence.rego reads them; what is not exactly so is nothing.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypeGuard

from msgspec import Struct

from s3c_actions.core import reading
from s3c_actions.core.moments import format_moment
from s3c_actions.core.patterns import late_pattern

VERSION = 1
MAX_SIZE = 16_384
"""Characters of a document."""
MAX_FINDINGS = 50
MAX_WHO, MAX_WHY = 300, 1000
ALL = "all"
"""In place of the identifiers of findings: every finding that the policy refuses by a rule."""

FINDING = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")
# Control characters, and what a byte or code point becomes that is no character, in Python and in Go.
_TEXT = late_pattern("[^\x00-\x1f\x7f\ud800-\udfff\ufffd]+")
_DIGEST = late_pattern(r"sha256:[0-9a-f]{64}")
_TIME = late_pattern(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class ExceptionGrant(Struct, frozen=True, kw_only=True):
    """What an exception says.

    Attributes:
        subject: digest of the image or index.
        findings: identifiers as the scan report has them, or ALL alone or among them.
        created, until: from when on, and until when, in whole seconds of UTC.
        who: who decided it.
        why: the reason.
    """

    subject: str
    findings: tuple[str, ...]
    created: datetime
    until: datetime
    who: str
    why: str

    def encode(self) -> bytes:
        """Return the document."""
        return _encode(
            {
                "version": VERSION,
                "kind": "exception",
                "subject": self.subject,
                "findings": list(self.findings),
                "created": format_moment(self.created),
                "until": format_moment(self.until),
                "who": self.who,
                "why": self.why,
            }
        )


class Revocation(Struct, frozen=True, kw_only=True):
    """What a revocation says.

    Attributes:
        subject: digest of the image or index.
        revokes: digests of the manifests of its exceptions.
        created: when it was made.
        who, why: as of an exception.
    """

    subject: str
    revokes: tuple[str, ...]
    created: datetime
    who: str
    why: str

    def encode(self) -> bytes:
        """Return the document."""
        return _encode(
            {
                "version": VERSION,
                "kind": "revocation",
                "subject": self.subject,
                "revokes": list(self.revokes),
                "created": format_moment(self.created),
                "who": self.who,
                "why": self.why,
            }
        )


def decode(content: bytes | None) -> ExceptionGrant | Revocation | None:
    """Return what a document says; None when it is not exactly an exception or a revocation."""
    document = _parse(content)
    if not isinstance(document, dict) or isinstance(document.get("version"), bool):
        return None
    created, subject = _moment(document.get("created")), document.get("subject")
    who, why = document.get("who"), document.get("why")
    if (
        document.get("version") != VERSION
        or created is None
        or not _matches(subject, _DIGEST)
        or not is_text(who, 1, MAX_WHO)
        or not is_text(why, 3, MAX_WHY)
    ):
        return None
    if document.get("kind") == "revocation":
        revokes = document.get("revokes")
        if len(document) != 7 or not _are(revokes, _DIGEST):
            return None
        return Revocation(subject=subject, revokes=tuple(revokes), created=created, who=who, why=why)
    findings, until = document.get("findings"), _moment(document.get("until"))
    if (
        document.get("kind") != "exception"
        or len(document) != 8
        or not _are(findings, FINDING)
        or until is None
        or until <= created
    ):
        return None
    return ExceptionGrant(subject=subject, findings=tuple(findings), created=created, until=until, who=who, why=why)


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _parse(content: bytes | None) -> Any:
    """Parse as Go does: bytes that are not UTF-8 are replaced, and NaN is not JSON."""
    if content is None:
        return None
    text = content.decode("utf-8", "replace")
    if len(text) > MAX_SIZE:
        return None
    try:
        return reading.parse_json(text, parse_constant=_reject_constant)
    except ValueError:
        return None


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _moment(text: Any) -> datetime | None:
    if not _matches(text, _TIME):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _matches(text: Any, pattern: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _are(values: Any, pattern: re.Pattern[str]) -> TypeGuard[list[str]]:
    """Return whether these are some texts of a form, at least one and at most MAX_FINDINGS."""
    return (
        isinstance(values, list)
        and 1 <= len(values) <= MAX_FINDINGS
        and all(_matches(value, pattern) for value in values)
    )


def is_text(value: Any, least: int, most: int) -> TypeGuard[str]:
    """Return whether a value may stand as text in a document: so many characters, none of them a control character."""
    return isinstance(value, str) and least <= len(value) <= most and _TEXT.fullmatch(value) is not None
