"""`s3c fleet manifests` from its arguments to the files it leaves."""

import io
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cli import run

IMAGE = f"ghcr.io/org/s3c@sha256:{'a' * 64}"
NEEDED = ("--s3c-image", IMAGE, "--store", "registry.example/s3c-fleet")
KEY = ("--key-secret", "signing")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").write_text("version: 1\n")
    return tmp_path


def ended(*argv: str) -> tuple[int, str]:
    output = io.StringIO()
    return run.run("fleet manifests", [*argv], {}, output, output), output.getvalue()


def documents(folder: Path, name: str = "s3c-fleet.yaml") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((folder / "k8s/s3c-fleet" / name).read_text()))


def test_objects_and_secrets_are_apart_and_the_next_steps_are_shown(repository: Path) -> None:
    code, output = ended(*NEEDED, *KEY)
    assert code == 0, output
    assert "kubectl apply --server-side" in output and "create job --from cronjob/s3c-fleet" in output
    assert {each["kind"] for each in documents(repository)} >= {"CronJob", "StatefulSet", "NetworkPolicy"}
    assert {each["kind"] for each in documents(repository, "s3c-fleet-secrets.yaml")} == {"Secret"}
    secrets = repository / "k8s/s3c-fleet/s3c-fleet-secrets.yaml"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600


def test_a_second_run_keeps_the_certificates_and_changes_nothing(repository: Path) -> None:
    folder = repository / "k8s/s3c-fleet"
    ended(*NEEDED, *KEY)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert ended(*NEEDED, *KEY)[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "s3c-fleet-secrets.yaml").unlink()
    ended(*NEEDED, *KEY)
    assert (folder / "s3c-fleet.yaml").read_bytes() != before["s3c-fleet.yaml"]


def test_certificates_that_end_soon_are_warned_of() -> None:
    assert "valid until" in ended(*NEEDED, *KEY, "--valid-for", "10d")[1]
    assert "valid until" in ended(*NEEDED, *KEY)[1]


def test_azure_and_an_issuer_need_no_secret(repository: Path) -> None:
    azure = ("--client-id", "1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f", "--vault", "kv-voting")
    code, output = ended(*NEEDED, *azure, "--vault-certificate", "signing", "--cluster-issuer", "pool")
    assert code == 0, output
    assert [path.name for path in (repository / "k8s/s3c-fleet").iterdir()] == ["s3c-fleet.yaml"]
    (job,) = [each for each in documents(repository) if each["kind"] == "CronJob"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    given = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert (given["S3C_VAULT"], given["S3C_AZURE_IDENTITY"]) == ("kv-voting", "workload-identity")


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ((), "--s3c-image"),
        (("--s3c-image", "ghcr.io/org/s3c:1.0.0", "--store", "r.example/x"), "--s3c-image"),
        (("--s3c-image", IMAGE, "--store", "r.example/x:tag"), "--store"),
        (NEEDED, "--key-secret"),
        ((*NEEDED, "--vault", "kv-voting"), "--vault-certificate"),
        ((*NEEDED, *KEY, "--vault", "kv-voting", "--vault-certificate", "signing"), "--key-secret"),
        ((*NEEDED, *KEY, "--schedule", "daily"), "--schedule"),
        ((*NEEDED, *KEY, "--schedule", "0 2 * * *; reboot"), "--schedule"),
        ((*NEEDED, *KEY, "--time-zone", "Europe/Atlantis"), "--time-zone"),
        ((*NEEDED, *KEY, "--pods", "257"), "--pods"),
        ((*NEEDED, *KEY, "--namespace", "Fleet"), "--namespace"),
        ((*NEEDED, *KEY, "--buildkits", "0"), "--buildkits"),
        ((*NEEDED, *KEY, "--variables", "S3C_KEY_PEM=x"), "S3C_KEY_PEM is a secret"),
        ((*NEEDED, *KEY, "--variables", "S3C_FAIL=HIGH"), "S3C_FAIL_ON"),
        ((*NEEDED, *KEY, "--variables", "S3C_KEY=/x"), "S3C_KEY is set by the manifests"),
        ((*NEEDED, *KEY, "--files", "missing.yaml"), "--files"),
        ((*NEEDED, *KEY, "--files", "/etc/hostname"), "--files"),
        ((*NEEDED, *KEY, "--files", "signing.key"), "--key-secret"),
        ((*NEEDED, *KEY, "--egress-ports", "443,0"), "--egress-ports"),
        (("missing.yaml", *NEEDED, *KEY), "missing.yaml"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_and_nothing_is_written(repository: Path, argv: tuple[str, ...], named: str) -> None:
    (repository / "signing.key").write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    code, output = ended(*argv)
    assert (code, named in output) == (2, True), output
    assert not (repository / "k8s").exists()


def test_a_file_of_somebody_else_is_not_taken_for_certificates(repository: Path) -> None:
    folder = repository / "k8s/s3c-fleet"
    folder.mkdir(parents=True)
    (folder / "s3c-fleet-secrets.yaml").write_text("kind: Secret\n")
    code, output = ended(*NEEDED, *KEY)
    assert (code, "Move it away" in output) == (2, True), output
    assert not (folder / "s3c-fleet.yaml").exists()
