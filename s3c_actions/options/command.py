"""The declaration of a command, apart from its implementation, which help and wrong input do not import."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, cast

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import G, Input
from s3c_actions.options.other_actions import OtherInput

if TYPE_CHECKING:
    from s3c_actions.result.model import Outcome
    from s3c_actions.wiring.context import Context

COMMANDS: Mapping[str, str] = {
    "init": "Write the workflows, policy and ignore file that fit a repository; create a signing key.",
    "chain": "Scan, patch, rescan, sign and verify images in one go.",
    "scan": "Find vulnerabilities, secrets, misconfigurations and licences in images.",
    "base": "Find the base of images, and which tag of it would remove how many findings.",
    "report": "Render, gate and compare an existing Trivy report, without a scan.",
    "patch": "Patch the operating-system packages of images, and prove by a rescan what is gone.",
    "smoke": "Start two images beside each other, isolated, and compare what they do.",
    "sign": "Sign images by digest, and verify what was signed.",
    "attach": "Attach signed evidence to images: scan report, SBOM, OpenVEX, result.",
    "verify": "Verify the signatures of images.",
    "trust": "Write what a verifier has to have to trust a signer.",
    "trace": "Tell the whole story of a digest from the registry alone.",
    "deploy": "Deploy manifests by signed digests, behind a gate that is proved.",
    "policy": "Read a policy, judge images by it as the cluster would, and export it.",
    "exception grant": "Break-glass: excuse findings of an image for hours, signed beside it; it ends by itself.",
    "exception list": "List the break-glass exceptions beside images, with the time left.",
    "exception revoke": "End break-glass exceptions before their time.",
    "gate": "Install the cluster's gate, and prove that it closes: an unsigned image is denied.",
    "propose": "Propose patched images as a pull request that writes their digests into manifests.",
    "comment": "Write results as comments on their pull request.",
    "upload": "Upload SARIF files to code scanning, and report how they were processed.",
    "mirror": "Copy an image by digest to a registry, from another or from an archive: all platforms.",
    "refresh": "Scan again what is deployed, and keep one issue on what can be fixed.",
    "fleet plan": "Find what a fleet's images mean now, leave out what needs nothing, share the rest among shards.",
    "fleet run": "Patch, judge, sign and prove the images of one shard of a plan, several at once.",
    "fleet report": "Report on a fleet: one result, summary, page, issue, and figures for Prometheus.",
    "fleet manifests": "Write Kubernetes manifests that keep a fleet without CI, with a pool of BuildKits.",
    "find": "Find the images that hold a vulnerability, a package or a licence, by their signed documents.",
    "diff": "Compare two images: packages, files, how they run; what a patch changed is proved.",
    "doctor": "Check programs, registries, tokens, cluster and machine; change nothing.",
    "programs": "List and install the programs that do the work.",
}
"""Every command, in the order of the help text. A module of this package declares it and has its name: that of
`fleet plan` is `fleet_plan`."""

FAMILIES: Mapping[str, str] = {
    "exception": "Break-glass: excuse findings of an image for hours, list and revoke that.",
    "fleet": "Keep many images scanned, patched and signed: plan, run, report.",
}
"""The first words of commands of two words, with what they do together."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs that were removed from a command.

    Attributes:
        asking: those that request something that would otherwise be ignored silently. They are rejected as flags,
            as variables and as inputs of an action.
        others: the other inputs that a command had with them, as `module:name`; imported when one may be given. They
            are rejected as flags alone, as their variables may be there for another command of the same job.
        remedy: what to do instead.
    """

    asking: tuple[Input[Any], ...]
    others: str
    remedy: str

    def error(self, option: Input[Any], command: str) -> InputError:
        """Return the error of a removed input that is given."""
        return InputError(option.name, f"it is not an input of `s3c {command}` any more.", remedy=self.remedy)


class Command(msgspec.Struct, Generic[G], frozen=True, kw_only=True):
    """One command of `s3c`, declared as `COMMAND` beside its inputs.

    Attributes:
        name: as in COMMANDS.
        help: what it does, in one or two sentences.
        options: its inputs. A command with `OutputOptions` among them has its `summary.md` and `result.json` written
            there.
        implementation: the function that implements it, as `module:function`; imported when it runs.
        examples: command lines for the help text, without the `$`.
        removed: inputs that were removed; the error of a removed input names the command that has it now.
        others: inputs of other actions that are understood, so that a workflow works when only its `uses:` changed.
        comments: whether the shell comments the result on the pull request, when asked (`CommentingOptions`).
        submits: whether the shell submits the packages to GitHub, when asked (`SubmitOptions`).
    """

    name: str
    help: str
    options: type[G]
    implementation: str
    examples: tuple[str, ...] = ()
    removed: Removed | None = None
    others: tuple[OtherInput, ...] = ()
    comments: bool = False
    submits: bool = False

    @property
    def inputs(self) -> tuple[Input[Any], ...]:
        """The inputs, in README order."""
        return self.options.inputs()

    @property
    def other_inputs(self) -> tuple[Input[str], ...]:
        """The declarations of `others`, without those that stand for values of an input of ours."""
        ours = {option.name for option in self.inputs}
        return tuple(other.declare() for other in self.others if other.name not in ours)

    def removed_inputs(self) -> tuple[Input[Any], ...]:
        """Return all of the inputs that were removed."""
        if self.removed is None:
            return ()
        remaining = {option.name for option in self.inputs}
        inputs: tuple[Input[Any], ...] = (*self.removed.asking, *_import_name(self.removed.others))
        return tuple(option for option in inputs if option.name not in remaining)

    def run(self, options: G, context: Context) -> Outcome:
        """Run the command.

        Args:
            options: the values of the inputs.
            context: the context of the run.

        Returns:
            What was done; the failure of a single image is in `ImageOutcome.failure`, so that the reports of the
            others are written.

        Raises:
            S3CError: nothing could be done.
        """
        run: Callable[[G, Context], Outcome] = _import_name(self.implementation)
        return run(options, context)


def _import_name(name: str) -> Any:
    """Import what `module:name` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load(name: str) -> Command[Any]:
    """Load the command of a name, one of COMMANDS."""
    module = name.replace(" ", "_")
    return cast(Command[Any], importlib.import_module(f"s3c_actions.options.{module}").COMMAND)
