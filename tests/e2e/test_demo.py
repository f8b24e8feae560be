"""`make demo`, to its end: the one thing that everybody runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from s3c_lab import lab as labs
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from tests.e2e.conftest import PREFIX

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
    assert {one["kind"] for one in story["subject"]["documents"]} == {"report", "SBOM", "VEX", "result"}

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
