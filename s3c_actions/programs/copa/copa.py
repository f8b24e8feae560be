"""Copa: upgrades the vulnerable packages of an image in a new layer (project-copacetic/copacetic 0.14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import Completed, ProgramFailed, ProgramTimedOut, Runner
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.programs.buildkit.buildkit import Tls

# Copa ends itself at its time limit and cleans up; only a Copa that hangs beyond it is ended by us.
_GRACE = 20.0

# The colours and boxes of Copa's error display, and the time stamps of its log.
_DECORATION = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[│╭╮╰╯─┃━┏┓┗┛]+")
_STEP = re.compile(r"^#\d+ (?!DONE|CACHED|ERROR|CANCELED)(?:\[[^\]]*\] )?([A-Z].{0,150})$")


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of Copa.

    Attributes:
        image: pinned to a digest.
        report: Trivy's JSON, or a folder of one for each platform (`*.json`).
        tag: pushed to the image's own repository.
        vex: where Copa writes its OpenVEX document; the folder is there, the file is not.
        address, tls: of BuildKit.
        library: upgrade language packages too (experimental in Copa).
        ignore_errors: go on when a package cannot be upgraded.
        timeout: seconds.
        work: folder for Copa's own files.
    """

    image: Reference
    report: Path
    tag: str
    vex: Path
    address: str
    tls: Tls = msgspec.field(default_factory=Tls)
    library: bool = False
    ignore_errors: bool = False
    timeout: float = 600.0
    work: Path | None = None


class Copa:
    """Runs Copa."""

    def __init__(self, program: Path, runner: Runner) -> None:
        self._program = program
        self._runner = runner

    def argv(self, patch: Patch) -> list[str]:
        """The command line of a run."""
        argv = [str(self._program), "patch", f"--image={patch.image.pinned}", f"--report={patch.report}"]
        argv += [f"--tag={patch.tag}", "--push", f"--addr={patch.address}", f"--timeout={patch.timeout:.0f}s"]
        argv += ["--progress=plain", "--format=openvex", f"--output={patch.vex}"]
        for flag, path in (("cacert", patch.tls.ca), ("cert", patch.tls.certificate), ("key", patch.tls.key)):
            if path is not None:
                argv.append(f"--{flag}={path.absolute()}")
        if patch.library:
            argv.append("--pkg-types=os,library")
        if patch.ignore_errors:
            argv.append("--ignore-errors")
        if patch.work is not None:
            argv.append(f"--working-folder={patch.work}")
        return argv

    def patch(
        self, patch: Patch, *, docker_config: Mapping[str, str], on_line: Callable[[str], None] | None = None
    ) -> str:
        """Patch an image and push the result.

        Args:
            patch: what to do.
            docker_config: environment variables that let Copa log in to the registry.
            on_line: told of each build step, for progress.

        Returns:
            The digest of what was pushed, as BuildKit reported it; empty when Copa found nothing to patch, and pushed
            nothing.

        Raises:
            OutsideError: Copa, BuildKit, the registry or the distribution's package repositories failed, or the digest
                was not reported.
        """
        extra = dict(docker_config)
        if patch.library:
            extra["COPA_EXPERIMENTAL"] = "1"

        def line(text: str) -> None:
            step = _STEP.match(_DECORATION.sub("", text).strip())
            if step and on_line is not None:
                on_line(step[1])

        try:
            ended = self._runner.run(
                self.argv(patch), extra=extra, timeout=patch.timeout + _GRACE, check=False, on_line=line
            )
        except ProgramTimedOut as error:
            hung = Completed(
                argv=(), code=1, stdout="", stderr=f"\nError: patch exceeded timeout\n{error.original}", seconds=0
            )
            raise failure(patch, hung) from None
        if "no package updates found for image" in ended.stderr:
            return ""
        if ended.code != 0:
            raise failure(patch, ended)
        digest = pushed_digest(patch.vex)
        if not digest:
            raise OutsideError(
                f"Copa did not report the digest of what it pushed to {patch.image.name}.",
                cause="Every upgrade failed, or this Copa writes another OpenVEX document than 0.14 does.",
                remedy="Run it again with the pinned Copa; the tag alone does not prove what was built.",
                image=str(patch.image),
            )
        return digest


def pushed_digest(vex: Path) -> str:
    """The digest that Copa's OpenVEX document is about, which is BuildKit's own answer to the export.

    Args:
        vex: the document: every statement has one product, `pkg:oci/NAME@DIGEST`.

    Returns:
        The digest; empty when the document is missing, malformed, or about none or several.
    """
    try:
        document = reading.json_value(reading.content(vex, reading.DOCUMENTS))
        products = [str(one["@id"]) for statement in document["statements"] for one in statement["products"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    found = {name.rpartition("@")[2] for name in products}
    return found.pop() if len(found) == 1 and all(is_digest(one) for one in found) else ""


def said(ended: Completed) -> str:
    """The error Copa ended with, without decoration; the end of what it wrote when it named none.

    Only this is read: the log before it names errors that are none, such as a first try for the tooling image.
    """
    text = _DECORATION.sub("", ended.stderr)
    _, marker, final = text.rpartition("\nError: ")
    return (final if marker else text).strip()[-3000:]


# What Copa or BuildKit says → what happened, probable cause, what to change. The first that matches is told.
_FAILURES: tuple[tuple[str, str, str, str], ...] = (
    (
        r"exceeded timeout|context deadline exceeded",
        "Copa did not finish within {limit} s.",
        "BuildKit is slow or hangs, or the package repositories cannot be reached from it.",
        "Give it more time with `timeout`, or another BuildKit with `buildkit-addr`.",
    ),
    (
        r"failed to push",
        "{registry} did not take the patched image.",
        "The credentials may not push there, or the registry is read-only or out of order.",
        "Give registry-username and registry-password (or `docker login`) of someone who may push to it.",
    ),
    (
        r"x509|certificate signed by unknown authority|server gave HTTP response to HTTPS client",
        "BuildKit does not trust the registry {registry}.",
        "The registry speaks plain HTTP, or its certificate is of an authority BuildKit does not know.",
        'Add it to BuildKit\'s configuration (`[registry."HOST"] http = true` or `ca = […]`).',
    ),
    (
        r"emulation is not enabled for platform (?P<detail>\S+)",
        "Copa cannot run programs of {detail} on this machine.",
        "No QEMU is registered for that platform.",
        "Run `docker/setup-qemu-action` first.",
    ),
    (
        r"unsupported osType (?P<detail>\S+)|report metadata is incomplete",
        "Copa cannot patch this image's operating system.",
        "It knows Debian, Ubuntu, Alpine, the RPM distributions and Azure Linux; the report names another or none.",
        "Rebuild the image on a newer base.",
    ),
    (
        r"could not infer DPKG status|could not find determine RPM DB|no package manager tools|stat /bin/busybox",
        "Copa found no package manager in the image.",
        "The image was stripped of it, or is built from scratch.",
        "Rebuild the image on a newer base.",
    ),
    (
        r"downloaded package (?P<detail>\S+) version \S+ lower than required|expected \d+ updates, installed",
        "The fixed version of {detail} is not to be had.",
        "The distribution's security repository is not configured in the image or cannot be reached from BuildKit, "
        "or has not published it yet.",
        "Look at the package sources in the image, or accept a partial patch with `allow-partial`.",
    ),
    (
        r"(?:apt-get|apk|tdnf|dnf|yum|microdnf|zypper|pacman) .*did not complete successfully",
        "The package manager in the image could not upgrade its packages.",
        "Its repositories cannot be reached from BuildKit, or no longer carry the release.",
        "Look at the network of BuildKit (proxy, DNS) and at the package sources in the image.",
    ),
    (
        r"//(?:registry-1\.docker|ghcr)\.io/|(?:docker|ghcr)\.io/\S+: not found|tooling image",
        "Copa's tooling image could not be pulled.",
        "Copa takes it from ghcr.io or docker.io, and BuildKit cannot reach them.",
        'Let BuildKit reach them, or give it a mirror for both (`[registry."docker.io"] mirrors` in buildkitd.toml).',
    ),
    (
        r"no space left on device",
        "BuildKit ran out of disk space.",
        "Its state folder is full.",
        "Free some space (`docker buildx prune`), then run this again.",
    ),
    (
        r"failed to list workers|Unavailable: (?:connection )?error|error reading from server|no such job",
        "BuildKit went away.",
        "Its daemon was stopped, or ran out of memory.",
        "Look at its log, then run this again.",
    ),
    (
        r"unauthorized|401|403|denied",
        "{registry} did not let BuildKit read or write {repository}.",
        "The credentials are missing, wrong or not enough.",
        "Run `docker login {registry}`, or give registry-username and registry-password.",
    ),
)


def failure(patch: Patch, ended: Completed) -> OutsideError:
    """Copa's failure, translated."""
    text = said(ended)
    completed = replace(ended, stderr=text)
    for pattern, what, cause, remedy in _FAILURES:
        found = re.search(pattern, text, re.I)
        if found:
            detail = (found.groupdict().get("detail") or "a package")[:100]
            words = {
                "limit": f"{patch.timeout:g}",
                "registry": patch.image.registry,
                "repository": patch.image.repository,
                "detail": detail,
            }
            return ProgramFailed(
                completed,
                what=_fill(what, words),
                cause=_fill(cause, words),
                remedy=_fill(remedy, words),
            )
    return ProgramFailed(
        completed,
        what=f"Copa could not patch {patch.image.name} (exit code {ended.code}).",
        remedy="What Copa said stands below; nothing was handed on as patched.",
    )


def _fill(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace("{" + name + "}", word)
    return text
