"""Which failures may pass by themselves, so that the same thing is worth another try later."""

from __future__ import annotations

import re

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.process import ProgramTimedOut

# What registries, vaults and the network say of it: in our words, and in those of programs. Also what happens when
# another run writes the same tag at the same moment.
_PASSING = re.compile(
    r"\b(?:HTTP|status(?: code)?:?|response|answered) ?(?:HTTP )?(?:408|425|429|5[0-9]{2})\b"
    r"|\b429\b.{0,20}too many|\b50[0-9] (?:internal|bad gateway|service|gateway)"
    r"|too ?many ?requests|throttl|rate.?limit|fewer requests|overloaded|temporarily unavailable"
    r"|time.?out|timed out|did not (?:answer|respond|finish) within|deadline exceeded"
    r"|refused (?:the|our) connection|connection (?:refused|reset|aborted|failed|broke)|the connection failed"
    r"|broken pipe|cut off|unexpected EOF|no route to host|network is unreachable|try again later"
    r"|does not list (?:it|them)|could not be listed as a referrer|while the image was patched"
    r"|manifest.blob.unknown|blob unknown to registry|had been sent a moment before"
    r"|BuildKit went away|BuildKit at \S{1,300} did not answer|BuildKits answered|turned the request away"
    r"|could not be reached|cannot be reached|cannot be resolved|no such host|server misbehaving|i/o timeout",
    re.IGNORECASE,
)
# They mention a time-out or a connection, and stay as they are.
_LASTING = re.compile(r"certificate|x509|unauthori[sz]ed|denied|no space left|disk is full", re.IGNORECASE)


def is_transient(error: S3CError) -> bool:
    """Return whether a failure may pass: a service limits requests, fails inside, or does not answer in time.

    Wrong inputs, refusals and bugs do not; neither does what a service was asked and clearly said no to.
    """
    if not isinstance(error, OutsideError):
        return False
    if isinstance(error, ProgramTimedOut):
        return True
    text = f"{error.what}\n{error.original}"
    return bool(_PASSING.search(text)) and not _LASTING.search(error.what)
