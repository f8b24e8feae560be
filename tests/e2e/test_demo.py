"""`make demo`, to its end: the one thing that everybody runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from s3c_lab import lab as labs
from s3c_lab.lab import folder_of
from s3c_lab.machine import Machine, mount_points
from s3c_lab.node.cluster import node_name
from tests.e2e.conftest import PREFIX
from tests.support.processes import command_lines

ROOT = Path(__file__).parents[2]


def test_the_demo_ends_in_a_cluster_and_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    name = f"{PREFIX}{os.getpid()}-demo"
    ended = subprocess.run(
        [sys.executable, "-m", "s3c_lab", "demo", "--name", name, "--port", "0", "--output-dir", tmp_path / "out"],
        cwd=tmp_path,
        env={**machine.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    before, after = ended.stderr.split("✘ ", 1)
    assert "proof    an image that is not there is denied" in before
    for image in ("voting-app", "voting-db"):
        denied = rf"localhost:\d+/{image}@sha256:[0-9a-f]{{64}} was not admitted: it has no signature\."
        assert re.search(denied, after)
    assert "2 signed admitted" in after
    assert ended.stdout.count("1/1     Running") == 2
    assert '{"Cats":1,"Dogs":0}' in ended.stdout.replace(" ", "")

    third = r"was not admitted: it has \d+ refused findings, CVE-\d+-\d+ \(HIGH, "
    assert re.search(third, ended.stderr)
    assert "A third image, signed as well, was refused by name" in ended.stdout
    page = tmp_path / "out" / "trace" / "voting-app" / "trace.html"
    assert ended.stdout.endswith(f"to open in a browser: {page}\n")
    story = json.loads(page.with_suffix(".json").read_text())
    assert story["judgement"]["verdict"] == "admitted"
    assert story["change"]["source"] == "the attached result.json, signed by a trusted signer"
    assert {document["kind"] for document in story["subject"]["documents"]} == {"report", "SBOM", "VEX", "result"}

    document = json.loads((tmp_path / "out" / "result.json").read_text())
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert document["verdict"] == "passed"
    assert document["deploy"]["gate"]["unsigned_denied"]
    for image in document["images"]:
        assert image["admission"]["verdict"] == "admitted"
        assert image["patch"]["patched"] and image["verify"]
        digests = [image["scan"]["reference"], image["patch"]["reference"], image["sign"]["signature_digest"]]
        path = " → ".join(
            f"{step} {digest.partition('sha256:')[2][:12]}" for step, digest in zip(STEPS, digests, strict=True)
        )
        assert f"{path} → admitted {image['digest'][7:19]}" in ended.stdout
        flow = rf"<b>scan</b>.*<b>patch</b>.*<b>sign</b>.*<b>admit</b><br/>admitted<br/>{image['digest'][:15]}"
        assert re.search(flow, summary, re.DOTALL)

    assert name not in labs.names(machine)
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
    )
    assert node_name(name) not in listed.stdout.split()


STEPS = ("scan", "patch", "sign")


@contextmanager
def interrupted(environment: Mapping[str, str], name: str, folder: Path, due: Callable[[str], bool]) -> Iterator[str]:
    """A demo that is interrupted as by Ctrl-C on a terminal, once that is due by what it printed.

    Yields:
        What it printed in all.
    """
    output = folder / "printed"
    with output.open("w") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "s3c_lab", "demo", "--name", name, "--port", "0", "--output-dir", folder / "out"],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=file,
            start_new_session=True,
            # Where a shell started the tests in the background, it has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    try:
        until = time.monotonic() + 600
        while not due(output.read_text()):
            assert child.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.05)
        for _ in range(3):  # by somebody impatient
            os.killpg(child.pid, signal.SIGINT)
            time.sleep(0.3)
        assert child.wait(300) == 130, output.read_text()
        yield output.read_text()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(120)


def left_behind(name: str, folder: Path) -> list[str]:
    """Processes and mounts of a folder, and containers of a demo."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
    )
    return [
        *(line for line in command_lines() if str(folder) in line),
        *mount_points(folder),
        *(container for container in listed.stdout.split() if container.startswith(node_name(name))),
    ]


@pytest.mark.parametrize("words", ["\n$ s3c chain ", "\nnode     Ready"], ids=["in the chain", "in the cluster"])
def test_an_interrupted_demo_leaves_nothing_and_says_that_the_next_goes_on(
    machine: Machine, tmp_path: Path, words: str
) -> None:
    name = f"{PREFIX}{os.getpid()}-stop"
    with interrupted(machine.environment, name, tmp_path, lambda printed: words in printed) as printed:
        assert "interrupted. Nothing of it runs any more. What was finished is kept" in printed
    assert name not in labs.names(machine)
    assert left_behind(name, folder_of(name, machine)) == []


def test_a_demo_on_a_new_machine_is_interrupted_while_it_builds_and_makes_the_base(
    machine: Machine, tmp_path: Path
) -> None:
    """What it downloaded is used by the next run; of the half-made base, nothing is left."""
    name, cache = f"{PREFIX}{os.getpid()}-new", tmp_path / "cache"
    environment = {**machine.environment, "S3C_CACHE": str(cache), "S3C_STATE": str(tmp_path / "state")}

    def in_the_middle(_printed: str) -> bool:
        root = any(path.is_dir() for path in cache.glob("lab/base/.tmp-base-*/root/usr/bin"))
        return root and any(cache.glob("go/mod/*")) and any("debootstrap" in line for line in command_lines())

    with interrupted(environment, name, tmp_path, in_the_middle) as printed:
        assert re.search(r"^note: This takes about \d+ minutes on two idle cores\. ", printed, re.MULTILINE)
        assert re.search(r"^ +\d+ %  \d+:\d\d, about \d+ min left", printed, re.MULTILINE)
    assert left_behind(name, cache) == []
    modules = {path: path.stat().st_ino for path in (cache / "go" / "mod" / "cache" / "download").rglob("*.zip")}
    assert modules
    with interrupted(environment, name, tmp_path, in_the_middle):
        pass
    assert {path: path.stat().st_ino for path in modules if path.exists()} == modules
    assert left_behind(name, cache) == []
    assert [path.name for path in (cache / "lab" / "base").iterdir()] == [".lock"]
    assert not list((cache / "lab" / "labs").glob("[!.]*"))
