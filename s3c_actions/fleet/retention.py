"""How long plans, results and reports stay in the registry, and how earlier ones are found there.

A tag that moves from plan to plan, as `today`, leaves the earlier plan a tag of its own: so all can be listed, and a
registry's own clean-up of what has no tag takes nothing that shards work by. Tags that are numbered, as a CronJob names
its Jobs, are one series. What belongs to another series is another fleet's, and is not touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.fleet import store
from s3c_actions.fleet.tags import is_internal
from s3c_actions.registry.content import OCI_MANIFEST

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Registry, Writer
    from s3c_actions.registry.content import Manifest

REPORT_TAG = "-report"
"""End of the tag of the newest report on the plans of a tag."""
MAX_TAGS = 2000
"""Tags of one series that are looked at, the newest."""
_MOST = 128
"""Characters of a tag (OCI distribution specification 1.1)."""
_EARLIER = re.compile(r"-\d{8}T\d{6}Z-[0-9a-f]{8}$")
_DATE = r"20\d\d[-._]?[01]\d[-._]?[0-3]\d(?:[-._T]\d\d[-._]?\d\d(?:[-._]?\d\d)?Z?)?"
# The end alone: `team-1-29391230` is a night of team 1. Six digits are a run's number, fewer one of several fleets.
_NUMBERED = re.compile(rf"(?:^|[-._])(?:{_DATE}|\d{{6,}})$")
_BESIDE = (store.RESULT, store.REPORT, artifact_types.SIGNATURE)


class Stored(Struct, frozen=True, kw_only=True):
    """A plan or a report under a tag.

    Attributes:
        reference: by digest.
        artifact_type: `store.PLAN` or `store.REPORT`.
        created: when it was made; None where that is not told.
        subject: digest of what it refers to; empty for a plan.
    """

    reference: Reference
    artifact_type: str
    created: datetime | None
    subject: str = ""


class Pruned(Struct, frozen=True, kw_only=True):
    """How many plans were deleted, and how many documents beside them."""

    plans: int = 0
    documents: int = 0


def report_tag(plan_tag: str) -> str:
    """Return the tag of the newest report on the plans of a tag."""
    return _extend(plan_tag, REPORT_TAG)


def series(tag: str) -> str:
    """Return what the tags of one fleet's plans and reports have in common."""
    stem = _EARLIER.sub("", tag.removesuffix(REPORT_TAG))
    return _NUMBERED.sub("", stem)


def _extend(tag: str, end: str) -> str:
    """Return a tag with an end of ours. What is too long for that is cut, with a hash of the whole series."""
    own = series(tag)
    marked = f"-{_hash(own)}{tag[len(own) :]}{end}"
    if len(tag) + len(end) > _MOST and own and len(marked) < _MOST:
        return f"{own[: _MOST - len(marked)]}{marked}"
    return f"{tag[: _MOST - len(end)]}{end}"


def _is_of(tag: str, wanted: str) -> bool:
    """Return whether a tag is of a series: of that name, or cut as `_extend` does."""
    own = series(tag)
    start, _, mark = own.rpartition("-")
    return own == wanted or (bool(start) and mark == _hash(wanted) and wanted.startswith(start))


def _hash(own: str) -> str:
    # The letter tells it from the number of a run.
    return f"x{hashlib.sha256(own.encode()).hexdigest()[:12]}"


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
    created = store.created(manifest)
    stamp = created.strftime("%Y%m%dT%H%M%SZ") if created is not None else "00000000T000000Z"
    end = f"-{stamp}-{manifest.descriptor.digest.partition(':')[2][:8]}"
    own = place.tagged(_extend(place.tag, end))
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
    # Two tags of one plan are one plan.
    by_digest = {stored.reference.digest: stored for stored in _stored(registry, place, _tags(registry, place))}
    return sorted(
        by_digest.values(), key=lambda stored: (stored.created or store.UNDATED, stored.reference.digest), reverse=True
    )


def find_newest(registry: Registry, place: Reference, artifact_type: str) -> Reference | None:
    """Return the newest plan or report of the series of a tag, by digest; None without one. Raise as `list_stored`."""
    listed = (
        stored for stored in list_stored(registry, place) if stored.artifact_type == artifact_type and stored.created
    )
    newest = next(listed, None)
    return newest.reference if newest is not None else None


def prune(writer: Writer, place: Reference, digest: str, before: datetime) -> Pruned:
    """Delete old plans of the series of a tag, with their results, reports and signatures.

    What is kept whatever its age: the plan that was just published, the newest plan besides, whose results say how long
    images take, the newest report, whose trend goes on, with its plan, what does not tell its age, and what has a tag
    of another series, since somebody wants it.

    Args:
        writer: of the registry.
        place: with the tag of the plan that was just published.
        digest: of that plan.
        before: plans that were made earlier are old.

    Raises:
        OutsideError: the registry does not allow deletions, or failed; what was deleted until then is gone. Or there
            are too many other tags to look at, and nothing is.
    """
    listed = list_stored(writer.registry, place)
    others = [stored for stored in listed if stored.artifact_type == store.PLAN and stored.reference.digest != digest]
    report = next((stored for stored in listed if stored.artifact_type == store.REPORT), None)
    kept = {digest, *((report.reference.digest, report.subject) if report is not None else ())}
    doomed = [stored.reference for stored in others[1:] if stored.created is not None and stored.created < before]
    if doomed:
        kept |= _tagged_otherwise(writer.registry, place)
    doomed = [plan for plan in doomed if plan.digest not in kept]
    documents = 0
    for plan in doomed:
        for referrer in writer.registry.referrers(plan):
            if referrer.digest not in kept and _is_beside(writer.registry, plan, referrer.digest):
                documents += writer.delete_manifest(plan.at(referrer.digest))
        writer.delete_manifest(plan)
        _delete_empty_list(writer, plan)
    return Pruned(plans=len(doomed), documents=documents)


def _delete_empty_list(writer: Writer, subject: Reference) -> None:
    """Delete the tag that listed what refers to a manifest that is gone, in a registry without Referrers API."""
    index = writer.registry.referrers_index(subject)
    if index is not None and index.document.get("manifests") == []:
        writer.delete_manifest(subject.at(index.descriptor.digest))


def _is_beside(registry: Registry, plan: Reference, digest: str) -> bool:
    """Return whether a manifest is what lies beside plans, and says itself that it is about this one.

    Without a Referrers API the list is a tag, and whoever may push there writes into it what they like.
    """
    manifest = registry.find(plan.at(digest))
    return manifest is not None and manifest.descriptor.artifact_type in _BESIDE and _subject(manifest) == plan.digest


def _tagged_otherwise(registry: Registry, place: Reference) -> set[str]:
    """Return the digests that tags of other series mean.

    Raises:
        OutsideError: there are too many tags, or the registry failed.
    """
    own = series(place.tag)
    others = [tag for tag in _tags(registry, place) if not _is_of(tag, own) and not is_internal(tag)]
    if len(others) > MAX_TAGS:
        raise OutsideError(
            f"{place.name} has {len(others):,} tags of others, and at most {MAX_TAGS:,} are looked at.",
            cause="An old plan that has one of them too is not deleted.",
            remedy="Publish plans to a repository of their own, or leave out `prune-plans`.",
        )
    manifests = (registry.find(place.tagged(tag)) for tag in others)
    return {manifest.descriptor.digest for manifest in manifests if manifest is not None}


def _tags(registry: Registry, place: Reference) -> tuple[str, ...]:
    try:
        return registry.tags(place)
    except InputError:  # there is no such repository yet
        return ()


def _stored(registry: Registry, place: Reference, tags: Iterable[str]) -> Iterator[Stored]:
    wanted = series(place.tag)
    # Tags that move come first; of those with a number or a date in them, the newest has the highest.
    own = sorted((tag for tag in tags if _is_of(tag, wanted)), key=lambda tag: _age_key(tag, wanted), reverse=True)
    for tag in own[:MAX_TAGS]:
        manifest = registry.find(place.tagged(tag))
        if manifest is not None and manifest.descriptor.artifact_type in (store.PLAN, store.REPORT):
            yield Stored(
                reference=place.at(manifest.descriptor.digest),
                artifact_type=manifest.descriptor.artifact_type,
                created=store.created(manifest),
                subject=_subject(manifest),
            )


def _age_key(tag: str, wanted: str) -> tuple[bool, tuple[tuple[int, str], ...]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", tag)
    numbers = tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
    return tag in (wanted, report_tag(wanted)), numbers


def _subject(manifest: Manifest) -> str:
    subject = manifest.document.get("subject")
    return str(subject.get("digest", "")) if isinstance(subject, dict) else ""
