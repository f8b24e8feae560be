"""Read registries: digests, manifests, configurations, layers, tags, referrers.

Every manifest and blob is checked against its digest before anything in it is used.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin

from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.registry.connection import Connection, same_origin
from s3c_actions.registry.content import (
    ACCEPTED_TYPES,
    EMPTY_TYPE,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_CONFIG,
    MAX_MANIFEST,
    OCI_INDEX,
    Descriptor,
    ImageConfig,
    Manifest,
    artifact_type,
    choose,
    compute_digest,
    config_digest,
    invalid_answer,
    parse_descriptors,
    parse_json_object,
    parse_manifest,
    platform_name,
    text_values,
    verify_chunks,
)
from s3c_actions.registry.credentials import Logins

if TYPE_CHECKING:
    from requests import Response

MAX_PAGES = 100
_REDIRECTS = (301, 302, 303, 307, 308)
# How registries without the Referrers API answer it; the specification has 404 alone.
_NO_API = (400, 404, 405, 406, 410, 501)
# Tags that are not offered as alternatives: lists of referrers, and the temporary tags of patches.
_NOT_OFFERED = late_pattern(r"sha256-[0-9a-f]{64}|s3c-[0-9a-f]{32}[a-z0-9-]*")
_COMPARED = 5000
"""Number of tags that a misspelt one is compared with."""
MAX_NESTING = 3
_UNTYPED = frozenset({"", EMPTY_TYPE})
_MAX_UNTYPED = 500
IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
CHUNK_BYTES = 1024 * 1024


class Registry:
    """A client that reads registries; one object holds the sessions and tokens of a run.

    Args:
        logins: the credentials for each registry.
        insecure: whether to use plain HTTP, or not to check certificates.
        timeout: seconds for one answer, including its body.
        retries: how often a 429 or 5xx is retried.
    """

    def __init__(
        self,
        logins: Logins,
        *,
        insecure: bool = False,
        timeout: float = 30.0,
        retries: int = 3,
    ) -> None:
        self.connection = Connection(
            logins=logins,
            insecure=insecure,
            timeout=timeout,
            retries=retries,
        )
        self._without_api: set[str] = set()

    def __repr__(self) -> str:
        return f"Registry({self.connection!r})"

    def resolve(self, reference: Reference, *, field: str = "image") -> Descriptor:
        """Return the digest, type, size and platforms of a reference; of its tag when it has no digest.

        Args:
            reference: to look up.
            field: the input it came from, for the error.

        Raises:
            InputError: it is not in the registry; names the existing tags, when they can be listed.
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        return self.manifest(reference, field=field).descriptor

    def digest(self, reference: Reference, *, field: str = "image") -> str:
        """Return what a reference means now, by a HEAD request, which registries with a limit on pulls do not count.

        The digest is the registry's claim: whatever is read by it is checked.

        Args:
            reference: to look up.
            field: the input it came from, for the error.

        Raises:
            InputError: it is not in the registry; names the existing tags, when they can be listed.
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        wanted = reference.digest or reference.tag or "latest"
        path = f"/v2/{reference.repository}/manifests/{wanted}"
        with self.connection.request("HEAD", reference, path, accept=ACCEPTED_TYPES) as response:
            announced = response.headers.get("Docker-Content-Digest", "")
            status = response.status_code
        if status == 404:
            raise self._not_found_error(reference, field)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if status != 200 or not is_digest(announced) or kind not in INDEX_TYPES | MANIFEST_TYPES:
            return self.resolve(reference, field=field).digest
        if reference.digest and announced != reference.digest:
            raise invalid_answer(reference, f"it says that {reference.digest} is {announced}")
        return announced

    def manifest(self, reference: Reference, *, field: str = "image") -> Manifest:
        """Return the manifest or index of a reference. Raise as `resolve` does."""
        manifest = self.find(reference)
        if manifest is None:
            raise self._not_found_error(reference, field)
        return manifest

    def find(self, reference: Reference) -> Manifest | None:
        """Return the manifest or index of a reference, None when it is not in the registry.

        Raises:
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        wanted = reference.digest or reference.tag or "latest"
        path = f"/v2/{reference.repository}/manifests/{wanted}"
        response = self._get(reference, path, accept=ACCEPTED_TYPES)
        if response.status_code == 404:
            self.connection.dismiss(response, reference)
            return None
        body = self.connection.body(response, reference, MAX_MANIFEST)
        algorithm = (reference.digest or "sha256:").partition(":")[0]
        digest = compute_digest(body, algorithm)
        announced = response.headers.get("Docker-Content-Digest", digest)
        if (reference.digest and digest != reference.digest) or (
            announced.startswith(f"{algorithm}:") and announced != digest
        ):
            raise invalid_answer(reference, f"the manifest's digest is {digest}, not {reference.digest or announced}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        return parse_manifest(body, partial(invalid_answer, reference), digest=digest, media_type=kind)

    def flatten(self, reference: Reference, index: Descriptor) -> Descriptor:
        """Return an index that lists every image a runtime could take from it, each with its platform.

        A runtime descends into nested indexes, and reads an image's configuration where an entry has no platform, so
        both have to be examined.

        Args:
            reference: names the repository.
            index: as `resolve` returned it.

        Raises:
            OutsideError: an entry cannot be read, or is nested too deeply.
        """
        listed = {image.digest: image for image in self._images(reference, index.manifests, MAX_NESTING)}
        return replace(index, manifests=tuple(listed.values()))

    def _images(self, reference: Reference, entries: tuple[Descriptor, ...], depth: int) -> Iterator[Descriptor]:
        if depth == 0:
            raise invalid_answer(reference, f"its index lists indexes over {MAX_NESTING} deep")
        for entry in entries:
            if entry.is_index:
                nested = self.manifest(reference.at(entry.digest)).descriptor
                yield from self._images(reference, nested.manifests, depth - 1)
            elif entry.platform or entry.media_type not in MANIFEST_TYPES:
                yield entry
            elif platform := self._own_platform(reference.at(entry.digest)):
                yield replace(entry, platform=platform)

    def _own_platform(self, reference: Reference) -> str:
        """Return the platform in the configuration of a possible image; empty for what no runtime accepts as one."""
        manifest = self.manifest(reference)
        config = manifest.document.get("config")
        if not isinstance(config, dict) or config.get("mediaType") not in IMAGE_CONFIGS:
            return ""
        refuse = partial(invalid_answer, reference)
        return platform_name(parse_json_object(self.blob(reference, config_digest(manifest, refuse)), refuse))

    def config(self, reference: Reference, *, platform: str = "", field: str = "image") -> ImageConfig:
        """Return the configuration of an image.

        Args:
            reference: an image or an index.
            platform: of an index, the image to use; its only one, else `linux/amd64`, when empty.
            field: the input the reference came from, for the error.

        Raises:
            InputError: it is not in the registry, or has no such platform (`platform`).
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        manifest = self.manifest(reference, field=field)
        if manifest.descriptor.is_index:
            chosen = choose(manifest.descriptor, platform, reference)
            manifest = self.manifest(reference.at(chosen.digest), field=field)
        refuse = partial(invalid_answer, reference)
        document = parse_json_object(self.blob(reference, config_digest(manifest, refuse)), refuse)
        rootfs = document.get("rootfs")
        layers = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
            raise invalid_answer(reference, "its configuration lists no layers")
        own = document.get("config")
        return ImageConfig(
            manifest=manifest.descriptor.digest,
            platform=platform_name(document),
            diff_ids=tuple(layers),
            labels=text_values(own.get("Labels") if isinstance(own, dict) else None),
            document=document,
        )

    def blob(self, reference: Reference, digest: str) -> bytes:
        """Return content of the reference's repository that a manifest names, at most MAX_CONFIG.

        Args:
            reference: names the repository.
            digest: of the content.

        Raises:
            OutsideError: it is missing, does not match its digest, or the registry failed.
        """
        response = self._get(reference, f"/v2/{reference.repository}/blobs/{digest}")
        if response.status_code == 404:
            raise invalid_answer(reference, f"{digest}, which a manifest names, is missing")
        body = self.connection.body(response, reference, MAX_CONFIG)
        if compute_digest(body, digest.partition(":")[0]) != digest:
            raise invalid_answer(reference, f"what it sends for {digest} is other content")
        return body

    def layer(self, reference: Reference, digest: str, size: int) -> Iterator[bytes]:
        """Yield content of any size, in pieces; the digest is checked before the last of them is yielded.

        Args:
            reference: names the repository.
            digest: of the content.
            size: in bytes, as in its manifest.

        Raises:
            OutsideError: it is missing, does not match its digest, or the registry failed.
        """
        response = self._get(reference, f"/v2/{reference.repository}/blobs/{digest}")
        if response.status_code != 200:
            response.close()
            raise invalid_answer(reference, f"{digest}, which a manifest names, is missing")
        pieces = self.connection.chunks(response, reference, CHUNK_BYTES)
        with contextlib.closing(response):
            yield from verify_chunks(pieces, digest, size, partial(invalid_answer, reference))

    def tags(self, reference: Reference, *, field: str = "image") -> tuple[str, ...]:
        """Return every tag of a repository, in the registry's order.

        Raises:
            InputError: the registry does not know the repository.
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        tags: list[str] = []
        path = f"/v2/{reference.repository}/tags/list?" + urlencode({"n": 1000})
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            seen.add(path)
            response = self._get(reference, path)
            if response.status_code == 404:
                raise _no_repository(reference, field)
            body = self.connection.body(response, reference, MAX_MANIFEST)
            page = parse_json_object(body, partial(invalid_answer, reference)).get("tags") or []
            if not isinstance(page, list):
                raise invalid_answer(reference, "its list of tags is not a list")
            tags += [tag for tag in page if isinstance(tag, str)]
            next_page = _next_page(response)
            if not next_page:
                return tuple(dict.fromkeys(tags))
            if next_page in seen:
                raise invalid_answer(reference, "a page of its list of tags leads back to an earlier one")
            path = next_page
        raise invalid_answer(reference, f"its list of tags has more than {MAX_PAGES} pages")

    def referrers(self, reference: Reference, wanted_type: str = "") -> tuple[Descriptor, ...]:
        """Return the referrers of a digest (signatures, reports), by the referrers API, else by its fallback tag.

        Args:
            reference: with a digest.
            wanted_type: only those of this artifact type; all when empty.

        Raises:
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        listed = self.referrers_by_api(reference)
        if listed is None:
            self._without_api.add(reference.registry)
            listed = self._fallback_referrers(reference)
        return self._select(reference, listed, wanted_type)

    def referrers_in_bulk(self, reference: Reference, wanted_type: str = "") -> tuple[Descriptor, ...]:
        """Return the same with half of the requests, for what asks about many images; arguments and errors are those.

        A registry that lacked the API for another digest is asked for it only where the tag lists nothing.
        """
        if reference.registry in self._without_api and (listed := self._fallback_referrers(reference)):
            return self._select(reference, listed, wanted_type)
        return self.referrers(reference, wanted_type)

    def _select(self, reference: Reference, listed: tuple[Descriptor, ...], wanted_type: str) -> tuple[Descriptor, ...]:
        untyped = [referrer.digest for referrer in listed if referrer.artifact_type in _UNTYPED]
        if len(untyped) > _MAX_UNTYPED:
            raise invalid_answer(reference, f"it lists {len(untyped)} referrers without the type that they have")
        complete = (
            self._typed(reference, referrer) if referrer.artifact_type in _UNTYPED else referrer for referrer in listed
        )
        return tuple(referrer for referrer in complete if wanted_type in ("", referrer.artifact_type))

    def _typed(self, reference: Reference, listed: Descriptor) -> Descriptor:
        """Return a referrer with the type and annotations of its manifest, which some registries do not list."""
        if listed.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            return listed
        manifest = self.find(reference.at(listed.digest))
        if manifest is None:
            return listed
        annotations = text_values(manifest.document.get("annotations"))
        return replace(listed, artifact_type=artifact_type(manifest.document), annotations=annotations)

    def referrers_by_api(self, reference: Reference) -> tuple[Descriptor, ...] | None:
        """Return the referrers that the Referrers API lists, None where the registry has no such API.

        Args:
            reference: with a digest.

        Raises:
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        if not reference.digest:
            raise ValueError(f"{reference} has no digest")
        path = f"/v2/{reference.repository}/referrers/{reference.digest}"
        listed: list[Descriptor] = []
        for number in range(MAX_PAGES):
            # Filtered here: a registry may ignore the query, and reports that in a header only.
            response = self.connection.request(
                "GET", reference, path, accept=OCI_INDEX, expected=(200, *_NO_API, *_REDIRECTS), redirects=False
            )
            # GitHub's registry, which has no such API, redirects to github.com's web pages, which answer anything.
            no_api = response.status_code in _NO_API or _is_page(response) or _leaves_host(response)
            if number == 0 and no_api:
                self.connection.dismiss(response, reference)
                return None
            if response.is_redirect:
                self.connection.dismiss(response, reference)
                path = urljoin(response.url, response.headers["Location"])
                continue
            content = self.connection.body(response, reference, MAX_MANIFEST)
            if number == 0 and not _is_index(response, content):
                return None
            listed += self._parse_index(reference, content)
            next_page = _next_page(response)
            if not next_page:
                return tuple(listed)
            path = next_page
        raise invalid_answer(reference, f"its list of referrers has more than {MAX_PAGES} pages")

    def _fallback_referrers(self, reference: Reference) -> tuple[Descriptor, ...]:
        index = self.referrers_index(reference)
        if index is None or index.descriptor.digest == reference.digest:
            return ()  # GitLab's registry takes this tag for the digest: an index's own entries refer to nothing
        if index.descriptor.media_type not in INDEX_TYPES:
            return ()  # as the specification has it: a tag that is no index lists nothing
        return parse_descriptors(index.document, partial(invalid_answer, reference))

    def referrers_index(self, subject: Reference) -> Manifest | None:
        """Return what is at the tag of the referrers tag schema, of whatever type; None where there is no such tag.

        Args:
            subject: with a digest.

        Raises:
            OutsideError: the registry could not be reached, or what it has is not JSON.
        """
        path = f"/v2/{subject.repository}/manifests/{referrers_tag(subject.digest)}"
        response = self._get(subject, path, accept=f"{ACCEPTED_TYPES}, */*")
        if response.status_code == 404:
            self.connection.dismiss(response, subject)
            return None
        content = self.connection.body(response, subject, MAX_MANIFEST)
        document = parse_json_object(content, partial(invalid_answer, subject))
        kind = str(document.get("mediaType") or response.headers.get("Content-Type", "").partition(";")[0].strip())
        if kind not in MANIFEST_TYPES and "manifests" in document:
            kind = OCI_INDEX  # older clients wrote other types, or none
        digest = compute_digest(content, subject.digest.partition(":")[0])
        descriptor = Descriptor(digest=digest, media_type=kind, size=len(content))
        return Manifest(descriptor=descriptor, document=document, content=content)

    def _parse_index(self, reference: Reference, content: bytes) -> tuple[Descriptor, ...]:
        refuse = partial(invalid_answer, reference)
        return parse_descriptors(parse_json_object(content, refuse), refuse)

    def _not_found_error(self, reference: Reference, field: str) -> S3CError:
        if reference.digest:
            return InputError(
                field,
                f"{reference.digest} does not exist in {reference.name}.",
                cause="It was never pushed there, or has been deleted.",
                remedy="Look at the repository's name and the digest.",
                image=str(reference),
            )
        wanted = reference.tag or "latest"
        try:
            tags = [tag for tag in self.tags(reference, field=field) if not _NOT_OFFERED.fullmatch(tag)]
        except InputError as unknown:
            return unknown
        except S3CError:
            tags = []  # some registries do not allow listing tags; it is known anyway that the tag does not exist
        near = difflib.get_close_matches(wanted, tags[:_COMPARED], n=5, cutoff=0.5) or sorted(tags, reverse=True)[:10]
        more = f" and {len(tags) - len(near)} more" if len(tags) > len(near) else ""
        return InputError(
            field,
            f"tag {wanted} does not exist in {reference.name}"
            + (f"; tags there: {', '.join(near)}{more}." * bool(near) or "."),
            cause="" if near else "The repository is empty, or its tags may not be listed.",
            remedy="Give one of the tags that are there." if near else "Look at the name and the tag.",
            image=str(reference),
        )

    def _get(self, reference: Reference, path: str, *, accept: str = "application/json") -> Response:
        return self.connection.request("GET", reference, path, accept=accept)


def _leaves_host(response: Response) -> bool:
    """Return whether an answer redirects to another host."""
    target = urljoin(response.url, response.headers.get("Location", ""))
    return response.is_redirect and not same_origin(target, response.url)


def _is_page(response: Response) -> bool:
    """Return whether an answer is a web page, of a proxy or of the registry's own site."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and kind == "text/html"


def _is_index(response: Response, content: bytes) -> bool:
    """Return whether an answer of the Referrers API is the index that one has; else it comes from something without it.

    What is called an index, and is damaged, counts as one.
    """
    try:
        document = reading.parse_json(content)
    except ValueError:
        return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == OCI_INDEX
    return isinstance(document, dict) and "manifests" in document


def _next_page(response: Response) -> str:
    """Return the address of the following page (RFC 8288), empty when this was the last."""
    link = response.links.get("next", {}).get("url", "")
    return urljoin(response.url, link) if link else ""


def _no_repository(reference: Reference, field: str) -> InputError:
    return InputError(
        field,
        f"repository {reference.repository} does not exist in {reference.registry}.",
        cause="Nothing was pushed there, or the name is misspelt.",
        remedy="Look at the name.",
        image=str(reference),
    )


def referrers_tag(digest: str) -> str:
    """Return the tag of the index that lists a digest's referrers, by the referrers tag schema: `sha256-HEX`."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"
