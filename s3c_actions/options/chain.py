"""Inputs of the whole chain: those of its steps, and which of them are run."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input, boolean
from s3c_actions.options import deploy as deploying
from s3c_actions.options import report as reporting
from s3c_actions.options.common import IMAGE, ImageOptions
from s3c_actions.options.deploy import DeployingOptions
from s3c_actions.options.evidence import EVIDENCE, EvidenceOptions
from s3c_actions.options.patch import HOW, PatchingOptions
from s3c_actions.options.programs import NOTATION, PROGRAMS_MIRROR
from s3c_actions.options.scan import AROUND, LOOK, ScanningOptions
from s3c_actions.options.sign import KEY_INPUTS, SIGNATURE_INPUTS, SigningOptions
from s3c_actions.options.verify import TRUST_INPUTS, TRUST_STORE, VerifyingOptions, VouchingOptions

PATCH = Input(
    name="patch",
    help="Patch what can be patched, and go on with the patched image. `false` goes on with the image as it is.",
    parse=boolean,
    default="true",
    absent=True,
)
SIGN = Input(
    name="sign",
    help="Sign and verify what passes the gate. `false` stops after the gate, and needs no key.",
    parse=boolean,
    default="true",
    absent=True,
)
DEPLOY = Input(
    name="deploy",
    help="Deploy `manifests` with the images of the chain in them, each by its digest, once all of them have got "
    "through; as `s3c deploy` does.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
)
MANIFESTS = replace(
    deploying.MANIFESTS,
    help="With `deploy`: " + deploying.MANIFESTS.help,
    required=False,
    positional=False,
)
DRY_RUN = replace(
    deploying.DRY_RUN,
    help="With `deploy`: prove the gate, let the cluster try every object, and stop. What was patched and signed "
    "before stays in the registry.",
)
# What is signed is vouched for, so the chain has a gate where the single steps have none until they are given one.
FAIL_ON = replace(
    reporting.FAIL_ON,
    help="Lowest severity that keeps an image from being signed, or `none`. The reports stay complete whatever the "
    "gate says.",
    default="CRITICAL",
)
FIXABLE_ONLY = replace(reporting.FIXABLE_ONLY, default="true", absent=True)
OPTIONAL_TRUST_STORE = replace(
    TRUST_STORE,
    help="Certificates to trust when verifying, as in `s3c verify`. Without it, the signing certificate's own anchor.",
)

_OWN = {one.name: one for one in (FAIL_ON, FIXABLE_ONLY, OPTIONAL_TRUST_STORE)}
# Without `exit-code`: a chain that ends well although it did not sign would let the next step take it for signed.
_SCANNING = tuple(_OWN.get(one.name, one) for one in (*LOOK, *AROUND) if one is not reporting.EXIT_CODE)
_DEPLOYING = tuple(
    DRY_RUN if one is deploying.DRY_RUN else one for one in deploying.HOW if one is not deploying.RESOLVE
)
_TRUST = tuple(_OWN.get(one.name, one) for one in TRUST_INPUTS)

INPUTS: tuple[Input[Any], ...] = (
    IMAGE,
    PATCH,
    SIGN,
    *EVIDENCE,
    *KEY_INPUTS,
    *SIGNATURE_INPUTS,
    *_TRUST,
    DEPLOY,
    MANIFESTS,
    *_DEPLOYING,
    *HOW,
    *_SCANNING,
    *NOTATION.all,
    PROGRAMS_MIRROR,
)


class ChainInputs(
    ScanningOptions,
    PatchingOptions,
    EvidenceOptions,
    SigningOptions,
    VerifyingOptions,
    VouchingOptions,
    DeployingOptions,
    ImageOptions,
    order=INPUTS,
):
    """Of `chain`."""

    patch = PATCH
    sign = SIGN
    deploy = DEPLOY
    manifests = MANIFESTS
    dry_run = DRY_RUN
    fail_on = FAIL_ON
    fixable_only = FIXABLE_ONLY
    trust_store = OPTIONAL_TRUST_STORE
