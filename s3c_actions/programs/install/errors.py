"""Translation of Go's build errors into what to change."""

from __future__ import annotations

import re

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.core.process import ProgramFailed

_NO_MODULES = "Allow it, name another in GOPROXY, or give the program's path."
CASES = (
    Case(
        pattern=r"no space left on device",
        what="{what}",
        cause="The disk is full.",
        remedy="Free some space, or move the cache with S3C_CACHE to a larger disk.",
    ),
    Case(
        pattern=r"checksum mismatch",
        what="{what}",
        cause="A module is not the one that was pinned.",
        remedy="Look at what GOPROXY serves; do not change go.sum.",
    ),
    Case(
        pattern=r"missing go\.sum entry",
        what="{what}",
        cause="The module's go.sum is incomplete.",
        remedy="Report it: a new pin needs `make modules`.",
    ),
    Case(pattern=r"dial tcp", what="{what}", cause="The Go module proxy cannot be reached.", remedy=_NO_MODULES),
    Case(pattern=r"i/o timeout", what="{what}", cause="The Go module proxy does not answer.", remedy=_NO_MODULES),
)


def not_built(what: str, error: ProgramFailed) -> S3CError:
    """The error of a Go run that could not get modules or build.

    Args:
        what: a sentence on what failed.
        error: of the run.
    """
    # The remaining lines are errors: `go build -v` prints each package on a line without a blank. Errors may precede
    # the end by far, because the other packages are still built.
    everything = error.completed.stderr or error.completed.stdout
    lines = [line for line in everything.splitlines() if " " in line and not line.startswith("go: downloading ")]
    output = "\n".join(lines)
    original = output[-2000:]
    return explain(output, CASES, {"what": what}, original=original, flags=re.IGNORECASE) or OutsideError(
        what, remedy="Read what it said, or give the program's path.", original=original
    )
