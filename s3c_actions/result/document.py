"""`result.json`: everything a command did, for programs to read. Its shape is schemas/result-1.json.

Keys are only ever added within a version. Text in it is untrusted data, and secrets have been redacted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions import __version__
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.process import Secrets
from s3c_actions.core.startup import paused
from s3c_actions.findings.model import Finding, ScanReport
from s3c_actions.result import outputs
from s3c_actions.result.model import (
    Admission,
    AttachResult,
    Certificate,
    Comparison,
    DeployResult,
    ImageOutcome,
    Judgement,
    MirrorResult,
    Outcome,
    PatchResult,
    ScanResult,
    SignResult,
    VerifyResult,
)

VERSION = 1


def document(outcome: Outcome, now: datetime, secrets: Secrets, error: S3CError | None = None) -> dict[str, Any]:
    """The document as JSON values.

    Args:
        outcome: what was done.
        now: the time of the run, with its zone.
        secrets: replaced wherever they stand.
        error: what ended the command, when no single image is to blame.
    """
    if any(image.failure is error for image in outcome.images):
        error = None
    with paused():
        made = {
            "version": VERSION,
            "s3c": __version__,
            "command": outcome.command,
            "created": now.isoformat(timespec="seconds"),
            "verdict": outputs.verdict(outcome),
            "exit_code": outputs.exit_code(outcome),
            "error": _error(error),
            "seconds": round(outcome.seconds, 3),
            "files": _files(outcome.files),
            "settings": [{"kind": one.kind, "path": one.path, "sha256": one.sha256} for one in outcome.settings],
            "gate_changes": [msgspec.to_builtins(one) for one in outcome.gate_changes],
            "images": [_image(image) for image in outcome.images],
            "deploy": _deploy(outcome.deploy) if outcome.deploy else None,
        }
        return redacted(made, secrets) if _holds(made, secrets) else made


def text(document: Mapping[str, Any]) -> str:
    """The document's text: indented, except that what has no parts of its own is one line."""
    with paused():
        return "".join([*_pieces(document, ""), "\n"])


def _pieces(value: Any, indent: str) -> Iterator[str]:
    if _flat(value):
        yield _one_line(value)
        return
    deeper = f"{indent}  "
    if isinstance(value, Mapping):
        border = "{\n"
        for name, part in value.items():
            yield f"{border}{deeper}{_one_line(name)}: "
            yield from _pieces(part, deeper)
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


_NESTED = frozenset((dict, list))


def _flat(value: Any) -> bool:
    """Whether it has no parts that have parts."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return _NESTED.isdisjoint(map(type, parts)) or not any(part for part in parts if type(part) in _NESTED)


def _rows(value: list[Any], indent: str) -> str:
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


def _image(image: ImageOutcome) -> dict[str, Any]:
    scan = image.scan or (image.patch.before if image.patch else None)
    return {
        "image": image.image,
        "reference": image.reference,
        "digest": image.reference.rpartition("@")[2] if "@" in image.reference else "",
        "verdict": outputs.verdict(image),
        "error": _error(image.failure),
        "findings": _counts(image.final_report) if image.final_report else None,
        "remaining": _remaining(image),
        "set_aside": [
            _reasoned(finding, finding.suppressed)
            for finding in (image.final_report.suppressed if image.final_report else ())
        ],
        "base": _base(image.base) if image.base else None,
        "files": _files(outputs.files(image)),
        "scan": _scan(scan) if scan else None,
        "patch": _patch(image.patch) if image.patch else None,
        "rescan": _scan(image.patch.after) if image.patch and image.patch.after else None,
        "sign": {**_sign(image.sign), "judged": image.judged} if image.sign else None,
        "attach": _attach(image.attach) if image.attach else None,
        "judgement": _judgement(image.judgement) if image.judgement else None,
        "verify": _verify(image.verify) if image.verify else None,
        "admission": _admission(image.admission) if image.admission else None,
        "mirror": _mirror(image.mirror) if image.mirror else None,
    }


def _remaining(image: ImageOutcome) -> list[dict[str, Any]]:
    report = image.final_report
    if report is None:
        return []
    reasons = {left.finding.key: left.reason for left in image.patch.left} if image.patch else {}
    return [_reasoned(finding, reasons.get(finding.key, "") if reasons else "") for finding in report.findings]


def _base(base: Comparison) -> dict[str, Any]:
    change = base.difference
    return {
        "name": base.name,
        "new": [_finding(finding) for finding in change.new],
        "fixed": [_finding(finding) for finding in change.fixed],
        "left": len(change.left),
    }


def _scan(scan: ScanResult) -> dict[str, Any]:
    difference = scan.difference
    return {
        "reference": scan.reference,
        "platform": scan.report.platform,
        "os": scan.report.os,
        "os_end_of_life": scan.report.os_end_of_life,
        "created": scan.report.created,
        "scanner_version": scan.report.scanner_version,
        "database": scan.report.database,
        "findings": _counts(scan.shown or scan.report),
        "set_aside": len(scan.report.suppressed),
        "refused": [_finding(finding) for finding in scan.refused],
        "difference": None
        if difference is None
        else {
            "new": [_finding(finding) for finding in difference.new],
            "fixed": [_finding(finding) for finding in difference.fixed],
            "left": len(difference.left),
        },
        "reused": scan.reused,
        "gated": scan.gated,
        "blind": scan.blind,
        "overridden": scan.overridden,
        "outdated": scan.outdated,
        "missing": list(scan.missing),
        "scope": msgspec.to_builtins(scan.scope),
        "policy": scan.policy,
        "contents": [{"kind": one.kind, "by": one.by, "text": one.text} for one in scan.contents],
        "warnings": list(scan.warnings),
        "files": _files({**({} if scan.parts else {"json": scan.trivy_json}), **scan.files}),
        "platforms": [_scan(one) for one in scan.parts],
        "proposed": msgspec.to_builtins(scan.proposed),
        "seconds": round(scan.seconds, 3),
    }


def _patch(patch: PatchResult) -> dict[str, Any]:
    return {
        "original": patch.original,
        "reference": patch.reference,
        "tag": patch.tag,
        "patched": patch.patched,
        "skipped": patch.skipped,
        "reason": patch.reason,
        "before": _counts(patch.before.shown or patch.before.report),
        "after": _counts(patch.after.shown or patch.after.report) if patch.after else None,
        "fixed": [_finding(finding) for finding in patch.fixed],
        "left": [_reasoned(left.finding, left.reason) for left in patch.left],
        "new": [_finding(finding) for finding in patch.new],
        "upgraded": dict(patch.upgraded),
        "platforms": list(patch.platforms),
        "vex": str(patch.vex) if patch.vex else None,
        "seconds": round(patch.seconds, 3),
    }


def _sign(sign: SignResult) -> dict[str, Any]:
    return {
        "reference": sign.reference,
        "signature_digest": sign.signature_digest,
        "signature_format": sign.signature_format,
        "skipped": sign.skipped,
        "verified": sign.verified,
        "timestamped": sign.timestamped,
        "expires": sign.expires,
        "metadata": dict(sign.metadata),
        "certificate": _certificate(sign.certificate),
        "seconds": round(sign.seconds, 3),
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "thumbprint": certificate.thumbprint,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "days_left": certificate.days_left,
        "key": certificate.key,
        "self_signed": certificate.self_signed,
    }


def _attach(attach: AttachResult) -> dict[str, Any]:
    return {
        "reference": attach.reference,
        "documents": [
            {
                "kind": one.kind,
                "artifact_type": one.artifact_type,
                "digest": one.digest,
                "size": one.size,
                "created": one.created,
                "signature_digest": one.signature_digest,
                "skipped": one.skipped,
            }
            for one in attach.documents
        ],
        "platforms": [_attach(one) for one in attach.platforms],
        "pruned": list(attach.pruned),
        "skipped": attach.skipped,
        "seconds": round(attach.seconds, 3),
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "reference": judgement.reference,
        "policy": judgement.policy,
        "admitted": not judgement.refusals,
        "refusals": [{"code": one.code, "text": one.text} for one in judgement.refusals],
        "seconds": round(judgement.seconds, 3),
    }


def _verify(verify: VerifyResult) -> dict[str, Any]:
    return {
        "reference": verify.reference,
        "policy": verify.policy,
        "signature_digest": verify.signature_digest,
        "signer": verify.signer,
        "metadata": dict(verify.metadata),
        "seconds": round(verify.seconds, 3),
    }


def _mirror(mirror: MirrorResult) -> dict[str, Any]:
    return {
        "source": mirror.source,
        "reference": mirror.reference,
        "tag": mirror.tag,
        "replaced": mirror.replaced,
        "platforms": list(mirror.platforms),
        "skipped": mirror.skipped,
        "manifests": mirror.manifests,
        "blobs": mirror.blobs,
        "mounted": mirror.mounted,
        "found": mirror.found,
        "size": mirror.size,
        "referrers": mirror.referrers,
        "seconds": round(mirror.seconds, 3),
    }


def _admission(admission: Admission) -> dict[str, Any]:
    return {
        "image": admission.image,
        "reference": admission.reference,
        "verdict": admission.verdict,
        "places": list(admission.places),
        "reason": admission.reason,
        "remedy": admission.remedy,
        "trace": admission.trace,
        "constraint": admission.constraint,
    }


def _deploy(deploy: DeployResult) -> dict[str, Any]:
    return {
        "cluster": deploy.cluster,
        "manifests": [str(path) for path in deploy.manifests],
        "admissions": [_admission(one) for one in deploy.admissions],
        "gate": {
            "unsigned_denied": deploy.unsigned_denied,
            "denial": deploy.denial,
            "constraints": list(deploy.constraints),
            "exempt": dict(deploy.exempt),
        },
        "applied": [
            {"kind": one.kind, "namespace": one.namespace, "name": one.name, "action": one.action}
            for one in deploy.applied
        ],
        "unchanged": deploy.unchanged,
        "address": deploy.address,
        "warnings": list(deploy.warnings),
        "error": _error(deploy.failure),
        "seconds": round(deploy.seconds, 3),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "kind": str(finding.kind),
        "severity": finding.severity.name,
        "package": finding.package,
        "package_type": finding.package_type,
        "class": finding.result_class,
        "installed": finding.installed,
        "fixed_version": finding.fixed,
        "status": finding.status,
        "target": finding.target,
        "line": finding.line,
        "title": finding.title,
        "url": finding.url,
        "remedy": finding.remedy,
    }


def _reasoned(finding: Finding, reason: str) -> dict[str, Any]:
    made = _finding(finding)
    made["reason"] = reason
    return made


def _counts(report: ScanReport) -> dict[str, int]:
    counts = {severity.name.lower(): number for severity, number in report.counts.items()}
    return {**counts, "total": len(report.findings), "fixable": len(report.fixable)}


def _files(files: Mapping[str, Path]) -> dict[str, str]:
    return {form: str(path) for form, path in files.items()}


def _error(error: S3CError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "what": error.what,
        "cause": error.cause,
        "remedy": error.remedy,
        "image": error.image,
        "field": error.field if isinstance(error, InputError) else None,
        "original": error.original,
        "exit_code": int(error.exit_code),
    }


def _holds(made: Mapping[str, Any], secrets: Secrets) -> bool:
    """Whether a secret may stand somewhere in it: asked of the whole at once, for a large report seldom has one."""
    try:
        text = msgspec.json.encode(made)
        # JSON escapes each character by itself, so that what a text holds stands in its escaped form as well.
        return secrets.stand_in(lambda value: msgspec.json.encode(value)[1:-1] in text)
    except UnicodeEncodeError:  # a lone surrogate
        return True


def redacted(value: Any, secrets: Secrets) -> Any:
    """JSON values with every secret in their texts replaced."""
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, dict):
        return {key: redacted(part, secrets) for key, part in value.items()}
    return [redacted(part, secrets) for part in value] if isinstance(value, list) else value
