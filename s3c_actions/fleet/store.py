"""A plan, the results of its shards and the reports on them, as artifacts in a registry.

    registry/repository:tag                  the plan
      ├─ the result of shard 1, 2, …         referrers of the plan's digest
      └─ the reports                          likewise

They are not signed. What they say decides no gate: a worker judges each image by the policy that it was given, and a
report takes what is current from the evidence beside each image.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s3c_actions.core import artifact_types, reading
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.moments import format_instant, parse_moment
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import MAX_SHARDS, Plan
from s3c_actions.registry.artifacts import push_artifact, read_artifact
from s3c_actions.registry.content import Manifest, text_values

if TYPE_CHECKING:
    from s3c_actions.registry import Registry, Writer

PLAN = "application/vnd.s3c.fleet.plan.v1+json"
RESULT = "application/vnd.s3c.fleet.result.v1+json"
REPORT = "application/vnd.s3c.fleet.report.v1+json"
SHARD = "dev.s3c.fleet.shard"
"""Annotation of a result: the shard's number, from 1."""
SCHEME = "oci://"
UNDATED = datetime.min.replace(tzinfo=UTC)
"""Sorts what does not tell its time before all that does."""
MAX_RESULTS = 10_000
"""Referrers of one plan that are looked at."""


def is_stored(text: str) -> bool:
    """Return whether a plan is named by its place in a registry, and not by a path."""
    return text.startswith(SCHEME)


def parse_place(text: str, *, field: str = "plan") -> Reference:
    """Parse `oci://registry/repository:tag` or `oci://registry/repository@digest`.

    Args:
        text: as given.
        field: the input it came from, for errors.

    Raises:
        InputError: it is no such place, or names neither tag nor digest.
    """
    reference = Reference.parse(text.removeprefix(SCHEME), field=field)
    if not reference.tag and not reference.digest:
        raise InputError(
            field,
            f"{text} names neither tag nor digest.",
            remedy=f"Give it as {SCHEME}registry/repository:tag.",
        )
    return reference


def push_plan(writer: Writer, reference: Reference, plan: Plan) -> Reference:
    """Push a plan, and return its place by digest.

    Args:
        writer: of the registry.
        reference: with the tag that is to mean it; without one it has its digest alone.
        plan: of the fleet.

    Raises:
        OutsideError: the registry rejected it, or failed.
    """
    annotations = {artifact_types.CREATED: plan.created, artifact_types.TITLE: "plan.json"}
    pushed = push_artifact(writer, reference, PLAN, plans.render(plan), annotations=annotations)
    return reference.at(pushed.digest)


def tag_plan(writer: Writer, plan: Reference, tag: str) -> None:
    """Have a tag mean a plan that is in the registry already; the plan is not sent again.

    Args:
        writer: of the registry.
        plan: by digest.
        tag: of the plan's repository; it is moved when it means something else.

    Raises:
        InputError: the plan is not there.
        OutsideError: the registry rejected it, or failed.
    """
    manifest = writer.registry.manifest(plan, field="plan")
    writer.push_manifest(plan.tagged(tag), manifest.content, manifest.descriptor.media_type)


def find_plan(registry: Registry, reference: Reference) -> Plan | None:
    """Return the plan at a tag or digest; None when nothing is there.

    Raises:
        InputError: what is there is no plan, or a plan with an invalid value.
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    stored = find_stored_plan(registry, reference)
    return stored[0] if stored is not None else None


def find_stored_plan(registry: Registry, reference: Reference) -> tuple[Plan, Reference] | None:
    """Return the plan at a tag or digest, and its place by digest; None when nothing is there. Raise as `find_plan`."""
    manifest = registry.find(reference)
    if manifest is None:
        return None
    if manifest.descriptor.artifact_type != PLAN:
        raise InputError(
            "plan",
            f"{reference} is no plan.",
            cause=f"Its type is {manifest.descriptor.artifact_type or manifest.descriptor.media_type}.",
            remedy="Give the place that `s3c fleet plan` published it to.",
        )
    content = read_artifact(registry, reference, manifest, plans.MAX_BYTES)
    return plans.parse(content, name=str(reference)), reference.at(manifest.descriptor.digest)


def push_result(writer: Writer, plan_reference: Reference, shard: int, content: bytes, *, now: datetime) -> str:
    """Push the `result.json` of a shard beside its plan, and return its manifest's digest.

    Args:
        writer: of the registry.
        plan_reference: by digest.
        shard: from 1.
        content: of `result.json`.
        now: the time of this run, by which the newest of a shard is known.

    Raises:
        InputError: the plan is not there.
        OutsideError: the registry rejected it, or failed.
    """
    annotations = {artifact_types.TITLE: "result.json", SHARD: str(shard)}
    return _push_beside(writer, plan_reference, RESULT, content, annotations, now=now)


def push_report(writer: Writer, plan_reference: Reference, content: bytes, *, tag: str = "", now: datetime) -> str:
    """Push a report beside its plan; result and errors as of `push_result`.

    Args:
        writer: of the registry.
        plan_reference: by digest.
        content: of `fleet-report.json`.
        tag: that is to mean it, of the plan's repository; without one it has its digest alone.
        now: the time of this run, by which the newest is known.
    """
    annotations = {artifact_types.TITLE: "fleet-report.json"}
    return _push_beside(writer, plan_reference, REPORT, content, annotations, tag=tag, now=now)


def _push_beside(
    writer: Writer,
    plan_reference: Reference,
    artifact_type: str,
    content: bytes,
    annotations: dict[str, str],
    *,
    tag: str = "",
    now: datetime,
) -> str:
    subject = writer.registry.resolve(plan_reference, field="plan")
    return push_artifact(
        writer,
        plan_reference.tagged(tag),
        artifact_type,
        content,
        annotations={**annotations, artifact_types.CREATED: format_instant(now)},
        subject=subject,
    ).digest


def list_results(registry: Registry, plan_reference: Reference) -> list[tuple[int, bytes]]:
    """Return shard and `result.json` of every shard that has left one, the newest of each, sorted by shard.

    Args:
        registry: of the plan.
        plan_reference: by digest.

    Raises:
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    return [
        (shard, read_artifact(registry, plan_reference, manifest, reading.MAX_DOCUMENT_BYTES))
        for shard, manifest in sorted(_newest_results(registry, plan_reference).items())
    ]


def list_finished(registry: Registry, plan_reference: Reference) -> set[int]:
    """Return the shards that have left a result. Raise as `list_results`."""
    return set(_newest_results(registry, plan_reference))


def _newest_results(registry: Registry, plan_reference: Reference) -> dict[int, Manifest]:
    newest: dict[int, tuple[tuple[datetime, str], Manifest]] = {}
    for manifest in _beside(registry, plan_reference, RESULT):
        annotations = text_values(manifest.document.get("annotations"))
        text = annotations.get(SHARD, "")
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MAX_SHARDS):
            continue
        key = _age_key(manifest)
        if int(text) not in newest or key > newest[int(text)][0]:
            newest[int(text)] = (key, manifest)
    return {shard: manifest for shard, (_, manifest) in newest.items()}


def list_reports(registry: Registry, plan_reference: Reference) -> list[tuple[str, bytes]]:
    """Return RFC 3339 time and content of the reports on a plan, the oldest first. Raise as `list_results`."""
    return [
        (_created_text(manifest), read_artifact(registry, plan_reference, manifest, reading.MAX_DOCUMENT_BYTES))
        for manifest in sorted(_beside(registry, plan_reference, REPORT), key=_age_key)
    ]


def created(manifest: Manifest) -> datetime | None:
    """Return when a plan, result or report was made; None where its manifest does not tell."""
    return parse_moment(_created_text(manifest))


def _created_text(manifest: Manifest) -> str:
    return text_values(manifest.document.get("annotations")).get(artifact_types.CREATED, "")


def _age_key(manifest: Manifest) -> tuple[datetime, str]:
    """Return a key that sorts by age, the oldest first; what has no time is older than all that have one."""
    return created(manifest) or UNDATED, manifest.descriptor.digest


def _beside(registry: Registry, plan_reference: Reference, artifact_type: str) -> list[Manifest]:
    """Return the artifacts of a type that refer to the plan by their own manifests; what is gone is left out."""
    listed = registry.referrers(plan_reference, artifact_type)
    if len(listed) > MAX_RESULTS:
        raise OutsideError(
            f"{plan_reference} has {len(listed):,} referrers, and at most {MAX_RESULTS:,} are read.",
            cause="Many runs left their results beside one plan, or somebody else pushed them.",
            remedy="Publish a new plan.",
        )
    manifests = (registry.find(plan_reference.at(entry.digest)) for entry in listed)
    return [
        manifest
        for manifest in manifests
        if manifest is not None
        and isinstance(subject := manifest.document.get("subject"), dict)
        and subject.get("digest") == plan_reference.digest
    ]
