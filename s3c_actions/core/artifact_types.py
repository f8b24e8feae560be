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

TITLES: Mapping[str, str] = {
    SARIF: "report.sarif",
    SPDX: "sbom.spdx.json",
    CYCLONEDX: "sbom.cdx.json",
    OPENVEX: "fixed.openvex.json",
    RESULT: "result.json",
    EXCEPTION: "exception.json",
}
"""Artifact type → file name of the document, in the annotation TITLE of its layer."""

# Annotations of a document's manifest. Times are RFC 3339.
CREATED = "org.opencontainers.image.created"
"""When the scan that the document describes was made; for the OpenVEX document, when the patch was made."""
TITLE = "org.opencontainers.image.title"
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
