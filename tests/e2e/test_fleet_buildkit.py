"""A fleet whose BuildKit goes away in the middle of a patch, with the real programs.

Nothing of it is tagged or signed; a run in which it comes back takes the images up again by itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.programs.install.pins import BUILDKITD
from s3c_lab import buildkit_server
from s3c_lab.lab import Lab
from tests.e2e.test_fleet_run import pinned, planned, state
from tests.support.scanning import program
from tests.support.signing import Ended, s3c, signatures


class BuildKit:
    """A BuildKit that can be ended and started again, with all that it runs, as in a container of its own."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/bk.sock"
        (folder / "buildkitd.toml").write_text(buildkit_server.configuration(registry))
        self.start()

    def start(self) -> None:
        argv: list[str | Path] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", program(BUILDKITD)]
        argv += ["--config", self.folder / "buildkitd.toml", "--root", self.folder / "root", "--addr", self.address]
        argv += ["--otel-socket-path", self.folder / "otel.sock"]
        log = self.folder / "log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out)
        until = time.monotonic() + 90
        while not buildkit_server.answers(self.folder / "bk.sock"):
            assert self.process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)

    @property
    def builds(self) -> bool:
        """Whether a step of a build runs in a container now."""
        (daemon,) = _children(self.process.pid)
        return any(_read(Path(f"/proc/{child}/comm")) == "runc\n" for child in _children(daemon))

    def end_while_it_builds(self, how: signal.Signals) -> None:
        """End it at the first step of a build; returns when it has ended."""
        until = time.monotonic() + 180
        while not self.builds:
            assert time.monotonic() < until
            time.sleep(0.02)
        self.end(how)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; returns when it has ended, and all that ran in it."""
        for daemon in _children(self.process.pid):  # unshare itself takes no notice
            os.kill(daemon, how)
        self.process.wait(60)


def _children(parent: int) -> list[int]:
    # Each thread has its own.
    listed = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for file in listed for child in _read(file).split()]


def _read(path: Path) -> str:
    """What the kernel says of a process or thread; nothing when it has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def buildkit(lab: Lab) -> Iterator[BuildKit]:
    with tempfile.TemporaryDirectory(prefix="bk-") as folder:
        new_buildkit = BuildKit(Path(folder), lab.registry)
        try:
            yield new_buildkit
        finally:
            new_buildkit.end()


def test_a_buildkit_that_goes_away_leaves_nothing_half_done_and_one_that_comes_back_is_used(
    lab: Lab, signing_key: tuple[Path, Path], fresh: Callable[[str], str], buildkit: BuildKit, tmp_path: Path
) -> None:
    images = [fresh("voting-app"), fresh("voting-db")]
    plan = tmp_path / "plan.json"
    plan.write_bytes(plans.render(planned(*(pinned(image) for image in images))))
    before = {image: state(image) for image in images}

    def run(how: signal.Signals, retries: int, *, again: bool) -> Ended:
        """Run the shard; BuildKit is ended in it, and started again at once or not."""

        def trouble() -> None:
            buildkit.end_while_it_builds(how)
            if again:
                buildkit.start()

        causing = threading.Thread(target=trouble, daemon=True)
        causing.start()
        flags = ("--trivy-cache-dir", lab.trivy_cache, "--offline", "--buildkit-addr", buildkit.address)
        key = ("--key", signing_key[0], "--certificate", signing_key[1])
        ended = s3c(tmp_path, "fleet", "run", "--plan", plan, "--jobs", "2", "--retries", str(retries), *flags, *key)
        causing.join()
        return ended

    def report() -> dict[str, int]:
        folder = tmp_path / "report"
        folder.mkdir(exist_ok=True)
        s3c(folder, "fleet", "report", "--plan", plan, "--results", tmp_path / "s3c-out")
        states = json.loads((folder / "s3c-out" / "fleet-report.json").read_text())["figures"]["states"]
        return {name: count for name, count in states.items() if count}

    gone = run(signal.SIGKILL, 0, again=False)
    assert gone.code == 3, gone.stderr
    assert [entry["verdict"] for entry in gone.result["images"]] == ["failed", "failed"]
    assert ["BuildKit" in entry["error"]["what"] for entry in gone.result["images"]] == [True, True], gone.stderr
    assert {image: state(image) for image in images} == before
    assert report() == {"failed": 2}

    buildkit.start()
    back = run(signal.SIGTERM, 2, again=True)
    assert back.code == 0, back.stderr
    assert "failed for a reason that may pass" in back.stderr
    assert report() == {"patched": 2}
    for image, entry in zip(images, back.result["images"], strict=True):
        assert entry["patch"]["before"]["fixable"] > entry["patch"]["after"]["fixable"] == 0
        assert len(signatures(entry["reference"])) == 3  # the signature, and two documents
        # One patch, and what is signed is what its tag means.
        new = {tag: digest for tag, digest in state(image).items() if tag.startswith(f"{Reference.parse(image).tag}-")}
        assert set(new.values()) == {entry["reference"].rpartition("@")[2]}
