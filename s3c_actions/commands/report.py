"""`s3c report`: formats, gate and comparison of an existing report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import OutsideError
from s3c_actions.findings import baseline as baselines
from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.identity import pinned_reference
from s3c_actions.options import report as inputs
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.report import formats
from s3c_actions.report.format_registry import by_name
from s3c_actions.report.formats import conversions
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome
from s3c_actions.steps import assess
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.sbom import make_sbom
from s3c_actions.wiring import programs, report_file
from s3c_actions.wiring.baseline import baseline_name
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.exploitation import load_exploitation
from s3c_actions.wiring.files import keep_pipe, read_dockerfile
from s3c_actions.wiring.gating import policy_from_inputs, threshold_from_inputs
from s3c_actions.wiring.images import unless_exempt

TEXT_ROWS = 200


def run(options: inputs.ReportInputs, context: Context) -> Outcome:
    """Render, gate and compare.

    Raises:
        InputError: the report, the baseline or the Dockerfile cannot be read or is invalid.
        OutsideError: a file cannot be written, or Trivy cannot create an SBOM.
    """
    started = time.monotonic()
    path = options.report
    report_file.prepare(options, 1)
    with suppress(OSError):  # reading it says so
        path = keep_pipe(path, context.temp, reading.MAX_REPORT_BYTES)
    report = trivy_report.read(path)
    baseline = options.baseline
    before = baselines.read(baseline, report.image) if baseline is not None else None
    gate = threshold_from_inputs(options, context, inputs.SEVERITIES)
    policy = policy_from_inputs(options)
    asks = policy.findings.asks_exploitation if policy is not None else (False, False)
    exploitation = load_exploitation(options, context, offline=options.offline, policy_asks=asks)
    criteria = assess.Criteria(
        gate=gate,
        policy=policy,
        unscanned_fails=options.unscanned == "fail",
        ignore_unfixed=False,
        now=context.now,
        bill=lambda report_path: _make_bill(options, context, report_path),
        exploitation=exploitation.facts,
    )
    result = assess.assess_given_report(
        path, image=report.image, reference=pinned_reference(report), criteria=criteria, report=report
    )
    result = replace(result, warnings=(*exploitation.warnings, *result.warnings))
    for sentence in result.warnings:
        context.progress.warning(sentence)
    report = result.report
    difference = compare_scans(before, report) if before is not None else None
    closed = closed_gate_error(result, gate)
    dockerfile = options.dockerfile
    if dockerfile is None and (context.cwd / "Dockerfile").is_file():
        dockerfile = Path("Dockerfile")
    rendering = Rendering(
        gate=gate,
        judged=result.gated,
        closed=closed.what if closed is not None else "",
        scope=result.scope,
        difference=difference,
        dockerfile=dockerfile.as_posix() if dockerfile else "",
        dockerfile_text=read_dockerfile(context.cwd / dockerfile) if dockerfile else "",
        category=options.sarif_category,
    )
    formats_requested = options.format
    files = _copy_report(context, path) if "json" in formats_requested else {}
    with _sboms(options, context, path) as sboms:
        files |= formats.write(formats_requested, report, rendering, context.output)
    files |= sboms
    result = replace(
        result,
        files={form: files[form] for form in formats_requested},
        difference=difference,
        seconds=time.monotonic() - started,
    )
    refused = unless_exempt(closed, report.image, options, context.progress)
    base = (
        Comparison(name=baseline_name(options, context) or str(baseline), difference=difference) if difference else None
    )
    image = ImageOutcome(image=report.image, reference=result.reference, scan=result, base=base, failure=refused)
    table = _table(files["table"]) if "table" in files else ""
    return report_file.write(options, Outcome(command="report", images=(image,), text=table))


def _copy_report(context: Context, report: Path) -> dict[str, Path]:
    """Copy Trivy's own JSON unchanged."""
    path = context.output / by_name("json").file
    writing.make_folder(context.output)
    if path.resolve() != report.resolve():
        try:
            writing.copy(report, path)
        except OSError as error:
            raise OutsideError(
                f"The report could not be copied to {path}.",
                cause=f"{error.strerror or error}.",
                remedy="Give another folder with `output-dir`, or make room there.",
            ) from error
    return {"json": path}


@contextmanager
def _sboms(options: inputs.ReportInputs, context: Context, report: Path) -> Iterator[dict[str, Path]]:
    """Convert the report to SBOMs with Trivy while the block runs; they exist when it has ended."""
    sboms = conversions(options.format, context.output)
    if not sboms:
        yield {}
        return

    trivy = Trivy(programs.trivy(options, context), context.runner, cache=context.cache / "trivy")
    writing.make_folder(context.output)
    with trivy.converting(report, sboms.values()) as finish:
        yield {name: sbom.output for name, sbom in sboms.items()}
        finish()


def _make_bill(options: inputs.ReportInputs, context: Context, report: Path) -> bytes:
    """Convert the report to an SPDX document with Trivy."""
    trivy = Trivy(programs.trivy(options, context), context.runner, cache=context.cache / "trivy")
    return make_sbom(report, trivy, context.temp)


def _table(path: Path) -> str:
    """Return the table for standard output, cut after TEXT_ROWS rows."""
    lines = reading.read_text_file(path, reading.MAX_REPORT_BYTES).splitlines()
    if len(lines) <= TEXT_ROWS:
        return "\n".join(lines) + "\n"
    return "\n".join(lines[:TEXT_ROWS]) + f"\n… {len(lines) - TEXT_ROWS:,} more lines in {path}\n"
