"""Find the base of an image: what names it, and whether the image begins with its layers.

Names come from the inputs, from annotations and labels (OCI image specification, annotations.md), from BuildKit's
provenance (https://docs.docker.com/build/metadata/attestations/slsa-provenance/) and from a Dockerfile. Whoever builds
the image writes most of them, so a name counts only where the operator's patterns allow it, no other host is asked, and
the layers decide: the base is the named image whose layers the image begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.libraries import packageurl
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.reference import DEFAULT_REGISTRY, Reference, is_digest
from s3c_actions.findings.base_image import attribute, starts_with
from s3c_actions.findings.model import BaseImage
from s3c_actions.registry.content import MANIFEST_TYPES, Manifest, invalid_answer, parse_json_object

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.registry.content import ImageConfig
    from s3c_actions.registry.reading import Registry

NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"
MAX_CLAIMS = 20
"""Names that are looked up for one image."""
_MAX_MATERIALS = 500
_MAX_ATTESTATIONS = 4
_GLOB = late_pattern(r"[*?\[]")
_PROVENANCE = late_pattern(r"https://slsa\.dev/provenance/")


class BaseClaim(msgspec.Struct, frozen=True):
    """A name that something gives the base of an image.

    Attributes:
        reference: as it was named.
        source: what names it, as a clause.
        given: whether the operator named it.
    """

    reference: Reference
    source: str
    given: bool = False


class BaseFinder(msgspec.Struct, frozen=True, kw_only=True):
    """Finds the base of scanned images, of which a run may have many on the same base.

    Attributes:
        registry: of the images and of the bases.
        allowed: images that count as a base: references, or patterns of `registry/repository[:tag]`.
        given: references that the operator named beside a policy's patterns.
        written: names in files of the workspace, such as a Dockerfile's; only hints.
        index: the index that the image is an entry of, which has its provenance; empty when there is none.
        known: configurations of bases that were looked up, None for one that could not be.
    """

    registry: Registry
    allowed: tuple[str, ...]
    given: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    index: str = ""
    known: dict[tuple[str, str], ImageConfig | S3CError] = msgspec.field(default_factory=dict)

    def within(self, index: str) -> BaseFinder:
        """Return the finder for an entry of an index, `registry/repository@digest`."""
        return replace(self, index=index)

    def attribute(self, report: ScanReport, image: str) -> tuple[ScanReport, tuple[str, ...]]:
        """Return a report whose findings say whether they came with the base, and what a person should know.

        Where the base is not known, no finding says anything, and each counts as the image's own.

        Args:
            report: of one image on one platform.
            image: `registry/repository@digest`, where it was read; anything else for an image in no registry.
        """
        if report.artifact_type != "container_image" or not report.diff_ids:
            return report, ()
        claims, problems = self._claims(report, image)
        best: BaseImage | None = None
        for claim in claims:
            try:
                config = self._look_up(claim.reference, report.platform)
            except S3CError as error:
                problems.append(f"{claim.reference} ({claim.source}) could not be looked up: {error.what}")
                continue
            if starts_with(report.diff_ids, config.diff_ids) and (
                best is None or len(config.diff_ids) > len(best.layers)
            ):
                best = BaseImage(
                    name=str(replace(claim.reference, digest="") if claim.reference.tag else claim.reference),
                    reference=claim.reference.at(config.manifest).pinned,
                    layers=config.diff_ids,
                    source=claim.source,
                )
        if best is not None:
            return attribute(report, best), ()
        named = ", ".join(dict.fromkeys(f"{claim.reference} ({claim.source})" for claim in claims))
        if claims and not problems:
            problems = [f"it does not begin with the layers of {named}"]
        why = "; ".join(problem.rstrip(".") for problem in problems[:3]) or "nothing names one that is allowed"
        return report, (f"The base of {report.image} is not known, so all findings count as its own: {why}.",)

    def _claims(self, report: ScanReport, image: str) -> tuple[list[BaseClaim], list[str]]:
        """Return the names to look up, without repetitions, and what hindered finding some."""
        problems: list[str] = []
        claims = [
            BaseClaim(Reference.parse(name, field="base-image"), "the input `base-image`", True)
            for name in (*self.allowed, *self.given)
            if not _GLOB.search(name)
        ]
        own = _parse(image) or _parse(report.image)
        if own is not None and not own.digest and is_digest(report.digest):
            own = own.at(report.digest)
        if own is not None and own.digest:
            try:
                claims += read_claims(self.registry, own, self.index)
            except S3CError as error:
                problems.append(f"its annotations and provenance could not be read: {error.what}")
        claims += _annotated(report.labels, "the image's label")
        claims += [
            BaseClaim(reference, "the Dockerfile") for name in self.written if (reference := _parse(name)) is not None
        ]
        unique: dict[str, BaseClaim] = {}
        for claim in claims:
            admitted = admit(claim.reference, self.allowed)
            # An earlier build of the image itself is no base, unless the operator says so.
            itself = own is not None and claim.reference.name == own.name and not claim.given
            if admitted is not None and not itself:
                unique.setdefault(str(admitted), replace(claim, reference=admitted))
        return list(unique.values())[:MAX_CLAIMS], problems

    def _look_up(self, reference: Reference, platform: str) -> ImageConfig:
        key = (str(reference), platform)
        outcome = self.known.get(key)
        if outcome is None:
            try:
                outcome = self.registry.config(reference, platform=platform, field="base-image")
            except InputError as error:
                # A base that was built anew may lose its old digest; its tag may still have the same layers.
                outcome = self._by_tag(reference, platform) or error
            except S3CError as error:
                outcome = error
            self.known[key] = outcome
        if isinstance(outcome, S3CError):
            raise outcome
        return outcome

    def _by_tag(self, reference: Reference, platform: str) -> ImageConfig | S3CError | None:
        if not (reference.digest and reference.tag):
            return None
        try:
            return self.registry.config(reference.tagged(reference.tag), platform=platform, field="base-image")
        except S3CError:
            return None


def admit(reference: Reference, allowed: Iterable[str]) -> Reference | None:
    """Return what to look up for a name of a base; None when it is not allowed.

    Nobody can tell whether a digest ever had a tag. So a name is looked up by its digest only where the whole
    repository is allowed, and by its tag where the tag is.

    Args:
        reference: as something named it.
        allowed: references, or patterns of `registry/repository` or `registry/repository:tag`.
    """
    tagged = reference.tagged(reference.tag or "latest")
    by_tag = bool(reference.tag) or not reference.digest
    chosen: Reference | None = None
    for entry in allowed:
        if _GLOB.search(entry):
            pattern = _full_pattern(entry)
            whole = fnmatchcase(reference.name, pattern)
            one_tag = by_tag and fnmatchcase(str(tagged), pattern)
        else:
            given = Reference.parse(entry, field="base-image")
            if given.name != reference.name:
                continue
            whole = given.digest == reference.digest if given.digest else not given.tag
            one_tag = by_tag and bool(given.tag) and not given.digest and given.tag == tagged.tag
        if whole:
            return reference
        if one_tag:
            chosen = tagged
    return chosen


def read_claims(registry: Registry, image: Reference, index: str = "") -> list[BaseClaim]:
    """Return what annotations and provenance in a registry name as an image's base; whoever built it wrote them.

    Args:
        registry: that has it.
        image: with a digest, of an image on one platform or of an index with one image.
        index: that lists it, `registry/repository@digest`; empty when there is none.

    Raises:
        S3CError: something could not be read.
    """
    manifest = registry.manifest(image)
    outer = manifest if manifest.descriptor.is_index else None
    if outer is None and index and index != image.pinned:
        outer = registry.manifest(Reference.parse(index))
    digest = image.digest
    claims: list[BaseClaim] = []
    if manifest is outer:
        images = manifest.descriptor.images
        if len(images) != 1:
            return _annotated(manifest.document.get("annotations"), "the index's annotation")
        digest = images[0].digest
        claims += _annotated(images[0].annotations, "the index's annotation")
        manifest = registry.manifest(image.at(digest))
    claims += _annotated(manifest.document.get("annotations"), "the image's annotation")
    if outer is not None:
        claims += _from_provenance(registry, image, outer, digest)
        claims += _annotated(outer.document.get("annotations"), "the index's annotation")
    return claims


def _annotated(annotations: object, source: str) -> list[BaseClaim]:
    values = annotations if isinstance(annotations, Mapping) else {}
    name, digest = values.get(NAME), values.get(DIGEST)
    reference = _parse(name) if isinstance(name, str) else None
    if reference is None:
        return []
    if not reference.digest and isinstance(digest, str) and is_digest(digest):
        reference = replace(reference, digest=digest)
    return [BaseClaim(reference, f"{source} {NAME}")]


def _from_provenance(registry: Registry, image: Reference, index: Manifest, digest: str) -> list[BaseClaim]:
    attestations = [
        entry
        for entry in index.descriptor.manifests
        if entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest"
        and entry.annotations.get("vnd.docker.reference.digest") == digest
        and entry.media_type in MANIFEST_TYPES
    ]
    refuse = partial(invalid_answer, image)
    claims = []
    for entry in attestations[:_MAX_ATTESTATIONS]:
        for layer in _provenance_layers(registry.manifest(image.at(entry.digest)))[:_MAX_ATTESTATIONS]:
            document = parse_json_object(registry.blob(image, layer), refuse)
            claims += [BaseClaim(reference, "the build's provenance") for reference in _materials(document)]
    return claims


def _provenance_layers(manifest: Manifest) -> list[str]:
    layers = manifest.document.get("layers")
    return [
        layer["digest"]
        for layer in (layers if isinstance(layers, list) else ())
        if isinstance(layer, dict)
        and is_digest(str(layer.get("digest")))
        and isinstance(layer.get("annotations"), dict)
        and _PROVENANCE.match(str(layer["annotations"].get("in-toto.io/predicate-type")))
    ]


def _materials(statement: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield the images among the materials of SLSA provenance, version 0.2 or 1."""
    predicate = statement.get("predicate")
    if not isinstance(predicate, dict):
        return
    definition = predicate.get("buildDefinition")
    listed = definition.get("resolvedDependencies") if isinstance(definition, dict) else predicate.get("materials")
    for material in (listed if isinstance(listed, list) else [])[:_MAX_MATERIALS]:
        if isinstance(material, dict) and (reference := _material(material)) is not None:
            yield reference


def _material(material: Mapping[str, Any]) -> Reference | None:
    """Return the image that a material names by a package URL of type `docker`; None for anything else."""
    try:
        purl = packageurl.PackageURL.from_string(str(material.get("uri")))
    except ValueError:
        return None
    if purl.type != "docker":
        return None
    name = "/".join(part for part in (purl.namespace, purl.name) if part)
    separator = "@" if is_digest(purl.version or "") else ":"
    reference = _parse(f"{name}{separator}{purl.version}" if purl.version else name)
    digests = material.get("digest")
    encoded = digests.get("sha256") if isinstance(digests, dict) else None
    digest = f"sha256:{encoded}"
    return replace(reference, digest=digest) if reference is not None and is_digest(digest) else reference


def _full_pattern(pattern: str) -> str:
    """Return a pattern with the registry, and Docker Hub's `library/`, that a reference without them means."""
    first, slash, _ = pattern.partition("/")
    if pattern == "*":
        return pattern
    if not slash:
        return f"{DEFAULT_REGISTRY}/library/{pattern}"
    if "." in first or ":" in first or first == "localhost" or _GLOB.search(first):
        return pattern
    return f"{DEFAULT_REGISTRY}/{pattern}"


def _parse(name: str) -> Reference | None:
    try:
        return Reference.parse(name)
    except InputError:
        return None
