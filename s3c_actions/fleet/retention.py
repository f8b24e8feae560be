"""How long plans, results and reports stay in the registry, and how earlier ones are found there.

A tag that moves from plan to plan, as `today`, leaves the earlier plan a tag of its own: so all can be listed, and a
registry's own clean-up of what has no tag takes nothing that shards work by. Tags that are numbered, as a CronJob names
its Jobs, are one series. What belongs to another series is another fleet's, and is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError
from s3c_actions.fleet import store
from s3c_actions.registry.content import OCI_MANIFEST, text_values

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Registry, Writer
    from s3c_actions.registry.content import Manifest

REPORT_TAG = "-report"
"""End of the tag of the newest report on the plans of a tag."""
MAX_TAGS = 2000
"""Tags of one series that are looked at."""
_MOST = 128
"""Characters of a tag (OCI distribution specification 1.1)."""
_EARLIER = re.compile(r"-\d{8}T\d{6}Z-[0-9a-f]{8}$")
_NUMBERED = re.compile(r"(?:^|[-._])\d[\d._-]*$")
_NUMBER = 6
"""Digits from which on the end of a tag is a date or a run's number, and not one of several fleets."""
_BESIDE = (store.RESULT, store.REPORT, artifact_types.SIGNATURE)


class Stored(Struct, frozen=True, kw_only=True):
    """A plan or a report under a tag.

    Attributes:
        reference: by digest.
        artifact_type: `store.PLAN` or `store.REPORT`.
        created: when it was made; None where that is not told.
    """

    reference: Reference
    artifact_type: str
    created: datetime | None


class Pruned(Struct, frozen=True, kw_only=True):
    """How many plans were deleted, and how many documents beside them."""

    plans: int = 0
    documents: int = 0


def report_tag(plan_tag: str) -> str:
    """Return the tag of the newest report on the plans of a tag."""
    return f"{plan_tag[: _MOST - len(REPORT_TAG)]}{REPORT_TAG}"


def series(tag: str) -> str:
    """Return what the tags of one fleet's plans and reports have in common."""
    stem = _EARLIER.sub("", tag.removesuffix(REPORT_TAG))
    numbered = _NUMBERED.search(stem)
    if numbered is not None and sum(letter.isdigit() for letter in numbered[0]) >= _NUMBER:
        stem = stem[: numbered.start()]
    return stem


def keep_reachable(writer: Writer, place: Reference, digest: str) -> None:
    """Give the plan at a tag a tag of its own before another plan takes its place.

    Args:
        writer: of the registry.
        place: with the tag.
        digest: of the plan that takes the tag; one that has it already is left as it is.

    Raises:
        OutsideError: the registry rejected it, or failed.
    """
    manifest = writer.registry.find(place)
    if manifest is None or manifest.descriptor.artifact_type != store.PLAN or manifest.descriptor.digest == digest:
        return
    created = _created(manifest)
    stamp = created.strftime("%Y%m%dT%H%M%SZ") if created is not None else "00000000T000000Z"
    end = f"-{stamp}-{manifest.descriptor.digest.partition(':')[2][:8]}"
    own = place.tagged(f"{place.tag[: _MOST - len(end)]}{end}")
    if writer.registry.find(own) is None:
        writer.push_manifest(own, manifest.content, OCI_MANIFEST)


def list_stored(registry: Registry, place: Reference) -> list[Stored]:
    """Return the plans and reports of the series of a tag, the newest first; undated ones last.

    Args:
        registry: of the plans.
        place: with a tag.

    Raises:
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    undated = datetime.min.replace(tzinfo=UTC)
    # Two tags of one plan are one plan.
    found = {one.reference.digest: one for one in _stored(registry, place)}
    return sorted(found.values(), key=lambda one: (one.created or undated, one.reference.digest), reverse=True)


def find_newest(registry: Registry, place: Reference, artifact_type: str) -> Reference | None:
    """Return the newest plan or report of the series of a tag, by digest; None without one. Raise as `list_stored`."""
    listed = (one for one in list_stored(registry, place) if one.artifact_type == artifact_type and one.created)
    newest = next(listed, None)
    return newest.reference if newest is not None else None


def prune(writer: Writer, place: Reference, digest: str, before: datetime) -> Pruned:
    """Delete old plans of the series of a tag, with their results, reports and signatures.

    What is kept whatever its age: the plan that was just published, the newest plan besides, whose results say how long
    images take, the newest report, whose trend goes on, and what does not tell its age.

    Args:
        writer: of the registry.
        place: with the tag of the plan that was just published.
        digest: of that plan.
        before: plans that were made earlier are old.

    Raises:
        OutsideError: the registry does not allow deletions, or failed; what was deleted until then is gone.
    """
    listed = list_stored(writer.registry, place)
    others = [one for one in listed if one.artifact_type == store.PLAN and one.reference.digest != digest]
    reports = [one.reference.digest for one in listed if one.artifact_type == store.REPORT]
    kept = {digest, *reports[:1]}
    doomed = [one.reference for one in others[1:] if one.created is not None and one.created < before]
    documents = 0
    for plan in doomed:
        for referrer in writer.registry.referrers(plan):
            if referrer.artifact_type in _BESIDE and referrer.digest not in kept:
                documents += writer.delete_manifest(plan.at(referrer.digest))
        writer.delete_manifest(plan)
        _delete_empty_list(writer, plan)
    return Pruned(plans=len(doomed), documents=documents)


def _delete_empty_list(writer: Writer, subject: Reference) -> None:
    """Delete the tag that listed what refers to a manifest that is gone, in a registry without Referrers API."""
    index = writer.registry.referrers_index(subject)
    if index is not None and index.document.get("manifests") == []:
        writer.delete_manifest(subject.at(index.descriptor.digest))


def _stored(registry: Registry, place: Reference) -> Iterator[Stored]:
    try:
        tags = registry.tags(place)
    except InputError:  # there is no such repository yet
        return
    wanted = series(place.tag)
    for tag in [tag for tag in tags if series(tag) == wanted][:MAX_TAGS]:
        manifest = registry.find(place.tagged(tag))
        if manifest is not None and manifest.descriptor.artifact_type in (store.PLAN, store.REPORT):
            yield Stored(
                reference=place.at(manifest.descriptor.digest),
                artifact_type=manifest.descriptor.artifact_type,
                created=_created(manifest),
            )


def _created(manifest: Manifest) -> datetime | None:
    stated = text_values(manifest.document.get("annotations")).get(artifact_types.CREATED, "")
    try:
        created = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return created.astimezone(UTC) if created.tzinfo is not None else None
