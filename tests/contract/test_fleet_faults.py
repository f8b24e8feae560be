"""A fleet in trouble: the registry restarts, asks for fewer requests or hangs, and the disk is full.

Nothing is lost or signed by half: what failed is in the result, and the next run ends with every image signed and
proved.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from s3c_lab import daemons, registry_server
from s3c_lab.certificates import make
from tests.support.azure.stage import azure
from tests.support.azure.vault import SIGNER, Vault, Version
from tests.support.azure.web import Answer as VaultAnswer
from tests.support.azure.web import json_answer, throttled
from tests.support.debian_registry import debian_registry, this_machine
from tests.support.fleet_world import DOCUMENTS, IMAGES, World, pinned, proved
from tests.support.other_registries import Answer, Proxy, behaving, error
from tests.support.signing import s3c, signatures


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def world(registry: str, tmp_path: Path) -> World:
    return World(registry, tmp_path)


def all_proved(images: list[str]) -> bool:
    """Whether each has its signature and its documents."""
    return [proved(image, most=2) >= 1 + DOCUMENTS for image in images] == [True] * IMAGES


def test_a_registry_that_restarts_is_waited_for(tmp_path: Path) -> None:
    machine, port, folder = this_machine(), registry_server.free_port(), tmp_path / "registry"
    folder.mkdir()
    registry_server.start(folder, port, machine)
    try:
        world = World(f"localhost:{port}", tmp_path)
        images = world.images("restarted")
        stopped = tmp_path / "stopped"
        # Once, after the second signature; the file begins with the process's id, as /proc/PID/stat does.
        world.shim(
            f'[ $(wc -l <"{world.signed}") -ge 2 ] && mkdir "{stopped}" 2>/dev/null && '
            f"kill -9 $(cut -d' ' -f1 '{folder}/registry.pid' | head -n 1); true"
        )

        def restart() -> None:
            ends = time.monotonic() + 120
            while not stopped.exists() and time.monotonic() < ends:
                time.sleep(0.05)
            time.sleep(1)
            registry_server.start(folder, port, machine)

        restarting = threading.Thread(target=restart)
        restarting.start()
        ended = world.run(world.plan(images), "--retries", "3")
        restarting.join()
        assert stopped.exists()
        assert ended.code == 0, ended.stderr
        assert all_proved(images)
    finally:
        daemons.stop(folder / "registry.pid", machine)


class Storm(Proxy):
    """Two of three requests are answered with 429, as long as the storm lasts."""

    counts: ClassVar[Counter[str]] = Counter()
    left: ClassVar[int] = 0

    def intercept(self, body: bytes) -> Answer | None:
        Storm.counts["all"] += 1
        if Storm.left <= 0 or Storm.counts["all"] % 3 == 0:
            return None
        Storm.left -= 1
        Storm.counts["429"] += 1
        status, content, headers = error(429, "TOOMANYREQUESTS", "too many requests")
        return status, content, {**headers, "Retry-After": "0"}


def test_a_storm_of_429_leaves_nothing_undone(world: World) -> None:
    images = world.images("storm")
    Storm.counts.clear()
    Storm.left = 150
    with behaving(Storm, world.registry) as address:
        through = [f"{address}/{image.partition('/')[2]}" for image in images]
        ended = world.run(world.plan(through), "--retries", "3")
        assert Storm.counts["429"] > 20
        Storm.left = 0
        assert ended.code in {0, 3}, ended.stderr
        if ended.code:
            failed = [entry for entry in ended.result["images"] if entry["verdict"] == "failed"]
            assert failed and all("429" in str(entry["error"]) for entry in failed), ended.stderr
            assert world.run(world.plan(through)).code == 0
    assert all_proved(images)


class Hanging(Proxy):
    """Never answers for the layers of one repository."""

    repository: ClassVar[str] = ""
    released: ClassVar[threading.Event] = threading.Event()

    def intercept(self, body: bytes) -> Answer | None:
        if self.path.startswith(f"/v2/{self.repository}/blobs/"):
            self.released.wait(120)
        return None


def test_an_image_that_hangs_fails_alone_and_in_time(world: World) -> None:
    images = world.images("hanging")
    Hanging.repository = images[1].partition("/")[2].partition(":")[0]
    with behaving(Hanging, world.registry) as address:
        through = [f"{address}/{image.partition('/')[2]}" for image in images]
        ended = world.run(world.plan(through), "--retries", "0", "--timeout", "20s")
        Hanging.released.set()
    assert [entry["verdict"] for entry in ended.result["images"]] == ["passed", "failed", "passed", "passed"]
    assert ended.code == 3, ended.stderr
    assert "did not finish within 22 s" in str(ended.result["images"][1]["error"]), ended.stderr
    assert proved(images[1]) == 0
    assert world.run(world.plan(images)).code == 0
    assert all_proved(images)


def test_a_full_disk_is_named_and_nothing_is_signed_by_half(world: World, tmp_path: Path) -> None:
    images = world.images("full")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=True)
    try:
        filled = small / "filled"
        filled.write_bytes(bytes(200 * 1024))
        ended = world.run(world.plan(images), folder=small)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert ended.code == 3, ended.stderr
    assert os.strerror(28) in ended.stderr, ended.stderr
    for image in images:
        assert proved(image) in {0, 1, 1 + DOCUMENTS}
    assert world.run(world.plan(images)).code == 0
    assert all_proved(images)


class Throttling(Vault):
    """Signs a few times, then turns requests away with 429 and Retry-After, and then with 503, until it is calm.

    It signs too few times for any image, which has a signature of its own and one of each document.
    """

    signs = DOCUMENTS
    throttles = 2 * IMAGES
    calm = False

    def _sign(self, name: str, of: Version, asked: dict[str, str]) -> VaultAnswer:
        if self.calm or self.signs > 0:
            self.signs -= 1
            return super()._sign(name, of, asked)
        self.throttles -= 1
        return throttled(Retry_After="1") if self.throttles >= 0 else json_answer({"error": {}}, 503)


def test_a_vault_that_throttles_leaves_nothing_half_signed_and_the_next_run_signs_the_rest(
    world: World, tmp_path: Path
) -> None:
    images = world.images("vault")
    plan = world.plan(images)
    with azure(tmp_path / "azure") as stage:
        stage.world.forward(int(world.registry.rpartition(":")[2]))
        vault = Throttling("kv-voting", stage.entra, rights={stage.application.object: SIGNER})
        vault.install(stage.world)
        vault.add("signing", make("signing", authority=False))
        flags = ["--vault", "kv-voting", "--vault-certificate", "signing", *stage.ids]
        flags += ["--jobs", str(IMAGES), "--offline", "--trivy-cache-dir", str(world.cache), "--retries", "0"]

        def report() -> dict[str, int]:
            """What `s3c fleet report` says of each image."""
            folder = tmp_path / "report"
            folder.mkdir(exist_ok=True)
            s3c(folder, "fleet", "report", "--plan", plan, "--results", tmp_path / "s3c-out")
            states: dict[str, int] = json.loads((folder / "s3c-out" / "fleet-report.json").read_text())["figures"][
                "states"
            ]
            return {state: count for state, count in states.items() if count}

        first = stage.s3c(tmp_path, "fleet", "run", "--plan", plan, *flags)
        assert first.code == 3, first.stderr
        for entry in first.result["images"]:
            assert entry["verdict"] == "failed"
            assert "The vault kv-voting answered HTTP 503." in entry["error"]["what"], first.stderr
        assert vault.throttles < 0
        assert any(signatures(pinned(image)) for image in images)  # what it signed before is there
        assert report() == {"failed": IMAGES}
        vault.calm = True
        second = stage.s3c(tmp_path, "fleet", "run", "--plan", plan, *flags)
        assert second.code == 0, second.stderr
        assert report() == {"passed": IMAGES}
        assert [proved(image) for image in images] == [1 + DOCUMENTS] * IMAGES
