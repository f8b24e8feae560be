"""The actions as a workflow calls them (act), on the lab: step by step, in one step, and with a closed gate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from s3c_lab.lab import Lab
from tests.support import ROOT, act
from tests.support.cluster import Kubectl, workload

SCHEMA = json.loads((ROOT / "s3c_actions" / "schemas" / "result-1.json").read_text())

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
      - uses: org/s3c/actions/deploy@v1
        id: deploy
        with:
          manifests: MANIFESTS
          image: ${{ steps.sign.outputs.references }}
          trust-store: CERTIFICATE
          kubeconfig: KUBECONFIG
          namespace: NAMESPACE
          create-namespace: true
          rollout-timeout: 90s
          output-dir: KEPT/deploy
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
          deploy: true
          manifests: MANIFESTS
          kubeconfig: KUBECONFIG
          namespace: NAMESPACE
          create-namespace: true
          rollout-timeout: 90s
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


UNSIGNED = act.one_job(
    """
      - uses: org/s3c/actions/deploy@v1
        id: deploy
        with:
          manifests: MANIFESTS
          kubeconfig: KUBECONFIG
          namespace: NAMESPACE
          create-namespace: true
          output-dir: KEPT/deploy
      - run: echo the step behind the gate ran
"""
)


def manifests(tmp_path: Path, *images: str) -> str:
    """A folder with a Deployment of each image."""
    folder = tmp_path / "k8s"
    folder.mkdir()
    for number, image in enumerate(images):
        main = {"name": "main", "image": image, "command": ["sleep", "infinity"]}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [main]}
        (folder / f"{number}.json").write_text(json.dumps(workload("Deployment", f"app-{number}", spec)))
    return str(folder)


def running(kubectl: Kubectl, namespace: str) -> list[str]:
    """The images of the Pods that run."""
    what = "jsonpath={.items[?(@.status.phase=='Running')].spec.containers[*].image}"
    return sorted(kubectl("get", "pods", "-n", namespace, "-o", what).split())


def filled(workflow: str, lab: Lab, tmp_path: Path, **more: str) -> str:
    """The workflow for this lab; files are kept in `tmp_path`/kept, apart from act's own workspace."""
    words = {"TRIVY": lab.trivy_cache, "BUILDKIT": lab.buildkit, "KEPT": str(tmp_path / "kept"), **more}
    return re.sub(r"\b(" + "|".join(words) + r")\b", lambda match: words[match[0]], workflow)


def result(path: str) -> dict[str, Any]:
    document = json.loads(Path(path).read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document  # type: ignore[no-any-return]


def test_scan_patch_sign_and_deploy_hand_a_digest_on(
    gated: Lab, kubectl: Kubectl, namespace: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    key = Path(gated.key)
    image = fresh("voting-app")
    words = {"IMAGE": image, "CERTIFICATE": gated.certificate, "KUBECONFIG": gated.kubeconfig, "NAMESPACE": namespace}
    workflow = filled(STEPS, gated, tmp_path, MANIFESTS=manifests(tmp_path, image), **words)
    job = act.run(workflow, tmp_path / "act", secrets={"KEY": key.read_text()})
    assert job.succeeded, job.log
    scan, patch, sign, deploy = (job.outputs[step] for step in ("scan", "patch", "sign", "deploy"))

    assert int(scan["high"]) > 0
    assert int(scan["fixable"]) > 0
    assert patch["patched"] == "true"
    assert patch["fixable"] == "0"
    assert int(patch["fixed"]) >= int(scan["fixable"])
    assert patch["digest"] != scan["digest"]
    assert sign["digest"] == patch["digest"]
    assert sign["reference"] == patch["reference"] == f"{image.rpartition(':')[0]}@{patch['digest']}"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", sign["signature-digest"])

    assert (deploy["verdict"], deploy["admission"], deploy["unchanged"]) == ("passed", "admitted", "false")
    assert deploy["references"] == sign["reference"]
    assert [(resource["kind"], resource["action"]) for resource in json.loads(deploy["applied"])] == [
        ("Namespace", "created"),
        ("Deployment", "created"),
    ]
    assert running(kubectl, namespace) == [sign["reference"]]
    assert sign["reference"] in Path(deploy["manifests"]).read_text()

    assert result(patch["result"])["images"][0]["patch"]["original"].endswith(scan["digest"])
    assert result(sign["result"])["images"][0]["sign"]["verified"] is True
    assert Path(scan["sarif"]).stat().st_size > 0
    assert key.read_text().splitlines()[1] not in job.log

    # GitHub's services were asked for what the actions say: code scanning has the patched image's report alone, and the
    # steps with a key and with a way into the cluster restore nothing.
    asked = [line.split()[0] for line in job.services]
    assert asked == [*["restore", "save"] * 2, "upload-sarif"]
    (uploaded,) = (job.folder / "sarif").iterdir()
    assert uploaded.read_text() == Path(patch["sarif"]).read_text()


def test_the_chain_to_the_cluster_in_one_step_and_again_with_nothing_to_do(
    gated: Lab, kubectl: Kubectl, namespace: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    images = {"APP": fresh("voting-app"), "DATABASE": fresh("voting-db")}
    words = {"KEYFILE": gated.key, "CERTIFICATE": gated.certificate, "KUBECONFIG": gated.kubeconfig}
    words |= {"NAMESPACE": namespace, "MANIFESTS": manifests(tmp_path, *images.values())}
    job = act.run(filled(CHAIN, gated, tmp_path, **words, **images), tmp_path / "act")
    assert job.succeeded, job.log
    first, second = job.outputs["first"], job.outputs["second"]
    assert first["verdict"] == second["verdict"] == "passed"
    assert json.loads(first["patched"]) == [True, True]
    assert json.loads(first["skipped"]) == [False, False]
    assert json.loads(second["skipped"]) == [True, True]
    assert second["references"] == first["references"]
    assert second["signature-digest"] == first["signature-digest"]
    assert len(first["references"].splitlines()) == 2
    assert json.loads(first["admission"]) == json.loads(second["admission"]) == ["admitted", "admitted"]
    assert (first["unchanged"], second["unchanged"]) == ("false", "true")
    assert [resource["action"] for resource in json.loads(first["applied"])] == ["created"] * 3
    assert running(kubectl, namespace) == sorted(first["references"].splitlines())
    (kept,) = (job.folder / "artifacts").glob("s3c-trace-voting-app-*")
    assert {page.name for page in kept.iterdir()} == {"voting-app.html", "voting-db.html"}
    for page, reference in zip(json.loads(second["trace"]), second["references"].splitlines(), strict=True):
        # The artifact has the page without links to files that are not in it.
        without = re.sub(r'<nav class="related".*?</nav>\n', "", Path(page).read_text(), flags=re.DOTALL)
        assert (kept / f"{Path(page).parent.name}.html").read_text() == without != Path(page).read_text()
        assert reference.rpartition("@")[2] in Path(page).read_text()
    for name in ("first", "second"):
        document = result(job.outputs[name]["result"])
        assert [image["verdict"] for image in document["images"]] == ["passed", "passed"]
        for image in document["images"]:
            assert image["patch"]["fixed"]
            # A fix that was published after the packages were fetched may be left, but never without its reason.
            assert all(finding["reason"] for finding in image["patch"]["left"])
        summary = Path(job.outputs[name]["summary"]).read_text()
        assert summary.startswith("### ✅ 2 images")
        for reference in first["references"].splitlines():
            flow = re.escape(reference.rpartition("@")[2][:15])
            assert re.search(rf"<b>admit</b><br/>admitted<br/>{flow}", summary)


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


def test_the_deployment_of_an_unsigned_image_fails_the_job(
    gated: Lab, kubectl: Kubectl, namespace: str, unsigned: str, tmp_path: Path
) -> None:
    words = {"KUBECONFIG": gated.kubeconfig, "NAMESPACE": namespace, "MANIFESTS": manifests(tmp_path, unsigned)}
    job = act.run(filled(UNSIGNED, gated, tmp_path, **words), tmp_path / "act")
    assert not job.succeeded
    assert "| the step behind the gate ran" not in job.log
    (error,) = (line.partition("::✘ ")[2] for line in job.log.splitlines() if "::error " in line)
    assert error.startswith(f"{unsigned} was not admitted: it has no signature (constraint ratify-verification")
    deploy = job.outputs["deploy"]
    assert (deploy["verdict"], deploy["admission"], deploy["references"]) == ("refused", "denied", "")
    assert json.loads(deploy["applied"]) == []
    assert result(deploy["result"])["images"][0]["admission"]["remedy"]
    assert kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "jsonpath={.status.phase}") in {
        "",
        "Terminating",
    }
