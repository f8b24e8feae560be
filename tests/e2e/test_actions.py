"""The actions as a workflow calls them (act), on the lab: step by step, in one step, and with a closed gate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from s3c_lab.lab import Lab
from tests import act

SCHEMA = json.loads((act.ROOT / "s3c_actions" / "schemas" / "result-1.json").read_text())

STEPS = act.one_job(
    """
      - uses: org/s3c/actions/scan@v1
        id: scan
        with:
          image: IMAGE
          trivy-cache-dir: TRIVY
          offline: true
          output-dir: KEPT/scan
      - uses: org/s3c/actions/patch@v1
        id: patch
        with:
          image: ${{ steps.scan.outputs.references }}
          report: ${{ steps.scan.outputs.json }}
          buildkit-addr: BUILDKIT
          trivy-cache-dir: TRIVY
          offline: true
          upload-sarif: true
          output-dir: KEPT/patch
      - uses: org/s3c/actions/sign@v1
        id: sign
        with:
          image: ${{ steps.patch.outputs.references }}
          key-pem: ${{ secrets.KEY }}
          certificate: CERTIFICATE
          output-dir: KEPT/sign
"""
)

CHAIN = act.one_job(
    """
      - uses: org/s3c@v1
        id: first
        with: &inputs
          image: |
            APP
            DATABASE
          key: KEYFILE
          certificate: CERTIFICATE
          buildkit-addr: BUILDKIT
          trivy-cache-dir: TRIVY
          offline: true
          output-dir: KEPT/first
      - uses: org/s3c@v1
        id: second
        with:
          <<: *inputs
          output-dir: KEPT/second
"""
)

GATE = act.one_job(
    """
      - uses: org/s3c/actions/scan@v1
        id: scan
        with:
          image: IMAGE
          trivy-cache-dir: TRIVY
          offline: true
          fail-on: HIGH
          upload-sarif: true
          output-dir: KEPT/scan
      - run: echo the step behind the gate ran
"""
)


def filled(workflow: str, lab: Lab, tmp_path: Path, **more: str) -> str:
    """The workflow for this lab; files are kept in `tmp_path`/kept, apart from act's own workspace."""
    words = {"TRIVY": lab.trivy_cache, "BUILDKIT": lab.buildkit, "KEPT": str(tmp_path / "kept"), **more}
    return re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[0]], workflow)


def result(path: str) -> dict[str, Any]:
    document = json.loads(Path(path).read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document  # type: ignore[no-any-return]


def test_scan_patch_and_sign_hand_a_digest_on(
    lab: Lab, fresh: Callable[[str], str], signing_key: tuple[Path, Path], tmp_path: Path
) -> None:
    key, certificate = signing_key
    image = fresh("voting-app")
    workflow = filled(STEPS, lab, tmp_path, IMAGE=image, CERTIFICATE=str(certificate))
    job = act.run(workflow, tmp_path / "act", secrets={"KEY": key.read_text()})
    assert job.succeeded, job.log
    scan, patch, sign = job.outputs["scan"], job.outputs["patch"], job.outputs["sign"]

    assert int(scan["high"]) > 0
    assert int(scan["fixable"]) > 0
    assert patch["patched"] == "true"
    assert patch["fixable"] == "0"
    assert int(patch["fixed"]) >= int(scan["fixable"])
    assert patch["digest"] != scan["digest"]
    assert sign["digest"] == patch["digest"]
    assert sign["reference"] == patch["reference"] == f"{image.rpartition(':')[0]}@{patch['digest']}"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", sign["signature-digest"])

    assert result(patch["result"])["images"][0]["patch"]["original"].endswith(scan["digest"])
    assert result(sign["result"])["images"][0]["sign"]["verified"] is True
    assert Path(scan["sarif"]).stat().st_size > 0
    assert key.read_text().splitlines()[1] not in job.log

    # GitHub's services were asked for what the actions say: code scanning has the patched image's report alone.
    asked = [line.split()[0] for line in job.services]
    assert asked == ["restore", "save", "restore", "save", "upload-sarif", "restore", "save"]
    (uploaded,) = (job.folder / "sarif").iterdir()
    assert uploaded.read_text() == Path(patch["sarif"]).read_text()


def test_the_chain_in_one_step_and_again_with_nothing_to_do(
    lab: Lab, fresh: Callable[[str], str], signing_key: tuple[Path, Path], tmp_path: Path
) -> None:
    key, certificate = signing_key
    images = {"APP": fresh("voting-app"), "DATABASE": fresh("voting-db")}
    workflow = filled(CHAIN, lab, tmp_path, KEYFILE=str(key), CERTIFICATE=str(certificate), **images)
    job = act.run(workflow, tmp_path / "act")
    assert job.succeeded, job.log
    first, second = job.outputs["first"], job.outputs["second"]
    assert first["verdict"] == second["verdict"] == "passed"
    assert json.loads(first["patched"]) == [True, True]
    assert json.loads(first["skipped"]) == [False, False]
    assert json.loads(second["skipped"]) == [True, True]
    assert second["references"] == first["references"]
    assert second["signature-digest"] == first["signature-digest"]
    assert len(first["references"].splitlines()) == 2
    for name in ("first", "second"):
        document = result(job.outputs[name]["result"])
        assert [image["verdict"] for image in document["images"]] == ["passed", "passed"]
        for image in document["images"]:
            assert image["patch"]["fixed"]
            # A fix that was published after the packages were fetched may be left, but never without its reason.
            assert all(one["reason"] for one in image["patch"]["left"])
        assert Path(job.outputs[name]["summary"]).read_text().startswith("### ✅")


def test_a_closed_gate_fails_the_job_with_its_reports_written(
    lab: Lab, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    job = act.run(filled(GATE, lab, tmp_path, IMAGE=fresh("voting-app")), tmp_path / "act")
    assert not job.succeeded
    assert "| the step behind the gate ran" not in job.log
    scan = job.outputs["scan"]
    assert scan["verdict"] == "refused"
    assert scan["references"] == ""
    assert int(scan["high"]) + int(scan["critical"]) > 0
    document = result(scan["result"])
    assert document["exit_code"] == 1
    assert document["images"][0]["error"]["what"]
    for form in ("json", "sarif", "html"):
        assert Path(scan[form]).stat().st_size > 0
    assert [line.split()[0] for line in job.services] == ["restore", "save", "upload-sarif"]
