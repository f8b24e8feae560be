"""A policy as the cluster's gate has it: keys, verifiers and policy of Ratify, template and constraint of Gatekeeper.

Ratify's policy decides by Rego what Gatekeeper's template decides once more and explains; both have evidence.rego, with
the policy's values in front of it.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from s3c_actions.core.artifact_types import SARIF, SIGNATURE
from s3c_actions.core.errors import InputError
from s3c_actions.options import duration
from s3c_actions.policy.model import Policy, Signer, ends
from s3c_actions.signing import certificates, identities

RATIFY_API = "config.ratify.deislabs.io/v1beta1"
POLICY_NAME = "ratify-policy"
"""Ratify takes no policy of another name."""
VERIFIER = "verifier-notation"
"""The verifier of the first signer, or of all whom a gate without a policy trusts."""
DIGEST = "s3c.dev/policy"
"""Annotation that tells which policy an object was made of."""

Object = dict[str, Any]


def ratify(policy: Policy) -> list[Object]:
    """What Ratify is told: whom to trust, how to read the evidence, and the policy.

    Every signer has a verifier of its own: notation takes one statement for a repository, and in one statement each
    identity counts below each authority.

    Args:
        policy: whose signers hold their certificates' text.

    Raises:
        InputError: as `trust_policies`.
    """
    trusted = trust_policies(policy)
    keys = [
        _object(
            "KeyManagementProvider",
            store_name(one),
            policy,
            {"type": "inline", "parameters": {"contentType": "certificate", "value": one.certificate}},
        )
        for one in policy.signers
    ]
    verifiers = [
        *(
            _object("Verifier", name, policy, _notation(signer, document))
            for name, signer, document in zip(verifier_names(policy), policy.signers, trusted, strict=True)
        ),
        _object("Verifier", "verifier-report", policy, _handing_on(SARIF)),
    ]
    decision = {
        "type": "rego-policy",
        "parameters": {"passthroughEnabled": False, "policy": ratify_rego(policy)},
    }
    return [*keys, *verifiers, _object("Policy", POLICY_NAME, policy, decision)]


def verifier_names(policy: Policy) -> tuple[str, ...]:
    """Names of Ratify's verifiers whose word on a signature counts, one for each signer, in their order."""
    return (VERIFIER, *(f"{VERIFIER}-{one.name}" for one in policy.signers[1:]))


def trust_policies(policy: Policy) -> tuple[Object, ...]:
    """Notation's trust policy of each signer, strictly: its certificate with its identities, and nobody else's.

    https://notaryproject.dev/docs/user-guides/how-to/manage-trust-policy/

    Args:
        policy: whose signers hold their certificates' text.

    Raises:
        InputError: it names no signer, no identity below an authority, or one that notation cannot read.
    """
    if not policy.signers:
        raise InputError(
            "policy",
            "it names no signer, so that no evidence could be trusted.",
            remedy="Name who signs under `signers`.",
        )
    return tuple(_trust_policy(one) for one in policy.signers)


def _trust_policy(signer: Signer) -> Object:
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "s3c",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "strict"},
                "trustStores": [f"ca:{store_name(signer)}"],
                "trustedIdentities": list(_identities(signer)),
            }
        ],
    }


def _identities(signer: Signer) -> tuple[str, ...]:
    """Who is trusted below a signer's certificates; everyone only where that is the signer alone, or asked for."""
    if signer.identities:
        return identities.entries(signer.identities, "policy")
    found = certificates.read_chain(signer.certificate.encode(), "policy")
    issuing = next((one for one in found if not certificates.vouches_for_itself(one)), None)
    if issuing is not None:
        raise InputError(
            "policy",
            f"signer {signer.name} has no identities, and its certificate is an authority's, "
            f"{certificates.subject(issuing)}.",
            cause="Everyone whom the authority certified would be trusted.",
            remedy='List under `identities` who signs, as "C=US, ST=WA, O=example, CN=release"; or "*" for everyone.',
        )
    return (identities.ANYONE,)


def gatekeeper(policy: Policy, template: Object) -> Object:
    """The constraint template that asks Ratify about every image of a Pod, and says what the policy has against it.

    Args:
        policy: as `ratify` takes it.
        template: the gate's own, as manifests/gatekeeper/template.yaml has it; it finds the images and asks.
    """
    (target,) = template["spec"]["targets"]
    rego, without, has_none = str(target["rego"]).partition(_NO_OBJECTIONS)
    if not without:
        raise ValueError(f"the template has no rule {_NO_OBJECTIONS!r}")
    made = json.loads(json.dumps(template))
    made["metadata"].setdefault("annotations", {})[DIGEST] = policy.digest
    made["metadata"]["annotations"]["description"] = (
        "Admits only images that are signed and whose signed evidence the policy has nothing against; init and "
        "ephemeral containers and image volumes included."
    )
    made["spec"]["targets"][0]["rego"] = f"{rego}{_OBJECTIONS}{has_none}\n{values(policy)}\n{library()}"
    return dict(made)


def ratify_rego(policy: Policy) -> str:
    """The module that Ratify decides with."""
    return f"package ratify.policy\n{_DECIDES}\n{values(policy)}\n{library()}"


def values(policy: Policy) -> str:
    """The policy's values as the rule `policy`, which evidence.rego reads."""
    oldest = policy.report.maximum_database_age
    previous = policy.report.accept_previous_until
    document = {
        "digest": policy.digest,
        "verifiers": list(verifier_names(policy)),
        "refuse": list(policy.findings.refuse),
        "fixable_only": policy.findings.fixable_only,
        "deny": sorted({one.upper() for one in policy.findings.deny}),
        "exceptions": [
            {
                "id": one.id,
                "package": one.package,
                "until": one.until.isoformat(),
                "ends": int(ends(one.until).timestamp()) * 1_000_000_000,
            }
            for one in policy.exceptions
        ],
        "maximum_age": _nanoseconds(policy.report.maximum_age),
        "maximum_age_text": policy.report.maximum_age,
        "maximum_database_age": _nanoseconds(oldest) if oldest is not None else 0,
        "maximum_database_age_text": oldest or "",
        "scanners": list(policy.report.scanners),
        "pkg_types": list(policy.report.pkg_types),
        "allow_skipped": policy.report.allow_skipped,
        "require_stated": policy.report.require_stated,
        "require_covered_sources": policy.report.require_covered_sources,
        "unscanned": policy.report.unscanned,
        "accept_previous_until": int(ends(previous).timestamp()) * 1_000_000_000 if previous is not None else 0,
        "needs_sbom": policy.needs_sbom,
        "packages": list(policy.packages.refuse),
        "licenses": list(policy.licenses.refuse),
    }
    return f"\npolicy := {json.dumps(document, indent=2)}\n"


def library() -> str:
    """The text of evidence.rego."""
    return resources.files("s3c_actions.policy").joinpath("evidence.rego").read_text(encoding="utf-8")


# A policy that cannot be evaluated denies: Ratify takes an error for a no.
_DECIDES = """
default valid := false

valid {
  count(refusals("", input.verifierReports)) == 0
}
"""

# What the template says when there is no policy, and what it says when there is one.
_NO_OBJECTIONS = "objections(_, _) = set()"
_OBJECTIONS = 'objections(image, said) = refusals(image, object.get(said, "verifierReports", []))'


def _notation(signer: Signer, trusted: Object) -> Object:
    """The verifier of one signer."""
    store = store_name(signer)
    return {
        "name": "notation",
        "version": "1.0.0",
        "artifactTypes": SIGNATURE,
        "parameters": {"verificationCertStores": {"ca": {store: [store]}}, "trustPolicyDoc": trusted},
    }


def _handing_on(kind: str) -> Object:
    """The verifier that hands a document on as it is, whichever way its own checks would decide."""
    return {
        "name": "vulnerabilityreport",
        "version": "1.0.0",
        "artifactTypes": kind,
        "parameters": {"passthrough": True},
    }


def _object(kind: str, name: str, policy: Policy, spec: Object) -> Object:
    return {
        "apiVersion": RATIFY_API,
        "kind": kind,
        "metadata": {"name": name, "annotations": {DIGEST: policy.digest}},
        "spec": spec,
    }


def store_name(signer: Signer) -> str:
    """The name of the trust store that holds a signer's certificates, and of Ratify's provider of them."""
    return f"s3c-{signer.name}"


def _nanoseconds(text: str) -> int:
    return int(duration(text) * 1_000_000_000)
