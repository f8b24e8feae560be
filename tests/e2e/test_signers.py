"""Who is trusted for what: subjects as people have them, and signers below authorities of their own. All of it real."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from s3c_actions.core import artifact_types
from s3c_actions.signing import certificate_identities
from s3c_lab import lab as labs
from s3c_lab.certificates import Identity, make, make_authority, pem, subject
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import evidence
from tests.support.cluster import CACHED, Kubectl, pod, pod_spec
from tests.support.oci import Repository, attach
from tests.support.signing import Ended, push_image, time_stamp_authority

VERIFIERS = "verifiers.config.ratify.deislabs.io"
PROVIDERS = "keymanagementproviders.config.ratify.deislabs.io"
OU, SERIAL = NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.SERIAL_NUMBER
ALONE = {
    "emailaddress": subject("emailaddress").rdns + x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.c")]).rdns,
    "uid": subject("uid").rdns + x509.Name([x509.NameAttribute(NameOID.USER_ID, "7")]).rdns,
    "dc": subject("dc").rdns + x509.Name([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")]).rdns,
    "two-units": subject("two-units").rdns + x509.Name([x509.NameAttribute(OU, unit) for unit in "ab"]).rdns,
    "no-state": subject("no-state", ST="").rdns,
}
"""Subjects of self-signed certificates, none of which a trust policy can name."""
JOINED = x509.Name(
    [
        *subject("", CN="").rdns,
        x509.RelativeDistinguishedName(
            [x509.NameAttribute(NameOID.COMMON_NAME, "joined"), x509.NameAttribute(SERIAL, "7")]
        ),
    ]
)


def named(name: str) -> str:
    return f"C=US, ST=WA, O=s3c lab, CN={name}"


@pytest.fixture(scope="module")
def signers() -> dict[str, Identity]:
    """Signers of the policy below, and two whose certificates say what another authority's signer is trusted for."""
    first, second = make_authority("first"), make_authority("second")
    return {
        **{name: make(name, subject_name=x509.Name(relatives)) for name, relatives in ALONE.items()},
        "joined": make("joined", issuer=make_authority("third"), subject_name=JOINED),
        "one": make("one", issuer=first),
        "two": make("two", issuer=second),
        "one-below-second": make("one", issuer=second),
        "two-below-first": make("two", issuer=first),
    }


@pytest.fixture
def policy(signers: dict[str, Identity], tmp_path: Path) -> Path:
    (tmp_path / "alone.crt").write_bytes(b"".join(pem(signers[name].certificate) for name in ALONE))
    for name in ("joined", "one", "two"):
        (tmp_path / f"{name}.crt").write_bytes(pem(signers[name].chain[-1]))
    identity = certificate_identities.trusted_identity(signers["joined"].certificate)
    named_signers = [
        {"name": "alone", "certificate": "alone.crt"},
        {"name": "joined", "certificate": "joined.crt", "identities": [identity]},
        {"name": "first", "certificate": "one.crt", "identities": [named("one")]},
        {"name": "second", "certificate": "two.crt", "identities": [named("two")]},
    ]
    path = tmp_path / "s3c-policy.yaml"
    path.write_text(json.dumps({"version": 1, "signers": named_signers}))
    return path


@pytest.fixture
def gate(gated: Lab, machine: Machine, kubectl: Kubectl) -> Iterator[Kubectl]:
    """The lab's gate, to be told of other signers; in the end it trusts the lab's own alone again."""
    yield kubectl
    labs.up(gated.name, None, machine, node=True)
    # Whoever an earlier policy trusted is not trusted along.
    left = [name.rpartition("/")[2] for name in kubectl("get", VERIFIERS, "-o", "name").split()]
    assert left == ["verifier-notation"]
    for provider in kubectl("get", PROVIDERS, "-o", "name").split():
        if "/s3c-" in provider:
            kubectl("delete", provider)


def settled(kubectl: Kubectl, images: dict[str, str], wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Name → why its image is not admitted, once that is as wanted: verdicts are remembered for a while."""
    until = time.monotonic() + CACHED + 150
    while True:
        denials = {name: kubectl.tried(pod("tried", pod_spec(image))) for name, image in images.items()}
        if wanted(denials) or time.monotonic() > until:
            return denials
        time.sleep(0.5)


SHORT_LIFE = timedelta(seconds=75)


def test_a_time_stamp_outlives_its_certificate_at_the_gate(
    gated: Lab, gate: Kubectl, s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    """Of one certificate, before it ends and after; by what `trust export` writes, by a policy, and in CI alike."""
    end = datetime.now(UTC).replace(microsecond=0) + SHORT_LIFE
    key, certificate = make("short", end=end).write(tmp_path, "short")
    with time_stamp_authority(tmp_path / "tsa") as authority:
        root = authority.root
        stamp = ("--timestamp-url", authority.url, "--timestamp-root-cert", root)
        images = {}
        for name, more in {"stamped": stamp, "plain": ()}.items():
            images[name] = push_image(gated.registry, f"e2e/{tmp_path.name}/{name}", "1", f"{tmp_path.name} {name}")
            signed = s3c("sign", images[name], "--key", key, "--certificate", certificate, *more)
            assert signed.code == 0, signed.stderr
            assert signed.image["sign"]["timestamped"] is (name == "stamped")
    trust = ("--trusted-timestamp-root", root, "--verify-timestamp", "afterCertExpiry")
    assert s3c("trust", "export", "--certificate", certificate, *trust).code == 0
    for manifest in yaml.safe_load_all((tmp_path / "s3c-out" / "ratify.yaml").read_text()):
        gate("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(manifest))
    admitted = settled(gate, images, lambda denials: set(denials.values()) == {""})
    assert admitted == {"stamped": "", "plain": ""}
    assert datetime.now(UTC) < end, "the certificate ended before it was tried"

    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1)
    denied = settled(gate, images, lambda denials: denials["plain"] != "")
    assert denied["stamped"] == ""
    assert "is not trusted" in denied["plain"]
    checked = s3c("gate", "check", "--kubeconfig", gated.kubeconfig, f"--image={images['plain']}")
    assert checked.code == 1
    assert checked.image["admission"]["reason"] == "its signature has no time-stamp, and the gate asks for one"
    for more in (trust, trust[:2]):
        ended = {name: s3c("verify", image, "--trust-store", certificate, *more).code for name, image in images.items()}
        assert ended == {"stamped": 0, "plain": 1}

    signer = {"name": "short", "certificate": certificate.name, "timestamp-roots": [str(root.relative_to(tmp_path))]}
    policy = tmp_path / "s3c-policy.yaml"
    policy.write_text(json.dumps({"version": 1, "signers": [signer]}))
    judged = s3c("policy", "check", *images.values(), "--policy", policy).result["images"]
    codes = {image["image"]: {refusal["code"] for refusal in image["judgement"]["refusals"]} for image in judged}
    assert [("stranger-image" in codes[image]) for image in images.values()] == [False, True]
    exported = s3c("policy", "export", "--policy", policy)
    gate("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=exported.stdout)
    # Neither has a scan report; whose signature counts is told apart from that.
    stranger = "it is signed, but by nobody whom the policy allows"
    reported = settled(gate, images, lambda denials: "report" in denials["stamped"])
    assert [(stranger in reported[name]) for name in images] == [False, True], reported


def test_a_signer_is_trusted_below_its_own_authority_and_nowhere_else(
    gated: Lab, gate: Kubectl, signers: dict[str, Identity], policy: Path, s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    """By the cluster and by `s3c policy check` alike: the image's signature, and the one of its evidence."""
    images: dict[str, str] = {}
    for name, signer in signers.items():
        key, certificate = signer.write(tmp_path, f"key-{name}")
        images[name] = push_image(gated.registry, f"e2e/{tmp_path.name}/{name}", "1", f"{tmp_path.name} {name}")
        repository, _, digest = images[name].partition("@")
        now = datetime.now(UTC)
        report = attach(
            Repository(gated.registry, repository.partition("/")[2]),
            digest,
            artifact_types.SARIF,
            evidence.sarif(evidence.run(now, subject=digest)),
            **{artifact_types.CREATED: evidence.stamp(now)},
        )
        for reference in (images[name], f"{repository}@{report}"):
            signed = s3c("sign", reference, "--key", key, "--certificate", certificate)
            assert signed.code == 0, signed.stderr
            assert signed.image["sign"]["verified"] is True
    strangers = {"one-below-second", "two-below-first"}

    checked = s3c("policy", "check", *images.values(), "--policy", policy)
    assert checked.code == 1, checked.stderr
    codes = {
        image["image"]: {refusal["code"] for refusal in image["judgement"]["refusals"]}
        for image in checked.result["images"]
    }
    assert codes == {
        image: {"stranger-image", "stranger-report"} if name in strangers else set() for name, image in images.items()
    }

    exported = s3c("policy", "export", "--policy", policy)
    assert exported.code == 0, exported.stderr
    gate("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=exported.stdout)
    denials = settled(
        gate,
        images,
        lambda denials: all("allows" in text if name in strangers else text == "" for name, text in denials.items()),
    )
    for name in strangers:
        assert "it is signed, but by nobody whom the policy allows" in denials.pop(name)
    assert denials == dict.fromkeys(denials, "")


@pytest.mark.parametrize("name", ALONE)
def test_what_is_exported_of_an_odd_subject_verifies_and_nobody_elses_does(
    name: str, lab: Lab, signers: dict[str, Identity], s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    own, other = signers[name].write(tmp_path, "own"), make("other").write(tmp_path, "other")
    exported = s3c("trust", "export", "--certificate", own[1])
    assert exported.code == 0, exported.stderr
    trust = (tmp_path / "s3c-out").rename(tmp_path / "trust")
    image = push_image(lab.registry, f"e2e/{tmp_path.name}", "1", tmp_path.name)
    policy = ("--trust-store", trust, "--trust-policy", trust / "trustpolicy.json")
    for (key, certificate), code in ((other, 1), (own, 0)):
        signed = s3c("sign", image, "--key", key, "--certificate", certificate)
        assert signed.code == 0, signed.stderr
        assert s3c("verify", image, *policy).code == code
        assert s3c("verify", image, "--trust-store", own[1]).code == code


def test_what_is_exported_of_an_odd_subject_is_what_ratify_admits(
    gated: Lab, gate: Kubectl, signers: dict[str, Identity], s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    key, certificate = signers["emailaddress"].write(tmp_path, "own")
    images = {}
    for name, flags in {
        "own": ("--key", key, "--certificate", certificate),
        "lab": ("--key", gated.key, "--certificate", gated.certificate),
    }.items():
        images[name] = push_image(gated.registry, f"e2e/{tmp_path.name}/{name}", "1", f"{tmp_path.name} {name}")
        signed = s3c("sign", images[name], *flags)
        assert signed.code == 0, signed.stderr
    assert s3c("trust", "export", "--certificate", certificate).code == 0
    objects = list(yaml.safe_load_all((tmp_path / "s3c-out" / "ratify.yaml").read_text()))
    for manifest in objects:
        gate("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(manifest))
    denials = settled(gate, images, lambda denials: denials["own"] == "" != denials["lab"])
    assert (denials["own"], "is not trusted" in denials["lab"]) == ("", True), denials
