"""`s3c refresh`: scan deployed images with current data, attach new evidence, and update one issue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import deployed
from s3c_actions.cluster.gate import constraints
from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.evidence import signatures
from s3c_actions.github.artifact_metadata import Deployment
from s3c_actions.github.issues import PERMISSION, IssueOutcome
from s3c_actions.options import refresh as inputs
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.sign import KEY_INPUTS
from s3c_actions.report.github import refresh_issue
from s3c_actions.report.github.refresh_issue import RefreshedImage
from s3c_actions.result.model import ImageOutcome, Outcome, RefreshResult, ScanResult
from s3c_actions.wiring import github_records, issues
from s3c_actions.wiring.attaching import attacher_for_scanner
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.exceptions import open_exception_finder
from s3c_actions.wiring.forecasting import forecast_losses
from s3c_actions.wiring.gating import policy_from_inputs
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.images import failed, for_each_image
from s3c_actions.wiring.issues import KeptIssue
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.patching import reject_platform
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.signing import open_signing_key, registries_of, signing_registry

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster
    from s3c_actions.findings.model import Finding
    from s3c_actions.findings.threshold import Threshold
    from s3c_actions.wiring.attaching import Attacher
    from s3c_actions.wiring.scanning import ImageScanner

NAME = "refresh"
NO_KEY_NOTICE = "No key is given, so no report was attached: the cluster goes on judging by the reports that are there."
NOT_SIGNED_NOTE = "not signed: no report attached"


def run(options: inputs.RefreshInputs, context: Context) -> Outcome:
    """Scan everything that is deployed and update the issue; an image that cannot be scanned does not stop the others.

    Raises:
        InputError: an input is wrong, or nothing is deployed.
        OutsideError: the cluster does not respond, Trivy could not be obtained, or GitHub did not take the issue.
    """
    if options.issue:
        find_token(options, context, PERMISSION)  # a missing token is reported before minutes are spent
    github_records.check(options, options, context, options.repository)
    deployed, unknown, pauses, server = _list_images(options, context)
    images = tuple(deployed)
    context = with_jobs(options, context, len(images))
    folders = image_folders(context.output, images)
    scanner = create_scanner(options, context, images, evidence=bool(options.attach))
    results: dict[str, RefreshedImage] = {}
    with (
        _open_attacher(options, context, scanner, images) as attacher,
        open_exception_finder(options.policy, options, context, registries_of(images)) as find_exceptions,
    ):

        def refresh(image: str) -> ImageOutcome:
            outcome, result = _refresh_image(image, deployed[image], folders[image], scanner, attacher)
            if outcome.reference:
                result = replace(
                    result,
                    ending=_find_ending(outcome.reference, options, context),
                    exceptions=find_exceptions(outcome.reference),
                )
            results[image] = result
            return outcome

        outcomes = for_each_image(images, context.progress, refresh, jobs=context.limits.jobs)
    losses = _forecast(options, context, outcomes, renewed=attacher is not None)
    refreshed = [replace(results[image], losses=losses.get(results[image].reference, ())) for image in images]
    refreshed += [
        refresh_issue.RefreshedImage(image=image, places=workloads, problem="The cluster does not tell its digest.")
        for image, workloads in unknown.items()
    ]
    due = tuple(image.image for image in refreshed if image.findings)
    ending = tuple(image.reference for image in refreshed if image.ending)
    losing = tuple(image.reference for image in refreshed if image.losses)
    issue_action, url = _update_issue(options, context, refreshed, pauses) if options.issue else ("", "")
    running = [Deployment(image=Reference.parse(image), place=place) for image in images for place in deployed[image]]
    github_records.record(options, options, context, running, server=server, repository=options.repository)
    keyless = attacher is None and bool(options.attach)
    return Outcome(
        command=NAME,
        images=outcomes,
        refresh=RefreshResult(
            due=due, ending=ending, losing=losing, unknown=tuple(unknown), issue=url, done=issue_action
        ),
        text=refresh_issue.render_text(refreshed, pauses) + (f"{NO_KEY_NOTICE}\n" if keyless else ""),
    )


def _refresh_image(
    image: str, workloads: tuple[str, ...], folder: Path, scanner: ImageScanner, attacher: Attacher | None
) -> tuple[ImageOutcome, RefreshedImage]:
    """Scan one image and attach the result; a failure is recorded, and does not stop the others."""
    outcome = ImageOutcome(image=image)
    try:
        scan = scanner.look(image, folder)
    except S3CError as error:
        return failed(outcome, error), RefreshedImage(image=image, places=workloads, problem=error.what)
    outcome = replace(outcome, reference=scan.reference, scan=scan)
    refreshed = RefreshedImage(
        image=image,
        reference=scan.reference,
        places=workloads,
        findings=_due(scan, scanner.settings.gate),
        refused=_unfixable(scan),
        total=len(scan.report.findings),
        problem=scan.unreliable,
    )
    if attacher is None:
        return outcome, refreshed
    try:
        # Only signed images get a report: beside an image that others own it would only clutter their registry.
        if not attacher.registry.referrers(Reference.parse(scan.reference), artifact_types.SIGNATURE):
            return outcome, replace(refreshed, evidence=NOT_SIGNED_NOTE)
        outcome = replace(outcome, attach=attacher.attach(outcome, NAME))
    except S3CError as error:
        return failed(outcome, error), replace(refreshed, evidence=f"no report attached: {error.what}")
    return outcome, replace(refreshed, evidence="new report attached")


def _due(scan: ScanResult, gate: Threshold) -> tuple[Finding, ...]:
    """Return the findings that a patch has to fix: what the gate refuses, and what it will when a grace is over."""
    if not gate.graces:
        return tuple(finding for finding in scan.refused if finding.fixable)
    return tuple(finding for finding in scan.report.findings if gate.wants_fixed(finding))


def _find_ending(reference: str, options: inputs.RefreshInputs, context: Context) -> Mapping[str, str]:
    """Return signer → day of its signature's end, of those that end within `certificate-warning-days`."""
    pinned = Reference.parse(reference)
    try:
        ends = signatures.find_ends(signing_registry(options, context, {pinned.registry}), pinned)
    except S3CError as error:
        context.progress.warning(f"{reference}: when its signatures end could not be found out: {error.what}")
        return {}
    soon = context.now + timedelta(days=options.certificate_warning_days)
    ending = {signer: f"{end:%Y-%m-%d}" for signer, end in ends.items() if end is not None and end < soon}
    for signer, day in ending.items():
        context.progress.warning(f"{reference}: the signature by {signer} ends on {day}: sign it again.")
    return ending


def _forecast(
    options: inputs.RefreshInputs, context: Context, outcomes: Sequence[ImageOutcome], *, renewed: bool
) -> Mapping[str, tuple[str, ...]]:
    """Return reference → why the policy refuses it at the next start, now or within `certificate-warning-days`."""
    references = [outcome.reference for outcome in outcomes if outcome.reference]
    until = context.now + timedelta(days=options.certificate_warning_days)
    losses = forecast_losses(options, context, policy_from_inputs(options), references, until=until, renewed=renewed)
    for reference, lines in losses.items():
        context.progress.warning(f"{reference}: its next start is refused {lines[0]}.")
    return losses


def _unfixable(scan: ScanResult) -> tuple[str, ...]:
    """Return clauses on what is refused and cannot be fixed by a patch."""
    unfixed = sum(1 for finding in scan.refused if not finding.fixable)
    clauses = [f"{unfixed:,} refused finding{'s have' if unfixed != 1 else ' has'} no fix yet"] if unfixed else []
    return (*clauses, *(f"the policy refuses {content.text}" for content in scan.contents))


@contextmanager
def _open_attacher(
    options: inputs.RefreshInputs, context: Context, scanner: ImageScanner, images: tuple[str, ...]
) -> Iterator[Attacher | None]:
    """Open the attacher; None when no key is given, which is reported, or when nothing is to be attached.

    Raises:
        InputError: the key or another input is wrong: nothing has been scanned.
    """
    if not options.attach:
        yield None
    elif any(options.given(option) for option in KEY_INPUTS) or options.given(inputs.RefreshInputs.attach):
        reject_platform(options)
        with open_signing_key(options, context, {Reference.parse(image).registry for image in images}) as signer:
            yield attacher_for_scanner(options, context, signer, scanner)
    else:
        context.progress.notice(NO_KEY_NOTICE)
        yield None


def _list_images(
    options: inputs.RefreshInputs, context: Context
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], tuple[str, ...], str]:
    """Return image → workloads that run it, the same for unknown digests, sentences on the gate's pauses, the cluster.

    The cluster is the address of its API server, empty when none is asked.
    """
    given_images: dict[str, tuple[str, ...]] = {str(Reference.parse(image)): () for image in options.image}
    cluster_inputs = (*ClusterOptions.own(), inputs.RefreshInputs.namespaces)
    if given_images and not any(options.given(option) for option in cluster_inputs):
        return given_images, {}, (), ""

    with context.progress.step("cluster") as step:
        cluster = connect_cluster(options, context)
        listing = deployed.list_deployed(cluster, options.namespaces)
        running = {image.image: image.places for image in listing.running}
        unknown = {image.image: image.places for image in listing.unknown}
        step.done(
            f"{counted(len(running), 'image')} running" + (f", {len(unknown)} of unknown digest" if unknown else "")
        )
    if idle := listing.find_idle(options.namespaces):
        context.progress.warning(deployed.describe_idle(idle))
    for image, workloads in unknown.items():
        context.progress.warning(
            f"{image} ({', '.join(workloads)}) is left out: the cluster does not tell its digest yet."
        )
    if not given_images and not running and not unknown:
        raise InputError(
            "namespaces",
            "nothing runs there.",
            cause="The namespaces are empty, or the kubeconfig is another cluster's.",
            remedy="Look at `kubectl get pods --all-namespaces`, or give what is deployed as `image`.",
        )
    return {**given_images, **running}, unknown, _read_pauses(cluster, context), cluster.address


def _read_pauses(cluster: Cluster, context: Context) -> tuple[str, ...]:
    """Return a sentence on each pause of the gate, in force or over, and on each stage in which it only watches.

    None when that may not be read, with a warning.
    """
    try:
        pauses = tuple(pause.describe(context.now) for pause in constraints.read_pauses(cluster))
        pauses += constraints.describe_watching(cluster)
    except S3CError as error:
        context.progress.warning(f"Whether the gate is paused is not known. {error.what}")
        return ()
    for sentence in pauses:
        context.progress.warning(sentence)
    return pauses


def _update_issue(
    options: inputs.RefreshInputs, context: Context, images: Sequence[RefreshedImage], pauses: Sequence[str]
) -> tuple[str, str]:
    """Update the issue, and return the action and its URL.

    It is closed only when every image could be scanned: what is unknown is not fixed.
    """
    is_open = any(image.findings or image.ending or image.losses or image.exceptions for image in images)
    if not is_open and any(image.problem for image in images):
        context.progress.warning("The issue, if there is one, stays open: not everything could be scanned.")
        return IssueOutcome.NOTHING.value, ""
    kept = KeptIssue(
        command=NAME,
        repository=options.repository,
        open=is_open,
        title=refresh_issue.issue_title(images),
        render=lambda url: refresh_issue.issue_body(images, pauses, run_url=url),
        closing=f"Nothing that has a fix is left in the {len(images)} images that are deployed.",
        labels=options.issue_labels,
    )
    return issues.update_issue(kept, options, context)
