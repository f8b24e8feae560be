"""The container image of s3c: built by the lab's BuildKit; patched and signed by s3c, which then runs in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from s3c_lab import own_image
from s3c_lab.docker_engine import connect
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support.signing import Ended
from tests.support.signing import s3c as run_s3c

VULNERABLE = "voting-app"


@pytest.fixture(scope="module")
def chained(lab: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The chain over the image: over what a patch is for, as the packages of 250 MB of Go programs take a minute."""
    (base,) = (image for image in lab.images if f"/{VULNERABLE}:" in image)
    built = own_image.push(lab.registry, base, lab.buildkit, machine)
    # Looking for secrets in what others publish takes Trivy half a minute; our own package is looked into.
    flags = (*lab.flags(), "--pkg-types", "os", "--fail-on", "LOW", "--skip-dirs", "/opt/s3c/packages")
    return run_s3c(tmp_path_factory.mktemp("own"), "chain", built, *flags)


@pytest.fixture(scope="module")
def run(
    chained: Ended, lab: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs the patched and signed image as a strict cluster does: no root, no capability, two folders to write."""
    reference = str(chained.image["reference"])
    with connect(machine):
        pass  # it starts where none runs
    # Copies that any user may read and, where Trivy has its locks, write.
    folder = tmp_path_factory.mktemp("given")
    shutil.copytree(lab.trivy_cache, folder / "trivy", ignore=shutil.ignore_patterns("fanal", "layers"))
    shutil.copy(lab.certificate, folder / "signer.crt")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    mounts = [f"{folder}:/given"]

    def start(*arguments: str, user: str = "65532:0") -> subprocess.CompletedProcess[str]:
        argv = ["docker", "run", "--rm", "--network", "host", "--read-only", "--user", user, "--cap-drop", "ALL"]
        argv += ["--tmpfs", "/tmp", "--tmpfs", "/home/s3c:uid=65532,gid=0,mode=0770"]
        argv += [word for mount in mounts for word in ("--volume", mount)]
        return subprocess.run([*argv, reference, *arguments], capture_output=True, text=True, timeout=300, check=False)

    yield start
    subprocess.run(["docker", "image", "rm", reference], capture_output=True, check=True)  # 0.8 GB


def test_s3c_patches_and_signs_its_own_image(chained: Ended, lab: Lab) -> None:
    assert chained.code == 0, chained.stderr
    patch = chained.image["patch"]
    assert patch["patched"]
    assert patch["before"]["total"] > 0
    assert patch["after"]["total"] == chained.image["findings"]["total"] == 0
    assert chained.image["sign"]["verified"]
    assert str(chained.image["reference"]).startswith(f"{lab.registry}/s3c@sha256:")


def test_the_image_has_its_programs_and_runs_as_any_user_of_group_0(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for user in ("65532:0", "1000680000:0"):
        listed = run("programs", "where", "trivy", "copa", "notation", "helm", "--json", user=user)
        assert listed.returncode == 0, listed.stderr
        programs = json.loads(listed.stdout)["programs"]
        assert [program["path"] for program in programs] == [
            f"/usr/local/bin/{name}" for name in ("trivy", "copa", "notation", "helm")
        ]
        assert all(program["version"] == program["pinned"] for program in programs)


def test_s3c_in_the_image_scans_and_verifies_the_image(
    chained: Ended, run: Callable[..., subprocess.CompletedProcess[str]], lab: Lab
) -> None:
    reference = str(chained.image["reference"])
    verified = run("verify", reference, "--trust-store", "/given/signer.crt")
    assert verified.returncode == 0, verified.stderr
    (original,) = (image for image in lab.images if f"/{VULNERABLE}:" in image)
    flags = ("--trivy-cache-dir", "/given/trivy", "--offline", "--output-dir", "/tmp/out")
    scanned = run("scan", original, *flags, "--fail-on", "HIGH")
    assert scanned.returncode == 1, scanned.stderr
    assert "high" in scanned.stderr
