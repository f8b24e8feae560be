"""`s3c refresh`: what is deployed, scanned again with today's data; one issue on what can be fixed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s3c_actions.commands import Command, Context, folders
from s3c_actions.errors import InputError, S3CError
from s3c_actions.image import Reference
from s3c_actions.inputs import Values
from s3c_actions.inputs import deploy as deploying
from s3c_actions.inputs import github as on_github
from s3c_actions.inputs import refresh as inputs
from s3c_actions.steps.results import ImageOutcome, Outcome, RefreshResult

if TYPE_CHECKING:
    from s3c_actions.report.refreshed import Refreshed

NAME = "refresh"


def run(values: Values, context: Context) -> Outcome:
    """Scan everything that is deployed, and keep the issue; an image that cannot be scanned hides no other.

    Raises:
        InputError: an input is wrong, or nothing is deployed.
        OutsideError: the cluster does not answer, Trivy could not be had, or GitHub did not take the issue.
    """
    from s3c_actions.commands.scan import scanning
    from s3c_actions.report import refreshed

    started = time.monotonic()
    if values[inputs.ISSUE]:
        _token(values, context)  # told before minutes are spent
    deployed, unknown = _deployed(values, context)
    images = tuple(deployed)
    places = folders(context.output, images)
    scanner = scanning(values, context, images)
    outcomes, told = [], []
    for image in images:
        context.progress.about(image)
        try:
            result = scanner.scan(image, places[image])
        except S3CError as error:
            error.image = error.image or image
            outcomes.append(ImageOutcome(image=image, failure=error))
            told.append(refreshed.Refreshed(image=image, places=deployed[image], problem=error.what))
            continue
        outcomes.append(ImageOutcome(image=image, reference=result.reference, scan=result))
        told.append(
            refreshed.Refreshed(
                image=image,
                reference=result.reference,
                places=deployed[image],
                findings=result.refused,
                total=len(result.report.findings),
                problem=result.blind,
            )
        )
    told += [
        refreshed.Refreshed(image=image, places=where, problem="The cluster does not tell its digest.")
        for image, where in unknown.items()
    ]
    due = tuple(one.image for one in told if one.findings)
    done, url = _issue(values, context, told) if values[inputs.ISSUE] else ("", "")
    return Outcome(
        command=NAME,
        images=tuple(outcomes),
        seconds=time.monotonic() - started,
        refresh=RefreshResult(due=due, unknown=tuple(unknown), issue=url, done=done),
        text=refreshed.text(told),
    )


def _deployed(values: Values, context: Context) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Image → what runs it; and those whose digest is not known."""
    given: tuple[str, ...] = values[inputs.IMAGE]
    named: dict[str, tuple[str, ...]] = {str(Reference.parse(image)): () for image in given}
    if named and not any(values.given(one) for one in (*deploying.CLUSTER, inputs.NAMESPACES)):
        return named, {}
    from s3c_actions.cluster import deployed
    from s3c_actions.commands.deploy import cluster_of

    with context.progress.step("cluster") as step:
        namespaces: tuple[str, ...] = values[inputs.NAMESPACES]
        look = deployed.look(cluster_of(values, context), namespaces)
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


def _token(values: Values, context: Context) -> str:
    from s3c_actions.commands.comment import token_of

    return token_of(values, context)


def _issue(values: Values, context: Context, told: Sequence[Refreshed]) -> tuple[str, str]:
    """Keep the issue; returns what was done and its address.

    It is closed only when everything could be looked at: what is not known is not mended.
    """
    from s3c_actions.github import api, issues, marker
    from s3c_actions.github import run as runs
    from s3c_actions.report import refreshed

    about = runs.of(context.environment, values[on_github.REPOSITORY])
    client = api.connect(_token(values, context), context.environment, context.progress.notice)
    key = marker.key(NAME, about.workflow)
    with context.progress.step("issue") as step:
        if any(one.findings for one in told):
            ticket = issues.Ticket(
                key=key,
                title=refreshed.title(told),
                body=refreshed.body(told, run_url=about.url),
                says=refreshed.body(told),
                run=about.id,
                labels=values[inputs.ISSUE_LABELS],
            )
            done, url = issues.put(client, about.repository, ticket)
        elif any(one.problem for one in told):
            done, url = issues.Done.NOTHING, ""
            context.progress.warning("The issue, if there is one, stays open: not everything could be scanned.")
        else:
            why = f"Nothing is left to mend in the {len(told)} images that are deployed."
            done, url = issues.close(client, about.repository, key, why)
        step.done(f"{done.value} {url}".strip())
    return done.value, url


COMMAND = Command(
    name=NAME,
    help="Scans again what is deployed, by digest, with today's vulnerability data: what runs on a cluster, or a list. "
    "Keeps one issue on what can be fixed, and hands the images on to be patched.",
    inputs=inputs.INPUTS,
    run=run,
    examples=(
        "s3c refresh --namespaces shop --fail-on MEDIUM",
        "s3c refresh registry.example/app@sha256:… registry.example/db:15.0-1 --issue --repository octo/shop",
    ),
)
