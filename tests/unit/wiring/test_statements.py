"""What the statements about an image are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core.artifact_types import PREDICATES
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import intoto
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.result import document
from s3c_actions.result.model import ImageOutcome, Outcome, PatchResult
from s3c_actions.wiring.statements import StatementSource, builder_id
from tests.support import samples
from tests.support.contexts import create_context

PROGRAMS = {"s3c": "1.0.0", "copa": "0.14.2", "trivy": "0.74.0"}
GITHUB = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_WORKFLOW_REF": "acme/app/.github/workflows/release.yml@refs/heads/main",
    "GITHUB_REPOSITORY": "acme/app",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "2",
}


def patched(**changes: Any) -> PatchResult:
    facts: dict[str, Any] = {
        "image": f"{samples.NAME}:1.0",
        "original": f"{samples.NAME}@sha256:{64 * 'b'}",
        "reference": f"{samples.NAME}@{samples.DIGEST}",
        "tag": "1.0-1",
        "patched": True,
        "skipped": False,
        "before": samples.scan(),
        "after": samples.scan(),
        "upgraded": {"openssl": "1.1"},
        "programs": PROGRAMS,
    }
    return PatchResult(**facts | changes)


def source(**changes: Any) -> StatementSource:
    facts: dict[str, Any] = {
        "reference": Reference.parse(f"{samples.NAME}@{samples.DIGEST}"),
        "scans": [samples.scan(samples.finding())],
        "created": "2026-11-29T11:00:00Z",
        "passed": True,
        "gate": Threshold(Severity.HIGH),
        "policy": "",
        "document": lambda _kind: None,
        "patch": None,
        "environment": {},
    }
    return StatementSource(**facts | changes)


def predicate(content: bytes | None) -> dict[str, Any]:
    assert content is not None
    return dict(json.loads(content)["predicate"])


def test_documents_are_wrapped_as_they_are_and_without_one_there_is_no_statement() -> None:
    asked: list[str] = []

    def read(kind: str) -> bytes:
        asked.append(kind)
        return b'{"of": "%s"}' % kind.encode()

    for kind in ("intoto-vex", "intoto-spdx", "intoto-cyclonedx"):
        assert predicate(source(document=read).render(kind)) == {"of": kind.removeprefix("intoto-")}
        assert source().render(kind) is None
    assert asked == ["vex", "spdx", "cyclonedx"]


def test_the_run_that_patched_states_the_provenance() -> None:
    stated = predicate(source(patch=patched(), environment=GITHUB).render("provenance"))
    assert stated["runDetails"] == {
        "builder": {
            "id": "https://github.example/acme/app/.github/workflows/release.yml@refs/heads/main",
            "version": PROGRAMS,
        },
        "metadata": {"invocationId": "https://github.example/acme/app/actions/runs/7/attempts/2"},
    }
    assert stated["buildDefinition"]["externalParameters"]["tag"] == "1.0-1"
    assert stated["buildDefinition"]["internalParameters"]["upgraded"] == {"openssl": "1.1"}


@pytest.mark.parametrize("patch", [None, patched(patched=False), patched(programs={}, skipped=True)])
def test_what_another_run_patched_or_nobody_did_has_none(patch: PatchResult | None) -> None:
    assert source(patch=patch).render("provenance") is None


def test_a_later_job_states_it_from_the_result_of_the_one_that_patched(tmp_path: Path) -> None:
    outcome = ImageOutcome(
        image=f"{samples.NAME}:1.0", reference=f"{samples.NAME}@{samples.DIGEST}", scan=samples.scan(), patch=patched()
    )
    run = create_context(tmp_path)
    written = document.build_document(Outcome(command="patch", images=(outcome,)), run.now, run.secrets)
    (image,) = written.images
    assert image.patch is not None
    assert image.patch.programs == PROGRAMS
    assert source(patch=image.patch).render("provenance") == source(patch=patched()).render("provenance")


def test_outside_github_nothing_is_known_of_the_builder() -> None:
    assert builder_id({"GITHUB_SERVER_URL": "https://github.com"}) == intoto.LOCAL_BUILDER
    assert "metadata" not in predicate(source(patch=patched()).render("provenance"))["runDetails"]


@pytest.mark.parametrize("passed", [True, False])
def test_the_summary_has_the_verdict_of_the_gate(passed: bool) -> None:
    stated = predicate(source(passed=passed, policy="sha256:" + 64 * "c").render("vsa"))
    assert stated["verificationResult"] == ("PASSED" if passed else "FAILED")
    assert stated["timeVerified"] == "2026-11-29T11:00:00Z"
    assert stated["verifier"]["version"]["s3c"] == __version__
    assert source(gate=Threshold(None)).render("vsa") is None


@pytest.mark.parametrize("kind", PREDICATES)
def test_the_same_facts_make_the_same_statement(kind: str) -> None:
    given = source(patch=patched(), document=lambda _kind: b"{}", environment=GITHUB)
    dated = replace(samples.scan().report, database="2026-11-29T00:00:00Z")
    given = replace(given, scans=[replace(samples.scan(), report=dated)])
    first = given.render(kind)
    assert first is not None
    assert first == given.render(kind)
