"""The lab's voting app and its database, patched and started beside their originals by Docker.

What runc does is in tests/contract/test_smoke.py.
"""

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
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from s3c_actions.registry.runtime_config import DEFAULT_PATH
from s3c_lab import docker_engine
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.containers import busybox_layer
from tests.support.layers import zstandard
from tests.support.oci import Repository, copy_image, descriptor, digest_of
from tests.support.signing import Ended, s3c

NO_DOCKER = {"DOCKER_HOST": "tcp://127.0.0.1:1", "PATH": "/usr/bin:/bin"}
"""With s3c's own runc: Debian's is in /usr/sbin."""
DATABASE = ("--smoke-env", "POSTGRES_PASSWORD=smoke")
APP = (*DATABASE, "--smoke-env", "VOTING_DB_PASSWORD=smoke")
STAYS = "#!/bin/sh\nexec httpd -f -p 8080 -h /tmp\n"


class Patched(NamedTuple):
    """An image of the lab and its patch, both by digest, and how the run ended that made it."""

    original: str
    reference: str
    ended: Ended
    summary: str


@pytest.fixture(scope="module")
def docker(lab: Lab, machine: Machine) -> None:
    """Docker, which the last lab ends again if it was started here."""
    docker_engine.ensure(machine)


@pytest.fixture(scope="module")
def database(lab: Lab, docker: None, tmp_path_factory: pytest.TempPathFactory) -> Patched:
    """The database, whose patch got its tag because it works."""
    return patched(lab, tmp_path_factory.mktemp("database"), "voting-db", *DATABASE, "--smoke-port", "5432")


@pytest.fixture(scope="module")
def app(lab: Lab, database: Patched, tmp_path_factory: pytest.TempPathFactory) -> Patched:
    """The app, likewise, with the database beside it."""
    companion = ("--smoke-companions", f"voting-db={database.original}")
    return patched(lab, tmp_path_factory.mktemp("app"), "voting-app", *APP, *companion)


def patched(lab: Lab, folder: Path, name: str, *flags: str) -> Patched:
    (source,) = (image for image in lab.images if f"/{name}:" in image)
    image = copy_image(source, f"{uuid.uuid4().hex[:12]}/{name}")
    copa = ("--offline", "--buildkit-addr", lab.buildkit)
    words = ("patch", image, *copa, "--smoke", "required", *flags)
    ended = s3c(folder, *words, environment={"TRIVY_CACHE_DIR": lab.trivy_cache}, timeout=900)
    assert ended.code == 0, ended.stderr
    summary = (folder / "s3c-out" / "summary.md").read_text()
    return Patched(str(ended.image["patch"]["original"]), str(ended.image["reference"]), ended, summary)


def run(lab: Lab, folder: Path, *words: str, **environment: str) -> Ended:
    return s3c(folder, *words, environment={"TRIVY_CACHE_DIR": lab.trivy_cache, **environment})


def platform(ended: Ended) -> dict[str, Any]:
    (smoke,) = ended.image["smoke"]["platforms"]
    return dict(smoke)


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


@pytest.fixture
def busybox(repository: Repository, docker: None) -> Callable[..., str]:
    """Pushes a small image with a script as its entry point; returns it by digest."""
    numbers = iter(range(100))

    def push(script: str = STAYS, *, zstd: bool = False, **config: Any) -> str:
        layer = busybox_layer({"start": script})
        settings = {
            "Entrypoint": ["/start"],
            "Env": [f"PATH={DEFAULT_PATH}"],
            "User": "web",
            "ExposedPorts": {"8080/tcp": {}},
            **config,
        }
        tag = str(next(numbers))
        if not zstd:
            digest = repository.image([layer], tag, config=settings)["digest"]
            return f"{repository.registry}/{repository.name}@{digest}"
        raw = gzip.decompress(layer)
        repository.put_blob(blob := zstandard(raw))
        document = {
            "os": "linux",
            "architecture": "amd64",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(raw)]},
        }
        repository.put_blob(data := json.dumps(document).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", data),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+zstd", blob)],
        }
        return f"{repository.registry}/{repository.name}@{repository.put_manifest(manifest, tag)['digest']}"

    return push


def left_over() -> list[str]:
    """What Docker has of containers and images of ours."""
    asked = (
        ["docker", "ps", "--all", "--quiet", "--filter", "name=s3c-smoke-"],
        ["docker", "images", "--quiet", "s3c-smoke"],
    )
    shown = (subprocess.run(argv, capture_output=True, text=True, check=True).stdout for argv in asked)
    return [word for text in shown for word in text.split()]


def test_a_patch_that_is_required_to_work_is_tagged_when_it_does(lab: Lab, database: Patched) -> None:
    seen = platform(database.ended)
    assert (seen["verdict"], seen["runtime"]) == ("works", "Docker")
    assert seen["checks"] == [
        "both stay up",
        "their health check passes",
        "both listen on 1 port (5432)",
        "no library went missing",
    ]
    registry, _, rest = database.original.partition("/")
    tags = Repository(registry, rest.partition("@")[0]).tags()
    assert sorted(tags) == ["15.0", database.ended.image["patch"]["tag"]]
    assert "**works** as the original does: both stay up" in database.summary
    assert left_over() == []


def test_the_database_is_not_tried_without_its_password(lab: Lab, database: Patched, tmp_path: Path) -> None:
    ended = run(lab, tmp_path, "smoke", database.original, database.reference)
    assert ended.code == 1 and ended.image["verdict"] == "refused"
    assert "POSTGRES_PASSWORD" in platform(ended)["reason"]


def test_the_app_works_with_its_database(app: Patched) -> None:
    seen = platform(app.ended)
    assert (seen["verdict"], seen["runtime"]) == ("works", "Docker")
    assert "their health check passes" in seen["checks"]
    assert left_over() == []


def test_the_app_works_with_its_database_by_runc_too(lab: Lab, app: Patched, database: Patched, tmp_path: Path) -> None:
    companion = ("--smoke-companions", f"voting-db={database.original}")
    ended = run(lab, tmp_path, "smoke", app.original, app.reference, *APP, *companion, **NO_DOCKER)
    assert ended.code == 0, ended.stderr
    assert (platform(ended)["verdict"], platform(ended)["runtime"]) == ("works", "runc")


def test_the_app_is_not_tried_without_its_database(lab: Lab, app: Patched, tmp_path: Path) -> None:
    ended = run(lab, tmp_path, "smoke", app.original, app.reference, *APP, "--smoke-timeout", "8s")
    assert ended.code == 1 and ended.image["smoke"]["verdict"] == "not tried"
    assert "its health check fails" in platform(ended)["reason"]


BROKEN: dict[str, tuple[tuple[str, ...], dict[str, Any], tuple[str, ...]]] = {
    "a library removed": (
        ("usr/lib/x86_64-linux-gnu/.wh.libpq.so.5", "usr/lib/x86_64-linux-gnu/.wh.libssl.so.3"),
        {},
        ("is missing",),
    ),
    "the configuration reset": (
        (),
        {"Entrypoint": ["/bin/sh"], "Env": ["PATH=/usr/bin:/bin"]},
        ("another entrypoint", "another environment (PATH, PGDATA)"),
    ),
    "its program emptied": (("usr/local/bin/voting-db",), {}, ("ended with exit code",)),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_patch_that_breaks_something_differs(lab: Lab, database: Patched, tmp_path: Path, how: str) -> None:
    files, config, words = BROKEN[how]
    broken = changed(database.reference, layer_of(*files) if files else None, **config)
    ended = run(lab, tmp_path, "smoke", database.original, broken, *DATABASE)
    differs(ended, *words)


def test_an_app_whose_code_was_emptied_differs(lab: Lab, app: Patched, database: Patched, tmp_path: Path) -> None:
    broken = changed(app.reference, layer_of("srv/voting/app.py"))
    companion = ("--smoke-companions", f"voting-db={database.original}")
    differs(run(lab, tmp_path, "smoke", app.original, broken, *APP, *companion), "ended with exit code")


def differs(ended: Ended, *words: str) -> None:
    assert ended.code == 1, ended.stderr
    seen = platform(ended)
    assert (seen["verdict"], seen["runtime"]) == ("differs", "Docker")
    for part in words:
        assert any(part in difference for difference in seen["differences"]), seen
    assert "does not do what the original does" in ended.stderr


def test_docker_starts_layers_of_zstd(lab: Lab, busybox: Callable[..., str], tmp_path: Path) -> None:
    ended = run(lab, tmp_path, "smoke", busybox(), busybox(STAYS + "# patched\n", zstd=True), "--smoke-port", "8080")
    assert ended.code == 0, ended.stderr
    assert platform(ended)["verdict"] == "works"


def test_a_hostile_image_is_kept_in_by_docker_too(lab: Lab, busybox: Callable[..., str], tmp_path: Path) -> None:
    tries = {
        "mount": "mount -t tmpfs none /mnt",
        "namespace": "unshare -U true",
        "root": "touch /written",
        "device": "mknod /tmp/sda b 8 0",
        "network": "wget -q -T 2 -O /dev/null http://192.0.2.1/",
        "kernel": "echo 1 >/proc/sys/kernel/panic",
    }
    lines = "".join(
        f'if ( {command} ) >/dev/null 2>&1; then open="$open {name}"; fi\n' for name, command in tries.items()
    )
    leads_out = f'#!/bin/sh\nexec 2>/dev/null\nopen=\n{lines}echo "open: [$open]"\nexit 5\n'
    ended = run(lab, tmp_path, "smoke", busybox(leads_out, User="root"), busybox(leads_out + "#\n", User="root"))
    assert "exit code 5 (open: [])" in platform(ended)["reason"], platform(ended)
    bomb = (
        "#!/bin/sh\nf() { f | f & }\ntrap '' TERM\nyes 0123456789 &\n"
        "dd if=/dev/zero of=/tmp/big bs=1M count=9000 &\nf\nwhile :; do sleep 1; done\n"
    )
    run(lab, tmp_path, "smoke", busybox(bomb), busybox(bomb + "#\n"), "--smoke-timeout", "4s")
    assert left_over() == []


def test_what_a_killed_run_leaves_in_docker_is_removed_by_the_next(
    lab: Lab, busybox: Callable[..., str], tmp_path: Path
) -> None:
    original, reference = busybox(), busybox(STAYS + "# patched\n")
    argv = [sys.executable, "-m", "s3c_actions", "smoke", original, reference, "--smoke-port", "1"]
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
    assert len(left_over()) >= 4
    ended = run(lab, tmp_path, "smoke", original, reference)
    assert ended.code == 0 and left_over() == []
