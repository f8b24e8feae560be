"""The lab's voting app and its database, patched and started beside their originals, by Docker and by runc."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.programs.containers.runc import FOLDER, STATE
from s3c_lab import docker_engine
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.oci import Repository, copy_image, descriptor, digest_of
from tests.support.signing import Ended, s3c

NO_DOCKER = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
DATABASE = ("--smoke-env", "POSTGRES_PASSWORD=smoke")
APP = (*DATABASE, "--smoke-env", "VOTING_DB_PASSWORD=smoke")


@pytest.fixture(scope="module")
def docker(machine: Machine) -> Iterator[None]:
    """Docker, which is ended again if it was started here and nobody uses it."""
    docker_engine.ensure(machine)
    yield
    docker_engine.stop(machine)


@pytest.fixture(scope="module")
def patched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str]]:
    """A function that returns a copy of an image of the lab, and its patch, both by digest."""
    made: dict[str, tuple[str, str]] = {}

    def patch(name: str) -> tuple[str, str]:
        if name not in made:
            image = copied(lab, name)
            ended = run(lab, tmp_path_factory.mktemp("patched"), "patch", image)
            assert ended.code == 0, ended.stderr
            made[name] = str(ended.image["patch"]["original"]), str(ended.image["reference"])
        return made[name]

    return patch


def copied(lab: Lab, name: str) -> str:
    (original,) = (image for image in lab.images if f"/{name}:" in image)
    return copy_image(original, f"{uuid.uuid4().hex[:12]}/{name}")


def run(lab: Lab, folder: Path, *words: str, **environment: str) -> Ended:
    variables = {"TRIVY_CACHE_DIR": lab.trivy_cache, **environment}
    flags = ("--offline", "--buildkit-addr", lab.buildkit) if words[0] == "patch" else ()
    return s3c(folder, *words, *flags, environment=variables)


def changed(reference: str, layer: bytes | None = None, **config: Any) -> str:
    """Push an image with another layer on top, or another configuration; returns it by digest."""
    name, _, digest = reference.partition("@")
    registry, _, repository_name = name.partition("/")
    repository = Repository(registry, repository_name)
    manifest = repository.get(digest)
    document = json.loads(repository.blob(manifest["config"]["digest"]))
    document["config"] |= config
    layers = manifest["layers"]
    if layer is not None:
        repository.put_blob(blob := gzip.compress(layer, mtime=0))
        layers = [*layers, descriptor(layers[-1]["mediaType"], blob)]
        document["rootfs"]["diff_ids"].append(digest_of(layer))
    repository.put_blob(data := json.dumps(document).encode())
    document = {**manifest, "config": descriptor(manifest["config"]["mediaType"], data), "layers": layers}
    return f"{name}@{repository.put_manifest(document, uuid.uuid4().hex)['digest']}"


def layer_of(*names: str) -> bytes:
    """An uncompressed layer with empty files of these names."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return raw.getvalue()


def left_over(docker: bool) -> list[str]:
    """What is there of containers, images and folders of ours."""
    found = [path.name for path in FOLDER.glob("s3c-run-*")]
    for argv in (
        ["runc", "--root", str(STATE), "list", "--quiet"],
        *(
            [
                ["docker", "ps", "--all", "--quiet", "--filter", "name=s3c-smoke-"],
                ["docker", "images", "--quiet", "s3c-smoke"],
            ]
            if docker
            else []
        ),
    ):
        found += subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    return found


@pytest.mark.parametrize("runtime", ["Docker", "runc"])
def test_the_database_is_patched_and_works(
    lab: Lab, docker: None, tmp_path: Path, runtime: str, patched: Callable[[str], tuple[str, str]]
) -> None:
    where = NO_DOCKER if runtime == "runc" else {}
    original, reference = patched("voting-db")
    command = ("--smoke-command", "psql --version", "--smoke-port", "5432")
    ended = run(lab, tmp_path, "smoke", original, reference, *DATABASE, *command, **where)
    assert ended.code == 0, ended.stderr
    (platform,) = ended.image["smoke"]["platforms"]
    assert (platform["verdict"], platform["runtime"]) == ("works", runtime)
    assert platform["checks"] == [
        "both stay up",
        "their health check passes",
        "the command succeeds in both",
        "both listen on 1 port (5432)",
        "no library went missing",
    ]
    assert left_over(docker=True) == []


@pytest.mark.parametrize("runtime", ["Docker", "runc"])
def test_the_app_works_with_its_database_and_is_not_tried_without(
    lab: Lab, docker: None, tmp_path: Path, runtime: str, patched: Callable[[str], tuple[str, str]]
) -> None:
    where = NO_DOCKER if runtime == "runc" else {}
    original, reference = patched("voting-app")
    companion = ("--smoke-companions", f"voting-db={patched('voting-db')[0]}")
    ended = run(lab, tmp_path, "smoke", original, reference, *APP, *companion, **where)
    assert ended.code == 0, ended.stderr
    (platform,) = ended.image["smoke"]["platforms"]
    assert (platform["verdict"], platform["runtime"]) == ("works", runtime)
    assert "their health check passes" in platform["checks"]
    ended = run(lab, tmp_path, "smoke", original, reference, *APP, "--smoke-timeout", "15s", **where)
    assert ended.code == 1 and ended.image["smoke"]["verdict"] == "not tried"
    assert "its health check fails" in ended.image["smoke"]["platforms"][0]["reason"]
    assert left_over(docker=True) == []


def test_a_patch_that_is_required_to_work_is_tagged_when_it_does(lab: Lab, docker: None, tmp_path: Path) -> None:
    image = copied(lab, "voting-db")
    registry, _, rest = image.partition("/")
    repository = Repository(registry, rest.partition(":")[0])
    ended = run(lab, tmp_path, "patch", image, "--smoke", "required")
    assert ended.code == 1, ended.stderr
    # It lacks its password, so it is not tried, and that is refused.
    assert "POSTGRES_PASSWORD" in ended.image["smoke"]["platforms"][0]["reason"]
    assert ended.image["verdict"] == "refused" and repository.tags() == ["15.0"]
    ended = run(lab, tmp_path, "patch", image, "--smoke", "required", *DATABASE)
    assert ended.code == 0, ended.stderr
    assert ended.image["smoke"]["verdict"] == "works"
    assert sorted(repository.tags()) == ["15.0", ended.image["patch"]["tag"]]
    summary = (tmp_path / "s3c-out" / "summary.md").read_text()
    assert "**works** as the original does: both stay up" in summary


BROKEN: dict[str, tuple[str, tuple[str, ...], dict[str, Any], str]] = {
    "a library removed": (
        "voting-db",
        ("usr/lib/x86_64-linux-gnu/.wh.libpq.so.5", "usr/lib/x86_64-linux-gnu/.wh.libssl.so.3"),
        {},
        "is missing",
    ),
    "the entry point changed": ("voting-db", (), {"Entrypoint": ["/bin/sh"]}, "another entrypoint"),
    "the variables reset": ("voting-db", (), {"Env": ["PATH=/usr/bin:/bin"]}, "another environment (PATH, PGDATA)"),
    "a configuration emptied": ("voting-db", ("usr/local/bin/voting-db",), {}, "ended with exit code"),
    "the app's code emptied": ("voting-app", ("srv/voting/app.py",), {}, "ended with exit code"),
}


@pytest.mark.parametrize("runtime", ["Docker", "runc"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_patch_that_breaks_something_differs(
    lab: Lab, docker: None, tmp_path: Path, runtime: str, how: str, patched: Callable[[str], tuple[str, str]]
) -> None:
    where = NO_DOCKER if runtime == "runc" else {}
    name, files, config, words = BROKEN[how]
    original, reference = patched(name)
    broken = changed(reference, layer_of(*files) if files else None, **config)
    companion = ("--smoke-companions", f"voting-db={patched('voting-db')[0]}") if name == "voting-app" else ()
    flags = (*APP, *companion, "--smoke-timeout", "20s")
    ended = run(lab, tmp_path, "smoke", original, broken, *flags, **where)
    assert ended.code == 1, ended.stderr
    (platform,) = ended.image["smoke"]["platforms"]
    assert platform["verdict"] == "differs" and platform["runtime"] == runtime
    assert any(words in difference for difference in platform["differences"]), platform
    assert "does not do what the original does" in ended.stderr


def test_a_hostile_image_is_kept_in_by_docker_too(
    lab: Lab, docker: None, tmp_path: Path, patched: Callable[[str], tuple[str, str]]
) -> None:
    original, _ = patched("voting-db")
    tries = {
        "mount": "mount -t tmpfs none /mnt",
        "namespace": "unshare -U true",
        "root": "touch /written",
        "device": "mknod /tmp/sda b 8 0",
        "network": "getent hosts deb.debian.org",
        "kernel": "echo 1 >/proc/sys/kernel/panic",
    }
    lines = "".join(
        f'if ( {command} ) >/dev/null 2>&1; then open="$open {name}"; fi\n' for name, command in tries.items()
    )
    bomb = (
        "f() { f | f & }; trap '' TERM; yes 0123456789 & dd if=/dev/zero of=/tmp/big bs=1M count=9000 2>/dev/null; f\n"
    )
    both = []
    for script in (f'open=\n{lines}echo "open: [$open]"\nexit 5\n', f"{bomb}while :; do sleep 1; done\n"):
        config: dict[str, Any] = {
            "Entrypoint": ["/bin/sh", "-c", script],
            "User": "0",
            "Healthcheck": {"Test": ["NONE"]},
        }
        both.append((changed(original, **config), changed(original, layer_of("patched"), **config)))
    ended = run(lab, tmp_path, "smoke", *both[0], "--smoke-timeout", "10s")
    (platform,) = ended.image["smoke"]["platforms"]
    assert platform["runtime"] == "Docker" and "exit code 5 (open: [])" in platform["reason"], platform
    run(lab, tmp_path, "smoke", *both[1], "--smoke-timeout", "8s")
    assert left_over(docker=True) == []


def test_what_a_killed_run_leaves_in_docker_is_removed_by_the_next(
    lab: Lab, docker: None, tmp_path: Path, patched: Callable[[str], tuple[str, str]]
) -> None:
    original, reference = patched("voting-db")
    argv = [sys.executable, "-m", "s3c_actions", "smoke", original, reference, *DATABASE, "--smoke-port", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = ["docker", "ps", "--quiet", "--filter", "name=s3c-smoke-"]
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        until = time.monotonic() + 120
        while len(subprocess.run(running, capture_output=True, text=True, check=True).stdout.split()) < 2:
            assert child.poll() is None and time.monotonic() < until
            time.sleep(0.2)
        child.kill()
    assert len(left_over(docker=True)) >= 4
    ended = run(lab, tmp_path, "smoke", original, reference, *DATABASE)
    assert ended.code == 0 and left_over(docker=True) == []
