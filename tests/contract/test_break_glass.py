"""Break-glass exceptions in Rego, as the cluster decides by them, against Python; and signed by the real notation."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple, replace

from s3c_actions.policy import break_glass, export
from s3c_actions.policy.judge import Evidence, judge_evidence
from s3c_actions.policy.model import Policy
from s3c_actions.policy.objection import Objection
from tests.contract.test_policy import opa  # noqa: F401  # a fixture
from tests.support import evidence, exceptions

CASES = 250
SEED = 12
IGNORED = {
    "there are more than 50",
    "the policy lets nobody grant exceptions",
    "it cannot be read",
    "it is for another image",
    "it lasts longer than",
    "it is dated",
    "it ended at",
    "it is not signed",
    "it is signed by nobody",
    "it was revoked",
    "another one cannot be read",
    "it says the same as",
}


def evaluated(engine: Path, policy: Policy, given: Evidence, folder: Path) -> tuple[bool, list[Objection]]:
    """Ratify's answer, and what Gatekeeper would say of it."""
    return answered(engine, policy, exceptions.as_ratify_has_them(policy, given), folder)


def answered(engine: Path, policy: Policy, reports: list[dict[str, Any]], folder: Path) -> tuple[bool, list[Objection]]:
    module, query = folder / "policy.rego", folder / "input.json"
    module.write_text(export.ratify_rego(policy))
    query.write_text(json.dumps({"image": f"{evidence.REFERENCE}@{evidence.SUBJECT}", "verifierReports": reports}))
    expression = "[data.ratify.policy.valid, data.ratify.policy.refusals(input.image, input.verifierReports)]"
    argv = [str(engine), "eval", "--v0-compatible", "--data", str(module), "--input", str(query), expression]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    answer = json.loads(ended.stdout)
    assert answer.get("result"), f"it is undefined: {reports}"
    valid, refusals = answer["result"][0]["expressions"][0]["value"]
    return valid, sorted(Objection(refusal["code"], refusal["text"]) for refusal in refusals)


def test_python_and_the_cluster_decide_alike_on_generated_exceptions(opa: Path, tmp_path: Path) -> None:  # noqa: F811
    dice = random.Random(SEED)
    reasons: set[str] = set()
    admitted = excused = partly = 0
    for number in range(CASES):
        now = datetime.now(UTC)
        policy, given = exceptions.a_policy(dice, now), exceptions.some_evidence(dice, now)
        valid, refusals = evaluated(opa, policy, given, tmp_path)
        ours = judge_evidence(policy, given, now)
        assert refusals == list(ours), f"case {number} of seed {SEED}: {policy} {given.exceptions}"
        assert valid is (not ours)
        without = judge_evidence(policy, replace(given, exceptions=()), now)
        assert {objection.code for objection in ours} <= {objection.code for objection in without} | {
            "ignored-exception"
        }
        judged = break_glass.judge_exceptions(policy, given.exceptions, given.subject, now)
        reasons |= {start for start in IGNORED for exception in judged if exception.ignored.startswith(start)}
        admitted += valid
        excused += valid and bool(without)
        partly += bool(ours) and "finding" in {objection.code for objection in without} - {
            objection.code for objection in ours
        }
    assert reasons == IGNORED, "the generator misses a reason"
    assert excused >= CASES // 20, "too few pass by an exception alone"
    assert partly, "none is refused for another reason than the findings that an exception excuses"
    assert admitted <= CASES * 3 // 4, "too few of one verdict to tell anything"


@pytest.mark.parametrize("part", ["the revocation", "its signature"])
def test_a_revocation_that_ratify_did_not_come_to_read_counts(opa: Path, tmp_path: Path, part: str) -> None:  # noqa: F811
    now = datetime.now(UTC)
    policy = Policy(
        version=1, signers=(exceptions.signer("release", "sign"), exceptions.signer("oncall", "grant-exceptions"))
    )
    report = evidence.document(
        evidence.sarif(evidence.run(now - timedelta(hours=1), (evidence.finding("CVE-2024-1", "CRITICAL"),)))
    )
    granted = exceptions.document(exceptions.grant(now), 1)
    revoked = exceptions.document(exceptions.revocation(now, exceptions.digest(1)), 2)
    given = evidence.beside(reports=(report,))
    assert answered(
        opa, policy, exceptions.as_ratify_has_them(policy, replace(given, exceptions=(granted,))), tmp_path
    )[0]
    reports = exceptions.as_ratify_has_them(policy, replace(given, exceptions=(granted, revoked)))
    for place in [reports[-1]] if part == "the revocation" else reports[-1]["nestedReports"]:
        place["verifierReports"] = [{"isSuccess": False, "errorReason": "could not create local oras cache: EOF"}]
    valid, refusals = answered(opa, policy, reports, tmp_path)
    assert not valid
    assert "another one cannot be read, and may revoke it" in dict(map(astuple, refusals))["ignored-exception"]
