"""Build the document of `result.json` (`report.document`) from an outcome, and render its text.

Secrets are redacted in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from s3c_actions import __version__
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.startup import paused
from s3c_actions.findings.entry import NAMES, FindingEntry, ReasonedFinding, SeverityName, entry, reasoned
from s3c_actions.findings.identity import identify
from s3c_actions.findings.model import NOTHING_HIDDEN, Finding, ScanReport, count_by_severity
from s3c_actions.report import document as shape
from s3c_actions.report.document import ImageResult, ResultDocument, ScanEntry
from s3c_actions.result import outputs
from s3c_actions.result.comparison_entry import comparison_entry

if TYPE_CHECKING:
    from s3c_actions.core.secrets import Secrets
    from s3c_actions.findings.difference import Difference
    from s3c_actions.policy.break_glass import JudgedException
    from s3c_actions.result.base_advice import BaseAdvice, BaseOption
    from s3c_actions.result.model import (
        AttachResult,
        DeployResult,
        FindResult,
        ImageOutcome,
        Outcome,
        PatchResult,
        PolicyJudgement,
        ScanResult,
        SignResult,
        TraceResult,
    )
    from s3c_actions.result.smoke import SmokeResult

_EntryType = TypeVar("_EntryType", bound=shape.Entry)
_Document = TypeVar("_Document", bound=msgspec.Struct)


def build_document(outcome: Outcome, now: datetime, secrets: Secrets, error: S3CError | None = None) -> ResultDocument:
    """Build the document that describes what a command did.

    Args:
        outcome: of the command.
        now: the time of the run, with its zone.
        secrets: replaced wherever they occur.
        error: that ended the command, when it concerns no single image.
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
            error=_error_entry(error),
            seconds=round(outcome.seconds, 3),
            files=_file_paths(outcome.files),
            settings=tuple(_copy_fields(shape.SettingEntry, setting) for setting in outcome.settings),
            gate_changes=tuple(_copy_fields(shape.GateChangeEntry, change) for change in outcome.gate_changes),
            images=(*(_image_result(image) for image in outcome.images), *outcome.entries),
            deploy=_deploy_entry(outcome.deploy) if outcome.deploy else None,
            programs=UNSET
            if outcome.programs is None
            else tuple(_copy_fields(shape.ProgramEntry, program) for program in outcome.programs),
            checks=UNSET
            if outcome.checks is None
            else tuple(_copy_fields(shape.CheckEntry, check) for check in outcome.checks),
            plan=UNSET if outcome.fleet_plan is None else _copy_fields(shape.PlanEntry, outcome.fleet_plan),
            find=UNSET if outcome.find is None else _find_entry(outcome.find),
            preview=UNSET if outcome.preview is None else outcome.preview,
            diff=outcome.diff or UNSET,
            pull_request=outcome.pull_request or UNSET,
            comments=outcome.comments or UNSET,
        )
        return without_secrets(document, secrets)


def render_document(document: ResultDocument | Mapping[str, Any]) -> str:
    """Render the document as JSON: indented, except that a value without nested containers is one line."""
    with paused():
        return "".join([*_pieces(msgspec.to_builtins(document), ""), "\n"])


def _pieces(value: Any, indent: str) -> Iterator[str]:
    if _is_flat(value):
        yield _compact_json(value)
        return
    inner_indent = f"{indent}  "
    if isinstance(value, Mapping):
        separator = "{\n"
        for name, member in value.items():
            yield f"{separator}{inner_indent}{_compact_json(name)}: "
            yield from (_compact_json(member),) if name in _ONE_LINE_KEYS else _pieces(member, inner_indent)
            separator = ",\n"
        yield f"\n{indent}}}"
        return
    if rows := _rows(value, inner_indent):
        yield from ("[\n", inner_indent, rows, f"\n{indent}]")
        return
    separator = "[\n"
    for member in value:
        yield f"{separator}{inner_indent}"
        yield from _pieces(member, inner_indent)
        separator = ",\n"
    yield f"\n{indent}]"


_CONTAINERS = frozenset((dict, list, tuple))
_ONE_LINE_KEYS = frozenset({"scope"})
"""Keys whose value is one line although it is nested."""


def _is_flat(value: Any) -> bool:
    """Return whether none of its members has members."""
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return _CONTAINERS.isdisjoint(map(type, members)) or not any(
        member for member in members if type(member) in _CONTAINERS
    )


def _rows(value: Sequence[Any], indent: str) -> str:
    """Render a list of objects with the same first key, one a line, in a single call; empty for other lists."""
    first_key = next(iter(value[0]), "") if isinstance(value[0], dict) else ""
    if (
        not first_key.isidentifier()
        or set(map(type, value)) != {dict}
        or not _CONTAINERS.isdisjoint(map(type, chain.from_iterable(map(dict.values, value))))
        or any(next(iter(row), "") != first_key for row in value)
    ):
        return ""
    # Within a string a quote is escaped, and a quote that ends a string is not followed by a name: so this text occurs
    # between members only.
    boundary = f'}}, {{"{first_key}": '
    return _compact_json(value)[1:-1].replace(boundary, f'}},\n{indent}{{"{first_key}": ')


def _compact_json(value: Any) -> str:
    """Encode a value in ASCII only: control characters and bidirectional marks of untrusted text become escapes."""
    try:
        # A report may have tens of thousands of findings, and this needs half the time of json.dumps.
        text = msgspec.json.format(msgspec.json.encode(value), indent=0)
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value)
    return text.decode() if text.isascii() and b"\x7f" not in text else json.dumps(value)


def _copy_fields(kind: type[_EntryType], value: object, **others: Any) -> _EntryType:
    """Return an entry with the fields of the same names of a result, except those in `others`."""
    copied = (name for name in kind.__struct_fields__ if name not in others)
    return kind(**{name: getattr(value, name) for name in copied}, **others)


def _image_result(image: ImageOutcome) -> ImageResult:
    scan = image.scan or (image.patch.before if image.patch else None)
    report = image.final_report
    return ImageResult(
        image=image.image,
        reference=image.reference,
        digest=image.reference.rpartition("@")[2] if "@" in image.reference else "",
        verdict=outputs.outcome_verdict(image),
        error=_error_entry(image.failure),
        findings=_counts(report) if report else None,
        remaining=_remaining_findings(image),
        set_aside=tuple(reasoned(finding, finding.suppressed) for finding in (report.suppressed if report else ())),
        base=_copy_fields(shape.BaseEntry, image.base, **_changes(image.base.difference)) if image.base else None,
        files=_file_paths(outputs.report_files(image)),
        scan=_scan_entry(scan) if scan else None,
        patch=_patch_entry(image.patch) if image.patch else None,
        rescan=_scan_entry(image.patch.after) if image.patch and image.patch.after else None,
        sign=_sign_entry(image.sign, judged=image.judged) if image.sign else None,
        attach=_attach_entry(image.attach) if image.attach else None,
        judgement=_judgement_entry(image.judgement) if image.judgement else None,
        verify=_copy_fields(
            shape.VerifyEntry,
            image.verify,
            metadata=dict(image.verify.metadata),
            seconds=round(image.verify.seconds, 3),
        )
        if image.verify
        else None,
        admission=_copy_fields(shape.AdmissionEntry, image.admission) if image.admission else None,
        mirror=_copy_fields(shape.MirrorEntry, image.mirror, seconds=round(image.mirror.seconds, 3))
        if image.mirror
        else None,
        trace=_trace_entry(image.trace) if image.trace else UNSET,
        smoke=_smoke_entry(smoke) if (smoke := image.compared) else UNSET,
        base_image=_base_image_entry(report) if report is not None and report.base_image is not None else UNSET,
        base_advice=base_advice_entry(image.base_advice) if image.base_advice is not None else UNSET,
    )


def _smoke_entry(smoke: SmokeResult) -> shape.SmokeEntry:
    return _copy_fields(
        shape.SmokeEntry,
        smoke,
        verdict=cast("Any", smoke.verdict.value),
        platforms=tuple(
            _copy_fields(
                shape.PlatformSmokeEntry,
                platform,
                verdict=cast("Any", platform.verdict.value),
                seconds=round(platform.seconds, 3),
            )
            for platform in smoke.platforms
        ),
        seconds=round(smoke.seconds, 3),
    )


def base_advice_entry(advice: BaseAdvice) -> shape.BaseAdviceEntry:
    """Return the entry of `result.json` of what other tags of a base would change."""

    def entry(option: BaseOption) -> shape.BaseOptionEntry:
        counts = option.counts
        named = UNSET if counts is None else {NAMES[severity]: number for severity, number in counts.items() if number}
        return _copy_fields(shape.BaseOptionEntry, option, change=cast("Any", option.change), findings=named)

    return _copy_fields(
        shape.BaseAdviceEntry,
        advice,
        current=entry(advice.current),
        options=tuple(entry(option) for option in advice.options),
    )


def _base_image_entry(report: ScanReport) -> shape.BaseImageEntry:
    def counts(findings: Iterable[Finding]) -> dict[SeverityName, int]:
        return {NAMES[severity]: number for severity, number in count_by_severity(findings).items() if number}

    return _copy_fields(
        shape.BaseImageEntry, report.base_image, own=counts(report.own), inherited=counts(report.inherited or ())
    )


def _trace_entry(trace: TraceResult) -> shape.TraceEntry:
    judgement = trace.story.judgement
    return _copy_fields(shape.TraceEntry, judgement, verdict=cast("Any", judgement.verdict.value))


def _remaining_findings(image: ImageOutcome) -> tuple[ReasonedFinding, ...]:
    report = image.final_report
    if report is None:
        return ()
    reasons = {identify(left.finding): left.reason for left in image.patch.left} if image.patch else {}
    return tuple(
        reasoned(finding, reasons.get(identify(finding), "") if reasons else "") for finding in report.findings
    )


def _changes(difference: Difference) -> dict[str, Any]:
    return {
        "new": _finding_entries(difference.new),
        "fixed": _finding_entries(difference.fixed),
        "left": len(difference.left),
    }


def _scan_entry(scan: ScanResult) -> ScanEntry:
    report, scope = scan.report, scan.scope
    return ScanEntry(
        reference=scan.reference,
        platform=report.platform,
        os=report.os,
        os_end_of_life=report.os_end_of_life,
        created=report.created,
        scanner_version=report.scanner_version,
        database=report.database,
        exploitation_data=UNSET
        if report.exploitation_data is None
        else _copy_fields(shape.ExploitationEntry, report.exploitation_data),
        findings=_counts(scan.shown),
        set_aside=len(report.suppressed),
        refused=_finding_entries(scan.refused),
        difference=shape.Changes(**_changes(scan.difference)) if scan.difference is not None else None,
        reused=scan.reused,
        gated=scan.gated,
        blind=scan.blind,
        overridden=scan.overridden,
        outdated=scan.outdated,
        missing=scan.missing,
        scope=_copy_fields(
            shape.ScopeEntry, scope, files=tuple(_copy_fields(shape.ScopeFile, file) for file in scope.files)
        ),
        policy=scan.policy,
        contents=tuple(_copy_fields(shape.ContentEntry, content) for content in scan.contents),
        warnings=scan.warnings,
        files=_file_paths({**({} if scan.parts else {"json": scan.trivy_json}), **scan.files}),
        report_sha256=scan.report_sha256,
        platforms=tuple(_scan_entry(part) for part in scan.parts),
        proposed=_copy_fields(shape.ProposedEntry, scan.proposed) if scan.proposed is not None else None,
        seconds=round(scan.seconds, 3),
    )


def _patch_entry(patch: PatchResult) -> shape.PatchEntry:
    return _copy_fields(
        shape.PatchEntry,
        patch,
        before=_counts(patch.before.shown),
        after=_counts(patch.after.shown) if patch.after else None,
        fixed=tuple(entry(finding, published=True) for finding in patch.fixed),
        left=tuple(reasoned(left.finding, left.reason) for left in patch.left),
        new=_finding_entries(patch.new),
        upgraded=dict(patch.upgraded),
        programs=dict(patch.programs),
        vex=str(patch.vex) if patch.vex else None,
        seconds=round(patch.seconds, 3),
        changes=comparison_entry(patch.changes) if patch.changes is not None else None,
    )


def _sign_entry(sign: SignResult, *, judged: bool) -> shape.SignEntry:
    return _copy_fields(
        shape.SignEntry,
        sign,
        metadata=dict(sign.metadata),
        certificate=_copy_fields(shape.CertificateEntry, sign.certificate),
        seconds=round(sign.seconds, 3),
        judged=judged,
    )


def _attach_entry(attach: AttachResult) -> shape.AttachEntry:
    return _copy_fields(
        shape.AttachEntry,
        attach,
        documents=tuple(_copy_fields(shape.AttachedEntry, document) for document in attach.documents),
        platforms=tuple(_attach_entry(platform) for platform in attach.platforms),
        seconds=round(attach.seconds, 3),
    )


def _judgement_entry(judgement: PolicyJudgement) -> shape.JudgementEntry:
    return _copy_fields(
        shape.JudgementEntry,
        judgement,
        admitted=not judgement.refusals,
        refusals=tuple(_copy_fields(shape.RefusalEntry, refusal) for refusal in judgement.refusals),
        forecast=tuple(
            shape.ForecastEntry(
                at=format_moment(change.at),
                refusals=tuple(_copy_fields(shape.RefusalEntry, objection) for objection in change.objections),
            )
            for change in judgement.forecast
        ),
        exceptions=tuple(_exception_entry(exception) for exception in judgement.exceptions),
        seconds=round(judgement.seconds, 3),
    )


def _exception_entry(exception: JudgedException) -> shape.ExceptionEntry:
    grant = exception.grant
    return shape.ExceptionEntry(
        digest=exception.digest,
        findings=grant.findings if grant is not None else (),
        who=grant.who if grant is not None else "",
        why=grant.why if grant is not None else "",
        created=format_moment(grant.created) if grant is not None else "",
        until=format_moment(grant.until) if grant is not None else "",
        granter=exception.granter,
        ignored=exception.ignored,
    )


def _deploy_entry(deploy: DeployResult) -> shape.DeployEntry:
    return _copy_fields(
        shape.DeployEntry,
        deploy,
        manifests=tuple(str(path) for path in deploy.manifests),
        admissions=tuple(_copy_fields(shape.AdmissionEntry, admission) for admission in deploy.admissions),
        gate=_copy_fields(
            shape.GateEntry,
            deploy,
            exempt=dict(deploy.exempt),
            pauses=tuple(_copy_fields(shape.PauseEntry, pause) for pause in deploy.pauses),
            stages={namespace: stage.value for namespace, stage in deploy.stages.items()},
        ),
        applied=tuple(_copy_fields(shape.AppliedEntry, applied) for applied in deploy.applied),
        error=_error_entry(deploy.failure),
        seconds=round(deploy.seconds, 3),
    )


def _find_entry(find: FindResult) -> shape.FindEntry:
    return shape.FindEntry(
        query=find.query,
        images=find.images,
        complete=find.complete,
        matches=tuple(_copy_fields(shape.MatchEntry, match) for match in find.matches),
        unanswered=tuple(_copy_fields(shape.UnansweredEntry, image) for image in find.unanswered),
        index=find.index,
    )


def _finding_entries(findings: Iterable[Finding]) -> tuple[FindingEntry, ...]:
    return tuple(entry(finding) for finding in findings)


def _counts(report: ScanReport) -> shape.Counts:
    counts = {severity.name.lower(): count for severity, count in report.counts.items()}
    hidden: shape.HiddenEntry | UnsetType = UNSET
    if report.hidden != NOTHING_HIDDEN:
        hidden = shape.HiddenEntry(
            filtered={NAMES[severity]: number for severity, number in report.hidden.filtered.items()},
            unfixed={NAMES[severity]: number for severity, number in report.hidden.unfixed.items()},
            fixable=report.hidden.fixable,
            uncounted=tuple(NAMES[severity] for severity in report.hidden.uncounted),
            exploited=report.hidden.exploited or UNSET,
        )
    exploited = report.total_exploited
    return shape.Counts(
        **counts,
        total=report.total,
        fixable=report.total_fixable,
        exploited=UNSET if exploited is None else exploited,
        hidden=hidden,
    )


def _file_paths(files: Mapping[str, Path]) -> dict[str, str]:
    return {form: str(path) for form, path in files.items()}


def _error_entry(error: S3CError | None) -> shape.ErrorEntry | None:
    if error is None:
        return None
    return _copy_fields(
        shape.ErrorEntry,
        error,
        field=error.field if isinstance(error, InputError) else None,
        exit_code=int(error.exit_code),
    )


def without_secrets(document: _Document, secrets: Secrets) -> _Document:
    """Return a document with every secret in its texts replaced."""
    return cast("_Document", redacted(document, secrets)) if _may_contain_secret(document, secrets) else document


def _may_contain_secret(document: object, secrets: Secrets) -> bool:
    """Return whether it may contain a secret; the whole is checked at once, since a large report rarely has one."""
    try:
        text = msgspec.json.encode(document)
        # JSON escapes each character separately, so a part of a text is also a part of its escaped form.
        return secrets.occur_in(lambda value: msgspec.json.encode(value)[1:-1] in text)
    except UnicodeEncodeError:  # a lone surrogate
        return True


def redacted(value: Any, secrets: Secrets) -> Any:
    """Return a document, or a part of it, with every secret in its texts replaced."""
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: redacted(getattr(value, name), secrets) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {key: redacted(part, secrets) for key, part in value.items()}
    return type(value)(redacted(part, secrets) for part in value) if isinstance(value, (list, tuple)) else value
