"""Write to registries: blobs in chunks or mounted, manifests, and the list of referrers where the client keeps it.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#push
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry.connection import same_origin
from s3c_actions.registry.content import (
    INDEX_TYPES,
    OCI_INDEX,
    Descriptor,
    artifact_type,
    compute_digest,
    invalid_answer,
    parse_json_object,
    text_values,
)
from s3c_actions.registry.reading import Registry, referrers_tag

if TYPE_CHECKING:
    from requests import Response

CHUNK = 8 * 1024 * 1024
MAX_CHUNK = 512 * 1024 * 1024
"""Bytes that are held in memory at most, for a registry that takes no smaller chunks."""
OCTET_STREAM = "application/octet-stream"
_LISTING_TRIES = 5
# Docker's registry on a file system answers so while another client stores the same blob at the same moment.
_UNSETTLED = "MANIFEST_BLOB_UNKNOWN"
_UNSETTLED_PAUSES = (0.2, 0.5, 1.0)
# A registry without such deletions, or whose tags are immutable, is none that failed.
_TAG_DELETIONS = (200, 202, 204, 400, 404, 405, 409, 412)
# 202: an upload instead of the mount. The rest: a registry that knows no mounts, or does not have the blob.
_MOUNTS = (201, 202, 400, 404, 405)
# Azure Container Registry: https://learn.microsoft.com/rest/api/containerregistry/tag/delete
_ACR = (".azurecr.io", ".azurecr.cn", ".azurecr.us")


class Writer:
    """A client that writes to registries, with the sessions and tokens of their reader.

    Args:
        registry: of the same run.
        chunk: bytes sent at once, and held in memory; larger content is uploaded in several requests. A registry may
            ask for larger ones.
    """

    def __init__(self, registry: Registry, *, chunk: int = CHUNK) -> None:
        self.registry = registry
        self._connection = registry.connection
        self._chunk = chunk

    def has_blob(self, repository: Reference, digest: str) -> bool:
        """Return whether a repository has a blob.

        Raises:
            OutsideError: the registry could not be reached.
        """
        path = f"/v2/{repository.repository}/blobs/{digest}"
        with self._connection.request("HEAD", repository, path) as response:
            return response.status_code == 200

    def mount(self, repository: Reference, digest: str, origin: str) -> bool:
        """Mount a blob from another repository of the same registry, without sending it.

        Args:
            repository: the target.
            digest: of the blob.
            origin: the other repository, without the registry.

        Returns:
            Whether it exists there now. False: the registry does not mount, or may not read the origin; push it
            instead.

        Raises:
            OutsideError: the registry could not be reached, or rejected the request.
        """
        path = self._uploads(repository) + "?" + urlencode({"mount": digest, "from": origin})
        with self._connection.request("POST", repository, path, expected=_MOUNTS, also=origin) as response:
            if response.status_code == 202:
                self._abandon(repository, self._upload_address(response, repository))
            return response.status_code == 201

    def try_upload(self, repository: Reference) -> None:
        """Check that a repository may be pushed to: an upload is begun and cancelled, and nothing is sent.

        Raises:
            OutsideError: the registry could not be reached, or rejected the upload.
        """
        with self._connection.request("POST", repository, self._uploads(repository), expected=(202,)) as response:
            place = self._upload_address(response, repository)
            if not same_origin(place, response.url):
                raise invalid_answer(repository, "it sends to another host for the rest")
            self._abandon(repository, place)

    def push_blob(self, repository: Reference, digest: str, content: bytes | Iterable[bytes]) -> bool:
        """Push a blob; the registry checks it against its digest.

        Args:
            repository: the target.
            digest: of the content.
            content: whole, or in pieces of any size, read as they are sent.

        Returns:
            Whether it was sent; False: it existed.

        Raises:
            OutsideError: the registry rejected it, or failed; no part of it remains there that could be pulled.
        """
        if self.has_blob(repository, digest):
            return False
        with self._connection.request("POST", repository, self._uploads(repository), expected=(202,)) as response:
            place = self._upload_address(response, repository)
            least = _least_chunk(response, repository)
        try:
            size, unsent, sent = max(self._chunk, least), bytearray(), 0
            for piece in [content] if isinstance(content, bytes) else content:
                unsent += piece
                while len(unsent) > size:
                    place, arrived = self._send(repository, place, bytes(unsent[:size]), sent)
                    del unsent[: arrived - sent]
                    sent = arrived
            while sent and unsent:
                place, arrived = self._send(repository, place, bytes(unsent), sent)
                del unsent[: arrived - sent]
                sent = arrived
            closing = place + ("&" if "?" in place else "?") + urlencode({"digest": digest})
            headers = {"Content-Type": OCTET_STREAM}
            self._connection.request(
                "PUT", repository, closing, content=bytes(unsent), headers=headers, expected=(201, 204)
            ).close()
        except BaseException:
            self._abandon(repository, place)
            raise
        return True

    def push_manifest(self, target: Reference, content: bytes, media_type: str) -> Descriptor:
        """Push a manifest or index, after what it names; where it has a subject, list it as its referrer.

        Args:
            target: with a tag, or by digest alone.
            content: the exact bytes of the manifest.
            media_type: of the content.

        Returns:
            Its descriptor, as an index would list it.

        Raises:
            OutsideError: the registry rejected it (a blob or manifest it names is missing, the tag is locked), or
                failed.
        """
        document = parse_json_object(content, partial(invalid_answer, target))
        digest = compute_digest(content, (target.digest or "sha256:").partition(":")[0])
        if target.digest not in ("", digest):
            raise ValueError(f"{target} is not the digest of the content, {digest}")
        path = f"/v2/{target.repository}/manifests/{target.tag or digest}"
        headers = {"Content-Type": media_type}
        with self._put_manifest(target, path, content, headers) as response:
            announced = response.headers.get("Docker-Content-Digest", digest)
            listed = "OCI-Subject" in response.headers
        if announced != digest:
            raise invalid_answer(target, f"it took the manifest for {announced[:100]!r}, and it is {digest}")
        descriptor = Descriptor(
            digest=digest,
            media_type=media_type,
            size=len(content),
            artifact_type=artifact_type(document),
            annotations=text_values(document.get("annotations")),
        )
        subject = document.get("subject")
        if isinstance(subject, dict) and not listed:
            listing = target.at(str(subject.get("digest")))
            # Quay's and go-containerregistry's have the API, and do not announce it by that header.
            by_api = self.registry.referrers_by_api(listing) or ()
            if all(referrer.digest != digest for referrer in by_api):
                self._list_referrer(listing, descriptor)
        return descriptor

    def _put_manifest(self, target: Reference, path: str, content: bytes, headers: Mapping[str, str]) -> Response:
        """Put a manifest, several times where the registry does not know a blob of it yet."""
        for pause in _UNSETTLED_PAUSES:
            try:
                return self._connection.request(
                    "PUT", target, path, content=content, headers=headers, expected=(200, 201)
                )
            except OutsideError as error:
                if _UNSETTLED not in error.original:
                    raise
            time.sleep(pause)
        return self._connection.request("PUT", target, path, content=content, headers=headers, expected=(200, 201))

    def delete_manifest(self, target: Reference) -> bool:
        """Delete a manifest by digest, with its entry in the list of its subject's referrers.

        Args:
            target: with a digest.

        Returns:
            Whether it existed.

        Raises:
            OutsideError: the registry does not allow deletions, or failed.
        """
        manifest = self.registry.find(target.at(target.digest))
        if manifest is None:
            return False
        subject = manifest.document.get("subject")
        path = f"/v2/{target.repository}/manifests/{target.digest}"
        self._connection.request("DELETE", target, path, expected=(200, 202, 404)).close()
        if isinstance(subject, dict):
            self._unlist_referrer(target.at(str(subject.get("digest"))), target.digest)
        return True

    def delete_tag(self, target: Reference) -> bool:
        """Delete a tag but not its manifest, where the registry supports that.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#deleting-tags. Some registries delete
        the manifest as well: callers that need it check whether it still exists.

        Args:
            target: with a tag.

        Returns:
            Whether the registry deleted something.

        Raises:
            OutsideError: the registry could not be reached, or does not allow it.
        """
        path = f"/v2/{target.repository}/manifests/{target.tag}"
        if target.registry.endswith(_ACR):
            # On ACR the path above accepts digests only; this one keeps the manifest.
            path = f"/acr/v1/{target.repository}/_tags/{target.tag}"
        with self._connection.request("DELETE", target, path, expected=_TAG_DELETIONS) as response:
            return response.status_code < 300

    def _list_referrer(self, subject: Reference, referrer: Descriptor) -> None:
        """Update the index of the referrers tag schema, as clients must where the registry has no referrers API.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema
        """
        tag = subject.tagged(referrers_tag(subject.digest))
        for _ in range(_LISTING_TRIES):
            entries = self._entries(tag, subject)
            if entries is None:
                raise OutsideError(
                    f"{referrer.digest} was pushed, and {subject.registry} keeps no list of what refers to "
                    f"{subject.pinned}.",
                    cause=f"It has no Referrers API and takes the tag {tag.tag}, which stands in for it, for a digest.",
                    remedy=f"Use a registry that has one of the two ({doc_link('registries.md')}).",
                    image=str(subject),
                )
            if any(entry.get("digest") == referrer.digest for entry in entries):
                return
            # Another client may write it at the same moment, and registries have no conditional write: check again.
            self._put_index(tag, [*entries, _entry(referrer)])
        if not any(entry.get("digest") == referrer.digest for entry in self._entries(tag, subject) or ()):
            raise OutsideError(
                f"{referrer.digest} was pushed, and could not be listed as a referrer of {subject.pinned}.",
                cause="Other clients write the list of referrers at the same time.",
                remedy="Run it again.",
                image=str(subject),
            )

    def _unlist_referrer(self, subject: Reference, digest: str) -> None:
        tag = subject.tagged(referrers_tag(subject.digest))
        entries = self._entries(tag, subject) or []
        remaining = [entry for entry in entries if entry.get("digest") != digest]
        if len(remaining) < len(entries):
            self._put_index(tag, remaining)

    def _entries(self, tag: Reference, subject: Reference) -> list[dict[str, Any]] | None:
        """Return what the tag lists; None where the registry takes it for the subject's digest, as GitLab's does.

        Raises:
            OutsideError: it is not an index. Nothing is written in its place: somebody pushed it there.
        """
        index = self.registry.referrers_index(subject)
        if index is None:
            return []
        if index.descriptor.digest == subject.digest:
            return None
        if index.descriptor.media_type not in INDEX_TYPES:
            raise OutsideError(
                f"The tag {tag.tag} of {subject.name}, which lists what refers to {subject.digest}, is not an index.",
                cause=f"It is {index.descriptor.media_type[:100] or 'of no type'}, and was not overwritten.",
                remedy="Push that to another tag and delete this one, then run it again.",
                image=str(subject),
            )
        return list(index.document.get("manifests") or [])

    def _put_index(self, tag: Reference, entries: list[dict[str, Any]]) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self.push_manifest(tag, json.dumps(index).encode(), OCI_INDEX)

    def _send(self, repository: Reference, place: str, chunk: bytes, start: int) -> tuple[str, int]:
        """Send one chunk of an upload; return the address for the next one, and where that begins."""
        end = start + len(chunk)
        headers = {"Content-Type": OCTET_STREAM, "Content-Range": f"{start}-{end - 1}"}
        with self._connection.request(
            "PATCH", repository, place, content=chunk, headers=headers, expected=(202, 204, 416)
        ) as response:
            if response.status_code != 416:
                return self._upload_address(response, repository), end
        # An attempt whose answer was lost may have arrived, in whole or in part: continue after it.
        with self._connection.request("GET", repository, place, expected=(204,)) as response:
            place = self._upload_address(response, repository)
            arrived = _arrived(response)
        if not start < arrived <= end:
            raise invalid_answer(repository, f"of an upload it has {arrived} bytes, and {start} were sent")
        return place, arrived

    def _abandon(self, repository: Reference, place: str) -> None:
        """Cancel an upload; registries also expire it by themselves."""
        try:
            self._connection.request("DELETE", repository, place, expected=range(200, 600)).close()
        except OutsideError:
            return

    @staticmethod
    def _uploads(repository: Reference) -> str:
        return f"/v2/{repository.repository}/blobs/uploads/"

    @staticmethod
    def _upload_address(response: Response, repository: Reference) -> str:
        place = response.headers.get("Location", "")
        if not place:
            raise invalid_answer(repository, "it does not say where to upload to")
        return urljoin(response.url, place)


def _arrived(response: Response) -> int:
    """Return how many bytes of an upload a registry has; `0-0` is what many say of none."""
    numbers = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", response.headers.get("Range", ""))
    return int(numbers[1]) + 1 if numbers and numbers[1] != "0" else 0


def _least_chunk(response: Response, repository: Reference) -> int:
    """Return the least size of every chunk but the last, in bytes; 0 where the registry asks for none."""
    least = response.headers.get("OCI-Chunk-Min-Length", "")
    if not re.fullmatch(r"[0-9]{1,18}", least):
        return 0
    if int(least) > MAX_CHUNK:
        raise OutsideError(
            f"{repository.registry} takes an upload in chunks of {int(least):,} bytes and more.",
            cause=f"s3c holds one chunk in memory, and at most {MAX_CHUNK // 1024 // 1024} MiB.",
            remedy="Lower the registry's limit (OCI-Chunk-Min-Length).",
            image=str(repository),
        )
    return int(least)


def _entry(descriptor: Descriptor) -> dict[str, Any]:
    entry: dict[str, Any] = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    if descriptor.artifact_type:
        entry["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        entry["annotations"] = dict(descriptor.annotations)
    return entry
