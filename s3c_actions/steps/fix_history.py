"""Read what the signed reports in a repository show of fixes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import S3CError
from s3c_actions.core.text import counted
from s3c_actions.evidence.fix_history import FixHistory, read_history
from s3c_actions.policy import judge as judging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3c_actions.core.progress import Progress
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Descriptor
    from s3c_actions.steps.judge import PolicyJudge

MAX_TAGS = 50
"""Tags of a repository whose reports are looked at; a report carries on what earlier ones showed."""
MAX_REPORTS = 20
"""Reports that are read and whose signatures are verified, the newest first."""
_ATTACHED = re.compile(r"sha(256|512)-[0-9a-f]+(\..*)?")
"""Tags that name what is attached to a digest, in registries without the Referrers API and by cosign."""


def read(judge: PolicyJudge, reference: Reference, progress: Progress) -> FixHistory:
    """Return what signed reports in the repository of an image show.

    What cannot be read is left out and reported: a grace then counts from an earlier time, never from a later one.

    Args:
        judge: trusts the signers of the policy.
        reference: with a digest.
        progress: receives what could not be read.
    """
    listed: dict[str, tuple[Reference, Descriptor]] = {}
    failures: list[str] = []
    for subject in _subjects(judge, reference, failures):
        try:
            for referrer in judge.registry.referrers(subject, artifact_types.SARIF):
                listed.setdefault(referrer.digest, (subject, referrer))
        except S3CError as error:
            failures.append(error.what)
    newest = sorted(listed.values(), key=lambda entry: (_claimed(entry[1]), entry[1].digest), reverse=True)
    runs = []
    for subject, referrer in newest[:MAX_REPORTS]:
        try:
            runs += [
                run
                for run in judging.readable_runs(judge.read(referrer, subject))
                if run["properties"][artifact_types.STATEMENT]["subject"] == subject.digest
            ]
        except S3CError as error:
            failures.append(error.what)
    if failures:
        progress.warning(
            f"{reference.name}: {counted(len(failures), 'earlier report')} could not be read, so that graces may count "
            f"from the publication of a vulnerability: {failures[0]}"
        )
    return read_history(runs)


def _subjects(judge: PolicyJudge, reference: Reference, failures: list[str]) -> Iterator[Reference]:
    """Yield the image itself, and what the tags of its repository name, each digest once."""
    yield reference
    known = {reference.digest}
    try:
        tags = judge.registry.tags(reference)
    except S3CError as error:
        failures.append(error.what)
        return
    for tag in [tag for tag in tags if not _ATTACHED.fullmatch(tag)][-MAX_TAGS:]:
        try:
            digest = judge.registry.resolve(reference.tagged(tag)).digest
        except S3CError as error:
            failures.append(error.what)
            continue
        if digest not in known:
            known.add(digest)
            yield reference.at(digest)


def _claimed(referrer: Descriptor) -> str:
    return referrer.annotations.get(artifact_types.CREATED, "")
