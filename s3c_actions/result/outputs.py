"""Outputs: one declaration defines the action's output, its README row and the value that is set.

For one image an output is its plain value; for several it is a JSON list with a value for each image, in their order.
An unknown value is an empty string, never 0 or false.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict

from s3c_actions.findings.model import ScanReport, Severity
from s3c_actions.result.model import ImageOutcome, Outcome

if TYPE_CHECKING:
    from s3c_actions.report.document import Verdict

OutputValue = str | int | bool | Path | None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One output of an action.

    Attributes:
        name: kebab-case.
        help: one sentence for users.
        commands: the commands that set it.
        of: the value for one image; None when it is not known.
        of_all: the value for the whole run, of an output that is not one image's.
    """

    name: str
    help: str
    commands: tuple[str, ...]
    of: Callable[[ImageOutcome], OutputValue] | None = None
    of_all: Callable[[Outcome], OutputValue] | None = None


def outcome_verdict(outcome: ImageOutcome | Outcome) -> Verdict:
    """Return `passed`, `refused` (by the policy) or `failed` (because of an error)."""
    code = exit_code(outcome) if isinstance(outcome, Outcome) else _failure_code(outcome)
    if code == 0:
        return "passed"
    return "refused" if code == 1 else "failed"


def exit_code(outcome: Outcome) -> int:
    """Return the exit code of the process: the highest of all refusals and failures."""
    return max(outcome.exit_code, *(_failure_code(image) for image in outcome.images), 0)


def passed_references(outcome: Outcome) -> tuple[str, ...]:
    """Return the references, by digest, of the images that passed: the input of a next step."""
    return tuple(image.reference for image in outcome.images if image.failure is None and image.reference)


def output_values(outcome: Outcome, result: Path | None = None, summary: Path | None = None) -> dict[str, str]:
    """Return every output of the outcome's command, as text.

    Args:
        outcome: of the command.
        result: path of result.json.
        summary: path of summary.md.
    """
    set_by_shell: dict[str, OutputValue] = {"result": result, "summary": summary}
    values: dict[str, str] = {}
    for output in command_outputs(outcome.command):
        if output.of is not None:
            image_values = [output.of(image) for image in outcome.images]
            values[output.name] = (
                _text(image_values[0])
                if len(image_values) == 1
                else json.dumps([_json_value(value) for value in image_values])
            )
            if not image_values:
                values[output.name] = ""
        elif output.of_all is not None:
            values[output.name] = _text(output.of_all(outcome))
        elif output.name in set_by_shell:
            values[output.name] = _text(set_by_shell[output.name])
    return values


def command_outputs(command: str) -> tuple[Output, ...]:
    """Return the outputs that a command sets, in README order."""
    return tuple(output for output in OUTPUTS if command in output.commands)


def _failure_code(image: ImageOutcome) -> int:
    return int(image.failure.exit_code) if image.failure is not None else 0


def _text(value: OutputValue) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_value(value: OutputValue) -> str | int | bool | None:
    return str(value) if isinstance(value, Path) else value


def _report(image: ImageOutcome) -> ScanReport | None:
    return image.final_report


def _patched_image(image: ImageOutcome) -> OutputValue:
    if image.patch is None:
        return None
    if not image.patch.patched:
        return image.image
    return f"{image.patch.reference.rpartition('@')[0]}:{image.patch.tag}"


def _severity_count(severity: Severity) -> Callable[[ImageOutcome], OutputValue]:
    def count(image: ImageOutcome) -> OutputValue:
        report = image.final_report
        return None if report is None else report.counts[severity]

    return count


def _file_output(form: str) -> Callable[[ImageOutcome], OutputValue]:
    return lambda image: "\n".join(map(str, report_paths(image, form))) or None


def report_paths(image: ImageOutcome, form: str) -> tuple[Path, ...]:
    """Return the reports of one format for the resulting image: of each platform, when there is none of the whole."""
    image_path = report_files(image).get(form)
    if image_path is not None:
        return (image_path,)
    parts = image.last_scan.parts if image.last_scan is not None else ()
    paths = ({"json": scan.trivy_json, **scan.files}.get(form) for scan in parts)
    return tuple(path for path in paths if path is not None)


def report_files(image: ImageOutcome) -> Mapping[str, Path]:
    """Return the report files for the whole resulting image, format → path."""
    trace_files = image.trace.files if image.trace is not None else {}
    last = image.last_scan
    if last is None:
        return trace_files
    return {**({} if last.parts else {"json": last.trivy_json}), **last.files, **trace_files}


def sarif_reports(image: ImageOutcome) -> tuple[Path, ...]:
    """Return the SARIF reports for the resulting image, one for each platform."""
    last = image.last_scan
    scans = (last.parts or (last,)) if last is not None else ()
    return tuple(scan.files["sarif"] for scan in scans if "sarif" in scan.files)


def is_skipped(image: ImageOutcome) -> bool | None:
    """Return whether nothing was pushed because nothing had to be; None when the command never pushes."""
    skipped = [step.skipped for step in (image.patch, image.sign, image.attach, image.mirror) if step is not None]
    return all(skipped) if skipped else None


_SCANNING = ("chain", "scan", "report", "patch", "attach", "refresh")
_ALL = (
    "chain",
    "scan",
    "report",
    "patch",
    "smoke",
    "sign",
    "attach",
    "verify",
    "trace",
    "deploy",
    "policy",
    "gate",
    "mirror",
    "refresh",
    "fleet plan",
    "fleet run",
)
_WHOLE = (*_ALL, "fleet report")
"""Commands that have a result, also those that are about no single image."""
_PATCHING = ("chain", "patch", "fleet run")
_ATTACHING = ("chain", "sign", "attach", "refresh", "fleet run")
_SIGNING = ("chain", "sign", "fleet run")
_DEPLOYING = ("chain", "deploy")
_ADMITTING = ("chain", "deploy", "gate")

OUTPUTS: tuple[Output, ...] = (
    Output(
        name="verdict",
        help="`passed`, `refused` (the policy said no) or `failed`, over all images.",
        commands=_WHOLE,
        of_all=outcome_verdict,
    ),
    Output(
        name="references",
        help="The images that passed, as `registry/repository@digest`, one a line: the `image` of the next action.",
        commands=_ALL,
        of_all=lambda outcome: "\n".join(passed_references(outcome)),
    ),
    Output(
        name="reference",
        help="The image as `registry/repository@digest`; after a patch, the patched one.",
        commands=_ALL,
        of=lambda image: image.reference or None,
    ),
    Output(
        name="digest",
        help="The digest alone, `sha256:…`.",
        commands=_ALL,
        of=lambda image: image.reference.rpartition("@")[2] if "@" in image.reference else None,
    ),
    *(
        Output(
            name=severity.name.lower(),
            help=f"How many findings of severity {severity.name} are left; empty when they are not shown or not known."
            if severity is not Severity.UNKNOWN
            else "How many findings of unknown severity are left; empty when they are not shown or not known.",
            commands=_SCANNING,
            of=_severity_count(severity),
        )
        for severity in sorted(Severity, reverse=True)
    ),
    Output(
        name="total",
        help="How many findings are left, of those shown; empty when none is shown and there are, or may be, others.",
        commands=_SCANNING,
        of=lambda image: report.total if (report := _report(image)) else None,
    ),
    Output(
        name="fixable",
        help="How many of them have a fix; empty as `total` is.",
        commands=_SCANNING,
        of=lambda image: report.total_fixable if (report := _report(image)) else None,
    ),
    Output(
        name="exploited",
        help="How many findings, shown or not, are known to be exploited (KEV); empty where that was not looked up.",
        commands=_SCANNING,
        of=lambda image: report.total_exploited if (report := _report(image)) else None,
    ),
    Output(
        name="findings-own",
        help="How many of them did not come with the base image; all of them where the base is not known.",
        commands=_SCANNING,
        of=lambda image: report.total_own if (report := _report(image)) else None,
    ),
    Output(
        name="findings-base",
        help="How many of them came with the base image; empty where it is not known (see `base-image`).",
        commands=_SCANNING,
        of=lambda image: report.total_inherited if (report := _report(image)) else None,
    ),
    Output(
        name="new",
        help="How many findings are new against the baseline; empty without one.",
        commands=_SCANNING,
        of=lambda image: len(image.base.difference.new) if image.base else None,
    ),
    Output(
        name="patched",
        help="`true` when `reference` is a patched image, `false` when there was nothing to patch.",
        commands=_PATCHING,
        of=lambda image: image.patch.patched if image.patch else None,
    ),
    Output(
        name="patched-image",
        help="The patched image as `registry/repository:tag`, as copa-action has it; the image itself when there was "
        "nothing to patch. `reference` has the digest too, which a tag does not hold.",
        commands=("patch",),
        of=_patched_image,
    ),
    Output(
        name="tag",
        help="The patched image's tag.",
        commands=_PATCHING,
        of=lambda image: image.patch.tag if image.patch else None,
    ),
    Output(
        name="fixed",
        help="How many findings the patch fixed, proven by a rescan.",
        commands=_PATCHING,
        of=lambda image: len(image.patch.fixed) if image.patch else None,
    ),
    Output(
        name="unexpected-changes",
        help="How many changes the patch made that it is not expected to make; empty when that is not known.",
        commands=_PATCHING,
        of=lambda image: len(image.patch.changes.unexpected) if image.patch and image.patch.changes else None,
    ),
    Output(
        name="left",
        help="How many findings are left after the patch.",
        commands=_PATCHING,
        of=lambda image: len(image.patch.left) if image.patch else None,
    ),
    Output(
        name="smoke",
        help="What starting original and patched image showed: `works`, `differs` or `not tried`; empty when they were "
        "not started.",
        commands=(*_PATCHING, "smoke"),
        of=lambda image: image.compared.verdict.value if image.compared else None,
    ),
    Output(
        name="vex",
        help="The path of the OpenVEX document that tells what was fixed; empty when nothing was.",
        commands=_PATCHING,
        of=lambda image: image.patch.vex if image.patch else None,
    ),
    Output(
        name="signature-digest",
        help="The digest of the signature's manifest.",
        commands=(*_SIGNING, "verify", "deploy"),
        of=lambda image: (
            (image.sign and image.sign.signature_digest) or (image.verify and image.verify.signature_digest) or None
        ),
    ),
    Output(
        name="thumbprint",
        help="The SHA-256 thumbprint of the signing certificate.",
        commands=_SIGNING,
        of=lambda image: image.sign.certificate.thumbprint if image.sign else None,
    ),
    Output(
        name="skipped",
        help="`true` when nothing was pushed, because it had been done before or there was nothing to do.",
        commands=("chain", "patch", "sign", "attach", "mirror"),
        of=is_skipped,
    ),
    Output(
        name="evidence",
        help="The documents attached to the image, a JSON object of kind and manifest digest; empty without any.",
        commands=_ATTACHING,
        of=lambda image: (
            json.dumps({document.kind: document.digest for document in image.attach.documents})
            if image.attach
            else None
        ),
    ),
    Output(
        name="source",
        help="The image that was copied, as `registry/repository@digest`, or the archive's path and the digest.",
        commands=("mirror",),
        of=lambda image: image.mirror.source if image.mirror else None,
    ),
    Output(
        name="replaced",
        help="The digest that the target's tag had before; empty when there was none, or the same.",
        commands=("mirror",),
        of=lambda image: (image.mirror.replaced or None) if image.mirror else None,
    ),
    Output(
        name="admission",
        help="What the cluster's gate says of the image: `admitted`, `denied`, or `unknown` when it was not asked.",
        commands=_ADMITTING,
        of=lambda image: image.admission.verdict if image.admission else None,
    ),
    Output(
        name="applied",
        help="The objects applied, a JSON list of `{kind, namespace, name, action}`; also after a failure half-way.",
        commands=_DEPLOYING,
        of_all=lambda outcome: (
            json.dumps([asdict(applied) for applied in outcome.deploy.applied]) if outcome.deploy else None
        ),
    ),
    Output(
        name="unchanged",
        help="`true` when everything was deployed already.",
        commands=_DEPLOYING,
        of_all=lambda outcome: outcome.deploy.unchanged if outcome.deploy else None,
    ),
    Output(
        name="address",
        help="Where the application is reached; empty when the cluster does not say.",
        commands=_DEPLOYING,
        of_all=lambda outcome: (outcome.deploy.address or None) if outcome.deploy else None,
    ),
    Output(
        name="manifests",
        help="The paths of the manifests with digests in them, one a line: for a GitOps repository.",
        commands=_DEPLOYING,
        of_all=lambda outcome: "\n".join(map(str, outcome.deploy.manifests)) if outcome.deploy else None,
    ),
    Output(
        name="json",
        help="The path of Trivy's JSON report of the image handed on, of several platforms one a line: the `report` of "
        "the next action.",
        commands=_SCANNING,
        of=_file_output("json"),
    ),
    Output(
        name="sarif",
        help="The path of the SARIF report, of several platforms one a line.",
        commands=_SCANNING,
        of=_file_output("sarif"),
    ),
    Output(
        name="cyclonedx-json",
        help="The path of the CycloneDX bill of materials, of several platforms one a line, as scan-action has it.",
        commands=("scan",),
        of=_file_output("cyclonedx"),
    ),
    Output(name="html", help="The path of the HTML report.", commands=_SCANNING, of=_file_output("html")),
    Output(
        name="comment-url",
        help="The addresses of the comments on the pull request, one a line.",
        commands=("chain", "scan", "patch", "deploy"),
    ),
    Output(
        name="comment-url",
        help="The addresses of the comments on the pull request, one a line.",
        commands=("comment",),
        of_all=lambda outcome: "\n".join(outcome.comments),
    ),
    Output(
        name="due",
        help="The images with something to fix, as they are deployed, one a line: what the patch workflow takes.",
        commands=("refresh",),
        of_all=lambda outcome: "\n".join(outcome.refresh.due) if outcome.refresh else None,
    ),
    Output(
        name="matrix",
        help='The same as JSON for a job\'s matrix, `{"image": [...]}`; empty when there is nothing to fix.',
        commands=("refresh",),
        of_all=lambda outcome: (
            json.dumps({"image": list(outcome.refresh.due)}) if outcome.refresh and outcome.refresh.due else None
        ),
    ),
    Output(
        name="plan",
        help="The path of `plan.json`.",
        commands=("fleet plan",),
        of_all=lambda outcome: outcome.files.get("plan"),
    ),
    Output(
        name="matrix",
        help='The shards that have work to do, as JSON for a job\'s matrix, `{"shard": [...]}`; empty when there is '
        "nothing to do.",
        commands=("fleet plan",),
        of_all=lambda outcome: (
            json.dumps({"shard": list(outcome.fleet_plan.shards)})
            if outcome.fleet_plan and outcome.fleet_plan.shards
            else None
        ),
    ),
    Output(
        name="published",
        help="Where the plan was published, as `registry/repository@digest`; empty when it was not.",
        commands=("fleet plan",),
        of_all=lambda outcome: (outcome.fleet_plan.published or None) if outcome.fleet_plan else None,
    ),
    Output(
        name="ending",
        help="The images that have a signature that ends soon, by digest, one a line: what `s3c sign` takes.",
        commands=("refresh",),
        of_all=lambda outcome: "\n".join(outcome.refresh.ending) if outcome.refresh else None,
    ),
    Output(
        name="losing",
        help="The images whose next start the policy refuses, now or soon, by digest, one a line.",
        commands=("refresh", "fleet report"),
        of_all=lambda outcome: "\n".join(outcome.refresh.losing if outcome.refresh else outcome.losing),
    ),
    Output(
        name="issue",
        help="The address of the issue; empty without one.",
        commands=("refresh", "fleet report"),
        of_all=lambda outcome: (outcome.refresh.issue if outcome.refresh else outcome.issue) or None,
    ),
    Output(
        name="fleet-page",
        help="The path of `fleet.html`, the page on all images.",
        commands=("fleet report",),
        of_all=lambda outcome: outcome.files.get("fleet-page"),
    ),
    Output(
        name="fleet-report",
        help="The path of `fleet-report.json`: the `earlier-report` of the next report.",
        commands=("fleet report",),
        of_all=lambda outcome: outcome.files.get("fleet-report"),
    ),
    Output(
        name="prometheus",
        help="The path of `fleet.prom`, the figures in Prometheus' text format.",
        commands=("fleet report",),
        of_all=lambda outcome: outcome.files.get("prometheus"),
    ),
    Output(
        name="sarif-folder",
        help="The folder with the SARIF report of each image and platform, for `s3c upload`; empty without any.",
        commands=("fleet report",),
        of_all=lambda outcome: outcome.files.get("sarif"),
    ),
    Output(
        name="trace",
        help="The path of the page that tells the image's whole story; the action keeps it as an artifact.",
        commands=("chain", "trace"),
        of=_file_output("trace"),
    ),
    Output(
        name="admitted",
        help="Whether the image would be admitted today: `admitted`, `denied` or `unknown`.",
        commands=("trace",),
        of=lambda image: image.trace.story.judgement.verdict.value if image.trace else None,
    ),
    Output(name="result", help="The path of `result.json`, which has all of this and more.", commands=_WHOLE),
    Output(name="summary", help="The path of `summary.md`.", commands=_WHOLE),
    Output(
        name="pull-request",
        help="The address of the pull request that proposes the images; empty when there is nothing to propose.",
        commands=("propose",),
        of_all=lambda outcome: outcome.pull_request,
    ),
)
