"""Read in-toto statements beside an image, of s3c and of other tools, for display.

Bare statements and those in a DSSE envelope (https://github.com/secure-systems-lab/dsse) are read. An envelope's own
signatures are not verified here: what is shown of a document's trust is notation's verdict on its manifest.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from s3c_actions.core.artifact_types import IN_TOTO, PREDICATES
from s3c_actions.evidence import documents
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.evidence.untyped import as_list, as_map, as_text

_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


class DescribedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement says, in a clause, and the type of its predicate; both untrusted."""

    predicate_type: str
    description: str


def describe_statement(content: bytes, digest: str) -> DescribedStatement:
    """Describe an in-toto statement about an image.

    Args:
        content: the statement, or a DSSE envelope that holds it.
        digest: of the image that it lies beside.

    Raises:
        UnusableDocument: it is none, or about another image.
    """
    statement = _statement(content)
    predicate_type = statement.get("predicateType")
    if statement.get("_type") not in _STATEMENT_TYPES or not isinstance(predicate_type, str) or not predicate_type:
        raise UnusableDocument("it is no in-toto statement")
    algorithm, _, value = digest.partition(":")
    named = [as_map(as_map(subject).get("digest")).get(algorithm) for subject in as_list(statement.get("subject"))]
    if value not in named:
        raise UnusableDocument("it is about another image")
    predicate = as_map(statement.get("predicate"))
    kind = next((kind for kind, known in PREDICATES.items() if predicate_type == known), "")
    describe = _DESCRIPTIONS.get(kind)
    description = describe(predicate) if describe is not None else f"of type {predicate_type}"
    return DescribedStatement(predicate_type=predicate_type, description=description)


def _statement(content: bytes) -> Mapping[str, Any]:
    document = documents.parse_object(content)
    if "payloadType" not in document:
        return document
    if document["payloadType"] != IN_TOTO or not isinstance(document.get("payload"), str):
        raise UnusableDocument("its envelope holds no in-toto statement")
    try:
        payload = base64.b64decode(document["payload"], validate=True)
    except binascii.Error:
        raise UnusableDocument("its envelope is not base64") from None
    return documents.parse_object(payload)


def _describe_vulnerabilities(predicate: Mapping[str, Any]) -> str:
    scanner = as_map(predicate.get("scanner"))
    if not isinstance(scanner.get("result"), list):
        raise UnusableDocument("it is no vulnerability report: it has no results")
    version = as_text(scanner.get("version"))
    name = as_text(scanner.get("uri")).partition("@")[0].rpartition("/")[2]
    ids = {as_text(as_map(result).get("id")) for result in as_list(scanner.get("result"))}
    noun = "vulnerability" if len(ids) == 1 else "vulnerabilities"
    return f"{len(ids):,} {noun}, by {f'{name} {version}'.strip() or 'no scanner'}"


def _describe_provenance(predicate: Mapping[str, Any]) -> str:
    definition, details = as_map(predicate.get("buildDefinition")), as_map(predicate.get("runDetails"))
    builder = as_text(as_map(details.get("builder")).get("id"))
    if not builder:
        raise UnusableDocument("it is no provenance: it names no builder")
    dependencies = map(as_map, as_list(definition.get("resolvedDependencies")))
    original = next((entry for entry in dependencies if entry.get("name") == "original"), {})
    digest = as_text(as_map(original.get("digest")).get("sha256"))
    return f"built by {builder}" + (f" of sha256:{digest[:12]}" if digest else "")


def _describe_summary(predicate: Mapping[str, Any]) -> str:
    result = as_text(predicate.get("verificationResult"))
    if result not in {"PASSED", "FAILED"}:
        raise UnusableDocument("it is no verification summary: it has no result")
    policy = as_text(as_map(as_map(predicate.get("policy")).get("digest")).get("sha256"))
    verifier = as_text(as_map(predicate.get("verifier")).get("id"))
    return f"{result.lower()}, by {verifier or 'nobody'}" + (f" and the policy sha256:{policy[:12]}" if policy else "")


def _wrapped(describe: Callable[[bytes], str]) -> Callable[[Mapping[str, Any]], str]:
    return lambda predicate: describe(json.dumps(predicate).encode())


_DESCRIPTIONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "intoto-vex": _wrapped(documents.describe_openvex),
    "intoto-spdx": _wrapped(documents.describe_spdx),
    "intoto-cyclonedx": _wrapped(documents.describe_cyclonedx),
    "intoto-vulns": _describe_vulnerabilities,
    "provenance": _describe_provenance,
    "vsa": _describe_summary,
}
