"""`s3c fleet report`: what a fleet's images have come to, as one result, summary, page, issue, and figures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.fleet import outlook, page, prometheus, report_document, retention, store, summarize, text, waiting
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.fleet.shard_results import ShardResult
from s3c_actions.fleet.summarize import Joined
from s3c_actions.github import api, code_scanning, sarif_batches
from s3c_actions.github import run as runs
from s3c_actions.github.artifact import InvalidArtifact, decode_result
from s3c_actions.github.issues import PERMISSION
from s3c_actions.options import fleet_report as inputs
from s3c_actions.policy import model as policies
from s3c_actions.registry import Writer
from s3c_actions.registry.artifacts import read_artifact
from s3c_actions.result.document import without_secrets
from s3c_actions.result.model import Outcome
from s3c_actions.wiring import fleet, issues
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.fleet_outlook import PolicyOutlook
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.issues import KeptIssue
from s3c_actions.wiring.logins import create_logins, create_registry
from s3c_actions.wiring.result_files import RESULT_FILE, find_files

if TYPE_CHECKING:
    from s3c_actions.fleet.plan import Plan
    from s3c_actions.policy.model import Policy
    from s3c_actions.registry import Registry
    from s3c_actions.report.document import ScanEntry

NAME = "fleet report"
REPORT_FILE, PAGE_FILE, PROMETHEUS_FILE = "fleet-report.json", "fleet.html", "fleet.prom"
SARIF_FOLDER = "sarif"
_UPLOAD_WAIT = 30.0
"""Seconds that GitHub has to look at an upload; one that takes longer is not waited for."""
MAX_RESULTS_BYTES = 1024 * 1024 * 1024
"""Bytes of all results together."""


def run(options: inputs.FleetReportInputs, context: Context) -> Outcome:
    """Report on a fleet. A result that is none does not end the report: its images are without a result.

    Raises:
        InputError: the plan, an earlier report that was named or an input is wrong.
        OutsideError: the registry failed, or GitHub did not take the issue.
    """
    # A missing token is reported first.
    if options.issue:
        find_token(options, context, PERMISSION)
    if options.code_scanning:
        find_token(options, context, code_scanning.PERMISSION)
    if options.wait and store.is_stored(options.plan):
        _wait_for_results(options, context)
    plan, place = fleet.read_any(options.plan, options, context)
    if place is None and not options.results:
        raise InputError(
            "results", "this input is required.", remedy="Give the folders that the shards left, or a published plan."
        )
    if options.publish_report and place is None:
        raise InputError(
            "publish-report", "the plan is a file, and has no place in a registry.", remedy="Give the published plan."
        )
    registry = None
    if place is not None:
        registry = create_registry(options, create_logins(options, context, {place.registry}))
    notes: list[str] = []
    with context.progress.step("results") as step:
        results = [*_given_results(options.results, notes)]
        patched = [*_given_results(options.patched, notes, field="patched")]
        if registry is not None and place is not None:
            results += _stored_results(registry, place, notes)
        step.done(f"{counted(len(results), 'result')} of {counted(plan.shards, 'shard')}")
    read = _read_policies(plan, options, context, notes)
    hosts = _credential_hosts(plan, place) if options.registry_username else None
    joined = summarize.join(
        plan,
        results,
        now=context.now,
        policies=read,
        default_policy=str(options.policy or ""),
        earlier=_read_earlier(options, context, registry, notes),
        patched=patched,
        notes=notes,
        look_ahead=PolicyOutlook(options, context, read, hosts),
    )
    report = without_secrets(joined.report, context.secrets)
    for note in report.notes:
        context.progress.warning(note)
    files = _write(report, joined, context)
    url = _update_issue(options, context, report) if options.issue else ""
    if options.code_scanning and "sarif" in files:
        _upload_sarif(options, context, files["sarif"])
    if registry is not None and place is not None and options.publish_report:
        _publish(registry, place, options, report, context)
    return Outcome(
        command=NAME,
        images=(),
        exit_code=report.exit_code,
        entries=joined.entries,
        files=files,
        issue=url,
        losing=tuple(outlook.deployed_reference(image) for image in report.images if image.losses),
        summary=text.render_summary(report),
        text=f"{text.render_terminal(report)}  page: {files['fleet-page']}\n",
    )


def _credential_hosts(plan: Plan, place: Reference | None) -> set[str]:
    """Return the registry that credentials given are for: the published plan's, else that of all images, else none."""
    if place is not None:
        return {place.registry}
    images = [*(image.image for image in plan.images), *(image.image for image in plan.current)]
    named = {Reference.parse(image).registry for image in images}
    return named if len(named) == 1 else set()


def _wait_for_results(options: inputs.FleetReportInputs, context: Context) -> None:
    """Wait until the plan is published and each of its shards that has work has left a result."""
    wanted = store.parse_place(options.plan)
    registry = fleet.store_registry(options, context, wanted)
    started = time.monotonic()
    with context.progress.step("wait") as step:
        stored = waiting.wait_for(lambda: store.find_stored_plan(registry, wanted), options.wait)
        if stored is None:
            step.done("no plan was published")
            return
        plan, place = stored
        shards = {image.shard for image in plan.images}

        def finished() -> bool | None:
            return True if shards <= store.list_finished(registry, place) else None

        left = options.wait - (time.monotonic() - started)
        step.done("all shards are done" if waiting.wait_for(finished, left) else "the time is over")


def _given_results(given: tuple[str, ...], notes: list[str], *, field: str = "results") -> Iterator[ShardResult]:
    """Yield the results in files and folders; a sentence on each that is none is added to `notes`.

    A folder without any is no error: what its shards had to do is reported as missing.
    """
    total = 0
    filled = tuple(name for name in given if not _is_without_results(Path(name).expanduser()))
    for path in find_files(filled, RESULT_FILE, field):
        try:
            content = reading.read_json_file(path, reading.MAX_DOCUMENT_BYTES)
        except (OSError, UnicodeDecodeError) as error:
            notes.append(f"{path} cannot be read and is left out: {reading.describe(error)}.")
            continue
        total += len(content)
        _check_size(total)
        if (result := _decode(str(path), content, 0, notes)) is not None:
            yield result


def _is_without_results(path: Path) -> bool:
    return path.is_dir() and next(path.rglob(RESULT_FILE), None) is None


def _stored_results(registry: Registry, place: Reference, notes: list[str]) -> Iterator[ShardResult]:
    """Yield the results that are published beside a plan."""
    total = 0
    for shard, content in store.list_results(registry, place):
        total += len(content)
        _check_size(total)
        if (result := _decode(f"the published result of shard {shard}", content, shard, notes)) is not None:
            yield result


def _check_size(total: int) -> None:
    if total > MAX_RESULTS_BYTES:
        raise InputError(
            "results",
            f"they are over {MAX_RESULTS_BYTES:,} bytes.",
            remedy="Report on fewer images with a plan of their own, or leave out folders of other runs.",
        )


def _decode(source: str, content: bytes, shard: int, notes: list[str]) -> ShardResult | None:
    try:
        return ShardResult(source=source, document=decode_result(content), shard=shard)
    except InvalidArtifact as error:
        notes.append(f"{source} is no result of s3c and is left out. {error.what}")
        return None


def _read_policies(
    plan: Plan, options: inputs.FleetReportInputs, context: Context, notes: list[str]
) -> Mapping[str, Policy]:
    """Return path, as in the plan → policy; they decide nothing here, so that one that is missing is a note."""
    read: dict[str, Policy] = {}
    if options.policy is not None:
        read[str(options.policy)] = policies.read(options.policy)
    named = {image.policy for image in plan.images} | {image.policy for image in plan.current}
    for name in sorted(named - {"", *read}):
        path = (context.cwd / name).resolve()
        try:
            if not path.is_relative_to(context.cwd.resolve()):
                raise InputError("plan", "the path of a policy leads out of the working folder.")
            read[name] = policies.read(path)
        except InputError:
            # What is in a file that the plan names may be anything: the error's text could quote it.
            notes.append(
                f"The policy {name} could not be read here: its exceptions and a forecast are not in the report."
            )
    return read


def _read_earlier(
    options: inputs.FleetReportInputs, context: Context, registry: Registry | None, notes: list[str]
) -> FleetReport | None:
    """Return the earlier report: the given, else the one kept beside the published plan; None without one.

    Raises:
        InputError: the given is not there, or is no report.
    """
    given = options.earlier_report
    if given and not store.is_stored(given):
        return report_document.read(Path(given).expanduser(), field="earlier-report")
    if given:
        place = store.parse_place(given, field="earlier-report")
        reader = create_registry(options, create_logins(options, context, {place.registry}))
        earlier = _find_report(reader, place)
        if earlier is None:
            raise InputError("earlier-report", f"{given} is not there.", remedy="Leave it out for the first report.")
        return earlier
    kept_at = _report_place(store.parse_place(options.plan)) if registry is not None else None
    if registry is None or kept_at is None or not kept_at.tag:
        return None
    try:
        return _find_report(registry, kept_at) or _find_series_report(registry, kept_at, notes)
    except InputError as error:
        notes.append(f"The trend begins anew: {error.what}")
        return None


def _find_series_report(registry: Registry, place: Reference, notes: list[str]) -> FleetReport | None:
    """Return the newest report on plans of the same series: a CronJob publishes each plan under a tag of its own."""
    try:
        newest = retention.find_newest(registry, place, store.REPORT)
    except OutsideError as error:
        notes.append(f"The trend begins anew: {error.what}")
        return None
    return _find_report(registry, newest) if newest is not None else None


def _find_report(registry: Registry, place: Reference) -> FleetReport | None:
    manifest = registry.find(place)
    if manifest is None:
        return None
    if manifest.descriptor.artifact_type != store.REPORT:
        raise InputError("earlier-report", f"{place} is no fleet report.")
    content = read_artifact(registry, place, manifest, reading.MAX_DOCUMENT_BYTES)
    return report_document.parse(content, name=str(place), field="earlier-report")


def _report_place(plan: Reference) -> Reference:
    """Return where the report on a published plan is kept; without a tag, when the plan is given by digest alone."""
    return plan.tagged(retention.report_tag(plan.tag) if plan.tag else "")


def _publish(
    registry: Registry, plan: Reference, options: inputs.FleetReportInputs, report: FleetReport, context: Context
) -> None:
    """Push the report beside the plan it is on, under the tag where the next report looks for it."""
    tag = _report_place(store.parse_place(options.plan)).tag
    store.push_report(Writer(registry), plan, report_document.render(report), tag=tag, now=context.now)


def _write(report: FleetReport, joined: Joined, context: Context) -> dict[str, Path]:
    """Write the report's files, and return name → path.

    Raises:
        OutsideError: a file cannot be written.
    """
    files = {
        "fleet-report": (REPORT_FILE, report_document.render(report)),
        "fleet-page": (PAGE_FILE, page.render(report)),
        "prometheus": (PROMETHEUS_FILE, prometheus.render(report)),
    }
    paths: dict[str, Path] = {}
    for name, (file, content) in files.items():
        paths[name] = context.output / file
        writing.write(paths[name], content)
    if folder := _collect_sarif(joined, context):
        paths["sarif"] = folder
    return paths


def _collect_sarif(joined: Joined, context: Context) -> Path | None:
    """Copy the SARIF report of each image and platform, without what is set aside; None when there is none.

    Only files below the folder of the result that names them are read, and only what code scanning would take.
    """
    folder = context.output / SARIF_FOLDER
    for left in folder.glob("*.sarif"):
        writing.remove(left)
    number = 0
    for entry in joined.entries:
        source = joined.sources.get(entry.image)
        scan = entry.last_scan
        if source is None or scan is None:
            continue
        for part in scan.platforms or (scan,):
            path = _find_beside(Path(source), part)
            if path is None:
                continue
            try:
                content = code_scanning.read(path).data
            except S3CError as error:
                context.progress.warning(f"The SARIF report of {entry.image} is left out. {error.what}")
                continue
            number += 1
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", entry.image.partition("@")[0].rpartition("/")[2])[:80]
            writing.make_folder(folder)
            writing.write(folder / f"{number:05}-{name.strip('.-') or 'image'}.sarif", content)
    return folder if number else None


def _upload_sarif(options: inputs.FleetReportInputs, context: Context, folder: Path) -> None:
    """Upload the SARIF reports; that they cannot be uploaded is a warning, and no failure of the fleet."""
    with context.progress.step("alerts") as step:
        number = 0
        try:
            workflow_run = runs.read_run(context.environment, options.repository)
            client = api.connect(
                find_token(options, context, code_scanning.PERMISSION), context.environment, context.progress.notice
            )
            target = code_scanning.target_of(workflow_run)
            reports = [code_scanning.read(path) for path in sorted(folder.glob("*.sarif"))]
            for number, batch in enumerate(sarif_batches.batch(reports), start=1):  # noqa: B007
                uploaded = code_scanning.upload(client, target, batch, wait=_UPLOAD_WAIT, note=context.progress.note)
                if uploaded.status == "failed":
                    raise OutsideError(
                        f"Code scanning refused {batch.path}.", original=" ".join(uploaded.errors)[:1000]
                    )
        except S3CError as error:
            step.done(error.what)
            context.progress.warning(f"Not every SARIF report is in code scanning. {error}")
            return
        step.done(f"{counted(len(reports), 'SARIF report')} in {counted(number, 'upload')}")


def _find_beside(result: Path, scan: ScanEntry) -> Path | None:
    """Return the SARIF report that a result names, below the result's folder; None when it is not there."""
    parts = [part for part in Path(scan.files.get("sarif", "")).parts if part != "/"]
    if not parts or ".." in parts:
        return None
    root = result.parent.resolve()
    candidates = (root.joinpath(*parts[start:]).resolve() for start in range(len(parts)))
    return next((path for path in candidates if path.is_relative_to(root) and path.is_file()), None)


def _update_issue(options: inputs.FleetReportInputs, context: Context, report: FleetReport) -> str:
    """Open, update or close the issue, and return its address."""
    kept = KeptIssue(
        command=NAME,
        repository=options.repository,
        open=text.has_issue(report),
        title=text.issue_title(report),
        render=lambda url: text.render_issue(report, run_url=url),
        closing=f"Nothing waits for a decision in the {counted(report.figures.images, 'image')} of the fleet.",
        labels=options.issue_labels,
    )
    _, url = issues.update_issue(kept, options, context)
    return url
