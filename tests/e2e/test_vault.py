"""Sign and verify with keys of Azure Key Vault: real notation, SDK and registry, and a stand-in for the vault."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import NOTATION
from s3c_lab import registry_server
from s3c_lab.certificates import make, make_authority, pem
from s3c_lab.machine import Machine
from tests.support.azure.entra import LOGIN
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.azure.vault import ALL, SIGNER
from tests.support.azure.web import Answer, throttled
from tests.support.cluster import deployment
from tests.support.processes import command_lines
from tests.support.signing import own_registry, push_image, signatures

CERTIFICATE = ["--vault", "kv-voting", "--vault-certificate", "signing"]


@pytest.fixture(scope="module")
def registry(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_registry(tmp_path_factory.mktemp("registry"), registry_server.program(machine)) as host:
        yield host


@pytest.fixture
def azure(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        stand_ins.world.forward(int(registry.rpartition(":")[2]))
        yield stand_ins


@pytest.fixture
def image(registry: str) -> str:
    return push_image(registry, f"vault/{uuid.uuid4().hex}", "1", uuid.uuid4().hex)


@pytest.mark.parametrize("spec", ["RSA-2048", "RSA-3072", "RSA-4096", "EC-256", "EC-384", "EC-521"])
def test_every_kind_of_key_signs(spec: str, azure: Azure, image: str, tmp_path: Path) -> None:
    vault = azure.vault()
    identity = make("signing", spec=spec, authority=False)
    version = vault.add("signing", identity)
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    assert (signed.image["sign"]["verified"], signed.image["sign"]["certificate"]["key"]) == (True, spec)
    assert f"signing of kv-voting.vault.azure.net, {spec}, read with GitHub's OIDC token" in signed.stderr
    assert signatures(image) == [signed.image["sign"]["signature_digest"]]
    # The challenge, the certificate, the signature.
    asked = azure.world.sites.asked(vault.host)
    assert [(request.method, request.path) for request in asked] == [
        ("GET", "/certificates/signing/"),
        ("GET", "/certificates/signing/"),
        ("POST", f"/keys/signing/{version.version}/sign"),
    ]
    (tmp_path / "signing.crt").write_bytes(pem(identity.certificate))
    apart = azure.s3c(tmp_path, "verify", image, "--trust-store", tmp_path / "signing.crt")
    assert apart.code == 0, apart.stderr
    by_vault = azure.s3c(tmp_path, "verify", image, *CERTIFICATE, *azure.ids)
    assert by_vault.code == 0, by_vault.stderr


def test_a_job_outside_of_an_environment_is_warned_that_others_can_sign(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    azure.vault().add("signing", make("signing", authority=False))
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    assert f"is trusted for `{azure.github.subject}`" in signed.stderr
    repository = azure.github.subject.partition(":ref:")[0]
    azure.github.subject = f"{repository}:environment:signing"
    azure.application.federated.append(azure.github.federated)
    again = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert again.code == 0, again.stderr
    assert "is trusted for" not in again.stderr


def test_a_certificate_of_an_authority_signs_with_its_chain(azure: Azure, image: str, tmp_path: Path) -> None:
    root = make_authority("root")
    identity = make("signing", issuer=make_authority("issuing", issuer=root), spec="RSA-3072")
    vault = azure.vault(rights=SIGNER | {"secrets/get"})
    vault.add("signing", identity)
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    (tmp_path / "root.crt").write_bytes(pem(root.certificate))
    verified = azure.s3c(tmp_path, "verify", image, "--trust-store", tmp_path / "root.crt")
    assert verified.code == 0, verified.stderr

    # Without the right to read the secret, the issuers are given.
    vault.rights[azure.application.object] = SIGNER
    denied = azure.s3c(tmp_path, "verify", image, *CERTIFICATE, *azure.ids)
    assert (denied.code, "it lacks the right secrets get (role `Key Vault Certificate User`)" in denied.stderr) == (
        3,
        True,
    )
    (tmp_path / "issuers.pem").write_bytes(b"".join(pem(certificate) for certificate in identity.chain[1:]))
    given = ["--vault-ca-certs", str(tmp_path / "issuers.pem")]
    again = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids, *given)
    assert (again.code, again.image["sign"]["skipped"]) == (0, True), again.stderr
    verified = azure.s3c(tmp_path, "verify", image, *CERTIFICATE, *azure.ids, *given)
    assert verified.code == 0, verified.stderr

    # The secret of an exportable certificate holds the private key: it is never asked for.
    vault.certificates["signing"][0].exportable = True
    vault.rights[azure.application.object] = ALL
    before = len(azure.world.sites.asked(vault.host))
    refused = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert (refused.code, "vault-ca-certs: it is missing" in refused.stderr) == (2, True), refused.stderr
    assert not any(request.path.startswith("/secrets") for request in azure.world.sites.asked(vault.host)[before:])


def test_another_vaults_signature_is_refused(azure: Azure, image: str, tmp_path: Path) -> None:
    azure.vault().add("signing", make("signing"))
    azure.vault("kv-stranger").add("signing", make("signing"))
    stranger = ["--vault", "https://kv-stranger.vault.azure.net/", "--vault-certificate", "signing"]
    signed = azure.s3c(tmp_path, "sign", image, *stranger, *azure.ids)
    assert signed.code == 0, signed.stderr
    refused = azure.s3c(tmp_path, "verify", image, *CERTIFICATE, *azure.ids)
    assert (refused.code, "does not lead to" in refused.stderr) == (1, True), refused.stderr


def test_trace_and_deploy_trust_the_vaults_certificate(azure: Azure, image: str, tmp_path: Path) -> None:
    azure.vault().add("signing", make("signing", authority=False))
    azure.vault("kv-stranger").add("signing", make("signing", authority=False))
    stranger = ["--vault", "kv-stranger", "--vault-certificate", "signing"]
    (tmp_path / "app.yaml").write_text(deployment(image))
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    for trusted, code, verdict in ((CERTIFICATE, 0, "admitted"), (stranger, 1, "denied")):
        traced = azure.s3c(tmp_path, "trace", image, *trusted, *azure.ids, "--format", "json")
        assert traced.code == 0, traced.stderr
        assert json.loads(traced.stdout)["judgement"]["verdict"] == verdict
        deployed = azure.s3c(tmp_path, "deploy", "app.yaml", "--render-only", *trusted, *azure.ids)
        assert deployed.code == code, deployed.stderr
    assert "does not lead to" in deployed.stderr
    # Nobody named: the signature is shown and left to the cluster.
    shown = azure.s3c(tmp_path, "trace", image, "--format", "json")
    assert json.loads(shown.stdout)["judgement"]["verdict"] == "unknown"


def test_what_is_exported_is_what_verifiers_take(azure: Azure, image: str, tmp_path: Path) -> None:
    azure.vault().add("signing", make("signing", authority=False))
    azure.vault("kv-stranger").add("signing", make("signing", authority=False))
    name = image.partition("@")[0]
    exported = azure.s3c(tmp_path, "trust", "export", *CERTIFICATE, *azure.ids, "--registry-scope", name)
    assert exported.code == 0, exported.stderr
    out = tmp_path / "trust"
    (tmp_path / "s3c-out").rename(out)
    policy = ["--trust-store", str(out), "--trust-policy", str(out / "trustpolicy.json")]
    stranger = ["--vault", "kv-stranger", "--vault-certificate", "signing"]
    for signer, code in ((stranger, 1), (CERTIFICATE, 0)):
        signed = azure.s3c(tmp_path, "sign", image, *signer, *azure.ids)
        assert signed.code == 0, signed.stderr
        assert azure.s3c(tmp_path, "verify", image, *policy).code == code
    inline, verifier, how = yaml.safe_load_all((out / "ratify.yaml").read_text())
    assert inline["spec"]["parameters"]["value"] == (out / "truststore/x509/ca/s3c/certificates.pem").read_text()
    assert (verifier["kind"], how["kind"]) == ("Verifier", "Policy")
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    assert statement["trustedIdentities"] == ["x509.subject:C=US,ST=WA,O=s3c lab,CN=signing"]

    client = "00000000-0000-4000-8000-000000000000"
    exported = azure.s3c(tmp_path, "trust", "export", *CERTIFICATE, *azure.ids, "--ratify-client-id", client)
    assert exported.code == 0, exported.stderr
    fetched = next(yaml.safe_load_all((tmp_path / "s3c-out" / "ratify.yaml").read_text()))
    assert fetched["spec"]["parameters"] == {
        "vaultURI": "https://kv-voting.vault.azure.net",
        "tenantID": azure.entra.tenant,
        "clientID": client,
        "certificates": [{"name": "signing"}],
    }


def test_a_version_that_is_named_signs(azure: Azure, image: str, tmp_path: Path) -> None:
    vault = azure.vault()
    old, new = (vault.add("signing", make("signing", subject_name=make(name).certificate.subject)) for name in "ab")
    flags = ["--vault-certificate-version", old.version]
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids, *flags)
    assert signed.code == 0, signed.stderr
    assert azure.world.sites.requests[-1].path.startswith(f"/keys/signing/{old.version}/")
    newest = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert newest.code == 0, newest.stderr
    assert azure.world.sites.requests[-1].path.startswith(f"/keys/signing/{new.version}/")
    absent = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids, "--vault-certificate-version", "0" * 32)
    assert (absent.code, "has no version" in absent.stderr) == (2, True), absent.stderr


def test_several_versions_are_trusted_while_one_is_renewed(azure: Azure, image: str, tmp_path: Path) -> None:
    """And what a disabled one has signed is found, for a key that somebody else has."""
    vault = azure.vault()
    old = vault.add("signing", make("signing", authority=False))
    assert azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids).code == 0
    new = vault.add("signing", make("signing", authority=False))

    def verified(*versions: str) -> int:
        flags = [f"--trusted-vault-version={version}" for version in versions]
        return azure.s3c(tmp_path, "verify", image, *CERTIFICATE, *azure.ids, *flags).code

    assert [verified(), verified("newest"), verified(new.version)] == [1, 1, 1]
    assert [verified(old.version), verified("newest", old.version)] == [0, 0]
    both = ("--trusted-vault-version", "newest", "--trusted-vault-version", old.version)
    ratify = ("--ratify-client-id", azure.application.client)
    exported = azure.s3c(tmp_path, "trust", "export", *CERTIFICATE, *azure.ids, *ratify, *both)
    assert exported.code == 0, exported.stderr
    fetched, verifier, _ = yaml.safe_load_all((tmp_path / "s3c-out" / "ratify.yaml").read_text())
    listed = [{"name": "signing"}, {"name": "signing", "version": old.version}]
    assert fetched["spec"]["parameters"]["certificates"] == listed
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    assert statement["trustedIdentities"] == ["x509.subject:C=US,ST=WA,O=s3c lab,CN=signing"]

    old.enabled = False
    assert verified("newest", old.version) == 2
    search = ("trust", "list-signed", "--image", image, *CERTIFICATE, *azure.ids)
    assert azure.s3c(tmp_path, *search, "--trusted-vault-version", old.version).code == 0
    (entry,) = json.loads((tmp_path / "s3c-out" / "signed.json").read_text())
    assert (entry["reference"], entry["kind"]) == (image, "image")
    assert azure.s3c(tmp_path, *search).code == 0
    assert json.loads((tmp_path / "s3c-out" / "signed.json").read_text()) == []


DAY = timedelta(days=1)


# What is wrong, the exit code, and what the error has to hold: what happened, and what to do.
@pytest.mark.parametrize(
    ("wrong", "code", "expected"),
    [
        ("firewall", 3, ["The firewall of the vault kv-voting", "203.0.113.7", "az keyvault network-rule add"]),
        (
            "role to read",
            3,
            ["certificates get", "Key Vault Certificate User", "az role assignment create"],
        ),
        ("role to sign", 3, ["keys sign", "Key Vault Crypto User", "az role assignment create"]),
        (
            "policy to read",
            3,
            ["access policy lacks certificates get", "set-policy", "--certificate-permissions get"],
        ),
        ("policy to sign", 3, ["access policy lacks keys sign", "set-policy", "--key-permissions sign"]),
        ("disabled", 2, ["signing is disabled in the vault", "--enabled true"]),
        ("key disabled", 2, ["the vault has it, but it is disabled", "--enabled true"]),
        ("deleted", 2, ["signing was deleted from the vault", "az keyvault certificate recover"]),
        ("name", 2, ["has no certificate sinning", "az keyvault certificate list"]),
        ("vault", 2, ["there is no vault kv-elsewhere.vault.azure.net", "Look at `--vault`"]),
        ("expired", 2, ["expired on", "az keyvault certificate create"]),
        ("not yet valid", 2, ["is valid only from", "Wait until then"]),
        ("for servers", 2, ["serverAuth", "az keyvault certificate create", '"keyUsage": ["digitalSignature"]']),
        ("throttled", 3, ["there are too many", "It was tried 6 times", "a vault of its own", "trying again in 1 s"]),
        ("tenant", 2, ["tenant-id: the service belongs to another tenant", "Give the tenant that the service is in"]),
        ("clock", 2, ["is valid only from", "This machine's clock is 30 minutes behind Azure's"]),
        ("cloud", 2, ["vault: ", "azure-cloud"]),
    ],
)
def test_what_the_vault_refuses_is_told(
    wrong: str, code: int, expected: list[str], azure: Azure, image: str, tmp_path: Path
) -> None:
    vault, flags, identity, now = azure.vault(), [*CERTIFICATE, *azure.ids], make("signing"), datetime.now(UTC)
    if wrong == "firewall":
        vault.open_to_all = False
    elif wrong.startswith(("role", "policy")):
        vault.rbac = wrong.startswith("role")
        vault.rights[azure.application.object] = SIGNER - {
            "certificates/get" if wrong.endswith("read") else "keys/sign"
        }
    elif wrong == "name":
        flags = ["--vault", "kv-voting", "--vault-certificate", "sinning", *azure.ids]
    elif wrong == "vault":
        flags = ["--vault", "kv-elsewhere", "--vault-certificate", "signing", *azure.ids]
    elif wrong == "expired":
        identity = make("signing", start=now - 3 * DAY, end=now - DAY)
    elif wrong == "not yet valid":
        identity = make("signing", start=now + DAY, end=now + 3 * DAY)
    elif wrong == "for servers":
        from s3c_lab.certificates import SERVER_AUTH

        identity = make("signing", extended=(SERVER_AUTH,))
    elif wrong == "throttled":
        vault.throttled = 1000
    elif wrong == "tenant":
        vault.tenant = "00000000-0000-4000-8000-000000000000"
    elif wrong == "clock":
        vault.offset = 1800
        identity = make("signing", start=now + timedelta(minutes=20), end=now + DAY)
    elif wrong == "cloud":
        flags += ["--azure-cloud", "usgovernment", "--authority-host", LOGIN]
    version = vault.add("signing", identity)
    version.enabled = wrong != "disabled"
    version.key_enabled = wrong != "key disabled"
    if wrong == "deleted":
        vault.delete("signing")
    ended = azure.s3c(tmp_path, "sign", image, *flags, "--verbose")
    assert ended.code == code, ended.stderr
    for words in expected:
        assert words in ended.stderr
    assert signatures(image) == []
    assert ended.result["exit_code"] == code
    _nothing_secret(azure, tmp_path, ended.stdout, ended.stderr)


def test_a_busy_vault_is_waited_for(azure: Azure, image: str, tmp_path: Path) -> None:
    vault = azure.vault()
    vault.add("signing", make("signing"))
    # Key Vault's own answers to `sign` have no Retry-After.
    vault.failures = [
        throttled(),
        Answer(broken=0),
        throttled(Retry_After="31536000"),
        Answer(502, b"<html>Bad Gateway</html>"),
    ]
    started = time.monotonic()
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids, "--verbose")
    assert signed.code == 0, signed.stderr
    for reason in ("is busy (HTTP 429)", "did not answer", "is busy (HTTP 502)"):
        assert f"kv-voting.vault.azure.net {reason}: trying again in" in signed.stderr
    # One second, two, four and eight, each less a quarter at most.
    assert 11 < time.monotonic() - started < 60


def test_a_clock_that_is_off_is_told_although_all_is_well(azure: Azure, image: str, tmp_path: Path) -> None:
    vault = azure.vault()
    vault.offset = -3600
    vault.add("signing", make("signing"))
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    assert signed.stderr.count("This machine's clock is 60 minutes ahead of Azure's") == 1


def test_tokens_that_end_while_it_works_are_asked_for_anew(
    azure: Azure, registry: str, machine: Machine, tmp_path: Path
) -> None:
    azure.entra.token_lifetime, azure.github.lifetime = 5, 5
    azure.vault().add("signing", make("signing"))
    images = [push_image(registry, f"vault/{uuid.uuid4().hex}", "1", uuid.uuid4().hex) for _ in range(3)]
    notation = locate(NOTATION, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    slow = tmp_path / "notation"
    slow.write_text(f'#!/bin/sh\n[ "$1" = sign ] && sleep 5.2\nexec {notation} "$@"\n')
    slow.chmod(0o755)
    signed = azure.s3c(tmp_path, "sign", *images, *CERTIFICATE, *azure.ids, "--notation-path", slow)
    assert signed.code == 0, signed.stderr
    assert [image["sign"]["verified"] for image in signed.result["images"]] == [True, True, True]
    assert len(set(azure.github.given)) >= 3
    # One request a signature, and none that failed.
    assert len(azure.world.sites.asked("kv-voting.vault.azure.net")) == 5


def test_no_token_is_left_behind_or_shown(azure: Azure, image: str, short_folder: Path, tmp_path: Path) -> None:
    vault = azure.vault()
    vault.add("signing", make("signing"))
    temp, seen = short_folder, tmp_path / "seen"

    def look() -> None:
        """The arguments of every process, and every file there, while notation and its plugin wait for the vault."""
        arguments = "\n".join(command_lines()).encode()
        files = [path for path in temp.rglob("*") if path.is_file()]
        names = "".join(f"{path.stat().st_mode & 0o777:o} {path.name}\n" for path in temp.rglob("*"))
        seen.write_bytes(arguments + b"".join(path.read_bytes() for path in files) + names.encode())

    vault.while_signing = look
    environment = azure.job | {"RUNNER_TEMP": str(temp), "TMPDIR": str(temp), "GITHUB_ACTIONS": "true"}
    summary, outputs = tmp_path / "summary.md", tmp_path / "outputs"
    environment |= {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    ended = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids, "--debug", environment=environment)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "signing of kv-voting" in ended.stdout
    snapshot = seen.read_text(errors="replace")
    for words in ("plugin_client.py", "700 notation-s3c-azure", "700 s3c-run-", "600 signingkeys.json"):
        assert words in snapshot
    shown = "\n".join(line for line in ended.stdout.splitlines() if not line.startswith("::add-mask::"))
    _nothing_secret(azure, tmp_path, shown, ended.stderr)
    assert len(azure.written()) >= 3
    # What the runner masks, it was told before anything else could show it.
    for secret in azure.written():
        assert f"::add-mask::{secret}" in ended.stdout
    assert list(temp.iterdir()) == []


def _nothing_secret(azure: Azure, folder: Path, *shown: str) -> None:
    """No token, assertion or request token in anything that was shown or written below the folder."""
    texts = [*shown, *(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())]
    for secret in azure.written():
        signature = secret.rpartition(".")[2]
        assert not any(secret in text or signature in text for text in texts)


def test_nothing_is_signed_when_the_image_cannot_be_reached(azure: Azure, tmp_path: Path) -> None:
    vault = azure.vault()
    vault.add("signing", make("signing"))
    ended = azure.s3c(tmp_path, "sign", f"localhost:9/app@sha256:{'0' * 64}", *CERTIFICATE, *azure.ids)
    assert (ended.code, "it refused the connection" in ended.stderr) == (3, True), ended.stderr
    assert not any(request.path.endswith("/sign") for request in azure.world.sites.asked(vault.host))


def test_a_policy_names_its_signers_by_their_vault(azure: Azure, image: str, tmp_path: Path) -> None:
    root = make_authority("root")
    azure.vault(rights=SIGNER | {"secrets/get"}).add("signing", make("signing", issuer=root))
    azure.vault("kv-stranger").add("signing", make("signing", authority=False))
    signed = azure.s3c(tmp_path, "sign", image, *CERTIFICATE, *azure.ids)
    assert signed.code == 0, signed.stderr
    policy = tmp_path / "s3c-policy.yaml"

    def named(vault: str, certificate: str) -> None:
        identifier = f"https://{vault}.vault.azure.net/certificates/{certificate}"
        policy.write_text(f"version: 1\nsigners: [{{name: release, certificate: '{identifier}'}}]\n")

    for vault, codes in (("kv-stranger", {"no-report", "stranger-image"}), ("kv-voting", {"no-report"})):
        named(vault, "signing")
        checked = azure.s3c(tmp_path, "policy", "check", image, "--policy", policy, *azure.ids)
        assert checked.code == 1, checked.stderr
        assert {refusal["code"] for refusal in checked.image["judgement"]["refusals"]} == codes
    exported = azure.s3c(tmp_path, "policy", "export", "--policy", policy, *azure.ids)
    assert exported.code == 0, exported.stderr
    objects = list(yaml.safe_load_all(exported.stdout))
    assert objects[0]["spec"]["parameters"]["value"] == pem(root.certificate).decode()
    (statement,) = objects[1]["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    assert statement["trustedIdentities"] == ["x509.subject: C=US,ST=WA,O=s3c lab,CN=signing"]
    named("kv-voting", "gone")
    gone = azure.s3c(tmp_path, "policy", "check", image, "--policy", policy, *azure.ids)
    assert (gone.code, "signer release of the policy" in gone.stderr) == (2, True), gone.stderr
