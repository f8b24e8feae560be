"""Inputs about evidence: what is attached to an image."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.artifact_types import PREDICATES, TYPES
from s3c_actions.options.common import path, paths
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.github import CommentInputs
from s3c_actions.options.parse import boolean, choices

EVIDENCE_KINDS = tuple(TYPES)
STATEMENT_KINDS = tuple(PREDICATES)
_GROUPS = {"true": EVIDENCE_KINDS, "intoto": STATEMENT_KINDS}


def _kinds(value: str) -> tuple[str, ...]:
    """Parse kinds of documents; `true` means all of s3c's own, `intoto` all statements, `false` and `none` none."""
    word = value.strip().lower()
    if word in {"false", "none", "no"}:
        return ()
    if word in {"all", "yes"}:
        return EVIDENCE_KINDS
    named = choices(*_GROUPS, *EVIDENCE_KINDS, *STATEMENT_KINDS)(value)
    return tuple(dict.fromkeys(kind for name in named for kind in _GROUPS.get(name, (name,))))


class EvidenceOptions(Group):
    """The documents to attach."""

    attach: Input[tuple[str, ...]] = Input(
        name="attach",
        basic=("sign", "attach", "refresh"),
        metavar="KIND,…",
        help="Evidence attached to the image in its registry, each document signed with the image's key: the scan "
        "report (`sarif`), bills of materials (`spdx`, `cyclonedx`), what a patch fixed (`vex`), and the facts of the "
        "run (`result`). `true` is all of these. `intoto` is what other tools read, each an in-toto statement: "
        "`intoto-vex`, `intoto-vulns`, `intoto-spdx`, `intoto-cyclonedx`, the SLSA `provenance` of a patch and the "
        "verification summary (`vsa`). What is there already is not attached again.",
        parse=_kinds,
        default="none",
        absent=(),
        choices=("true", "none", *EVIDENCE_KINDS, "intoto", *STATEMENT_KINDS),
        example="sarif,spdx",
        many=True,
    )
    prune_evidence = Input(
        name="prune-evidence",
        basic=("attach",),
        help="Delete what newly attached documents take the place of: earlier ones of s3c of the same kinds, with "
        "their signatures. The registry has to allow deleting.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class EarlierOptions(Group):
    """The output of earlier steps that the evidence is created from."""

    results: Input[tuple[str, ...]] = replace(
        CommentInputs.results,
        help="`result.json` of the step that scanned or patched, or the folder that it wrote: the reports and what "
        "the patch fixed are taken from there, of each image's digest; of several for one digest, the last. It takes "
        "the place of `report`.",
        positional=False,
    )
    report: Input[tuple[Path, ...]] = Input(
        name="report",
        basic=("report", "patch", "attach"),
        help="Trivy's JSON reports to make the evidence of, one a line: of each image, or of each platform of one. "
        "Without it, the images are scanned.",
        parse=paths,
        absent=(),
        many=True,
        example="s3c-out/voting-app/trivy.json",
    )
    openvex: Input[Path | None] = Input(
        name="openvex",
        help="The OpenVEX document that the patch wrote, to attach with the report.",
        parse=path,
        absent=None,
        example="s3c-out/voting-app/fixed.openvex.json",
    )
