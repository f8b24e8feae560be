"""`result.json` read strictly: the limits of each field, and the schema that is made of the same types."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings.difference import Difference
from s3c_actions.findings.model import ForbiddenContent
from s3c_actions.findings.scope import SettingsFile
from s3c_actions.github import artifact
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.policy.objection import Objection
from s3c_actions.report.document import schema
from s3c_actions.report.github import comment, summary
from s3c_actions.result import document as result
from s3c_actions.result.gate_change import ProposedVerdict
from s3c_actions.result.model import (
    AttachedEvidence,
    AttachResult,
    Comparison,
    ImageOutcome,
    MirrorResult,
    Outcome,
    PolicyJudgement,
)
from tests.support import exceptions, outcomes
from tests.support.situations import situations

SCHEMA = jsonschema.Draft202012Validator(schema())
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DIGEST = "sha256:" + "1" * 64
Path = tuple[str | int, ...]


def image() -> ImageOutcome:
    """One with every step."""
    whole = outcomes.chain()
    assert whole.patch is not None and whole.scan is not None
    findings = whole.patch.before.report.findings
    difference = Difference(fixed=findings, new=findings, left=())
    file = SettingsFile(kind="vex", path="x", sha256="")
    scan = replace(
        whole.scan,
        refused=findings,
        difference=difference,
        contents=(ForbiddenContent(kind="package", by="x", text="x"),),
        scope=replace(whole.scan.scope, files=(file,)),
        proposed=ProposedVerdict(verdict="refused", refused=1, reason="x"),
    )
    attached = AttachedEvidence(
        kind="sarif", artifact_type="x", digest=DIGEST, size=1, created="x", signature_digest=DIGEST, skipped=False
    )
    attach = AttachResult(reference="x", documents=(attached,))
    return replace(
        whole,
        scan=replace(scan, parts=(scan,)),
        patch=replace(whole.patch, new=findings),
        attach=replace(attach, platforms=(attach,)),
        judgement=PolicyJudgement(
            reference="x",
            policy=DIGEST,
            refusals=(Objection(code="x", text="x"),),
            exceptions=(JudgedException(digest=DIGEST, grant=exceptions.grant(NOW), granter="x", ignored="x"),),
        ),
        admission=outcomes.deployed().images[0].admission,
        mirror=MirrorResult(image="x", source=f"x@{DIGEST}", reference=f"x@{DIGEST}", tag="1", skipped=False),
        base=Comparison(name="main", difference=difference),
        failure=OutsideError("x"),
    )


def document() -> dict[str, Any]:
    """One with every key, and something in nearly every list."""
    deploy = outcomes.deployed().deploy
    assert deploy is not None
    outcome = Outcome(
        command="chain",
        images=(image(),),
        deploy=replace(deploy, failure=OutsideError("x")),
        settings=outcomes.settings("x"),
        gate_changes=outcomes.changes("x"),
    )
    built = result.build_document(outcome, outcomes.NOW, Secrets(), OutsideError("x"))
    return json.loads(result.render_document(built))  # type: ignore[no-any-return]


WHOLE = document()


def accepted(value: object) -> bool:
    """By the reader of what forks leave."""
    try:
        artifact.decode_result(json.dumps(value).encode())
    except artifact.InvalidArtifact:
        return False
    return True


def objects(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where objects with keys of ours stand; of a list, the first member is looked at."""
    if isinstance(value, list):
        for part in value[:1]:
            yield from objects(part, (*path, 0))
    elif isinstance(value, dict):
        if path[-1:] not in {("files",), ("metadata",), ("upgraded",), ("exempt",), ("programs",)}:
            yield path
        for key, part in value.items():
            yield from objects(part, (*path, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(path: Path, value: object) -> dict[str, Any]:
    whole = copy.deepcopy(WHOLE)
    at(whole, path[:-1])[path[-1]] = value
    return whole


OBJECTS = list(objects(WHOLE))
LATER = {
    "s3c": {"settings", "gate_changes"},
    "remaining": {"mirror"},
    "scanner_version": {
        "gated",
        "overridden",
        "outdated",
        "missing",
        "scope",
        "platforms",
        "proposed",
        "report_sha256",
    },
    "certificate": {"judged"},
    "patched": {"changes", "programs"},
    "unsigned_denied": {"pauses", "stages"},
    "refusals": {"exceptions", "forecast"},
    "static": {"commands"},
}
"""Keys that were added after the first documents of this version, by a key that only objects of that kind have."""


def later(keys: dict[str, Any]) -> set[str]:
    return {name for kind, names in LATER.items() if kind in keys for name in names}


def test_a_document_with_everything_is_accepted_by_both() -> None:
    SCHEMA.validate(WHOLE)
    assert accepted(WHOLE)
    assert len(OBJECTS) > 50


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_half_a_character_in_any_text_is_no_bug(path: Path) -> None:
    for key, value in at(WHOLE, path).items():
        if isinstance(value, str):
            accepted(changed((*path, key), "\ud800"))
    assert not accepted(changed(("images", 0, "digest"), "sha256:\ud800"))


@pytest.mark.parametrize("name", situations())
def test_what_is_written_is_read_and_written_the_same(name: str) -> None:
    for document in situations()[name]:
        text = result.render_document(document)
        SCHEMA.validate(json.loads(text))
        assert result.render_document(artifact.decode_result(text.encode())) == text


@pytest.mark.slow
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: ".".join(map(str, path)))
def test_each_key_is_needed_and_no_other_is_known(path: Path) -> None:
    keys = at(WHOLE, path)
    for key in keys:
        whole = copy.deepcopy(WHOLE)
        del at(whole, path)[key]
        assert accepted(whole) == (key in later(keys)), key
        whole = copy.deepcopy(WHOLE)
        at(whole, path)[key] = {"another": ["kind"]}
        assert not accepted(whole), key
    assert not accepted(changed((*path, "another"), "x"))


IMAGE: Path = ("images", 0)
SCAN: Path = (*IMAGE, "scan")
FINDING: Path = (*SCAN, "refused", 0)
MIRROR: Path = (*IMAGE, "mirror")
HEX = "0" * 63
LIMITS: list[tuple[Path, Sequence[object]]] = [
    (("version",), [0, 2, "1", True]),
    (("command",), ["", "rm", "Scan"]),
    (("verdict",), ["", "fine", "PASSED"]),
    (("exit_code",), [-1, 5, True]),
    (("error", "exit_code"), [0, 5]),
    (("seconds",), [-0.1, "1", True]),
    (("settings", 0, "sha256"), ["x", HEX, HEX + "00", HEX + "G"]),
    (("gate_changes", 0, "target_sha256"), ["x", HEX]),
    (("gate_changes", 0, "head_sha256"), ["x", HEX]),
    (("gate_changes", 0, "used"), ["", "base"]),
    (("files",), [{"a": 1}, ["a"]]),
    ((*IMAGE, "digest"), ["x", "sha1:00", "sha256:", "sha256:XY", "](javascript:"]),
    ((*IMAGE, "verdict"), ["<b>fine</b>"]),
    ((*IMAGE, "findings", "critical"), [-1, 1.5, "1", True]),
    ((*IMAGE, "findings", "high"), [-1]),
    ((*IMAGE, "findings", "medium"), [-1]),
    ((*IMAGE, "findings", "low"), [-1]),
    ((*IMAGE, "findings", "unknown"), [-1]),
    ((*IMAGE, "findings", "total"), [-1]),
    ((*IMAGE, "findings", "fixable"), [-1]),
    ((*IMAGE, "base", "left"), [-1]),
    ((*SCAN, "set_aside"), [-1]),
    ((*SCAN, "difference", "left"), [-1]),
    ((*SCAN, "contents", 0, "kind"), ["", "file"]),
    ((*SCAN, "proposed", "verdict"), ["", "fine"]),
    ((*SCAN, "proposed", "refused"), [-1]),
    ((*SCAN, "seconds"), [-1]),
    ((*SCAN, "platforms", 0, "seconds"), [-1]),
    ((*FINDING, "kind"), ["", "other"]),
    ((*FINDING, "severity"), ["", "high", "NONE"]),
    ((*FINDING, "line"), [-1]),
    ((*IMAGE, "remaining", 0, "line"), [-1]),
    ((*IMAGE, "patch", "original"), ["x", "x@sha256:"]),
    ((*IMAGE, "patch", "reference"), ["x", "x@sha1:0"]),
    ((*IMAGE, "patch", "seconds"), [-1]),
    ((*IMAGE, "patch", "upgraded"), [{"a": None}]),
    ((*IMAGE, "patch", "vex"), [1, []]),
    ((*IMAGE, "sign", "reference"), ["x", "x@sha1:0"]),
    ((*IMAGE, "sign", "signature_digest"), ["x", "x sha256:00"]),
    ((*IMAGE, "sign", "signature_format"), ["", "pgp"]),
    ((*IMAGE, "sign", "metadata"), [{"a": 1}]),
    ((*IMAGE, "sign", "seconds"), [-1]),
    ((*IMAGE, "sign", "certificate", "thumbprint"), ["", HEX, HEX + "G"]),
    ((*IMAGE, "attach", "documents", 0, "kind"), ["", "html"]),
    ((*IMAGE, "verify", "reference"), ["x"]),
    ((*IMAGE, "verify", "signature_digest"), ["x"]),
    ((*IMAGE, "verify", "metadata"), [{"a": 1}]),
    ((*IMAGE, "verify", "seconds"), [-1]),
    ((*IMAGE, "admission", "verdict"), ["", "allowed"]),
    ((*MIRROR, "source"), ["", "x"]),
    ((*MIRROR, "reference"), ["", "x"]),
    ((*MIRROR, "replaced"), ["x"]),
    *(((*MIRROR, key), [-1]) for key in ("manifests", "blobs", "mounted", "found", "size", "referrers", "seconds")),
    (("deploy", "applied", 0, "action"), ["", "deleted"]),
    (("deploy", "gate", "exempt"), [{"a": 1}]),
    (("deploy", "seconds"), [-1]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "values"), LIMITS, ids=[".".join(map(str, path)) for path, _ in LIMITS])
def test_the_limits_of_each_field_hold_in_the_reader_and_in_the_schema(path: Path, values: Sequence[object]) -> None:
    for value in values:
        assert not accepted(changed(path, value)), value
        assert not SCHEMA.is_valid(changed(path, value)), value


def test_a_document_of_an_older_version_is_read_and_shown() -> None:
    older = copy.deepcopy(WHOLE)
    for path in reversed(OBJECTS):
        keys = at(older, path)
        for key in later(keys):
            del keys[key]
    assert SCHEMA.is_valid(older)
    read = artifact.decode_result(json.dumps(older).encode())
    assert comment.render([read]).startswith("### ")
    assert summary.render(read)
    assert json.loads(result.render_document(read)) == older
