"""What a container runtime prints when it cannot run a container for a comparison, and what to change."""

from __future__ import annotations

import re

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

_ELSEWHERE = "Run this where Docker answers or, on Linux, as root with runc; or set `smoke` to off."
CASES = (
    Case(
        pattern=r"permission denied.{0,200}(?:docker\.sock|docker daemon|Docker API)"
        r"|(?:docker\.sock|docker daemon|Docker API).{0,300}permission denied",
        what="This user may not use Docker.",
        cause="The user is not in the group docker.",
        remedy="Add the user to that group. " + _ELSEWHERE,
    ),
    Case(
        pattern=r"Cannot connect to the Docker daemon|Is the docker daemon running|error during connect",
        what="{runtime} stopped answering.",
        cause="Its daemon ended, or was restarted.",
        remedy="Start it, then run this again.",
    ),
    Case(
        pattern=r"no space left on device",
        what="{runtime} has no room for the image.",
        cause="The disk is full.",
        remedy="Free some space (`docker system prune`), then run this again.",
    ),
    Case(
        pattern=r"cgroup|memory limit|pids limit|cpu.{0,20}quota",
        what="{runtime} cannot limit a container here.",
        cause="This machine, or the container that this runs in, does not hand out control groups.",
        remedy=_ELSEWHERE,
    ),
    Case(
        pattern=r"user namespaces?|clone.{0,60}(?:operation not permitted|invalid argument)|unshare|nsexec"
        r"|mount.{0,300}(?:permission denied|operation not permitted)|keyctl|sysctl",
        what="{runtime} cannot isolate a container here.",
        cause="This machine, or the container that this runs in, does not permit namespaces or mounts.",
        remedy=_ELSEWHERE,
    ),
    Case(
        pattern=r"deadline exceeded|timed? ?out",
        what="{runtime} did not answer in time.",
        cause="The machine is busy, or the daemon hangs.",
        remedy="Run this again.",
    ),
)


def not_run(output: str, runtime: str) -> S3CError:
    """The error of a container that was not created.

    Args:
        output: what the runtime wrote.
        runtime: its name.
    """
    original = output.strip()[-1500:]
    return explain(original, CASES, {"runtime": runtime}, original=original, flags=re.IGNORECASE) or OutsideError(
        f"{runtime} could not create a container.", remedy=_ELSEWHERE, original=original
    )
