"""Copa: upgrades the vulnerable packages of an image in a new layer (project-copacetic/copacetic 0.14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramTimedOut, Runner
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.programs.buildkit.buildkit import TlsFiles
from s3c_actions.programs.copa import errors

# Copa ends itself at its time limit and cleans up; only one that hangs beyond it is ended from here.
_GRACE = 20.0

_STEP = re.compile(r"^#\d+ (?!DONE|CACHED|ERROR|CANCELED)(?:\[[^\]]*\] )?([A-Z].{0,150})$")


class PatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run of Copa.

    Attributes:
        image: pinned to a digest.
        report: Trivy's JSON, or a folder with a report for each platform (`*.json`).
        tag: pushed to the image's own repository.
        vex: where Copa writes its OpenVEX document; the folder exists, the file does not.
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
    tls: TlsFiles = msgspec.field(default_factory=TlsFiles)
    library: bool = False
    ignore_errors: bool = False
    timeout: float = 600.0
    work: Path | None = None


class Copa:
    """Runs Copa."""

    def __init__(self, program: Path, runner: Runner) -> None:
        self._program = program
        self._runner = runner

    def argv(self, patch: PatchRequest) -> list[str]:
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
        self, patch: PatchRequest, *, docker_config: Mapping[str, str], on_line: Callable[[str], None] | None = None
    ) -> str:
        """Patch an image and push the result.

        Args:
            patch: the run.
            docker_config: environment variables that let Copa log in to the registry.
            on_line: called with each build step, for progress.

        Returns:
            The digest of the pushed image, as BuildKit reported it; empty when Copa had nothing to patch, and pushed
            nothing.

        Raises:
            OutsideError: Copa, BuildKit, the registry or the distribution's package repositories failed, or the digest
                was not reported.
        """
        extra = dict(docker_config)
        if patch.library:
            extra["COPA_EXPERIMENTAL"] = "1"

        def line(text: str) -> None:
            step = _STEP.match(errors.DECORATION.sub("", text).strip())
            if step and on_line is not None:
                on_line(step[1])

        try:
            ended = self._runner.run(
                self.argv(patch), extra=extra, timeout=patch.timeout + _GRACE, check=False, on_line=line
            )
        except ProgramTimedOut as error:
            raise errors.timed_out(error.original, patch.image, patch.timeout) from None
        if "no package updates found for image" in ended.stderr:
            return ""
        if ended.code != 0:
            raise errors.translate(ended, patch.image, patch.timeout)
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
    """The digest in Copa's OpenVEX document, which is BuildKit's own answer to the export.

    Args:
        vex: the document: every statement has one product, `pkg:oci/NAME@DIGEST`.

    Returns:
        The digest; empty when the document is missing, malformed, or has none or several.
    """
    try:
        document = reading.parse_json(reading.read_file(vex, reading.MAX_DOCUMENT_BYTES))
        products = [str(product["@id"]) for statement in document["statements"] for product in statement["products"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    digests = {name.rpartition("@")[2] for name in products}
    return digests.pop() if len(digests) == 1 and all(is_digest(digest) for digest in digests) else ""
