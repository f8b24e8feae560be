"""Say what the gate would refuse of the images that a cluster uses, before it refuses anything.

Each image is judged once: by the installed gate, which is asked by dry run as it would be asked in the stage `deny`, or
by a policy that is to come, with the evidence in the registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec

from s3c_actions.cluster.client import Cluster
from s3c_actions.cluster.denials import RATIFY_BUSY, Denial
from s3c_actions.cluster.gate import proof
from s3c_actions.cluster.image_places import pod_images
from s3c_actions.cluster.used_images import ImageUse
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.report.document import PreviewImage

AT_ONCE = 4
_COMMAND = re.compile(r"`(?P<command>s3c (?:attach|patch|sign) (?P<image>[A-Za-z0-9.:/@_\[\]-]+))`")
_NOT_ASKED = re.compile(rf"Ratify could not be asked|the gate itself|{RATIFY_BUSY}")
_VERDICTS = ("refused", "unknown", "admitted")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate would do with one image.

    Attributes:
        image: by digest, or as given where that is not known.
        verdict: `admitted`, `refused` or `unknown`.
        reason: why not, as a clause.
        remedy: what to change.
    """

    image: str
    verdict: str
    reason: str = ""
    remedy: str = ""


def preview(
    used: Mapping[str, Sequence[ImageUse]], exempt: Collection[str], ask: Callable[[str], Verdict]
) -> tuple[tuple[PreviewImage, ...], tuple[PreviewImage, ...]]:
    """Judge images; those of exempt namespaces alone come apart.

    Args:
        used: image, as named → its uses.
        exempt: namespaces that go around the gate.
        ask: judges one image; does not raise.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = dict(zip(used, pool.map(ask, used), strict=True))
    by_image: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        by_image.setdefault(verdict.image, []).append(name)
    listed: tuple[list[PreviewImage], list[PreviewImage]] = ([], [])
    for image, names in by_image.items():
        uses = sorted({use for name in names for use in used[name]})
        subject = [use for use in uses if use.namespace not in exempt]
        # Of several names of one digest, one by a tag may be refused for that.
        verdict = min((verdicts[name] for name in names), key=lambda candidate: _VERDICTS.index(candidate.verdict))
        listed[0 if subject else 1].append(_entry(image, names, verdict, subject or uses))
    first, second = (
        tuple(sorted(images, key=lambda image: (_VERDICTS.index(image.verdict), image.image))) for images in listed
    )
    return first, second


def _entry(image: str, names: Sequence[str], verdict: Verdict, uses: Sequence[ImageUse]) -> PreviewImage:
    static = any(use.static for use in uses)
    commands = fix_commands(image, verdict) if verdict.verdict == "refused" else ()
    return PreviewImage(
        image=image,
        names=tuple(names),
        verdict=verdict.verdict,  # type: ignore[arg-type]  # one of its values
        reason=verdict.reason,
        remedy=verdict.remedy,
        command=next(iter(commands), ""),
        commands=commands,
        places=tuple(dict.fromkeys(f"{use.workload} ({use.noun})" for use in uses)),
        running=any(use.running for use in uses),
        static=static,
    )


def fix_commands(image: str, verdict: Verdict) -> tuple[str, ...]:
    """Return the commands that fix what an image is refused for: those that the reason or the remedy names, in order.

    A reason contains names of packages, which are whatever somebody wrote: a command for another image is none of ours.
    """
    named = _COMMAND.finditer(f"{verdict.reason} {verdict.remedy}")
    if own := tuple(
        dict.fromkeys(command["command"] for command in named if pinned(command["image"]) == pinned(image))
    ):
        return own
    if "@" in image and "not in its registry" not in verdict.reason and "in no registry" not in verdict.reason:
        return (f"s3c trace {image}",)
    return ()


class InstalledGate(msgspec.Struct, frozen=True, kw_only=True):
    """Asks the gate of a cluster.

    Attributes:
        cluster: that has it.
        namespace: that the gate looks at, of the Pods that are tried.
        constraints: names of those that ask Ratify, with that of a preview.
    """

    cluster: Cluster
    namespace: str
    constraints: frozenset[str]

    def ask(self, image: str) -> Verdict:
        """Return what the stage `deny` would do with an image."""
        if not image:
            return Verdict(image=image, verdict="refused", reason="no image is named", remedy="Name one, by digest.")
        try:
            denied = proof.try_images(self.cluster, self.namespace, image, proof.ABSENT_IMAGE, preview=True)
        except S3CError as error:
            return Verdict(image=pinned(image), verdict="unknown", reason=error.what, remedy=error.remedy)
        denials = denied.denials if denied is not None else ()
        own = [denial for denial in denials if denial.constraint in self.constraints]
        if refusal := next((denial for denial in own if denial.image != proof.ABSENT_IMAGE), None):
            return self._refused(image, refusal)
        # What cannot be there has to be refused beside it: a webhook that fails open may not have been asked.
        if any(self._is_verdict(denial) for denial in own):
            return Verdict(image=self._find_digest(image), verdict="admitted")
        if denials:
            return self._refused(image, denials[0])
        return Verdict(
            image=pinned(image),
            verdict="unknown",
            reason="the gate was not asked: it admitted what is not there",
            remedy="Look at the Pods in gatekeeper-system, and try again.",
        )

    def _refused(self, image: str, denial: Denial) -> Verdict:
        # Mutation had written the digest into the Pod before it was judged.
        name = denial.image if "@" in denial.image and denial.image != proof.ABSENT_IMAGE else image
        return Verdict(
            image=pinned(name),
            verdict="refused" if self._is_verdict(denial) else "unknown",
            reason=denial.reason,
            remedy=denial.remedy,
        )

    def _find_digest(self, image: str) -> str:
        """Return an admitted image by the digest that mutation writes in the place of its tag."""
        admitted: list[dict[str, object]] = []
        if "@" not in image:
            with suppress(S3CError):
                proof.try_images(self.cluster, self.namespace, image, preview=True, admitted=admitted)
        spec = admitted[0].get("spec") if admitted else None
        names = [pod_image.image for pod_image in pod_images(spec)] if isinstance(spec, dict) else []
        return pinned(names[0] if names else image)

    def _is_verdict(self, denial: Denial) -> bool:
        own = denial.constraint in self.constraints or denial.webhook == "mutation.gatekeeper.sh"
        return own and not _NOT_ASKED.match(denial.reason)


def pinned(image: str) -> str:
    """Return an image by its digest alone, where it has one."""
    try:
        reference = Reference.parse(image)
    except InputError:
        return image
    return reference.pinned if reference.digest else str(reference)
