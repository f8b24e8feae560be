"""Statements of s3c and of other tools are described, and anything else is named as what it is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.core.artifact_types import IN_TOTO, PREDICATES
from s3c_actions.evidence import intoto
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.evidence.intoto_reading import describe_statement
from tests.unit.evidence.test_intoto import DIGEST, FACTS, ORIGINAL, SUBJECT

VULNERABILITIES = {"scanner": {"uri": "pkg:github/aquasecurity/trivy@v1", "version": "0.74.0", "result": [{"id": "C"}]}}
SUMMARY = {"verificationResult": "FAILED", "verifier": {"id": "https://v"}, "policy": {"digest": {"sha256": 64 * "c"}}}


@pytest.mark.parametrize(
    ("kind", "predicate", "description"),
    [
        ("intoto-vulns", VULNERABILITIES, "1 vulnerability, by trivy 0.74.0"),
        ("intoto-vex", {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}, "0 statements, 0 fixed"),
        ("intoto-spdx", {"spdxVersion": "SPDX-2.3", "packages": [{}]}, "1 package"),
        ("intoto-cyclonedx", {"bomFormat": "CycloneDX", "components": [{}, {}]}, "2 components"),
        ("provenance", intoto.provenance(FACTS), f"built by {intoto.LOCAL_BUILDER} of sha256:{12 * 'b'}"),
        ("vsa", SUMMARY, f"failed, by https://v and the policy sha256:{12 * 'c'}"),
    ],
)
@pytest.mark.parametrize("enveloped", [False, True])
def test_statements_are_described_bare_and_in_an_envelope(
    kind: str, predicate: dict[str, Any], description: str, enveloped: bool
) -> None:
    content = intoto.render_statement(kind, SUBJECT, predicate)
    if enveloped:
        content = json.dumps({"payloadType": IN_TOTO, "payload": base64.b64encode(content).decode()}).encode()
    described = describe_statement(content, DIGEST)
    assert (described.predicate_type, described.description) == (PREDICATES[kind], description)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"[]", "it is no JSON object"),
        (b"{}", "it is no in-toto statement"),
        (b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": 3}', "it is no in-toto statement"),
        (b'{"payloadType": "text/plain", "payload": ""}', "its envelope holds no in-toto statement"),
        (b'{"payloadType": "application/vnd.in-toto+json", "payload": "%"}', "its envelope is not base64"),
        (b'{"payloadType": "application/vnd.in-toto+json", "payload": "bnVsbA=="}', "it is no JSON object"),
        (intoto.render_statement("vsa", ORIGINAL, SUMMARY), "it is about another image"),
        (intoto.render_statement("vsa", SUBJECT, {}), "it is no verification summary: it has no result"),
        (intoto.render_statement("provenance", SUBJECT, {}), "it is no provenance: it names no builder"),
        (intoto.render_statement("intoto-vulns", SUBJECT, {}), "it is no vulnerability report: it has no results"),
        (intoto.render_statement("intoto-vex", SUBJECT, {}), "it is no OpenVEX document"),
    ],
)
def test_what_is_no_statement_about_the_image_is_named_as_such(content: bytes, why: str) -> None:
    with pytest.raises(UnusableDocument) as raised:
        describe_statement(content, DIGEST)
    assert str(raised.value) == why


def test_a_statement_of_another_type_is_named() -> None:
    content = json.loads(intoto.render_statement("vsa", SUBJECT, {}))
    content["predicateType"] = "https://example.com/review/v1"
    assert (
        describe_statement(json.dumps(content).encode(), DIGEST).description == "of type https://example.com/review/v1"
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["_type", "predicateType", "subject", "digest", "sha256", "predicate", "scanner", "result", "payloadType",
         "payload", "runDetails", "builder", "id", "buildDefinition", "resolvedDependencies", "statements"]
    ) | st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(_JSON, st.sampled_from(list(PREDICATES)))
def test_any_predicate_is_described_or_named_as_unusable(predicate: Any, kind: str) -> None:
    content = intoto.render_statement(kind, SUBJECT, {"scanner": predicate, "runDetails": predicate, "x": predicate})
    for attempt in (content, json.dumps(predicate).encode()):
        try:
            described = describe_statement(attempt, DIGEST)
        except UnusableDocument as error:
            assert str(error)
        else:
            assert described.description
