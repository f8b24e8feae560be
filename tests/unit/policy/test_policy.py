"""The policy file: what it may say, and the message on what it may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import msgspec
import pytest
from ruamel.yaml import YAML

from s3c_actions.cluster import denials
from s3c_actions.cluster.gate import manifests
from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Finding, FindingKind, ForbiddenContent, Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.policy import export, model
from s3c_actions.policy.judge import SignerStatus, content_objections, forbidden_contents, judge_evidence
from s3c_lab.certificates import make, make_authority
from tests.support import evidence
from tests.support.hostile import TEXTS

SCHEMA = Path(model.__file__).parent.parent / "schemas" / model.SCHEMA
WHOLE = """\
version: 1
signers:
  - name: release
    certificate: keys/release.crt
    identities: ["C=US, ST=WA, O=example, CN=release"]
findings: {refuse: [HIGH, CRITICAL], fixable-only: true, deny: [CVE-2021-44228]}
exceptions:
  - {id: CVE-2023-45853, package: zlib1g, until: 2027-01-31, why: Not reached., who: security}
report: {maximum-age: 24h, maximum-database-age: 7d}
sbom: {required: true}
packages: {refuse: [telnetd, xz-utils@5.6.0, "@scope/pad@1"]}
licenses: {refuse: [AGPL-3.0-only]}
"""
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_everything_it_may_say_is_read():
    policy = model.parse(WHOLE)
    assert policy.refused_packages == (("telnetd", ""), ("xz-utils", "5.6.0"), ("@scope/pad", "1"))
    assert policy.maximum_age == timedelta(days=1)
    assert policy.needs_sbom
    assert policy.digest == model.parse("# Ours\n" + WHOLE.replace("[HIGH, CRITICAL]", "[ HIGH, CRITICAL ]")).digest
    assert policy.digest != model.parse(WHOLE.replace("24h", "25h")).digest


def test_the_published_schema_takes_what_we_take():
    schema = json.loads(SCHEMA.read_text())
    document = YAML(typ="safe").load(WHOLE)
    document["exceptions"][0]["until"] = "2027-01-31"
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "finding": {}}, schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no mapping"),
        ("- 1", "holds no mapping"),
        ("version: 2", "at version"),
        ("version: 1\nfinding: {}", "there is no key 'finding' here"),
        ("version: 1\nfindings: {refuse: [SEVERE]}", "at findings.refuse[0]"),
        ("version: 1\nfindings: {fixable-only: maybe}", "at findings.fixable-only"),
        ("version: 1\nexceptions: [{id: CVE-1, until: never, why: because, who: me}]", "at exceptions[0].until"),
        ("version: 1\nexceptions: [{id: CVE-1, until: 2027-01-01, who: me}]", "`why`"),
        ("version: 1\nreport: {maximum-age: old}", "at report.maximum-age"),
        ("version: 1\nreport: {maximum-age: 0s}", "no time at all"),
        ("version: 1\nlicenses: {refuse: ['GPL or so']}", "at licenses.refuse[0]"),
        ("version: 1\nlicenses: {refuse: [MIT, AGPLv3]}", "at licenses.refuse[1]: 'AGPLv3' is no identifier"),
        ("version: 1\nversion: 1", "not YAML, line 2"),
        ("version: [1", "not YAML"),
        ("version: 1\nsigners: [{name: a, certificate: x}, {name: a, certificate: y}]", "two signers are called a"),
        (
            "version: 1\nfindings: {deny: [cve-1]}\nexceptions: [{id: CVE-1, until: 2027-01-01, why: why, who: me}]",
            "no exception excuses",
        ),
    ],
)
def test_what_it_may_not_say_is_named_by_its_place(text, message):
    with pytest.raises(InputError) as error:
        model.parse(text)
    assert error.value.field == "policy"
    assert message in str(error.value)


def test_certificates_are_read_beside_the_policy(tmp_path):
    make("release").write(tmp_path, "release")
    path = tmp_path / "s3c-policy.yaml"
    path.write_text("version: 1\nsigners: [{name: release, certificate: release.crt}]\n")
    (signer,) = model.read(path).signers
    assert signer.certificate_pem.startswith("-----BEGIN CERTIFICATE-----")
    path.write_text("version: 1\nsigners: [{name: release, certificate: other.crt}]\n")
    with pytest.raises(InputError, match="signer release"):
        model.read(path)


def test_a_certificate_of_a_vault_is_named_and_read_later(tmp_path):
    path = tmp_path / "s3c-policy.yaml"
    named = "https://kv-voting.vault.azure.net/certificates/signing"
    for certificate, vault in (
        (named, ("kv-voting.vault.azure.net", "signing", "")),
        (f"{named}/{32 * 'a'}", ("kv-voting.vault.azure.net", "signing", 32 * "a")),
    ):
        path.write_text(f"version: 1\nsigners: [{{name: release, certificate: '{certificate}'}}]\n")
        (signer,) = model.read(path).signers
        assert (signer.certificates, signer.in_vault) == ((certificate,), True)
        assert model.vault_certificate(certificate) == vault
    path.write_text("version: 1\nsigners: [{name: release, certificate: 'https://example.com/release.crt'}]\n")
    with pytest.raises(InputError, match="is none of a key vault"):
        model.read(path)


def test_a_signer_may_have_several_certificates_while_one_is_renewed(tmp_path):
    """A list is the same as one file with all of them; those of a vault stay in their places."""
    for name in ("old", "new"):
        make(name).write(tmp_path, name)
    path = tmp_path / "s3c-policy.yaml"
    path.write_text("version: 1\nsigners: [{name: release, certificate: [old.crt, new.crt]}]\n")
    policy = model.read(path)
    assert policy.signers[0].certificates == tuple((tmp_path / f"{name}.crt").read_text() for name in ("old", "new"))
    provider, *_ = export.ratify_objects(policy)
    assert provider["spec"]["parameters"]["value"] == policy.signers[0].certificate_pem
    assert provider["spec"]["parameters"]["value"].count("BEGIN CERTIFICATE") == 2
    (document,) = export.trust_policies(policy)
    assert document["trustPolicies"][0]["trustedIdentities"] == ["*"]
    named = "https://kv-voting.vault.azure.net/certificates/signing"
    path.write_text(f"version: 1\nsigners: [{{name: release, certificate: ['{named}', new.crt]}}]\n")
    (signer,) = model.read(path).signers
    assert signer.certificates == (named, (tmp_path / "new.crt").read_text())
    assert signer.in_vault
    for certificate in ("[]", "[old.crt, missing.crt]", "[old.crt, 7]", "['https://example.com/x.crt']"):
        path.write_text(f"version: 1\nsigners: [{{name: release, certificate: {certificate}}}]\n")
        with pytest.raises(InputError):
            model.read(path)


def test_a_signers_time_stamps_are_trusted_by_the_judge_and_the_cluster(tmp_path):
    make("release").write(tmp_path, "release")
    root = make_authority("tsa root").chain_pem().decode()
    (tmp_path / "tsa.crt").write_text(root)
    path = tmp_path / "s3c-policy.yaml"
    text = "version: 1\nsigners: [{name: release, certificate: release.crt, timestamp-roots: [tsa.crt]MORE}]\n"
    for more, check in (("", "always"), (", verify-timestamp: afterCertExpiry", "afterCertExpiry")):
        path.write_text(text.replace("MORE", more))
        policy = model.read(path)
        _, tsa, verifier, *_ = export.ratify_objects(policy)
        assert (tsa["kind"], tsa["metadata"]["name"]) == ("KeyManagementProvider", "s3c-release-tsa")
        assert tsa["spec"]["parameters"]["value"] == root
        parameters = verifier["spec"]["parameters"]
        assert parameters["verificationCertStores"] == {
            "ca": {"s3c-release": ["s3c-release"]},
            "tsa": {"s3c-release-tsa": ["s3c-release-tsa"]},
        }
        (statement,) = parameters["trustPolicyDoc"]["trustPolicies"]
        assert statement["trustStores"] == ["ca:s3c-release", "tsa:s3c-release-tsa"]
        assert statement["signatureVerification"] == {"level": "strict", "verifyTimestamp": check}
    for wrong, message in (
        ("[missing.crt]", "cannot be read"),
        ("[release.crt]", "not the root certificate"),
        ("[], verify-timestamp: afterCertExpiry", "timestamp-roots is missing"),
        ("[tsa.crt], verify-timestamp: never", "at signers"),
    ):
        path.write_text(text.replace("[tsa.crt]MORE", wrong))
        with pytest.raises(InputError, match=message):
            model.read(path)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"severity": Severity.HIGH, "fixed": "2"}, True),
        ({"severity": Severity.HIGH}, False),
        ({"severity": Severity.MEDIUM, "fixed": "2"}, False),
        ({"severity": Severity.LOW, "id": "cve-2021-44228"}, True),
        ({"severity": Severity.HIGH, "fixed": "2", "id": "CVE-2023-45853", "package": "zlib1g"}, False),
        ({"severity": Severity.HIGH, "fixed": "2", "id": "CVE-2023-45853", "package": "other"}, True),
    ],
)
def test_the_gate_is_the_policys(fields, refused):
    finding = Finding(**{"kind": FindingKind.VULNERABILITY, "id": "CVE-1", "package": "p", **fields})
    assert model.parse(WHOLE).gate(NOW).rejects(finding) is refused


def test_an_exception_counts_to_the_end_of_its_last_day():
    excepted = Finding(
        kind=FindingKind.VULNERABILITY, id="CVE-2023-45853", package="zlib1g", severity=Severity.HIGH, fixed="2"
    )
    last = datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert not model.parse(WHOLE).gate(last).rejects(excepted)
    assert model.parse(WHOLE).gate(last + timedelta(seconds=1)).rejects(excepted)


def test_licences_are_found_in_expressions_and_behind_references():
    policy = model.parse(WHOLE)
    document = {
        "packages": [
            {"name": "a", "licenseConcluded": "MIT AND (agpl-3.0-only OR MIT)"},
            {"name": "b", "licenseDeclared": "LicenseRef-1"},
            {"name": "c", "licenseConcluded": "LAGPL-3.0-only"},
            {"name": "xz-utils", "versionInfo": "5.6.1"},
            {"name": "xz-utils", "versionInfo": "5.6.0"},
        ],
        "hasExtractedLicensingInfos": [{"licenseId": "LicenseRef-1", "name": "AGPL-3.0-only WITH x"}],
    }
    assert forbidden_contents(policy, document) == (
        ForbiddenContent("license", "AGPL-3.0-only", "a (AGPL-3.0-only)"),
        ForbiddenContent("license", "AGPL-3.0-only", "b (AGPL-3.0-only)"),
        ForbiddenContent("package", "xz-utils@5.6.0", "xz-utils 5.6.0"),
    )
    assert [objection.code for objection in content_objections(forbidden_contents(policy, document))] == [
        "package",
        "license",
    ]


def test_a_licence_that_spdx_does_not_list_is_refused_by_its_name() -> None:
    policy = model.parse("version: 1\nlicenses: {refuse: [LicenseRef-public-domain]}\n")
    document = {
        "packages": [
            {"name": "a", "licenseDeclared": "LicenseRef-1"},
            {"name": "b", "licenseDeclared": "LicenseRef-public-domain OR MIT"},
            {"name": "c", "licenseDeclared": "MIT"},
            {"name": "d"},
        ],
        "hasExtractedLicensingInfos": [{"licenseId": "LicenseRef-1", "name": "Public-Domain"}],
    }
    assert [content.text[0] for content in forbidden_contents(policy, document)] == ["a", "b"]
    assert not forbidden_contents(model.parse("version: 1\nlicenses: {refuse: [GPL-3.0-only]}\n"), document)


@pytest.mark.parametrize(
    ("version", "locator", "refused"),
    [
        ("5.6.0-0.2", "pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64", True),
        ("1:5.6.0-2+b1", "pkg:deb/debian/xz-utils@5.6.0-2%2Bb1?epoch=1", True),
        ("5.6.0-r2", "pkg:apk/alpine/xz-utils@5.6.0-r2", True),
        ("5.6.0-1.fc40", "pkg:rpm/fedora/xz-utils@5.6.0-1.fc40", True),
        ("5.6.0", "pkg:deb/debian/xz-utils@5.6.0", True),
        ("5.6.0-rc1", "pkg:npm/xz-utils@5.6.0-rc1", False),
        ("5.6.1+really5.4.5-1", "pkg:deb/debian/xz-utils@5.6.1%2Breally5.4.5-1", False),
        ("5.6.0.1-1", "pkg:deb/debian/xz-utils@5.6.0.1-1", False),
    ],
)
def test_a_refused_version_is_that_of_its_authors_too(version, locator, refused):
    policy = model.parse("version: 1\npackages: {refuse: [xz-utils@5.6.0]}\n")
    package = {"name": "xz-utils", "versionInfo": version, "externalRefs": [{"referenceLocator": locator}]}
    assert bool(forbidden_contents(policy, {"packages": [package]})) is refused
    # The distribution's own version, with everything that it appended, is the same as before.
    exact = model.parse(f"version: 1\npackages: {{refuse: ['xz-utils@{version}']}}\n")
    assert forbidden_contents(exact, {"packages": [package]})


def test_of_several_reports_the_newest_decides_whoever_made_it():
    policy = model.parse("version: 1\nreport: {maximum-age: 24h}\n")
    clean = evidence.document(evidence.sarif(evidence.run(NOW - timedelta(hours=2))), number=1)
    dirty = evidence.document(
        evidence.sarif(evidence.run(NOW - timedelta(hours=1), (evidence.finding("CVE-1"),))), number=2
    )
    foreign = evidence.document(evidence.sarif(evidence.run(NOW)), SignerStatus.UNSIGNED, number=3)
    timeless = evidence.document(b"{}", SignerStatus.STRANGER, number=4)

    def codes(*reports):
        return {objection.code for objection in judge_evidence(policy, evidence.beside(reports), NOW)}

    assert codes(clean) == set()
    assert codes(clean, dirty) == {"finding"}
    assert codes(dirty, foreign) == {"unsigned-report"}
    assert codes(clean, timeless) == {"stranger-report", "unreadable-report"}


def test_the_clusters_objects_hold_the_policy(tmp_path):
    _, certificate = make("release").write(tmp_path, "release")
    policy = model.parse(WHOLE.replace("keys/release.crt", str(certificate)))
    objects = manifests.objects_for_policy(policy)
    kinds = [manifest["kind"] for manifest in objects]
    assert kinds == [
        "KeyManagementProvider",
        "Verifier",
        "Verifier",
        "Policy",
        "ConstraintTemplate",
        "RatifyVerification",
    ]
    rego = objects[3]["spec"]["parameters"]["policy"]
    template = objects[4]["spec"]["targets"][0]["rego"]
    for text in (rego, template):
        assert policy.digest in text
        assert export.rego_library() in text
    assert "\t" not in template
    with pytest.raises(InputError, match="names no signer"):
        export.ratify_objects(model.parse("version: 1"))


def signers(folder, **identities):
    """A policy of signers below authorities of their own, each with its identities."""
    lines = []
    for name, subjects in identities.items():
        certificate = folder / f"{name}.crt"
        certificate.write_bytes(make_authority(name).chain_pem())
        lines.append(f"  - {{name: {name}, certificate: {certificate.name}, identities: {json.dumps(subjects)}}}\n")
    path = folder / "s3c-policy.yaml"
    path.write_text(f"version: 1\nsigners:\n{''.join(lines)}")
    return model.read(path)


def test_what_one_signer_is_trusted_for_does_not_count_below_anothers_authority(tmp_path):
    """The cluster's verifiers, and the trust policies of s3c itself, are apart; e2e/test_signers.py tries both."""
    first, second = "C=US, ST=WA, O=one, CN=release", "C=US, ST=WA, O=two, CN=release"
    policy = signers(tmp_path, first=[first], second=[second], third=["*"])
    documents = export.trust_policies(policy)
    statements = [statement for document in documents for statement in document["trustPolicies"]]
    assert [(statement["trustStores"], statement["trustedIdentities"]) for statement in statements] == [
        (["ca:s3c-first"], [f"x509.subject: {first}"]),
        (["ca:s3c-second"], [f"x509.subject: {second}"]),
        (["ca:s3c-third"], ["*"]),
    ]
    verifiers = {
        verifier["metadata"]["name"]: verifier["spec"]["parameters"]
        for verifier in export.ratify_objects(policy)
        if verifier["kind"] == "Verifier" and verifier["spec"]["name"] == "notation"
    }
    assert tuple(verifiers) == export.verifier_names(policy)
    for parameters, document, signer in zip(verifiers.values(), documents, policy.signers, strict=True):
        store = export.store_name(signer)
        assert parameters == {"verificationCertStores": {"ca": {store: [store]}}, "trustPolicyDoc": document}
    counted = json.loads(export.rego_values(policy).partition("policy := ")[2])["verifiers"]
    assert counted == list(verifiers)


def test_everyone_below_an_authority_is_trusted_only_when_that_is_asked_for(tmp_path):
    policy = signers(tmp_path, release=[])
    for exported in (export.ratify_objects, export.trust_policies, manifests.objects_for_policy):
        with pytest.raises(InputError, match="signer release has no identities") as caught:
            exported(policy)
        assert (caught.value.field, "CN=release" in caught.value.what) == ("policy", True)
    alone = make("release").chain_pem().decode()
    both = msgspec.structs.replace(policy.signers[0], certificate=alone + policy.signers[0].certificate)
    with pytest.raises(InputError, match="has no identities"):
        export.trust_policies(msgspec.structs.replace(policy, signers=(both,)))
    trusted = msgspec.structs.replace(policy.signers[0], certificate=alone + make("renewed").chain_pem().decode())
    (document,) = export.trust_policies(msgspec.structs.replace(policy, signers=(trusted,)))
    assert document["trustPolicies"][0]["trustedIdentities"] == ["*"]


@pytest.mark.parametrize(
    "identities",
    [
        ["CN=release"],
        ["C=US, ST=WA, O=a, O=b"],
        ["C=US, ST=WA, O=a+CN=b"],
        ["C=US, ST=WA, O=a, CN==#b"],
        ["C=US, ST=WA, O=a, Inc."],
        ["*", "C=US, ST=WA, O=a"],
        ["C=US, ST=WA, O=a", "C=US, ST=WA, O=a, CN=b"],
    ],
)
def test_an_identity_that_notation_cannot_read_is_refused_where_it_stands(identities, tmp_path):
    with pytest.raises(InputError) as caught:
        signers(tmp_path, release=identities)
    assert "at signers[0].identities" in caught.value.what


def test_what_the_policy_says_comes_out_of_a_denial_whole():
    image = f"{evidence.REFERENCE}@{evidence.SUBJECT}"
    reasons = "; ".join(
        objection.text
        for objection in judge_evidence(model.parse("version: 1"), evidence.beside(trust=SignerStatus.UNSIGNED), NOW)
    )
    message = (
        'admission webhook "validation.gatekeeper.sh" denied the request: '
        f"[ratify-verification] {image} is not trusted: {reasons} (trace 1234-abcd)"
    )
    (denial,) = denials.parse(message)
    assert (denial.image, denial.reason, denial.trace) == (image, reasons, "1234-abcd")
    assert "s3c policy check" in denial.remedy


@TEXTS
def test_hostile_names_are_in_a_statement_as_one_line(text):
    from s3c_actions.evidence.statement import Statement

    hostile = Finding(kind=FindingKind.VULNERABILITY, id=text or "x", package=text, severity=Severity.HIGH, fixed=text)
    facts = Statement(subject=evidence.SUBJECT, gate=Threshold(None), blind="", policy="").finding(hostile)
    for value in facts.values():
        assert not isinstance(value, str) or (value.isprintable() and "\n" not in value)
