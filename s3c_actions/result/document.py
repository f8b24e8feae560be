"""What a command did, as the document that `result.json` is (`report.document`), and its text.

Secrets have been redacted in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from s3c_actions import __version__
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.process import Secrets
from s3c_actions.core.startup import paused
from s3c_actions.findings.difference import Difference
from s3c_actions.findings.entry import FindingEntry, ReasonedFinding, entry, reasoned
from s3c_actions.findings.model import Finding, ScanReport
from s3c_actions.report import document as shape
from s3c_actions.report.document import ImageResult, ResultDocument, ScanEntry
from s3c_actions.result import outputs
from s3c_actions.result.model import (
    AttachResult,
    DeployResult,
    ImageOutcome,
    Outcome,
    PatchResult,
    PolicyJudgement,
    ScanResult,
    SignResult,
)

_E = TypeVar("_E", bound=shape.Entry)


def build_document(outcome: Outcome, now: datetime, secrets: Secrets, error: S3CError | None = None) -> ResultDocument:
    """The document of what a command did.

    Args:
        outcome: what was done.
        now: the time of the run, with its zone.
        secrets: replaced wherever they stand.
        error: what ended the command, when no single image is to blame.
    """
    if any(image.failure is error for image in outcome.images):
        error = None
    with paused():
        document = ResultDocument(
            version=1,
            s3c=__version__,
            command=cast("shape.CommandName", outcome.command),
            created=now.isoformat(timespec="seconds"),
            verdict=outputs.outcome_verdict(outcome),
            exit_code=outputs.exit_code(outcome),
            error=_error(error),
            seconds=round(outcome.seconds, 3),
            files=_files(outcome.files),
            settings=tuple(_copied(shape.SettingEntry, setting) for setting in outcome.settings),
            gate_changes=tuple(_copied(shape.GateChangeEntry, change) for change in outcome.gate_changes),
            images=tuple(_image(image) for image in outcome.images),
            deploy=_deploy(outcome.deploy) if outcome.deploy else None,
        )
        return redacted(document, secrets) if _holds(document, secrets) else document


def render_document(document: ResultDocument | Mapping[str, Any]) -> str:
    """The document's text: indented, except that what has no parts of its own is one line."""
    with paused():
        return "".join([*_pieces(msgspec.to_builtins(document), ""), "\n"])


def _pieces(value: Any, indent: str) -> Iterator[str]:
    if _flat(value):
        yield _one_line(value)
        return
    deeper = f"{indent}  "
    if isinstance(value, Mapping):
        border = "{\n"
        for name, part in value.items():
            yield f"{border}{deeper}{_one_line(name)}: "
            yield from (_one_line(part),) if name in _LINES else _pieces(part, deeper)
            border = ",\n"
        yield f"\n{indent}}}"
        return
    if rows := _rows(value, deeper):
        yield from ("[\n", deeper, rows, f"\n{indent}]")
        return
    border = "[\n"
    for part in value:
        yield f"{border}{deeper}"
        yield from _pieces(part, deeper)
        border = ",\n"
    yield f"\n{indent}]"


_NESTED = frozenset((dict, list, tuple))
_LINES = frozenset({"scope"})
"""What is one line although it has parts."""


def _flat(value: Any) -> bool:
    """Whether it has no parts that have parts."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return _NESTED.isdisjoint(map(type, parts)) or not any(part for part in parts if type(part) in _NESTED)


def _rows(value: Sequence[Any], indent: str) -> str:
    """The members of a list of like objects, one a line, by one call for all of them; empty for other lists."""
    first = next(iter(value[0]), "") if isinstance(value[0], dict) else ""
    if (
        not first.isidentifier()
        or set(map(type, value)) != {dict}
        or not _NESTED.isdisjoint(map(type, chain.from_iterable(map(dict.values, value))))
        or any(next(iter(one), "") != first for one in value)
    ):
        return ""
    # In a string a quote has a backslash, and after one that ends a string no name follows: this stands between
    # members and nowhere else.
    between = f'}}, {{"{first}": '
    return _one_line(value)[1:-1].replace(between, f'}},\n{indent}{{"{first}": ')


def _one_line(value: Any) -> str:
    """The value in ASCII alone: controls and bidirectional marks of untrusted text come out as escapes."""
    try:
        # A report may have tens of thousands of findings, and this takes half the time of json.dumps.
        text = msgspec.json.format(msgspec.json.encode(value), indent=0)
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value)
    return text.decode() if text.isascii() and b"\x7f" not in text else json.dumps(value)


def _copied(kind: type[_E], value: object, **others: Any) -> _E:
    """The entry whose fields are a result's of the same names, but for those that are given."""
    same = (name for name in kind.__struct_fields__ if name not in others)
    return kind(**{name: getattr(value, name) for name in same}, **others)


def _image(image: ImageOutcome) -> ImageResult:
    scan = image.scan or (image.patch.before if image.patch else None)
    report = image.final_report
    return ImageResult(
        image=image.image,
        reference=image.reference,
        digest=image.reference.rpartition("@")[2] if "@" in image.reference else "",
        verdict=outputs.outcome_verdict(image),
        error=_error(image.failure),
        findings=_counts(report) if report else None,
        remaining=_remaining(image),
        set_aside=tuple(reasoned(finding, finding.suppressed) for finding in (report.suppressed if report else ())),
        base=_copied(shape.BaseEntry, image.base, **_changes(image.base.difference)) if image.base else None,
        files=_files(outputs.report_files(image)),
        scan=_scan(scan) if scan else None,
        patch=_patch(image.patch) if image.patch else None,
        rescan=_scan(image.patch.after) if image.patch and image.patch.after else None,
        sign=_sign(image.sign, judged=image.judged) if image.sign else None,
        attach=_attach(image.attach) if image.attach else None,
        judgement=_judgement(image.judgement) if image.judgement else None,
        verify=_copied(
            shape.VerifyEntry,
            image.verify,
            metadata=dict(image.verify.metadata),
            seconds=round(image.verify.seconds, 3),
        )
        if image.verify
        else None,
        admission=_copied(shape.AdmissionEntry, image.admission) if image.admission else None,
        mirror=_copied(shape.MirrorEntry, image.mirror, seconds=round(image.mirror.seconds, 3))
        if image.mirror
        else None,
    )


def _remaining(image: ImageOutcome) -> tuple[ReasonedFinding, ...]:
    report = image.final_report
    if report is None:
        return ()
    reasons = {left.finding.key: left.reason for left in image.patch.left} if image.patch else {}
    return tuple(reasoned(finding, reasons.get(finding.key, "") if reasons else "") for finding in report.findings)


def _changes(difference: Difference) -> dict[str, Any]:
    return {"new": _entries(difference.new), "fixed": _entries(difference.fixed), "left": len(difference.left)}


def _scan(scan: ScanResult) -> ScanEntry:
    report, scope = scan.report, scan.scope
    return ScanEntry(
        reference=scan.reference,
        platform=report.platform,
        os=report.os,
        os_end_of_life=report.os_end_of_life,
        created=report.created,
        scanner_version=report.scanner_version,
        database=report.database,
        findings=_counts(scan.shown or report),
        set_aside=len(report.suppressed),
        refused=_entries(scan.refused),
        difference=shape.Changes(**_changes(scan.difference)) if scan.difference is not None else None,
        reused=scan.reused,
        gated=scan.gated,
        blind=scan.blind,
        overridden=scan.overridden,
        outdated=scan.outdated,
        missing=scan.missing,
        scope=_copied(shape.ScopeEntry, scope, files=tuple(_copied(shape.ScopeFile, one) for one in scope.files)),
        policy=scan.policy,
        contents=tuple(_copied(shape.ContentEntry, content) for content in scan.contents),
        warnings=scan.warnings,
        files=_files({**({} if scan.parts else {"json": scan.trivy_json}), **scan.files}),
        platforms=tuple(_scan(part) for part in scan.parts),
        proposed=_copied(shape.ProposedEntry, scan.proposed) if scan.proposed is not None else None,
        seconds=round(scan.seconds, 3),
    )


def _patch(patch: PatchResult) -> shape.PatchEntry:
    return _copied(
        shape.PatchEntry,
        patch,
        before=_counts(patch.before.shown or patch.before.report),
        after=_counts(patch.after.shown or patch.after.report) if patch.after else None,
        fixed=_entries(patch.fixed),
        left=tuple(reasoned(left.finding, left.reason) for left in patch.left),
        new=_entries(patch.new),
        upgraded=dict(patch.upgraded),
        vex=str(patch.vex) if patch.vex else None,
        seconds=round(patch.seconds, 3),
    )


def _sign(sign: SignResult, *, judged: bool) -> shape.SignEntry:
    return _copied(
        shape.SignEntry,
        sign,
        metadata=dict(sign.metadata),
        certificate=_copied(shape.CertificateEntry, sign.certificate),
        seconds=round(sign.seconds, 3),
        judged=judged,
    )


def _attach(attach: AttachResult) -> shape.AttachEntry:
    return _copied(
        shape.AttachEntry,
        attach,
        documents=tuple(_copied(shape.AttachedEntry, document) for document in attach.documents),
        platforms=tuple(_attach(platform) for platform in attach.platforms),
        seconds=round(attach.seconds, 3),
    )


def _judgement(judgement: PolicyJudgement) -> shape.JudgementEntry:
    return _copied(
        shape.JudgementEntry,
        judgement,
        admitted=not judgement.refusals,
        refusals=tuple(_copied(shape.RefusalEntry, refusal) for refusal in judgement.refusals),
        seconds=round(judgement.seconds, 3),
    )


def _deploy(deploy: DeployResult) -> shape.DeployEntry:
    return _copied(
        shape.DeployEntry,
        deploy,
        manifests=tuple(str(path) for path in deploy.manifests),
        admissions=tuple(_copied(shape.AdmissionEntry, admission) for admission in deploy.admissions),
        gate=_copied(shape.GateEntry, deploy, exempt=dict(deploy.exempt)),
        applied=tuple(_copied(shape.AppliedEntry, applied) for applied in deploy.applied),
        error=_error(deploy.failure),
        seconds=round(deploy.seconds, 3),
    )


def _entries(findings: Iterable[Finding]) -> tuple[FindingEntry, ...]:
    return tuple(entry(finding) for finding in findings)


def _counts(report: ScanReport) -> shape.Counts:
    counts = {severity.name.lower(): number for severity, number in report.counts.items()}
    return shape.Counts(**counts, total=len(report.findings), fixable=len(report.fixable))


def _files(files: Mapping[str, Path]) -> dict[str, str]:
    return {form: str(path) for form, path in files.items()}


def _error(error: S3CError | None) -> shape.ErrorEntry | None:
    if error is None:
        return None
    return _copied(
        shape.ErrorEntry,
        error,
        field=error.field if isinstance(error, InputError) else None,
        exit_code=int(error.exit_code),
    )


def _holds(document: object, secrets: Secrets) -> bool:
    """Whether a secret may stand somewhere in it: asked of the whole at once, for a large report seldom has one."""
    try:
        text = msgspec.json.encode(document)
        # JSON escapes each character by itself, so that what a text holds stands in its escaped form as well.
        return secrets.stand_in(lambda value: msgspec.json.encode(value)[1:-1] in text)
    except UnicodeEncodeError:  # a lone surrogate
        return True


def redacted(value: Any, secrets: Secrets) -> Any:
    """A document, or a part of it, with every secret in its texts replaced."""
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: redacted(getattr(value, name), secrets) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {key: redacted(part, secrets) for key, part in value.items()}
    return type(value)(redacted(part, secrets) for part in value) if isinstance(value, (list, tuple)) else value
