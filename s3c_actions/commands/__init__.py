"""The shell: one module for each command reads inputs, calls steps and hands back what was done.

A command never prints, exits or reads the environment: `cli.run` gives it a `Context` and renders the `Outcome` it
returns as console lines, summary, outputs and `result.json`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from s3c_actions.options.declare import Group
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.options.declare import Input
    from s3c_actions.options.removed import Removed
    from s3c_actions.result.model import Outcome

G = TypeVar("G", bound=Group)

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


class Command(msgspec.Struct, Generic[G], frozen=True, kw_only=True):
    """One command of `s3c`, declared as `COMMAND` in its module.

    Attributes:
        name: as in COMMANDS.
        help: what it does, in one or two sentences.
        options: its inputs. A command with `OutputOptions` among them has its `summary.md` and `result.json` written
            there.
        run: does it. Raises S3CError when nothing could be done; what became of single images is told by
            `ImageOutcome.failure` instead, so that the reports of the others are written.
        examples: command lines for the help text, without the `$`.
        removed: inputs that it took before; who gives one is told which command takes it now.
        comments: whether the shell comments on the pull request what it did, when asked (`CommentingOptions`).
    """

    name: str
    help: str
    options: type[G]
    run: Callable[[G, Context], Outcome]
    examples: tuple[str, ...] = ()
    removed: Removed | None = None
    comments: bool = False

    @property
    def inputs(self) -> tuple[Input[Any], ...]:
        """In README order."""
        return self.options.inputs()


def load(name: str) -> Command[Any]:
    """The command of that name, one of COMMANDS."""
    return cast(Command[Any], importlib.import_module(f"s3c_actions.commands.{name}").COMMAND)
