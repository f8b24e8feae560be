"""The gate's template by the engine that Gatekeeper has in it: what it admits in every place of an image, and why not.

In place of asking Ratify, the engine is given Ratify's answers as Gatekeeper hands them on (as of Ratify 1.4.6).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli.run import cache_path
from s3c_actions.cluster import denials, image_places
from s3c_actions.cluster.gate import manifests
from s3c_actions.cluster.manifests import parse_objects
from s3c_actions.core.gate_pause import PauseState
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.policy import export, model
from s3c_actions.programs.install.locate import locate
from s3c_lab.programs import OPA
from tests.support.evidence import as_ratify_has_it, beside, document, run, sarif
from tests.unit.core.test_gate_pause import NOW, STATES

SIGNED, UNSIGNED = (f"registry.test/{name}@sha256:{digit * 64}" for name, digit in (("signed", "a"), ("unsigned", "b")))
TAG = "registry.test/signed:1.4"
ASKED = 'external_data({"provider": "ratify-provider", "keys": keys})'
PINNED = 'external_data({"provider": "ratify-mutation-provider", "keys": tags})'
FindViolations = Callable[..., list[str]]


def verdict(image: str) -> dict[str, Any]:
    """Ratify's, as of test data in tests/data/gate and of its verifier reports."""
    good = image in {SIGNED, TAG}
    unsigned = {"errorReason": "No verification results", "message": "x"}
    report = {"subject": image, "isSuccess": True} if good else unsigned
    return {"isSuccess": good, "traceID": "54ab39d7-0000", "verifierReports": [report]}


@pytest.fixture(scope="session")
def opa() -> Path:
    return locate(OPA, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent()).path


def template() -> dict[str, Any]:
    (document,) = parse_objects((manifests.MANIFESTS / "gatekeeper" / "template.yaml").read_text(), "template.yaml")
    return document


@pytest.fixture
def find_violations(opa: Path, tmp_path: Path) -> FindViolations:
    """What the template has against an object; nothing: it is admitted."""

    def run(
        review: dict[str, Any],
        *,
        of: dict[str, Any] | None = None,
        ratify: dict[str, Any] | None = None,
        **parameters: object,
    ) -> list[str]:
        (target,) = (of or template())["spec"]["targets"]
        # In a library, Gatekeeper's `input` is not the review's: what asks stands in the template itself.
        assert "libs" not in target
        assert target["rego"].count(ASKED) == target["rego"].count(PINNED) == 1
        rego = target["rego"].replace("time.now_ns()", str(int(NOW.timestamp()) * 10**9))
        rego = rego.replace(ASKED, "answered(keys)").replace(PINNED, "input.pins")
        (tmp_path / "template.rego").write_text(rego + _ANSWERED)
        answers = {image: verdict(image) for image in (SIGNED, UNSIGNED, TAG)} | (ratify or {})
        pins = {"errors": [], "system_error": "", "responses": [[TAG, SIGNED]]}
        given = {"review": review, "parameters": parameters, "answers": answers, "pins": pins}
        (tmp_path / "input.json").write_text(json.dumps(given))
        argv = [str(opa), "eval", "--v0-compatible", "--strict-builtin-errors"]
        argv += ["--data", str(tmp_path / "template.rego"), "--input", str(tmp_path / "input.json")]
        argv += ["data.ratifyverification.violation"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted(violation["msg"] for violation in json.loads(done.stdout)["result"][0]["expressions"][0]["value"])

    return run


_ANSWERED = """
answered(keys) = {"errors": [], "system_error": "", "responses": [[key, input.answers[key]] | key := keys[_]]}
"""


def item(place: image_places.ImagePlace, image: str | None) -> dict[str, Any]:
    nested: Any = {} if image is None else {place.path[-1]: image}
    for step in reversed(place.path[:-1]):
        nested = {step: nested}
    return {"name": "tried", **nested}


def pod(place: image_places.ImagePlace, image: str | None, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": SIGNED}]}
    return {**spec, place.field: [*spec.get(place.field, []), item(place, image)], **more}


def review(workload: image_places.Workload, spec: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    def of(pod: dict[str, Any]) -> dict[str, Any]:
        nested: Any = pod
        for step in reversed(workload.template):
            nested = {step: nested}
        version = f"{workload.group}/{workload.version}".lstrip("/")
        return {"apiVersion": version, "kind": workload.kind, "metadata": {"name": "x"}, **nested}

    return {"object": of(spec), "oldObject": of(old) if old is not None else None}


POD = image_places.WORKLOADS[0]
KINDS = pytest.mark.parametrize("workload", image_places.WORKLOADS, ids=lambda workload: workload.kind)
PLACES = pytest.mark.parametrize("place", image_places.PLACES, ids=lambda place: place.noun)


@KINDS
@PLACES
def test_every_place_of_every_workload_is_looked_at(workload, place, find_violations: FindViolations) -> None:
    assert find_violations(review(workload, pod(place, SIGNED))) == []
    (violation,) = find_violations(review(workload, pod(place, UNSIGNED)))
    assert violation.startswith(f"{UNSIGNED} is not trusted: it has no signature.")
    for nothing in (None, ""):
        (violation,) = find_violations(review(workload, pod(place, nothing)))
        assert "tried names no image. Give it one, by digest." in violation


@KINDS
@PLACES
def test_a_pod_alone_needs_digests(workload, place, find_violations: FindViolations) -> None:
    violations = find_violations(review(workload, pod(place, TAG)))
    if workload is not POD:
        assert violations == []
        return
    assert violations == [
        f"{TAG} has no digest: what is pulled later may be another image. Write {SIGNED}.",
    ]
    assert find_violations(review(workload, pod(place, TAG)), allowTags=True) == []
    assert find_violations(review(workload, pod(place, TAG)), allowTags=False) == violations
    (denial,) = denials.parse(f'admission webhook "x" denied the request: [ratify-verification] {violations[0]}')
    assert (denial.image, denial.remedy) == (TAG, f"Write {SIGNED}.")


@pytest.mark.parametrize(
    "image",
    [
        "registry.test/signed",
        "registry.test/signed:1.4@sha256:abc",
        f"registry.test/signed@sha256:{64 * 'A'}",
        f"registry.test/signed@sha256:{64 * 'a'}0",
        f"registry.test/signed@md5:{64 * 'a'}",
    ],
)
def test_what_is_no_digest(image: str, find_violations: FindViolations) -> None:
    (violation,) = [
        text for text in find_violations(review(POD, pod(image_places.CONTAINERS, image))) if "has no digest" in text
    ]
    assert f"Write {image}@sha256:…; `docker buildx imagetools inspect {image}` tells the digest." in violation


@PLACES
def test_a_pod_from_before_keeps_its_tag_and_gets_no_other(place, find_violations: FindViolations) -> None:
    before = pod(place, TAG)
    assert find_violations(review(POD, before, old=before)) == []
    other = image_places.PLACES[2] if place is not image_places.PLACES[2] else image_places.PLACES[1]
    added = {**before, other.field: [item(other, TAG)]}
    (violation,) = find_violations(review(POD, added, old=before))
    assert "has no digest" in violation
    (violation,) = find_violations(review(POD, before, old=pod(place, SIGNED)))
    assert "has no digest" in violation


def test_other_volumes_are_no_images(find_violations: FindViolations) -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "persistentVolumeClaim": {"claimName": "image"}}]
    assert find_violations(review(POD, pod(image_places.CONTAINERS, SIGNED, volumes=volumes))) == []


@pytest.mark.parametrize("volume", [{"image": None}, {"image": {}}, {"image": {"reference": 7}}, {"image": "x"}])
def test_a_volume_that_is_an_image_and_names_none_is_refused(
    volume: dict[str, Any], find_violations: FindViolations
) -> None:
    violations = find_violations(review(POD, pod(image_places.CONTAINERS, SIGNED, volumes=[{"name": "v", **volume}])))
    assert "image volume v names no image. Give it one, by digest." in violations


@PLACES
def test_the_template_of_a_policy_looks_at_the_same_places(place, find_violations: FindViolations) -> None:
    """Admission by evidence: the digest is asked for as well, and Ratify's word is not all that counts."""
    policy_template = export.constraint_template(
        model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\n"), template()
    )
    violations = find_violations(review(POD, pod(place, TAG)), of=policy_template)
    assert any(text.startswith(f"{TAG} has no digest") for text in violations)
    assert any("it has no scan report" in text for text in violations if text.startswith(f"{TAG} is not trusted"))
    assert any(UNSIGNED in text for text in find_violations(review(POD, pod(place, UNSIGNED)), of=policy_template))


@KINDS
@pytest.mark.parametrize("allow_tags", [True, False])
def test_a_pause_admits_everything_and_whatever_is_no_pause_nothing(
    workload, allow_tags: bool, find_violations: FindViolations
) -> None:
    tag = review(workload, pod(image_places.CONTAINERS, TAG))
    unsigned = review(workload, pod(image_places.CONTAINERS, UNSIGNED))
    nothing = review(workload, {})
    denied = {
        text: find_violations(request, allowTags=allow_tags) for text, request in (("u", unsigned), ("n", nothing))
    }
    assert denied["u"]
    assert denied["n"]
    written, state = STATES[0]
    assert state is PauseState.ACTIVE
    for admitted in (tag, unsigned, nothing):
        assert find_violations(admitted, pause=written, allowTags=allow_tags) == []
    assert find_violations(unsigned, pause={**written, "reason": ""}, allowTags=allow_tags) == denied["u"]


@pytest.mark.parametrize(("written", "state"), STATES)
def test_the_clock_judges_a_pause_as_the_commands_do(
    written: Any, state: PauseState, find_violations: FindViolations
) -> None:
    """Under strict errors of built-in functions: nothing malformed reaches one that would fail."""
    violations = find_violations(review(POD, pod(image_places.CONTAINERS, UNSIGNED)), pause=written)
    assert bool(violations) is (state is not PauseState.ACTIVE)


def test_a_policys_template_is_paused_as_well(find_violations: FindViolations) -> None:
    policy_template = export.constraint_template(
        model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\n"), template()
    )
    unsigned = review(POD, pod(image_places.CONTAINERS, UNSIGNED))
    assert find_violations(unsigned, of=policy_template)
    assert find_violations(unsigned, of=policy_template, pause=STATES[0][0]) == []


def test_a_refusal_that_gatekeeper_sees_no_reason_for_is_explained(find_violations: FindViolations) -> None:
    """A report is just too old by Ratify's clock, and by Gatekeeper's not yet."""
    policy = model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\n")
    evidence = beside(reports=(document(sarif(run(NOW))),))
    answer = {"isSuccess": False, "traceID": "54ab39d7", "verifierReports": as_ratify_has_it(evidence)}
    pods, policy_template = (
        review(POD, pod(image_places.CONTAINERS, SIGNED)),
        export.constraint_template(policy, template()),
    )
    assert find_violations(pods, of=policy_template, ratify={SIGNED: {**answer, "isSuccess": True}}) == []
    assert find_violations(pods, of=policy_template, ratify={SIGNED: answer}) == [
        f"{SIGNED} is not trusted: Ratify refuses it, and Gatekeeper finds nothing against it: their clocks stand on "
        "both sides of a time limit, or Ratify does not have this policy yet. Try again in a minute; if that does not "
        "help, `s3c gate install` again. (trace 54ab39d7)"
    ]


@pytest.mark.parametrize("reports", [[], [{"isSuccess": True}], [{"isSuccess": False, "message": ""}]])
def test_a_refusal_without_a_word_leads_to_the_log(
    reports: list[dict[str, Any]], find_violations: FindViolations
) -> None:
    answers = {SIGNED: {"isSuccess": False, "traceID": "54ab39d7", "verifierReports": reports}}
    (text,) = find_violations(review(POD, pod(image_places.CONTAINERS, SIGNED)), ratify=answers)
    assert "is not trusted: Ratify gives no reason. Look at its log in gatekeeper-system. (trace" in text
