"""The policy in Rego, as the cluster decides by it, against the one in Python, as CI decides by it."""

from __future__ import annotations

import json
import os
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3c_actions.policy import export
from s3c_actions.policy.judge import Evidence, Refusal, judge
from s3c_actions.policy.model import Policy
from s3c_actions.process import Runner
from s3c_actions.programs.install import locate
from s3c_actions.progress import Silent
from s3c_actions.shell import cache_folder
from s3c_lab.programs import OPA
from tests import evidence as made

CASES = 200
SEED = 7


@pytest.fixture(scope="session")
def opa() -> Path:
    """The engine that Ratify has in it, as a program."""
    return locate(OPA, cache=cache_folder(os.environ), runner=Runner(os.environ), progress=Silent()).path


def evaluated(opa: Path, policy: Policy, given: Evidence, folder: Path) -> tuple[bool, list[Refusal]]:
    """Ratify's answer, and what Gatekeeper would say of it."""
    module, query = folder / "policy.rego", folder / "input.json"
    module.write_text(export.ratify_rego(policy))
    query.write_text(json.dumps({"image": given.reference, "verifierReports": made.as_ratify_has_it(given)}))
    asked = "[data.ratify.policy.valid, data.ratify.policy.refusals(input.image, input.verifierReports)]"
    argv = [str(opa), "eval", "--v0-compatible", "--data", str(module), "--input", str(query), asked]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said.get("result"), f"it is undefined: {given}"
    valid, refusals = said["result"][0]["expressions"][0]["value"]
    return valid, sorted(Refusal(one["code"], one["text"]) for one in refusals)


def test_python_and_the_cluster_decide_alike_on_generated_policies_and_evidence(opa, tmp_path):
    dice = random.Random(SEED)
    codes: set[str] = set()
    admitted = 0
    for number in range(CASES):
        now = datetime.now(UTC)
        policy, given = made.a_policy(dice, now), made.some_evidence(dice, now)
        valid, refusals = evaluated(opa, policy, given, tmp_path)
        ours = judge(policy, given, now)
        assert refusals == list(ours), f"case {number} of seed {SEED}: {policy}"
        assert valid is (not ours)
        codes |= {one.code for one in ours}
        admitted += valid
    assert admitted >= CASES // 20, "too few are admitted to tell that anything is"
    assert codes == ALL_CODES, "the generator misses a reason"


ALL_CODES = {
    "unsigned-image",
    "stranger-image",
    *(f"{how}-report" for how in ("no", "unsigned", "stranger", "unreadable", "other-image")),
    *(f"{how}-sbom" for how in ("no", "unsigned", "stranger")),
    "laxer-report",
    "future-report",
    "stale-report",
    "stale-database",
    "blind",
    "finding",
    "denied-finding",
    "expired-exception",
    "package",
    "license",
}
