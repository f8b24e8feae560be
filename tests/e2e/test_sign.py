"""Sign and verify with the real notation and a real registry."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import NOTATION
from s3c_actions.programs.notation.home import NotationHome
from s3c_lab import registry_server
from s3c_lab.certificates import SERVER_AUTH, Identity, make, make_authority, pem, subject
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.oci import Repository, attach
from tests.support.signing import (
    Ended,
    TimeStamps,
    answering,
    own_registry,
    push_image,
    put_manifest,
    s3c,
    send,
    signatures,
    time_stamp_authority,
    write_plugin,
)

E_MAIL = x509.NameAttribute(NameOID.EMAIL_ADDRESS, "release@s3c.example")


@pytest.fixture(scope="module")
def registry(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_registry(tmp_path_factory.mktemp("registry"), registry_server.program(machine)) as host:
        yield host


@pytest.fixture(scope="module")
def notation(machine: Machine) -> Path:
    return locate(NOTATION, cache=machine.cache, runner=machine.runner, progress=machine.progress).path


@pytest.fixture
def image(registry: str) -> str:
    """A new image, `registry/repository@digest`, that nobody has signed."""
    return push_image(registry, f"sign/{uuid.uuid4().hex[:12]}", "1.0", uuid.uuid4().hex)


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
    intermediate = make_authority("intermediate", issuer=make_authority("root"), path_length=0)
    return {
        "rsa": make("rsa", spec="RSA-2048"),
        "ec": make("ec", spec="EC-384"),
        "chain": make("leaf", issuer=intermediate),
        "unnamed": make("unnamed", subject_name=subject("unnamed", C="")),
        "issued-unnamed": make("unnamed", issuer=intermediate, subject_name=subject("unnamed", C="")),
        "issued-e-mail": make("mail", issuer=intermediate, subject_name=x509.Name([*subject("mail"), E_MAIL])),
        "stranger": make("stranger"),
    }


@pytest.fixture
def keys(identities: dict[str, Identity], tmp_path: Path) -> Path:
    for name, identity in identities.items():
        identity.write(tmp_path, name)
    (tmp_path / "root.crt").write_bytes(pem(identities["chain"].chain[-1]))
    return tmp_path


@pytest.fixture
def time_stamps(tmp_path: Path) -> Iterator[TimeStamps]:
    with time_stamp_authority(tmp_path / "tsa") as authority:
        yield authority


def pair(keys: Path, name: str) -> tuple[str, ...]:
    return "--key", str(keys / f"{name}.key"), "--certificate", str(keys / f"{name}.crt")


@pytest.mark.parametrize("name", ["rsa", "ec", "chain", "unnamed"])
@pytest.mark.parametrize("envelope", ["cose", "jws"])
def test_sign_with_files_and_verify(image: str, keys: Path, name: str, envelope: str) -> None:
    ended = s3c(keys, "sign", image, *pair(keys, name), "--signature-format", envelope)
    assert ended.code == 0, ended.stderr
    sign = ended.image["sign"]
    assert [sign["signature_digest"]] == signatures(image)
    assert (sign["signature_format"], sign["skipped"], sign["verified"]) == (envelope, False, True)
    anchor = "root" if name == "chain" else name
    ended = s3c(keys, "verify", image, "--trust-store", keys / f"{anchor}.crt")
    assert ended.code == 0, ended.stderr
    verify = ended.image["verify"]
    assert verify["signature_digest"] == sign["signature_digest"]
    assert f"CN={'leaf' if name == 'chain' else name}" in verify["signer"]


def s3c_init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `s3c init`, which has no output folder."""
    argv = [*arguments, "--pin", "tag"]
    return subprocess.run(
        [ROOT / "bin" / "s3c", "init", *argv], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def plain_verify(
    notation: Path, image: str, config: Path, certificate: Path, identities: list[str]
) -> subprocess.CompletedProcess[str]:
    """Verify with notation alone, which trusts one certificate and some identities."""
    (config / "truststore" / "x509" / "ca" / "lab").mkdir(parents=True)
    shutil.copy(certificate, config / "truststore" / "x509" / "ca" / "lab")
    (config / "trustpolicy.json").write_text(
        json.dumps(
            {
                "version": "1.0",
                "trustPolicies": [
                    {
                        "name": "lab",
                        "registryScopes": ["*"],
                        "signatureVerification": {"level": "strict"},
                        "trustStores": ["ca:lab"],
                        "trustedIdentities": identities,
                    }
                ],
            }
        )
    )
    return subprocess.run(
        [notation, "verify", image],
        env={**os.environ, "NOTATION_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_notation_accepts_what_was_signed(image: str, keys: Path, notation: Path) -> None:
    assert s3c(keys, "sign", image, *pair(keys, "rsa")).code == 0
    ended = plain_verify(notation, image, keys / "consumer", keys / "rsa.crt", ["x509.subject: C=US, ST=WA, O=s3c lab"])
    assert ended.returncode == 0, ended.stderr


def test_a_key_that_init_created_signs_and_plain_notation_verifies(image: str, tmp_path: Path, notation: Path) -> None:
    ended = s3c_init(tmp_path, "--key", "--subject", "C=US, ST=WA, O=example, CN=release")
    assert ended.returncode == 0, ended.stderr
    pem_file = tmp_path / "keys" / "signing.crt"
    signed = s3c(tmp_path, "sign", image, "--key", "keys/signing.key", "--certificate", "keys/signing.crt")
    assert signed.code == 0, signed.stderr
    assert s3c(tmp_path, "verify", image, "--trust-store", pem_file).code == 0
    identities = ["x509.subject: C=US, ST=WA, O=example, CN=release"]
    verified = plain_verify(notation, image, tmp_path / "consumer", pem_file, identities)
    assert verified.returncode == 0, verified.stderr
    others = ["x509.subject: C=US, ST=WA, O=somebody else"]
    assert plain_verify(notation, image, tmp_path / "other", pem_file, others).returncode != 0


def test_signing_again_pushes_nothing(image: str, keys: Path) -> None:
    first = s3c(keys, "sign", image, *pair(keys, "rsa"))
    before = signatures(image)
    again = s3c(keys, "sign", image, *pair(keys, "rsa"))
    assert (first.code, again.code) == (0, 0)
    assert signatures(image) == before
    assert again.image["sign"]["skipped"] is True
    assert again.image["sign"]["signature_digest"] == first.image["sign"]["signature_digest"]
    assert s3c(keys, "sign", image, *pair(keys, "ec")).image["sign"]["skipped"] is False
    assert len(signatures(image)) == 2


def test_a_renewed_certificate_of_the_same_subject_signs_anew_and_only_once(image: str, keys: Path) -> None:
    authority = make_authority("yearly")
    for name in ("old", "new"):
        make("same subject", issuer=authority).write(keys, name)
    assert s3c(keys, "sign", image, *pair(keys, "old")).code == 0
    renewed = s3c(keys, "sign", image, *pair(keys, "new"))
    assert renewed.code == 0, renewed.stderr
    assert renewed.image["sign"]["skipped"] is False
    again = s3c(keys, "sign", image, *pair(keys, "new"))
    assert again.image["sign"]["skipped"] is True
    assert len(signatures(image)) == 2


def test_pkcs12_and_encrypted_keys(image: str, keys: Path, identities: dict[str, Identity]) -> None:
    (keys / "leaf.pfx").write_bytes(identities["chain"].pkcs12("geheim-12"))
    password = {"S3C_KEY_PASSWORD": "geheim-12"}
    ended = s3c(keys, "sign", image, "--pkcs12", keys / "leaf.pfx", environment=password)
    assert ended.code == 0, ended.stderr
    identities["ec"].write(keys, "locked", "geheim-12")
    ended = s3c(keys, "sign", image, *pair(keys, "locked"), environment=password)
    assert ended.code == 0, ended.stderr
    assert "geheim" not in ended.stderr + ended.stdout + json.dumps(ended.result)
    pushed = len(signatures(image))
    assert pushed == 2
    wrong = s3c(keys, "sign", image, *pair(keys, "locked"), environment={"S3C_KEY_PASSWORD": "falsch-12"})
    assert (wrong.code, len(signatures(image))) == (2, pushed)
    assert "the password does not open" in wrong.stderr
    pem_text = identities["rsa"].key_pem().decode()
    ended = s3c(keys, "sign", image, "--certificate", keys / "rsa.crt", environment={"S3C_KEY_PEM": pem_text})
    assert ended.code == 0, ended.stderr


def test_metadata_is_signed_and_asked_for(image: str, keys: Path) -> None:
    signed = s3c(keys, "sign", image, *pair(keys, "rsa"), "--user-metadata", "commit=1a2b", "--user-metadata", "run=7")
    assert signed.image["sign"]["metadata"] == {"commit": "1a2b", "run": "7"}
    store = ("--trust-store", keys / "rsa.crt")
    ended = s3c(keys, "verify", image, *store, "--user-metadata", "commit=1a2b")
    assert (ended.code, ended.image["verify"]["metadata"]) == (0, {"commit": "1a2b", "run": "7"})
    refused = s3c(keys, "verify", image, *store, "--user-metadata", "commit=ffff")
    assert refused.code == 1
    assert "does not hold the metadata" in refused.image["error"]["what"]
    # What is asked for and not in the signature is signed; what is in it already is not signed again.
    assert s3c(keys, "sign", image, *pair(keys, "rsa"), "--user-metadata", "run=7").image["sign"]["skipped"] is True
    assert s3c(keys, "sign", image, *pair(keys, "rsa"), "--user-metadata", "run=8").image["sign"]["skipped"] is False


def test_an_expired_signature_is_refused_and_signed_again(image: str, keys: Path) -> None:
    signed = s3c(keys, "sign", image, *pair(keys, "rsa"), "--signature-expiry", "15s")
    assert signed.code == 0, signed.stderr
    expires = datetime.fromisoformat(signed.image["sign"]["expires"])
    time.sleep(max(0.0, (expires - datetime.now(UTC)).total_seconds()) + 1)
    refused = s3c(keys, "verify", image, "--trust-store", keys / "rsa.crt")
    assert refused.code == 1
    assert "Its signature expired on" in refused.image["error"]["what"]
    again = s3c(keys, "sign", image, *pair(keys, "rsa"))
    assert (again.code, again.image["sign"]["skipped"]) == (0, False), again.stderr


def test_a_time_stamp_outlives_the_certificate(image: str, keys: Path, time_stamps: TimeStamps) -> None:
    start = datetime.now(UTC)
    short = make("short-lived", end=start.replace(microsecond=0) + timedelta(seconds=40))
    short.write(keys, "short")
    stamp = ("--timestamp-url", time_stamps.url, "--timestamp-root-cert", time_stamps.root)
    signed = s3c(keys, "sign", image, *pair(keys, "short"), *stamp)
    assert signed.code == 0, signed.stderr
    assert signed.image["sign"]["timestamped"] is True
    # A short-lived certificate ends every few days: it is worth a warning only where nothing outlives it.
    assert "expires in" not in signed.stderr
    assert s3c(keys, "sign", image, *pair(keys, "short"), *stamp).image["sign"]["skipped"] is True
    time.sleep(max(0.0, 41 - (datetime.now(UTC) - start).total_seconds()))
    store = ("--trust-store", keys / "short.crt")
    trusted = s3c(keys, "verify", image, *store, "--trusted-timestamp-root", time_stamps.root)
    assert trusted.code == 0, trusted.stderr
    refused = s3c(keys, "verify", image, *store)
    assert refused.code == 1
    assert "has expired" in refused.image["error"]["what"]
    late = s3c(keys, "sign", image, *pair(keys, "short"), *stamp)
    assert (late.code, len(signatures(image))) == (2, 1)
    assert "expired on" in late.stderr


def test_a_signing_services_next_certificate_signs_nothing_again(
    image: str, keys: Path, time_stamps: TimeStamps
) -> None:
    """Certificates of three days, as Azure Artifact Signing issues them, below authorities that change as well."""
    now, root = datetime.now(UTC).replace(microsecond=0), make_authority("service root")
    stamp = ("--timestamp-url", time_stamps.url, "--timestamp-root-cert", time_stamps.root)

    def signed(name: str, days: int, *more: str | Path, issuer: Identity | None = None) -> tuple[bool, int]:
        below = issuer or make_authority(f"issuing {uuid.uuid4().hex[:4]}", issuer=root, path_length=0)
        make(name, issuer=below, end=now + timedelta(days=days)).write(keys, "daily")
        ended = s3c(keys, "sign", image, *pair(keys, "daily"), *more)
        assert ended.code == 0, ended.stderr
        # Certificates of longer life are worth a warning; of these, only where nothing outlives them.
        assert ("have them time-stamped" in ended.stderr) is (days == 3 and not more), ended.stderr
        return ended.image["sign"]["skipped"], len(signatures(image))

    assert signed("release", 3) == (False, 1)
    # What has no time-stamp ends with its certificate: the next day's signature is needed.
    assert signed("release", 3) == (False, 2)
    assert signed("release", 3, *stamp) == (False, 3)
    assert signed("release", 3, *stamp) == (True, 3)
    # Another subject, and the same below another root, are other signers.
    assert signed("other", 3, *stamp) == (False, 4)
    assert signed("release", 3, *stamp, issuer=make_authority("another root")) == (False, 5)
    # One that lives for a year is renewed once, and signs again.
    assert signed("release", 300, *stamp) == (False, 6)
    assert signed("release", 300, *stamp) == (False, 7)
    # More is asked of a signature than the earlier one holds.
    assert signed("release", 3, *stamp, "--user-metadata", "commit=1") == (False, 8)
    root_file = keys / "service-root.crt"
    root_file.write_bytes(pem(root.certificate))
    trust = ("--trust-store", root_file, "--trusted-identity", "C=US, ST=WA, O=s3c lab, CN=release")
    verified = s3c(keys, "verify", image, *trust, "--trusted-timestamp-root", time_stamps.root)
    assert verified.code == 0, verified.stderr


def test_what_a_key_has_signed_is_listed(registry: str, keys: Path, identities: dict[str, Identity]) -> None:
    """By tag, without one, in an index, beside an image; by another certificate of the key; and nothing of others."""
    name = f"sign/{uuid.uuid4().hex[:12]}"
    repository = Repository(registry, name)
    base = f"{registry}/{name}"
    make("renewed", key=identities["ec"].key).write(keys, "renewed")

    def signed(reference: str, *signers: str) -> str:
        for signer in signers:
            ended = s3c(keys, "sign", reference, *pair(keys, signer))
            assert ended.code == 0, ended.stderr
        return reference

    both = signed(push_image(registry, name, "1.0", "both"), "ec", "rsa")
    other = signed(push_image(registry, name, "1.1", "other"), "rsa")
    untagged = push_image(registry, name, "moved", "untagged")
    push_image(registry, name, "moved", "the tag's next image")
    signed(untagged, "renewed")
    child = push_image(registry, name, "child", "child")
    body, media_type = repository.raw("child")
    entry = {"mediaType": media_type, "digest": child.partition("@")[2], "size": len(body)}
    repository.index([{**entry, "platform": {"os": "linux", "architecture": "amd64"}}], "index")
    signed(child, "ec")
    report = f"{base}@{attach(repository, other.partition('@')[2], 'application/sarif+json', b'{}')}"
    signed(report, "ec")

    def listed(*images: str) -> tuple[Ended, dict[str, dict[str, object]]]:
        flags = [f"--image={image}" for image in images]
        ended = s3c(keys, "trust", "list-signed", *flags, "--certificate", keys / "ec.crt")
        entries = json.loads((keys / "s3c-out" / "signed.json").read_text()) if ended.code != 2 else []
        assert [entry["reference"] in ended.stdout for entry in entries] == [True] * len(entries)
        return ended, {entry["reference"]: entry for entry in entries}

    ended, entries = listed(base)
    assert ended.code == 0, ended.stderr
    assert set(entries) == {both, untagged, child, report}
    assert (entries[both]["tags"], entries[untagged]["tags"], entries[child]["tags"]) == (["1.0"], [], ["child"])
    assert [("CN=rsa" in signer) for signer in entries[both]["others"]] == [True]  # type: ignore[attr-defined]
    assert entries[untagged]["others"] == []
    assert (entries[report]["kind"], entries[report]["image"]) == ("application/sarif+json", other)
    assert entries[both]["signature"] in signatures(both)
    age = datetime.now(UTC) - datetime.fromisoformat(str(entries[both]["signed_at"]))
    assert timedelta() <= age < timedelta(hours=1)
    # Of one image, or of an index by its tag.
    assert set(listed(other)[1]) == {report}
    assert set(listed(f"{base}:index")[1]) == {child}
    # One that cannot be read is no clean bill: it is named, and the list counts as incomplete.
    broken = attach(repository, other.partition("@")[2], "application/vnd.cncf.notary.signature", b"broken")
    ended, entries = listed(base)
    assert set(entries) == {both, untagged, child, report}
    assert (ended.code, f"{broken} cannot be read" in ended.stderr) == (3, True)
    assert "1 signature could not be read" in ended.stdout
    missing, _ = listed(f"{base}/nothing")
    assert (missing.code, "does not exist" in missing.stderr) == (2, True)


def test_time_stamp_failures(image: str, keys: Path, time_stamps: TimeStamps) -> None:
    def sign(url: str, root: Path) -> tuple[int, str]:
        ended = s3c(keys, "sign", image, *pair(keys, "rsa"), "--timestamp-url", url, "--timestamp-root-cert", root)
        return ended.code, ended.stderr

    code, errors = sign("http://localhost:9/", time_stamps.root)
    assert (code, "time-stamp authority could not be reached" in errors) == (3, True), errors
    code, errors = sign(time_stamps.url, keys / "root.crt")
    assert (code, "not signed by an authority under the root certificate" in errors) == (3, True), errors
    code, errors = sign(time_stamps.url, keys / "chain.crt")
    assert (code, "is not the root certificate of a time-stamp authority" in errors) == (2, True), errors
    with answering(500) as broken:
        code, errors = sign(f"http://{broken}/", time_stamps.root)
    assert (code, "gave no time-stamp" in errors) == (3, True), errors
    assert signatures(image) == []
    signed = s3c(keys, "sign", image, *pair(keys, "rsa"))
    assert signed.code == 0
    store = ("--trust-store", keys / "rsa.crt", "--trusted-timestamp-root", time_stamps.root)
    refused = s3c(keys, "verify", image, *store)
    assert (refused.code, "has no time-stamp" in refused.stderr) == (1, True), refused.stderr


def test_a_key_of_notations_configuration(image: str, keys: Path, notation: Path) -> None:
    environment = {"NOTATION_CONFIG": str(keys / "mine")}
    subprocess.run(
        [notation, "cert", "generate-test", "--default", "lab.example"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    before = {path: path.read_bytes() for path in (keys / "mine").rglob("*") if path.is_file()}
    ended = s3c(keys, "sign", image, "--key-name", "lab.example", environment=environment)
    assert ended.code == 0, ended.stderr
    assert "CN=lab.example" in ended.image["sign"]["certificate"]["subject"]
    after = {path: path.read_bytes() for path in (keys / "mine").rglob("*") if path.is_file()}
    assert after == before
    missing = s3c(keys, "sign", image, "--key-name", "other", environment=environment)
    assert (missing.code, "It has lab.example." in missing.stderr) == (2, True)


def test_a_plugin_by_path_and_by_name(image: str, keys: Path, identities: dict[str, Identity]) -> None:
    executable = write_plugin(keys / "vault", identities["rsa"])
    key = ("--key-id", keys / "vault", "--plugin-config", "tenant=lab")
    ended = s3c(keys, "sign", image, "--plugin", executable, *key)
    assert ended.code == 0, ended.stderr
    assert ended.image["sign"]["certificate"]["subject"] == "CN=rsa,O=s3c lab,ST=WA,C=US"
    installed = keys / "libexec" / "plugins" / "lab"
    installed.mkdir(parents=True)
    shutil.copy(executable, installed)
    again = s3c(keys, "sign", image, "--plugin", "lab", *key, environment={"NOTATION_LIBEXEC": str(keys / "libexec")})
    assert (again.code, again.image["sign"]["skipped"]) == (0, True), again.stderr
    assert len(signatures(image)) == 1


def test_plugin_failures(image: str, keys: Path, identities: dict[str, Identity]) -> None:
    executable = write_plugin(keys / "vault", identities["rsa"])

    def sign(plugin: str | Path, key: str | Path, *more: str) -> tuple[int, str]:
        ended = s3c(keys, "sign", image, "--plugin", plugin, "--key-id", key, *more)
        return ended.code, ended.stderr

    code, errors = sign(executable, keys / "vault", "--plugin-config", "tenant=other")
    assert (code, "this tenant may not sign" in errors) == (3, True), errors
    code, errors = sign(executable, "nowhere", "--plugin-config", "tenant=lab")
    assert (code, "there is no key nowhere" in errors) == (3, True), errors
    code, errors = sign("absent", "nowhere")
    assert (code, "plugin: the plugin is not installed" in errors) == (2, True), errors
    renamed = executable.rename(executable.with_name("notation-renamed"))
    code, errors = sign(renamed, keys / "vault")
    assert (code, "calls itself `lab`" in errors) == (2, True), errors
    # A certificate that only the plugin knows is held against the same rules, before anything is pushed.
    wrong = write_plugin(keys / "wrong", make("web", spec="RSA-2048", extended=(SERVER_AUTH,)))
    code, errors = sign(wrong, keys / "wrong", "--plugin-config", "tenant=lab")
    assert (code, "extended" in errors) == (2, True), errors
    crashing = write_plugin(keys / "crash", identities["rsa"], "raise SystemExit('boom')\n")
    code, errors = sign(crashing, keys / "crash")
    assert (code, "plugin lab failed" in errors.lower()) == (3, True), errors
    assert signatures(image) == []


def test_a_plugin_out_of_an_archive(image: str, keys: Path, identities: dict[str, Identity]) -> None:
    executable = write_plugin(keys / "vault", identities["rsa"])
    good, evil, lean = keys / "good.tar.gz", keys / "evil.tar.gz", keys / "lean.tar.gz"
    with tarfile.open(good, "w:gz") as archive:
        archive.add(executable, "notation-lab")
        archive.add(keys / "rsa.crt", "LICENSE")
    with tarfile.open(evil, "w:gz") as archive:
        member = tarfile.TarInfo("../../escaped")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
        archive.add(executable, "notation-lab")
    with tarfile.open(lean, "w:gz") as archive:
        archive.add(keys / "rsa.crt", "LICENSE")

    def sign(archive: Path, checksum: str = "") -> tuple[int, str]:
        checksum = checksum or hashlib.sha256(archive.read_bytes()).hexdigest()
        address = ("--plugin-url", address_of(archive), "--plugin-checksum", checksum)
        key = ("--key-id", keys / "vault", "--plugin-config", "tenant=lab")
        ended = s3c(keys, "sign", image, "--plugin", "lab", *address, *key)
        return ended.code, ended.stderr

    from http.server import SimpleHTTPRequestHandler

    from tests.support.signing import serving

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **_: object) -> None:
            super().__init__(*arguments, directory=str(keys))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with serving(Files) as host:

        def address_of(archive: Path) -> str:
            return f"http://{host}/{archive.name}"

        code, errors = sign(good, "0" * 64)
        assert (code, "SHA-256" in errors) == (3, True), errors
        code, errors = sign(evil)
        assert (code, "names a file outside of itself" in errors) == (3, True), errors
        code, errors = sign(lean)
        assert (code, "notation-lab is not in it" in errors) == (3, True), errors
        assert signatures(image) == []
        assert not list(keys.rglob("escaped"))
        code, errors = sign(good)
        assert code == 0, errors
    assert len(signatures(image)) == 1


def test_a_strangers_signature_is_refused(image: str, keys: Path) -> None:
    unsigned = s3c(keys, "verify", image, "--trust-store", keys / "rsa.crt")
    assert unsigned.code == 1
    assert unsigned.image["error"]["what"] == "It has no signature."
    assert s3c(keys, "sign", image, *pair(keys, "stranger")).code == 0
    refused = s3c(keys, "verify", image, "--trust-store", keys / "rsa.crt")
    assert refused.code == 1
    assert "a certificate that the trust store does not lead to" in refused.image["error"]["what"]
    assert s3c(keys, "sign", image, *pair(keys, "chain")).code == 0
    store = ("--trust-store", keys / "root.crt")
    other = s3c(keys, "verify", image, *store, "--trusted-identity", "C=US, ST=WA, O=somebody else")
    assert other.code == 1
    assert "another identity than the trusted ones" in other.image["error"]["what"]
    ours = s3c(keys, "verify", image, *store, "--trusted-identity", "C=US, ST=WA, O=s3c lab")
    assert ours.code == 0, ours.stderr


def test_a_signature_moved_from_another_image_is_refused(image: str, keys: Path) -> None:
    assert s3c(keys, "sign", image, *pair(keys, "rsa")).code == 0
    name = image.partition("@")[0]
    registry, _, repository = name.partition("/")
    victim = push_image(registry, repository, "victim", "another image")
    manifests = f"http://{registry}/v2/{repository}/manifests"
    _, _, body = send("GET", f"{manifests}/{signatures(image)[0]}", Accept="application/vnd.oci.image.manifest.v1+json")
    moved = json.loads(body)
    _, _, content = send("GET", f"{manifests}/victim", Accept="application/vnd.oci.image.manifest.v1+json")
    moved["subject"] |= {"digest": victim.partition("@")[2], "size": len(content)}
    signature = put_manifest(registry, repository, "moved", moved)
    entry = {
        "mediaType": moved["mediaType"],
        "digest": signature.partition("@")[2],
        "size": len(json.dumps(moved).encode()),
        "artifactType": "application/vnd.cncf.notary.signature",
    }
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    put_manifest(registry, repository, victim.partition("@")[2].replace(":", "-"), index)
    refused = s3c(keys, "verify", victim, "--trust-store", keys / "rsa.crt")
    assert refused.code == 1
    assert "was made for another image" in refused.image["error"]["what"]
    # And it is no reason not to sign: the image has no valid signature.
    signed = s3c(keys, "sign", victim, *pair(keys, "rsa"))
    assert (signed.code, signed.image["sign"]["skipped"]) == (0, False), signed.stderr


def test_wrong_trust_is_wrong_input(image: str, keys: Path) -> None:
    assert s3c(keys, "sign", image, *pair(keys, "chain")).code == 0
    policy = {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "lab",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "strict"},
                "trustStores": ["ca:lab"],
                "trustedIdentities": ["*"],
            }
        ],
    }
    file = keys / "policy.json"

    def verify(store: Path, **changes: object) -> tuple[int, str]:
        changed = {**policy, "trustPolicies": [{**policy["trustPolicies"][0], **changes}]}  # type: ignore[dict-item]
        file.write_text(json.dumps(changed))
        ended = s3c(keys, "verify", image, "--trust-store", store, "--trust-policy", file)
        return ended.code, ended.stderr

    store = keys / "store"
    (store / "x509" / "ca" / "lab").mkdir(parents=True)
    shutil.copy(keys / "root.crt", store / "x509" / "ca" / "lab")
    assert verify(store)[0] == 0
    code, errors = verify(store, trustStores=["ca:other"])
    assert (code, "trust-store: a store that the trust policy names is not there" in errors) == (2, True), errors
    code, errors = verify(keys / "root.crt")
    assert (code, "trust-store: there is no certificate below" in errors) == (2, True), errors
    code, errors = verify(store, registryScopes=["registry.example/other"])
    assert (code, "trust-policy: no statement in it is for this repository" in errors) == (2, True), errors
    code, errors = verify(store, signatureVerification={"level": "skip"}, trustStores=[], trustedIdentities=[])
    assert (code, "`skip`" in errors) == (2, True), errors
    code, errors = verify(store, signatureVerification={"level": "lenient"})
    assert (code, "trust-policy: notation does not accept it" in errors) == (2, True), errors
    code, errors = verify(store, trustedIdentities=["x509.subject: CN=leaf"])
    assert (code, "trust-policy" in errors) == (2, True), errors
    # The level audit lets every failure pass with a warning; a signer nobody trusts is refused all the same.
    shutil.copy(keys / "rsa.crt", store / "x509" / "ca" / "lab" / "root.crt")
    code, errors = verify(store, signatureVerification={"level": "audit"})
    assert (code, "does not lead to" in errors) == (1, True), errors
    for content in (b"", b"nonsense"):
        (keys / "odd.crt").write_bytes(content)
        ended = s3c(keys, "verify", image, "--trust-store", keys / "odd.crt")
        assert ended.code == 2
        # Of a long path the end is shown.
        assert re.search(r"trust-store: \S*odd\.crt holds no certificate", ended.stderr)
    leaf = s3c(keys, "verify", image, "--trust-store", keys / "missing.crt")
    assert leaf.code == 2


@pytest.mark.parametrize("name", ["issued-unnamed", "issued-e-mail"])
def test_who_can_only_be_trusted_along_with_others_does_not_sign(image: str, keys: Path, name: str) -> None:
    chain = ("chain", image, "--patch", "false", "--fail-on", "none")
    for command in (("sign", image), chain, ("trust", "export", "--certificate", keys / f"{name}.crt")):
        ended = s3c(keys, *command, *(() if command[0] == "trust" else pair(keys, name)))
        assert ended.code == 2, ended.stderr
        assert "certificate: no trust policy can name " in ended.stderr
        assert "Or use a self-signed certificate" in ended.stderr
    assert signatures(image) == []
    assert not (keys / "s3c-out" / "trustpolicy.json").exists()


def test_a_signature_by_a_subject_that_notation_cannot_read_is_refused(
    image: str, keys: Path, notation: Path, identities: dict[str, Identity]
) -> None:
    """It is the signer's fault, not the policy's; one of before that `sign` refuses now stays where it is."""
    home = NotationHome(keys / "plain")
    home.folder.mkdir()
    home.use_files(keys / "issued-e-mail.key", keys / "issued-e-mail.crt")
    environment = {**os.environ, **home.environment}
    subprocess.run([notation, "sign", "--force-referrers-tag", image], env=environment, check=True, capture_output=True)
    store = ("--trust-store", keys / "root.crt")
    refused = s3c(keys, "verify", image, *store, "--trusted-identity", "C=US, ST=WA, O=s3c lab")
    assert refused.code == 1, refused.stderr
    assert "whose subject no trust policy can name" in refused.image["error"]["what"]
    assert s3c(keys, "verify", image, *store, "--trusted-identity", "*").code == 0
    assert s3c(keys, "sign", image, *pair(keys, "chain")).code == 0
    ours = s3c(keys, "verify", image, *store, "--trusted-identity", "C=US, ST=WA, O=s3c lab")
    assert ours.code == 0, ours.stderr


def test_a_leaf_is_no_trust_anchor(image: str, keys: Path, identities: dict[str, Identity]) -> None:
    assert s3c(keys, "sign", image, *pair(keys, "chain")).code == 0
    (keys / "leaf.crt").write_bytes(pem(identities["chain"].certificate))
    ended = s3c(keys, "verify", image, "--trust-store", keys / "leaf.crt")
    assert (ended.code, "neither an authority's nor self-signed" in ended.stderr) == (2, True), ended.stderr


def test_of_several_images_one_bad_keeps_all_unsigned(image: str, registry: str, keys: Path) -> None:
    good = push_image(registry, f"sign/{uuid.uuid4().hex[:12]}", "1.0", "second")
    tagged = good.partition("@")[0] + ":1.0"
    for bad in (tagged[:-3] + "9.9", f"{registry}/nowhere@sha256:{'0' * 64}", f"localhost:9/a@sha256:{'0' * 64}"):
        ended = s3c(keys, "sign", image, tagged, bad, *pair(keys, "rsa"))
        assert ended.code in {2, 3}, ended.stderr
        assert signatures(image) == signatures(good) == []
    both = s3c(keys, "sign", image, tagged, *pair(keys, "rsa"))
    assert both.code == 0, both.stderr
    assert "this digest is used" in both.stderr
    digests = [image["sign"]["signature_digest"] for image in both.result["images"]]
    assert [signatures(image), signatures(good)] == [[digests[0]], [digests[1]]]
    verified = s3c(keys, "verify", image, tagged, "--trust-store", keys / "rsa.crt")
    assert verified.code == 0, verified.stderr


def test_a_bad_certificate_pushes_nothing(image: str, keys: Path) -> None:
    now = datetime.now(UTC)
    make("gone", start=now - timedelta(days=2), end=now - timedelta(days=1)).write(keys, "gone")
    make("authority", authority=True).write(keys, "authority")
    for name, message in (("gone", "expired on"), ("authority", "may not sign images")):
        ended = s3c(keys, "sign", image, *pair(keys, name))
        assert (ended.code, message in ended.stderr) == (2, True), ended.stderr
    mixed = s3c(keys, "sign", image, "--key", keys / "rsa.key", "--certificate", keys / "ec.crt")
    assert (mixed.code, "does not belong to" in mixed.stderr) == (2, True)
    assert signatures(image) == []


@pytest.mark.parametrize(
    ("code", "message"), [(401, "credentials"), (403, "(HTTP 403)"), (500, "The registry failed inside")]
)
def test_a_registry_that_fails(code: int, message: str, keys: Path) -> None:
    with answering(code) as registry:
        reference = f"{registry}/app@sha256:{'0' * 64}"
        signed = s3c(keys, "sign", reference, *pair(keys, "rsa"))
        verified = s3c(keys, "verify", reference, "--trust-store", keys / "rsa.crt")
    for ended in (signed, verified):
        assert (ended.code, message in ended.stderr) == (3, True), ended.stderr


def test_a_registry_that_is_down(keys: Path) -> None:
    ended = s3c(keys, "verify", f"localhost:9/app@sha256:{'0' * 64}", "--trust-store", keys / "rsa.crt")
    assert (ended.code, "it refused the connection" in ended.stderr) == (3, True), ended.stderr


def test_killed_between_signing_and_verifying_and_run_again(image: str, keys: Path, notation: Path) -> None:
    wrapper = keys / "notation"
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = verify ] && kill -9 $PPID\nexec {notation} "$@"\n')
    wrapper.chmod(0o755)
    temp = keys / "temp"
    temp.mkdir()
    place = {"RUNNER_TEMP": str(temp), "TMPDIR": str(temp)}
    killed = s3c(keys, "sign", image, *pair(keys, "rsa"), "--notation-path", wrapper, environment=place)
    assert killed.code == -9
    assert list(temp.rglob("signing.key"))
    pushed = signatures(image)
    assert len(pushed) == 1
    again = s3c(keys, "sign", image, *pair(keys, "rsa"), environment=place)
    assert list(temp.iterdir()) == [], "the key of the run that was killed is gone too"
    assert (again.code, again.image["sign"]["skipped"]) == (0, True), again.stderr
    assert signatures(image) == pushed


def test_no_key_is_left_behind_or_shown(image: str, keys: Path, notation: Path) -> None:
    temp = keys / "temp"
    temp.mkdir()
    seen = keys / "seen"
    wrapper = keys / "notation"
    # While notation signs, the private key is a file that only its owner may read, in a folder that only it may enter.
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" = sign ] && find {temp} -printf "%m %f\\n" > {seen} && tr "\\0" " " < /proc/$$/cmdline'
        f' >> {seen} && env >> {seen}\nexec {notation} "$@"\n'
    )
    wrapper.chmod(0o755)
    make("locked").write(keys, "locked", "geheim-34")
    ended = s3c(
        keys,
        "sign",
        image,
        *pair(keys, "locked"),
        "--notation-path",
        wrapper,
        environment={"S3C_KEY_PASSWORD": "geheim-34", "RUNNER_TEMP": str(temp), "TMPDIR": str(temp)},
    )
    assert ended.code == 0, ended.stderr
    lines = seen.read_text().splitlines()
    assert "600 signing.key" in lines
    assert "geheim-34" not in seen.read_text()
    assert list(temp.iterdir()) == []
    assert stat.S_IMODE((keys / "locked.key").stat().st_mode) == 0o600
