"""The artifact types and annotations of evidence beside an image, its OCI referrers.

Each document is an OCI image manifest (image spec 1.1, "artifact usage") whose `subject` is the image's digest, whose
`artifactType` is the document's media type and whose one layer is the document. The report and the SBOM have the types
that Ratify's verifiers look for. Only the signed content is judged, never an annotation: annotations are also in the
list of referrers, which is not signed.
"""

from __future__ import annotations

from collections.abc import Mapping

SIGNATURE = "application/vnd.cncf.notary.signature"
SARIF = "application/sarif+json"
SPDX = "application/spdx+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
OPENVEX = "application/vnd.openvex+json"
RESULT = "application/vnd.s3c.result.v1+json"
EXCEPTION = "application/vnd.s3c.exception.v1+json"
"""A break-glass exception, or the revocation of one: `core/exception_document.py`."""
IN_TOTO = "application/vnd.in-toto+json"
"""Of every in-toto statement; its annotation PREDICATE_TYPE tells which one it is."""

TYPES: Mapping[str, str] = {
    "sarif": SARIF,
    "spdx": SPDX,
    "cyclonedx": CYCLONEDX,
    "vex": OPENVEX,
    "result": RESULT,
}
"""Name of a document in `attach` → its artifact type, in the order in which they are attached."""

KINDS: Mapping[str, str] = {**TYPES, "exception": EXCEPTION}
"""The same of every document that s3c signs, those that `attach` does not make included."""
PREDICATES: Mapping[str, str] = {
    "intoto-vex": "https://openvex.dev/ns/v0.2.0",
    "intoto-vulns": "https://in-toto.io/attestation/vulns/v0.2",
    "intoto-spdx": "https://spdx.dev/Document/v2.3",
    "intoto-cyclonedx": "https://cyclonedx.org/bom",
    "provenance": "https://slsa.dev/provenance/v1",
    "vsa": "https://slsa.dev/verification_summary/v1",
}
"""Name of an in-toto statement in `attach` → its predicate type."""

TITLES: Mapping[str, str] = {
    SARIF: "report.sarif",
    SPDX: "sbom.spdx.json",
    CYCLONEDX: "sbom.cdx.json",
    OPENVEX: "fixed.openvex.json",
    RESULT: "result.json",
    EXCEPTION: "exception.json",
}
"""Artifact type → file name of the document, in the annotation TITLE of its layer."""


def artifact_type_of(kind: str) -> str:
    """Return the artifact type of a document by its name: in `attach`, or of those that s3c signs besides."""
    return IN_TOTO if kind in PREDICATES else KINDS[kind]


def title_of(kind: str) -> str:
    """Return the file name of a document by its name in `attach`."""
    return f"{kind.removeprefix('intoto-')}.intoto.json" if kind in PREDICATES else TITLES[KINDS[kind]]


# Annotations of a document's manifest. Times are RFC 3339.
CREATED = "org.opencontainers.image.created"
"""When the scan that the document describes was made; for the OpenVEX document, when the patch was made."""
TITLE = "org.opencontainers.image.title"
PREDICATE_TYPE = "in-toto.io/predicate-type"
"""Of an in-toto statement, as BuildKit, Docker Scout and Trivy have it."""
VERSION = "dev.s3c.version"
"""Version of s3c that attached the document."""
SCANNER = "dev.s3c.scanner"
"""Name and version of the scanner, `trivy 0.74.0`."""
DATABASE = "dev.s3c.database"
"""When the vulnerability database of the scan was updated."""
PLATFORM = "dev.s3c.platform"
"""`linux/amd64`; of an index, its platforms separated by commas."""
VERDICT = "dev.s3c.verdict"
"""`passed` or `refused`, by the policy at the time of attaching."""
POLICY = "dev.s3c.policy"
"""Digest (`sha256:…`) of that policy, empty when there was none."""

STATEMENT = "s3c"
"""In `runs[].properties` of the SARIF report: what was scanned, how, and by which policy it was judged."""
ALIASES = "aliases"
"""In a result's properties: other ids of the vulnerability; in its run's: true where every result has its own."""
