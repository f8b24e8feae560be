"""The shell: one module for each command reads inputs, calls steps and hands back what was done.

A command never prints, exits or reads the environment: `__main__` gives it a `Context` and renders the `Outcome` it
returns as console lines, summary, outputs and `result.json`.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from s3c_actions.core.process import Runner, Secrets
    from s3c_actions.core.progress import Progress
    from s3c_actions.options import Input, Values
    from s3c_actions.result.model import Outcome

COMMANDS: Mapping[str, str] = {
    "chain": "Scan, patch, rescan, sign and verify images in one go.",
    "scan": "Find vulnerabilities, secrets, misconfigurations and licences in images.",
    "report": "Render, gate and compare an existing Trivy report, without a scan.",
    "patch": "Patch the operating-system packages of images, and prove by a rescan what is gone.",
    "sign": "Sign images by digest, and verify what was signed.",
    "attach": "Attach signed evidence to images: scan report, SBOM, OpenVEX, result.",
    "verify": "Verify the signatures of images.",
    "trust": "Write what a verifier has to have to trust a signer.",
    "trace": "Tell the whole story of a digest from the registry alone.",
    "deploy": "Deploy manifests by signed digests, behind a gate that is proved.",
    "policy": "Read a policy, judge images by it as the cluster would, and export it.",
    "gate": "Install the cluster's gate, and prove that it closes: an unsigned image is denied.",
    "propose": "Propose patched images as a pull request that writes their digests into manifests.",
    "comment": "Write results as comments on their pull request.",
    "upload": "Upload SARIF files to code scanning, and tell what became of them.",
    "mirror": "Copy an image by digest to a registry, from another or from an archive: all platforms.",
    "refresh": "Scan again what is deployed, and keep one issue on what can be fixed.",
    "programs": "List and install the programs that do the work.",
}
"""Every command, in the order of the help text; a module of this package has its name."""
_MODULES: Mapping[str, str] = {
    "scan": "s3c_actions.wiring.scanning",
    "attach": "s3c_actions.wiring.attaching",
    "sign": "s3c_actions.wiring.signing",
    "patch": "s3c_actions.wiring.patching",
    "verify": "s3c_actions.wiring.verifying",
    "policy": "s3c_actions.wiring.judging",
    "deploy": "s3c_actions.wiring.deploying",
    "trace": "s3c_actions.wiring.tracing",
}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command of `s3c`, declared as `COMMAND` in its module.

    Attributes:
        name: as in COMMANDS.
        help: what it does, in one or two sentences.
        inputs: in README order. A command whose inputs include OUTPUT_DIR has its `summary.md` and `result.json`
            written there.
        run: does it. Raises S3CError when nothing could be done; what became of single images is told by
            `ImageOutcome.failure` instead, so that the reports of the others are written.
        examples: command lines for the help text, without the `$`.
        comments: whether the shell comments on the pull request what it did, when asked (`inputs.github.COMMENTING`).
    """

    name: str
    help: str
    inputs: tuple[Input[Any], ...]
    run: Callable[[Values, Context], Outcome]
    examples: tuple[str, ...] = ()
    comments: bool = False


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a command works with.

    Attributes:
        environment: the process's environment, the only one there is.
        runner: starts programs in that environment, and hides `secrets`.
        secrets: add a value before its first use; secret inputs are in it already.
        output: folder for everything written (OUTPUT_DIR); not made yet.
        cache: what may be kept between runs (programs, databases).
        temp: made for this run and removed after it.
        cwd: relative paths start here.
        now: the time of this run, with its zone.
        shared: what the steps of this run make once, such as logins.
    """

    environment: Mapping[str, str]
    runner: Runner
    progress: Progress
    secrets: Secrets
    output: Path
    cache: Path
    temp: Path
    cwd: Path
    now: datetime
    shared: dict[str, object] = msgspec.field(default_factory=dict)


def load(name: str) -> Command:
    """The command of that name, one of COMMANDS."""
    return cast(Command, importlib.import_module(_MODULES.get(name, f"s3c_actions.commands.{name}")).COMMAND)


def folders(output: Path, images: Iterable[str]) -> dict[str, Path]:
    """A folder for each image's files, named as people call the image: `s3c-out/voting-db`.

    Names come out the same in every run; images of the same name get a part of their reference's hash behind it.
    """
    names = {image: _name(image) for image in images}
    taken = list(names.values())
    return {
        image: output / (name if taken.count(name) == 1 else f"{name}-{hashlib.sha256(image.encode()).hexdigest()[:8]}")
        for image, name in names.items()
    }


def _name(image: str) -> str:
    """A file name of a reference or of a tarball's path; never empty, hidden, or holding a separator."""
    last = image.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-")[:80] or "image"
