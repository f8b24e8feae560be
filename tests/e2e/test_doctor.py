"""`s3c doctor` on the lab: a real registry, node and gate, and Azure's stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from tests.support import ROOT
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.cluster import WEBHOOK, Kubectl


def results(ended: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Name → result of each check."""
    assert ended.returncode in {0, 3}, ended.stderr
    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert (ended.returncode == 3) is any(check["status"] == "failed" for check in checks.values())
    return checks


def doctor(*arguments: str) -> dict[str, dict[str, Any]]:
    argv = [str(ROOT / "bin" / "s3c"), "doctor", "--json", *arguments]
    return results(subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120))


def test_the_lab_with_its_gate(gated: Lab, kubectl: Kubectl, unsigned: str) -> None:
    asked = (unsigned, "--kubeconfig", gated.kubeconfig)
    checks = doctor(*asked)
    name = unsigned.partition("@")[0]
    for check in (f"pull {name}", f"push {name}", "cluster", "gate", "trivy", "notation"):
        assert checks[check]["status"] == "passed", checks[check]
    opened = '[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]'
    closed = '[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]'
    with kubectl.patched(WEBHOOK, opened, closed):
        checks = doctor(*asked)
    assert (checks["cluster"]["status"], checks["gate"]["status"]) == ("passed", "failed")
    assert checks["gate"]["remedy"]


@pytest.fixture
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        yield stand_ins


def test_a_job_with_a_vault(azure: Azure, tmp_path: Path) -> None:
    vault = azure.vault()
    vault.add("signing", make("signing", authority=False))
    argv = [sys.executable, "-m", "s3c_actions", "doctor", "--json", "--vault", "kv-voting", "--vault-certificate"]
    job = {**azure.job, "PYTHONPATH": str(ROOT)}
    checks = results(azure.run(tmp_path, *argv, "signing", *azure.ids, environment=job))
    for check in ("oidc", "azure", "vault"):
        assert checks[check]["status"] == "passed", checks[check]
    checks = results(azure.run(tmp_path, *argv, "missing", *azure.ids, environment=job))
    assert (checks["azure"]["status"], checks["vault"]["status"]) == ("passed", "failed")
