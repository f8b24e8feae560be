"""What Docker says when it cannot run a BuildKit for us, and what to change."""

from __future__ import annotations

import re

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

_OTHER = (
    "Give `buildkit-addr` the address of a BuildKit that runs elsewhere, or name in `programs-mirror` a host whose "
    "registry has moby/buildkit."
)
CASES = (
    Case(
        pattern=r"toomanyrequests|rate limit",
        what="Docker Hub did not hand out {image}: its rate limit is reached.",
        cause="Pulls without a login are counted by address, and many machines may share this one's.",
        remedy="Log in (`docker login`, on a runner docker/login-action). " + _OTHER,
    ),
    Case(
        pattern=r"privileged.{0,100}(?:not allowed|denied|forbidden)|authorization denied by plugin",
        what="Docker here does not start privileged containers, which BuildKit needs.",
        cause="A plugin of it refuses them.",
        remedy=_OTHER,
    ),
    Case(
        pattern=r"permission denied.{0,200}(?:docker\.sock|docker daemon|Docker API)"
        r"|(?:docker\.sock|docker daemon|Docker API).{0,300}permission denied",
        what="This user may not use Docker.",
        cause="The user is not in the group docker.",
        remedy="Add the user to that group, or give `buildkit-addr` the address of a BuildKit.",
    ),
    Case(
        pattern=r"pull access denied|manifest unknown|manifest for \S{1,300} not found|: not found",
        what="{image} was not found.",
        cause="The registry does not have it, or wants a login.",
        remedy="Copy moby/buildkit to that registry. " + _OTHER,
    ),
    Case(
        pattern=r"server gave HTTP response to HTTPS client|x509|certificate",
        what="Docker does not trust the registry of {image}.",
        cause="It speaks plain HTTP, or its certificate is of an authority that Docker does not know.",
        remedy="Name it in `insecure-registries` of Docker's daemon.json, or put its CA into /etc/docker/certs.d.",
    ),
    Case(
        pattern=r"no such host|i/o timeout|connection refused|network is unreachable|Temporary failure in name"
        r"|server misbehaving|deadline exceeded|Client\.Timeout|context canceled|EOF|no route to host",
        what="{image} could not be pulled: its registry cannot be reached.",
        cause="This machine has no network, or a firewall or proxy is in the way; Docker's daemon has its own proxy.",
        remedy=_OTHER,
    ),
    Case(
        pattern=r"no space left on device",
        what="Docker has no room for BuildKit.",
        cause="The disk is full.",
        remedy="Free some space (`docker system prune`), then run this again.",
    ),
    Case(
        pattern=r"operation not permitted|cannot clone|rootless|user namespaces?|mount .{0,200}permission denied",
        what="BuildKit could not start in a container.",
        cause="Docker here is rootless, or runs in a container itself that is not privileged.",
        remedy=_OTHER,
    ),
)


def not_started(output: str, image: str) -> S3CError:
    """The error of a BuildKit that Docker did not pull or start.

    Args:
        output: what docker or BuildKit wrote.
        image: of BuildKit.
    """
    original = output.strip()[-1500:]
    return explain(original, CASES, {"image": image}, original=original, flags=re.IGNORECASE) or OutsideError(
        f"Docker could not start {image}.", remedy=_OTHER, original=original
    )
