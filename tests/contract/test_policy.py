"""The policy in Rego, as the cluster decides by it, against `s3c policy check` in Python and against the gate in CI."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from ruamel.yaml import YAML

from s3c_actions.cli.run import cache_path
from s3c_actions.commands import report as reporting
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.core.records import file_sha256
from s3c_actions.evidence.statement import Statement
from s3c_actions.options import declare
from s3c_actions.options.command import load
from s3c_actions.policy import export
from s3c_actions.policy.judge import Evidence, judge_evidence
from s3c_actions.policy.model import Policy
from s3c_actions.policy.objection import Objection
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import TRIVY
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import ImageOutcome, ScanResult
from s3c_lab.programs import OPA
from tests.support import evidence
from tests.support.contexts import create_context

CASES = 400
SEED = 7


@pytest.fixture(scope="session")
def opa() -> Path:
    """The engine that Ratify has in it, as a program."""
    return locate(OPA, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent()).path


def evaluated(opa: Path, policy: Policy, given: Evidence, folder: Path) -> tuple[bool, list[Objection]]:
    """Ratify's answer, and what Gatekeeper would say of it."""
    module, query = folder / "policy.rego", folder / "input.json"
    module.write_text(export.ratify_rego(policy))
    query.write_text(json.dumps({"image": given.reference, "verifierReports": evidence.as_ratify_has_it(given)}))
    expression = "[data.ratify.policy.valid, data.ratify.policy.refusals(input.image, input.verifierReports)]"
    argv = [str(opa), "eval", "--v0-compatible", "--data", str(module), "--input", str(query), expression]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer.get("result"), f"it is undefined: {given}"
    valid, refusals = answer["result"][0]["expressions"][0]["value"]
    return valid, sorted(Objection(refusal["code"], refusal["text"]) for refusal in refusals)


def test_python_and_the_cluster_decide_alike_on_generated_policies_and_evidence(opa, tmp_path):
    dice = random.Random(SEED)
    codes: set[str] = set()
    admitted = 0
    for number in range(CASES):
        now = datetime.now(UTC)
        policy, given = evidence.a_policy(dice, now), evidence.some_evidence(dice, now)
        valid, refusals = evaluated(opa, policy, given, tmp_path)
        ours = judge_evidence(policy, given, now)
        assert refusals == list(ours), f"case {number} of seed {SEED}: {policy}"
        assert valid is (not ours)
        codes |= {objection.code for objection in ours}
        admitted += valid
    assert admitted >= CASES // 20, "too few are admitted to tell that anything is"
    assert codes == ALL_CODES, "the generator misses a reason"


class Ci:
    """The gate in CI: `s3c report --policy`, which judges Trivy's JSON as `s3c scan --policy` judges that of its scan.

    It sees the scan alone. Of what lies beside an image in its registry (who signed it, which report is the newest, how
    old that is, whether its SBOM is there) it knows nothing: no signature or report exists when it decides.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache = cache_path(os.environ)

    def judges(self, policy: Policy, scan: bytes, now: datetime, data: Mapping[str, bytes | None]) -> ImageOutcome:
        """What becomes of the image: its failure is why it is refused.

        Args:
            policy: of the gate.
            scan: Trivy's JSON.
            now: the time of the run.
            data: on exploitation, input → content of its file; None: that file is not there.
        """
        ruling, report = self._folder / "s3c-policy.yaml", self._folder / "trivy.json"
        with ruling.open("w") as file:
            YAML().dump(msgspec.to_builtins(policy, builtin_types=(date,)), file)
        report.write_bytes(scan)
        flags = {"report": str(report), "policy": str(ruling), "format": "json"}
        for name, content in data.items():
            flags[name] = "none"
            if content is not None:
                (self._folder / name).write_bytes(content)
                flags[name] = str(self._folder / name)
        values = declare.read(load("report").options, flags, {}, lambda _old: None)
        context = create_context(self._folder, dict(os.environ), cache=self._cache, now=now)
        (image,) = reporting.run(values, context).images
        return image


def attached(policy: Policy, scan: ScanResult, now: datetime) -> Evidence:
    """The evidence that the product attaches of a scan, signed by whom the policy allows."""
    sbom = evidence.document(None, number=100)
    stated = Statement(
        subject=evidence.SUBJECT,
        gate=policy.gate(now),
        policy=policy.digest,
        packages=policy.packages.refuse,
        licenses=policy.licenses.refuse,
        blind=scan.blind,
        contents=scan.contents,
        objected=bool(scan.objections),
        scope=scan.scope,
        uncovered=scan.uncovered,
        sbom=sbom.digest,
    )
    report = replace(scan.report, database=evidence.stamp(now))
    return evidence.beside(
        reports=(evidence.document(sarif.render_evidence([(report, stated)], Rendering())),), sboms=(sbom,)
    )


def test_the_gate_in_ci_and_the_cluster_decide_alike_on_generated_policies_and_scans(opa, tmp_path, monkeypatch):
    dice = random.Random(SEED)
    # Trivy is held against its record once: it does not change from case to case.
    monkeypatch.setattr("s3c_actions.programs.install.locate.file_sha256", cache(file_sha256))
    # Had before, so that no case waits for its build.
    locate(TRIVY, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    ci = Ci(tmp_path)
    codes: set[str] = set()
    admitted = excused = 0
    for number in range(CASES):
        now = datetime.now(UTC)
        policy = evidence.a_written_policy(dice, now)
        image = ci.judges(policy, evidence.a_scan(dice, now, policy), now, evidence.exploitation_data(dice, now))
        assert image.scan is not None
        given = attached(policy, image.scan, now)
        checked = judge_evidence(policy, given, now)
        valid, refusals = evaluated(opa, policy, given, tmp_path)
        passed = image.failure is None
        assert (passed, not checked, valid) == (valid, valid, valid), (
            f"case {number} of seed {SEED}: {policy} {checked}"
        )
        assert refusals == list(checked)
        assert bool(image.scan.refused) is bool({objection.code for objection in checked} & REFUSED_FINDINGS)
        codes |= {objection.code for objection in checked}
        admitted += valid
        excused += valid and any(policy.gate(now).matches(finding) for finding in image.scan.report.findings)
    assert excused >= CASES // 40, "too few pass by an exception alone"
    assert CASES // 20 <= admitted <= CASES // 2, "too few of one verdict to tell anything"
    assert codes == IN_A_SCAN, "the generator misses a reason, or CI had no word on one"


REFUSED_FINDINGS = {"finding", "denied-finding", "exploited-finding"}

IN_A_SCAN = {
    *REFUSED_FINDINGS,
    "blind",
    "narrow-report",
    "expired-exception",
    "package",
    "license",
    "no-exploitation-data",
    "stale-exploitation-data",
    "end-of-life",
    "old-base",
    "unknown-base",
    # Beside no-exploitation-data, where neither list was there.
    "laxer-report",
    "unknown-exploitation",
}
"""The reasons that lie in a scan, and so the ones that the gate in CI has the facts for."""

ALL_CODES = {
    "unsigned-image",
    "stranger-image",
    *(f"{how}-report" for how in ("no", "unsigned", "stranger", "unreadable", "other-image")),
    *(f"{how}-sbom" for how in ("no", "unsigned", "stranger")),
    "laxer-report",
    "future-report",
    "stale-report",
    "stale-database",
    "previous-report",
    "narrow-report",
    "uncovered",
    "blind",
    "finding",
    "denied-finding",
    "exploited-finding",
    "unknown-exploitation",
    "no-exploitation-data",
    "stale-exploitation-data",
    "future-exploitation-data",
    "end-of-life",
    "unknown-platform",
    "old-base",
    "unknown-base",
    "expired-exception",
    "package",
    "license",
}
