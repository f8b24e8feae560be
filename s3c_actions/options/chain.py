"""Inputs of the whole chain: those of its steps, and which steps run."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options import deploy as deploying
from s3c_actions.options import report as reporting
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import DeployingOptions
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.options.parse import boolean
from s3c_actions.options.patch import PATCH_INPUTS, PatchingOptions
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions
from s3c_actions.options.sign import KEY_INPUTS, SIGNATURE_INPUTS, SigningOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.verify import VerifyingOptions, VouchingOptions

# Without `exit-code`: if a chain succeeded without signing, the next step would treat the image as signed.
_SCANNING = tuple(
    option for option in (*SCOPE_INPUTS, *SCAN_INPUTS) if option is not reporting.ExitCodeOptions.exit_code
)
_DEPLOYING = tuple(option for option in deploying.DEPLOY_INPUTS if option is not deploying.ResolveOptions.resolve)


class ProofOptions(EvidenceOptions, SigningOptions, VerifyingOptions, VouchingOptions):
    """What makes an image provable, and whose proof counts: its signature, the evidence beside it, and their trust."""


class ChainInputs(
    ScanningOptions,
    PatchingOptions,
    ProofOptions,
    DeployingOptions,
    JobOptions,
    ImageOptions,
):
    """The inputs of `chain`."""

    patch = Input(
        name="patch",
        help="Patch what can be patched, and go on with the patched image. `false` goes on with the image as it is.",
        parse=boolean,
        default="true",
        absent=True,
    )
    sign = Input(
        name="sign",
        basic=("chain",),
        help="Sign and verify what passes the gate. `false` stops after the gate, and needs no key.",
        parse=boolean,
        default="true",
        absent=True,
    )
    deploy = Input(
        name="deploy",
        basic=("chain",),
        help="Deploy `manifests` with the images of the chain in them, each by its digest, once all of them have got "
        "through; as `s3c deploy` does.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    manifests = replace(
        deploying.ManifestOptions.manifests,
        help="With `deploy`: " + deploying.ManifestOptions.manifests.help,
        required=False,
        positional=False,
    )
    dry_run = replace(
        deploying.DeployingOptions.dry_run,
        help="With `deploy`: prove the gate, let the cluster try every object, and stop. What was patched and signed "
        "before stays in the registry.",
    )
    # A signature vouches for the image, so the chain has a gate by default, which the single steps do not.
    fail_on = replace(
        reporting.ThresholdOptions.fail_on,
        help="Lowest severity that keeps an image from being signed, or `none`. The reports stay complete whatever the "
        "gate says.",
        default="CRITICAL",
    )
    fixable_only = replace(reporting.ThresholdOptions.fixable_only, default="true", absent=True)
    trust_store = replace(
        TrustOptions.trust_store,
        help="Certificates to trust when verifying, as in `s3c verify`. Without it, the signing certificate's own "
        "anchor.",
    )
    order = (
        ImageOptions.image,
        patch,
        sign,
        *EvidenceOptions.own(),
        *KEY_INPUTS,
        *SIGNATURE_INPUTS,
        *TrustOptions.own(),
        deploy,
        manifests,
        *_DEPLOYING,
        *PATCH_INPUTS,
        *_SCANNING,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="chain",
    help="Takes images from vulnerable to patched, signed and verified: scan, patch, rescan, gate, sign, verify. "
    "Nothing is signed that does not pass the gate; a second run on the same image pushes nothing. With `deploy`, "
    "manifests are then deployed by the digests that came out, unless one of the images failed.",
    options=ChainInputs,
    implementation="s3c_actions.commands.chain:run",
    comments=True,
    submits=True,
    examples=(
        "s3c chain localhost:5000/voting-db:15.0 --key signing.key --certificate signing.crt",
        "s3c chain registry.example/app:1.4 registry.example/db:15.0 --key-name release --fail-on HIGH",
        "s3c chain registry.example/app:1.4 --sign false",
        "s3c chain registry.example/app:1.4 --key-name release --deploy --manifests k8s/ --namespace voting",
        "s3c chain registry.example/app:pr-7 --baseline registry.example/app:main --baseline-name main",
    ),
)
