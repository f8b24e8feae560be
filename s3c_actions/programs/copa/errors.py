"""What Copa or BuildKit says when a patch fails, and what to change; patterns are of Copa 0.14 (tests/data/copa)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import S3CError
from s3c_actions.core.explain import Case, explain, status
from s3c_actions.core.process import CompletedProgram, ProgramFailed

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference

# The colours and boxes of Copa's error display, and the time stamps of its log.
DECORATION = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[│╭╮╰╯─┃━┏┓┗┛]+")
_MANAGER = r"(?:apt-get|apk|tdnf|dnf|yum|microdnf|zypper|pacman) "

# A container that runc or crun did not start for BuildKit, unless the image lacks the program to run in it.
NOT_STARTED = re.compile(
    r"(?:runc run failed: unable to start container process: |\bcrun: )(?![^\n]{0,200}exec(?:utable)?[: ])[^\n]{1,500}"
)

CASES = (
    Case(
        pattern=r"exceeded timeout|context deadline exceeded",
        what="Copa did not finish within {limit} s.",
        cause="BuildKit is slow or hangs, or the package repositories cannot be reached from it.",
        remedy="Give it more time with `timeout`, or another BuildKit with `buildkit-addr`.",
    ),
    Case(
        pattern=r"failed to push",
        what="{registry} did not take the patched image.",
        cause="The credentials may not push there, or the registry is read-only or out of order.",
        remedy="Give `registry-username` and `registry-password` (or `docker login`) of someone who may push to it.",
    ),
    Case(
        pattern=r"x509|certificate signed by unknown authority|server gave HTTP response to HTTPS client",
        what="BuildKit does not trust the registry {registry}.",
        cause="The registry speaks plain HTTP, or its certificate is of an authority BuildKit does not know.",
        remedy='Add it to BuildKit\'s configuration (`[registry."HOST"] http = true` or `ca = […]`).',
    ),
    Case(
        pattern=r"emulation is not enabled for platform (?P<platform>\S{1,100})",
        what="Copa cannot run programs of {platform} on this machine.",
        cause="No QEMU is registered for that platform.",
        remedy="Run `docker/setup-qemu-action` first.",
    ),
    Case(
        pattern=r"unsupported osType \S+|report metadata is incomplete",
        what="Copa cannot patch this image's operating system.",
        cause="It knows Debian, Ubuntu, Alpine, the RPM distributions and Azure Linux; the report names another or "
        "none.",
        remedy="Rebuild the image on a newer base.",
    ),
    Case(
        pattern=r"could not infer DPKG status|could not find determine RPM DB|no package manager tools"
        r"|stat /bin/busybox",
        what="Copa found no package manager in the image.",
        cause="The image was stripped of it, or is built from scratch.",
        remedy="Rebuild the image on a newer base.",
    ),
    Case(
        pattern=r"downloaded package (?P<package>\S{1,100})\S* version \S+ lower than required"
        r"|expected \d+ updates, installed",
        what="The fixed version of {package} is not available.",
        cause="The distribution's security repository is not configured in the image or cannot be reached from "
        "BuildKit, or has not published it yet.",
        remedy="Look at the package sources in the image, or accept a partial patch with `allow-partial`.",
    ),
    Case(
        pattern=r"no space left on device",
        what="BuildKit ran out of disk space.",
        cause="Its state folder is full.",
        remedy="Free some space (`docker buildx prune`), then run this again.",
    ),
    Case(
        pattern=r"GPG error|NO_PUBKEY|EXPKEYSIG|KEYEXPIRED|BADSIG|GPG check FAILED|UNTRUSTED signature"
        r"|signatures? (?:couldn't|could not) be verified|is not signed",
        what="The package manager in the image does not trust its repository's signature.",
        cause="The image's keys of the distribution have expired or were replaced, or the repository is not the "
        "distribution's.",
        remedy="Build the image on a newer base, which has today's keys.",
    ),
    Case(
        pattern=NOT_STARTED.pattern,
        what="BuildKit could not start a container for a step of the patch.",
        cause="It lacks the rights: it runs in a container that is not privileged, or in a rootless Docker.",
        remedy="Give `buildkit-addr` the address of another one, for example of `docker buildx create --driver "
        "docker-container --use`, or a `unix://` or `tcp://` address of a daemon that runs as root.",
    ),
    Case(
        # From the last of them before these words: from each would take long where they are repeated.
        pattern=rf"{_MANAGER}(?:(?!{_MANAGER}).){{0,3000}}did not complete successfully",
        what="The package manager in the image could not upgrade its packages.",
        cause="Its repositories cannot be reached from BuildKit, or no longer carry the release.",
        remedy="Look at the network of BuildKit (proxy, DNS) and at the package sources in the image.",
    ),
    Case(
        pattern=r"//(?:registry-1\.docker|ghcr)\.io/|(?:docker|ghcr)\.io/\S+: not found|tooling image",
        what="Copa's tooling image could not be pulled.",
        cause="Copa takes it from ghcr.io or docker.io, and BuildKit cannot reach them.",
        remedy="Let BuildKit reach them, or give it a mirror for both "
        '(`[registry."docker.io"] mirrors` in buildkitd.toml).',
    ),
    Case(
        pattern=r"failed to list workers|Unavailable: (?:connection )?error|error reading from server|no such job",
        what="BuildKit went away.",
        cause="Its daemon was stopped, or ran out of memory.",
        remedy="Look at its log, then run this again.",
    ),
    Case(
        pattern=rf"unauthorized|forbidden|denied|{status(401)}|{status(403)}",
        what="{registry} did not let BuildKit read or write {repository}.",
        cause="The credentials are missing, wrong or not enough.",
        remedy="Run `docker login {registry}`, or give `registry-username` and `registry-password`.",
    ),
)


def translate(ended: CompletedProgram, image: Reference, limit: float) -> S3CError:
    """The error of a run of Copa that failed.

    Args:
        ended: the completed run.
        image: to be patched.
        limit: the time it was given, in seconds.
    """
    text = last_error(ended.stderr)
    if "did not complete successfully" in text and (reason := NOT_STARTED.search(ended.stderr)):
        text = f"{reason[0]}\n{text}"  # the error itself names the command alone
    facts = {
        "limit": f"{limit:g}",
        "registry": image.registry,
        "repository": image.repository,
        "package": "a package",
    }
    return explain(text, CASES, facts, original=text, flags=re.IGNORECASE, names=(image.name,)) or ProgramFailed(
        replace(ended, stderr=text),
        what=f"Copa could not patch {image.name} (exit code {ended.code}).",
        remedy="What Copa said stands below; nothing was handed on as patched.",
    )


def timed_out(output: str, image: Reference, limit: float) -> S3CError:
    """The error of a Copa that had to be ended: the same as of a Copa that reached its own limit."""
    stderr = f"\nError: patch exceeded timeout\n{output}"
    return translate(CompletedProgram(argv=(), code=1, stdout="", stderr=stderr, seconds=0), image, limit)


def last_error(stderr: str) -> str:
    """The error Copa ended with, without decoration; the end of what it wrote when it named none.

    Only this is read: the log before it contains harmless errors, such as a first try for the tooling image.
    """
    text = DECORATION.sub("", stderr)
    _, marker, final = text.rpartition("\nError: ")
    return (final if marker else text).strip()[-3000:]
