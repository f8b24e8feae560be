"""The errors people read, and the exit codes they end in.

Exit codes: 0 done; 1 the policy said no; 2 wrong input; 3 an outside system failed; 4 a bug of ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    REFUSED = 1
    WRONG_INPUT = 2
    OUTSIDE_FAILED = 3
    BUG = 4
    INTERRUPTED = 130


class S3CError(Exception):
    """An error for people: what happened, the probable cause, what to change.

    Args:
        what: one sentence on what happened.
        cause: one sentence on the probable cause; empty when it is known no better than `what`.
        remedy: one sentence (or YAML to paste) on what to change.
        image: the reference the error is about.
        original: what the outside program or service said, shown last.
    """

    exit_code = Exit.OUTSIDE_FAILED

    def __init__(self, what: str, *, cause: str = "", remedy: str = "", image: str = "", original: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.remedy = remedy
        self.image = image
        self.original = original

    def __copy__(self) -> Self:
        """Return the same error, to be about another image; `copy` would call the constructor with `args` alone."""
        new = type(self).__new__(type(self))
        new.args = self.args
        new.__dict__.update(self.__dict__)
        return new

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.cause, self.remedy) if part)


class InputError(S3CError):
    """An input is missing, malformed or contradicts another; `field` names it."""

    exit_code = Exit.WRONG_INPUT

    def __init__(
        self,
        field: str,
        what: str,
        *,
        cause: str = "",
        remedy: str = "",
        image: str = "",
        original: str = "",
    ) -> None:
        super().__init__(f"{field}: {what}", cause=cause, remedy=remedy, image=image, original=original)
        self.field = field


class OutsideError(S3CError):
    """A program, a registry or a service failed or gave an answer that cannot be understood."""


class Refused(S3CError):
    """The policy said no: findings over the threshold, a verification that failed, an admission denied."""

    exit_code = Exit.REFUSED


class BugError(S3CError):
    """A bug of ours that ended the work on one of several images; the others go on."""

    exit_code = Exit.BUG
