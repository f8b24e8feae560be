"""`s3c refresh`: what is deployed, scanned again with today's data; new evidence, one issue on what can be fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import deployed
from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.github import api, issues, marker
from s3c_actions.github import run as runs
from s3c_actions.options import refresh as inputs
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.github import TokenOptions
from s3c_actions.options.sign import KEY_INPUTS
from s3c_actions.report.github import refresh_issue
from s3c_actions.report.github.refresh_issue import RefreshedImage
from s3c_actions.result.model import ImageOutcome, Outcome, RefreshResult, ScanResult
from s3c_actions.wiring.attaching import attacher_for_scanner
from s3c_actions.wiring.context import Context, image_folders
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.patching import reject_platform
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.signing import open_signing_key

if TYPE_CHECKING:
    from s3c_actions.wiring.attaching import Attacher
    from s3c_actions.wiring.scanning import ImageScanner

NAME = "refresh"
NO_KEY_NOTICE = "No key is given, so no report was attached: the cluster goes on judging by the reports that are there."
NOT_SIGNED_NOTE = "not signed: no report attached"


def run(options: inputs.RefreshInputs, context: Context) -> Outcome:
    """Scan everything that is deployed, and keep the issue; an image that cannot be scanned hides no other.

    Raises:
        InputError: an input is wrong, or nothing is deployed.
        OutsideError: the cluster does not answer, Trivy could not be obtained, or GitHub did not take the issue.
    """
    if options.issue:
        _token(options, context)  # told before minutes are spent
    deployed, unknown = _deployed(options, context)
    images = tuple(deployed)
    places = image_folders(context.output, images)
    scanner = create_scanner(options, context, images, evidence=bool(options.attach))
    outcomes, told = [], []
    with _attaching(options, context, scanner, images) as attacher:
        for image in images:
            context.progress.about(image)
            outcome, said = _one(image, deployed[image], places[image], scanner, attacher)
            outcomes.append(outcome)
            told.append(said)
    told += [
        refresh_issue.RefreshedImage(image=image, places=where, problem="The cluster does not tell its digest.")
        for image, where in unknown.items()
    ]
    due = tuple(one.image for one in told if one.findings)
    done, url = _issue(options, context, told) if options.issue else ("", "")
    keyless = attacher is None and bool(options.attach)
    return Outcome(
        command=NAME,
        images=tuple(outcomes),
        refresh=RefreshResult(due=due, unknown=tuple(unknown), issue=url, done=done),
        text=refresh_issue.render_text(told) + (f"{NO_KEY_NOTICE}\n" if keyless else ""),
    )


def _one(
    image: str, where: tuple[str, ...], folder: Path, scanner: ImageScanner, attacher: Attacher | None
) -> tuple[ImageOutcome, RefreshedImage]:
    """Scan one image and attach what was found; whatever ends it is told, and hides no other image."""
    outcome = ImageOutcome(image=image)
    try:
        scan = scanner.look(image, folder)
    except S3CError as error:
        return failed(outcome, error), RefreshedImage(image=image, places=where, problem=error.what)
    outcome = replace(outcome, reference=scan.reference, scan=scan)
    told = RefreshedImage(
        image=image,
        reference=scan.reference,
        places=where,
        findings=tuple(one for one in scan.refused if one.fixable),
        refused=_unmendable(scan),
        total=len(scan.report.findings),
        problem=scan.unreliable,
    )
    if attacher is None:
        return outcome, told
    try:
        # Who signed it vouched for it; a report of ours beside an image of others would only clutter their registry.
        if not attacher.registry.referrers(Reference.parse(scan.reference), artifact_types.SIGNATURE):
            return outcome, replace(told, evidence=NOT_SIGNED_NOTE)
        outcome = replace(outcome, attach=attacher.attach(outcome, NAME))
    except S3CError as error:
        return failed(outcome, error), replace(told, evidence=f"no report attached: {error.what}")
    return outcome, replace(told, evidence="new report attached")


def _unmendable(scan: ScanResult) -> tuple[str, ...]:
    """What is refused and no patch can fix, in clauses."""
    unfixed = sum(1 for one in scan.refused if not one.fixable)
    told = [f"{unfixed:,} refused finding{'s have' if unfixed != 1 else ' has'} no fix yet"] if unfixed else []
    return (*told, *(f"the policy refuses {one.text}" for one in scan.contents))


@contextmanager
def _attaching(
    options: inputs.RefreshInputs, context: Context, scanner: ImageScanner, images: tuple[str, ...]
) -> Iterator[Attacher | None]:
    """What attaches; None when no key is given, which is told, or when nothing is to be attached.

    Raises:
        InputError: the key or another input is wrong: nothing has been scanned.
    """
    if not options.attach:
        yield None
    elif any(options.given(one) for one in KEY_INPUTS) or options.given(inputs.RefreshInputs.attach):
        reject_platform(options)
        with open_signing_key(options, context, {Reference.parse(image).registry for image in images}) as signer:
            yield attacher_for_scanner(options, context, signer, scanner)
    else:
        context.progress.notice(NO_KEY_NOTICE)
        yield None


def _deployed(
    options: inputs.RefreshInputs, context: Context
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Image → what runs it; and those whose digest is not known."""
    named: dict[str, tuple[str, ...]] = {str(Reference.parse(image)): () for image in options.image}
    asked = (*ClusterOptions.own(), inputs.RefreshInputs.namespaces)
    if named and not any(options.given(one) for one in asked):
        return named, {}

    with context.progress.step("cluster") as step:
        look = deployed.list_deployed(connect_cluster(options, context), options.namespaces)
        running = {one.image: one.places for one in look.running}
        unknown = {one.image: one.places for one in look.unknown}
        step.done(f"{len(running)} images run" + (f", {len(unknown)} of unknown digest" if unknown else ""))
    for image, where in unknown.items():
        context.progress.warning(f"{image} ({', '.join(where)}) is left out: the cluster does not tell its digest yet.")
    if not named and not running and not unknown:
        raise InputError(
            "namespaces",
            "nothing runs there.",
            cause="The namespaces are empty, or the kubeconfig is another cluster's.",
            remedy="Look at `kubectl get pods --all-namespaces`, or give what is deployed with --image.",
        )
    return {**named, **running}, unknown


def _token(options: TokenOptions, context: Context) -> str:
    return find_token(options, context, "issues: write")


def _issue(options: inputs.RefreshInputs, context: Context, told: Sequence[RefreshedImage]) -> tuple[str, str]:
    """Keep the issue; returns what was done and its address.

    It is closed only when everything could be looked at: what is not known is not fixed.
    """
    about = runs.read_run(context.environment, options.repository)
    client = api.connect(_token(options, context), context.environment, context.progress.notice)
    key = marker.comment_key(NAME, about.workflow)
    with context.progress.step("issue") as step:
        if any(one.findings for one in told):
            ticket = issues.IssueDraft(
                key=key,
                title=refresh_issue.issue_title(told),
                body=refresh_issue.issue_body(told, run_url=about.url),
                says=refresh_issue.issue_body(told),
                run=about.id,
                labels=options.issue_labels,
            )
            done, url = issues.put(client, about.repository, ticket)
        elif any(one.problem for one in told):
            done, url = issues.IssueOutcome.NOTHING, ""
            context.progress.warning("The issue, if there is one, stays open: not everything could be scanned.")
        else:
            why = f"Nothing that has a fix is left in the {len(told)} images that are deployed."
            done, url = issues.close(client, about.repository, key, why)
        step.done(f"{done.value} {url}".strip())
    return done.value, url
