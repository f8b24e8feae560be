"""Export a policy to the cluster's gate: Ratify's keys, verifiers and policy, Gatekeeper's template and constraint.

Ratify's policy decides in Rego what Gatekeeper's template decides again and explains; both contain evidence.rego,
preceded by the policy's values.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from s3c_actions.core.artifact_types import EXCEPTION, SARIF, SIGNATURE
from s3c_actions.core.errors import InputError
from s3c_actions.options.parse import duration
from s3c_actions.policy.model import Policy, TrustedSigner, exception_end
from s3c_actions.signing import certificates, identities, key_files, timestamps

RATIFY_API = "config.ratify.deislabs.io/v1beta1"
POLICY_NAME = "ratify-policy"
"""Ratify accepts no policy of another name."""
VERIFIER = "verifier-notation"
"""The verifier of the first signer, or of all signers that a gate without a policy trusts."""
DIGEST_ANNOTATION = "s3c.dev/policy"
"""Annotation with the digest of the policy that an object was generated from."""

KubernetesObject = dict[str, Any]


def ratify_objects(policy: Policy) -> list[KubernetesObject]:
    """Return the objects that configure Ratify: trusted signers, verifiers of the evidence, and the policy.

    Every signer has a verifier of its own: notation accepts one statement for a repository, and in one statement each
    identity is trusted below each authority.

    Args:
        policy: whose signers hold their certificates' text.

    Raises:
        InputError: as `trust_policies` does.
    """
    documents = trust_policies(policy)
    stores = [
        *((store_name(signer), signer.certificate_pem) for signer in policy.signers),
        *((timestamp_store_name(signer), signer.timestamp_pem) for signer in policy.signers if signer.timestamp_roots),
    ]
    keys = [
        _object(
            "KeyManagementProvider",
            name,
            policy,
            {"type": "inline", "parameters": {"contentType": "certificate", "value": pem}},
        )
        for name, pem in stores
    ]
    verifiers = [
        *(
            _object("Verifier", name, policy, _notation_verifier(signer, document))
            for name, signer, document in zip(
                (_verifier_name(policy, signer) for signer in policy.signers), policy.signers, documents, strict=True
            )
        ),
        _object("Verifier", "verifier-report", policy, _passthrough_verifier(SARIF)),
    ]
    if policy.granters:
        verifiers.append(_object("Verifier", "verifier-exception", policy, _passthrough_verifier(EXCEPTION)))
    decision = {
        "type": "rego-policy",
        "parameters": {"passthroughEnabled": False, "policy": ratify_rego(policy)},
    }
    return [*keys, *verifiers, _object("Policy", POLICY_NAME, policy, decision)]


def verifier_names(policy: Policy) -> tuple[str, ...]:
    """Return the names of Ratify's verifiers that decide on images and evidence, one for each signer, in order."""
    return (VERIFIER, *(f"{VERIFIER}-{signer.name}" for signer in policy.image_signers[1:]))


def granter_names(policy: Policy) -> tuple[str, ...]:
    """Return the names of Ratify's verifiers that decide on break-glass exceptions."""
    return tuple(_verifier_name(policy, signer) for signer in policy.granters)


def _verifier_name(policy: Policy, signer: TrustedSigner) -> str:
    """Return the name of a signer's verifier; who only grants exceptions never has that of a gate without a policy."""
    return VERIFIER if signer in policy.image_signers[:1] else f"{VERIFIER}-{signer.name}"


def trust_policies(policy: Policy) -> tuple[KubernetesObject, ...]:
    """Return notation's trust policy of each signer, at level strict: its certificate with its identities only.

    https://notaryproject.dev/docs/user-guides/how-to/manage-trust-policy/

    Args:
        policy: whose signers hold their certificates' text.

    Raises:
        InputError: it names no signer, no identity below an authority, or one that notation cannot read.
    """
    if not policy.image_signers:
        raise InputError(
            "policy",
            "it names no signer, so that no evidence could be trusted.",
            remedy="Name who signs under `signers`.",
        )
    return tuple(_trust_policy(signer) for signer in policy.signers)


def _trust_policy(signer: TrustedSigner) -> KubernetesObject:
    stamped = bool(signer.timestamp_roots)
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "s3c",
                "registryScopes": ["*"],
                "signatureVerification": dict(
                    timestamps.signature_verification("strict", signer.verify_timestamp, stamped=stamped)
                ),
                "trustStores": [
                    f"ca:{store_name(signer)}",
                    *([f"tsa:{timestamp_store_name(signer)}"] if stamped else []),
                ],
                "trustedIdentities": list(_identities(signer)),
            }
        ],
    }


def trust_timestamps(parameters: KubernetesObject, store: str, check: str) -> None:
    """Add trust in time-stamps to the parameters of Ratify's verifier for notation.

    Args:
        parameters: with one statement in its trust policy.
        store: KeyManagementProvider with the authorities' root certificates.
        check: when a signature needs a time-stamp of theirs: one of `signing.timestamps.CHECKS`.
    """
    parameters["verificationCertStores"]["tsa"] = {store: [store]}
    (statement,) = parameters["trustPolicyDoc"]["trustPolicies"]
    statement["trustStores"] = [*statement["trustStores"], f"tsa:{store}"]
    level = statement["signatureVerification"]["level"]
    statement["signatureVerification"] = dict(timestamps.signature_verification(level, check, stamped=True))


def _identities(signer: TrustedSigner) -> tuple[str, ...]:
    """Return the trusted identities below a signer's certificates; `*` only for that signer alone, or on request."""
    if signer.identities:
        return identities.identity_entries(signer.identities, "policy")
    chain = key_files.read_chain(signer.certificate_pem.encode(), "policy")
    authority = next((certificate for certificate in chain if not certificates.is_own_anchor(certificate)), None)
    if authority is not None:
        raise InputError(
            "policy",
            f"signer {signer.name} has no identities, and its certificate is an authority's, "
            f"{certificates.subject(authority)}.",
            cause="Everyone whom the authority certified would be trusted.",
            remedy='List under `identities` who signs, as "C=US, ST=WA, O=example, CN=release"; or "*" for everyone.',
        )
    return (identities.ANYONE,)


def constraint_template(policy: Policy, template: KubernetesObject) -> KubernetesObject:
    """Return the constraint template that asks Ratify about every image of a Pod, and reports the policy's objections.

    Args:
        policy: as in `ratify`.
        template: the gate's own, from manifests/gatekeeper/template.yaml; it finds the images and asks Ratify.
    """
    (target,) = template["spec"]["targets"]
    rego, marker, remainder = str(target["rego"]).partition(_NO_OBJECTIONS)
    if not marker:
        raise ValueError(f"the template has no rule {_NO_OBJECTIONS!r}")
    exported = json.loads(json.dumps(template))
    exported["metadata"].setdefault("annotations", {})[DIGEST_ANNOTATION] = policy.digest
    exported["metadata"]["annotations"]["description"] = (
        "Admits only images that are signed and whose signed evidence the policy has nothing against; init and "
        "ephemeral containers and image volumes included."
    )
    exported["spec"]["targets"][0]["rego"] = f"{rego}{_OBJECTIONS}{remainder}\n{rego_values(policy)}\n{rego_library()}"
    return dict(exported)


def is_exported(rego: str, template: str) -> bool:
    """Return whether a template's Rego is the gate's own, as it is or with a policy, as `constraint_template` has it.

    Args:
        rego: of a template on a cluster.
        template: the Rego of the gate's own template.
    """
    if rego == template:
        return True
    before, _, after = template.partition(_NO_OBJECTIONS)
    return rego.startswith(f"{before}{_OBJECTIONS}{after}\n\npolicy := {{") and rego.endswith(f"}}\n\n{rego_library()}")


def ratify_rego(policy: Policy) -> str:
    """Return the Rego module of Ratify's policy."""
    return f"package ratify.policy\n{_DECIDES}\n{rego_values(policy)}\n{rego_library()}"


def rego_values(policy: Policy) -> str:
    """Return the policy's values as the rule `policy`, which evidence.rego reads."""
    oldest = policy.report.maximum_database_age
    previous = policy.report.accept_previous_until
    document = {
        "digest": policy.digest,
        "verifiers": list(verifier_names(policy)),
        "granters": list(granter_names(policy)),
        "longest_grant": _nanoseconds(policy.break_glass.maximum),
        "longest_grant_text": policy.break_glass.maximum,
        "refuse": list(policy.findings.severities),
        "graces": {name: _nanoseconds(grace) for name, grace in policy.findings.graces.items()},
        "epss": policy.findings.epss,
        "deny_exploited": policy.findings.deny_exploited,
        "maximum_exploitation_age": _nanoseconds(policy.exploitation.maximum_age),
        "maximum_exploitation_age_text": policy.exploitation.maximum_age,
        "refuse_end_of_life": policy.platform.end_of_life == "refuse",
        "maximum_base_age": _nanoseconds(policy.base.maximum_age) if policy.base.maximum_age is not None else 0,
        "maximum_base_age_text": policy.base.maximum_age or "",
        "fixable_only": policy.findings.fixable_only,
        "scope": policy.findings.scope,
        "bases": list(policy.findings.bases),
        "deny": sorted({finding.upper() for finding in policy.findings.deny}),
        "exceptions": [
            {
                "id": exception.id,
                "package": exception.package,
                "until": exception.until.isoformat(),
                "ends": int(exception_end(exception.until).timestamp()) * 1_000_000_000,
            }
            for exception in policy.exceptions
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
        "accept_previous_until": int(exception_end(previous).timestamp()) * 1_000_000_000
        if previous is not None
        else 0,
        "needs_sbom": policy.needs_sbom,
        "packages": list(policy.packages.refuse),
        "licenses": list(policy.licenses.refuse),
    }
    return f"\npolicy := {json.dumps(document, indent=2)}\n"


def rego_library() -> str:
    """Return the text of evidence.rego."""
    return resources.files("s3c_actions.policy").joinpath("evidence.rego").read_text(encoding="utf-8")


# A policy that cannot be evaluated denies: Ratify treats an error as a denial.
_DECIDES = """
default valid := false

valid {
  count(refusals("", input.verifierReports)) == 0
}
"""

# The template's rule without a policy, and its replacement with one.
_NO_OBJECTIONS = "objections(_, _) = set()"
_OBJECTIONS = 'objections(image, verdict) = refusals(image, object.get(verdict, "verifierReports", []))'


def _notation_verifier(signer: TrustedSigner, trusted: KubernetesObject) -> KubernetesObject:
    """Return the verifier of one signer."""
    stores = {"ca": {store_name(signer): [store_name(signer)]}}
    if signer.timestamp_roots:
        stores["tsa"] = {timestamp_store_name(signer): [timestamp_store_name(signer)]}
    return {
        "name": "notation",
        "version": "1.0.0",
        "artifactTypes": SIGNATURE,
        "parameters": {"verificationCertStores": stores, "trustPolicyDoc": trusted},
    }


def _passthrough_verifier(kind: str) -> KubernetesObject:
    """Return the verifier that passes a document on unchanged, whatever its own checks would decide."""
    return {
        "name": "vulnerabilityreport",
        "version": "1.0.0",
        "artifactTypes": kind,
        "parameters": {"passthrough": True},
    }


def _object(kind: str, name: str, policy: Policy, spec: KubernetesObject) -> KubernetesObject:
    return {
        "apiVersion": RATIFY_API,
        "kind": kind,
        "metadata": {"name": name, "annotations": {DIGEST_ANNOTATION: policy.digest}},
        "spec": spec,
    }


def store_name(signer: TrustedSigner) -> str:
    """Return the name of the trust store that holds a signer's certificates, and of Ratify's provider of them."""
    return f"s3c-{signer.name}"


def timestamp_store_name(signer: TrustedSigner) -> str:
    """Return the name of the trust store that holds the roots of a signer's time-stamp authorities."""
    return f"s3c-{signer.name}-tsa"


def _nanoseconds(text: str) -> int:
    return int(duration(text) * 1_000_000_000)
