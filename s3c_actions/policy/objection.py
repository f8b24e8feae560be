"""One objection of a policy to an image."""

from __future__ import annotations

import msgspec


class Objection(msgspec.Struct, frozen=True, order=True):
    """One objection of the policy to an image.

    Attributes:
        code: kebab-case, for programs: `no-report`, `stale-report`, `finding`, …
        text: a clause that includes the remedy; names from reports are untrusted.
    """

    code: str
    text: str
