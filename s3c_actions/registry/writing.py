"""Writing to registries: blobs in chunks or mounted, manifests, and the listing of referrers where it is left to us.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#push
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry.content import INDEXES, OCI_INDEX, Descriptor, digest_of, json_object, texts, unbelievable
from s3c_actions.registry.reading import Registry, referrers_tag

if TYPE_CHECKING:
    from requests import Response

CHUNK = 8 * 1024 * 1024
OCTETS = "application/octet-stream"
_LISTING_TRIES = 5
# Azure Container Registry: https://learn.microsoft.com/rest/api/containerregistry/tag/delete
_ACR = (".azurecr.io", ".azurecr.cn", ".azurecr.us")


class Writer:
    """Writes to registries, with the sessions and tokens of their reader.

    Args:
        registry: of the same run.
        chunk: bytes sent at once, and held in memory; more than that is uploaded in several requests.
    """

    def __init__(self, registry: Registry, *, chunk: int = CHUNK) -> None:
        self._registry = registry
        self._connection = registry.connection
        self._chunk = chunk

    def has_blob(self, repository: Reference, digest: str) -> bool:
        """Whether a repository has a blob.

        Raises:
            OutsideError: the registry could not be asked.
        """
        path = f"/v2/{repository.repository}/blobs/{digest}"
        with self._connection.request("HEAD", repository, path) as response:
            return response.status_code == 200

    def mount(self, repository: Reference, digest: str, origin: str) -> bool:
        """Take a blob over from another repository of the same registry, without sending it.

        Args:
            repository: that gets it.
            digest: of the blob.
            origin: the other repository, without the registry.

        Returns:
            Whether it is there now. False: the registry does not do it, or may not read it there; push it instead.

        Raises:
            OutsideError: the registry could not be asked, or refused.
        """
        path = self._uploads(repository) + "?" + urlencode({"mount": digest, "from": origin})
        with self._connection.request("POST", repository, path, expected=(201, 202, 404), also=origin) as response:
            if response.status_code == 202:
                self._abandon(repository, self._place(response, repository))
            return response.status_code == 201

    def push_blob(self, repository: Reference, digest: str, content: bytes | Iterable[bytes]) -> bool:
        """Push a blob; the registry checks it against its digest.

        Args:
            repository: that gets it.
            digest: of the content.
            content: whole, or in pieces of any size, read as they are sent.

        Returns:
            Whether it was sent; False: it was there.

        Raises:
            OutsideError: the registry refused it, or failed; nothing of it is left there that anybody could pull.
        """
        if self.has_blob(repository, digest):
            return False
        with self._connection.request("POST", repository, self._uploads(repository), expected=(202,)) as response:
            place = self._place(response, repository)
        try:
            chunks = _chunks([content] if isinstance(content, bytes) else content, self._chunk)
            last, sent = next(chunks, b""), 0
            for chunk in chunks:
                place, sent = self._send(repository, place, last, sent), sent + len(last)
                last = chunk
            if sent and last:
                place, last = self._send(repository, place, last, sent), b""
            closing = place + ("&" if "?" in place else "?") + urlencode({"digest": digest})
            headers = {"Content-Type": OCTETS}
            self._connection.request(
                "PUT", repository, closing, content=last, headers=headers, expected=(201, 204)
            ).close()
        except BaseException:
            self._abandon(repository, place)
            raise
        return True

    def push_manifest(self, target: Reference, content: bytes, media_type: str) -> Descriptor:
        """Push a manifest or index, after what it names; where it has a subject, it is listed as its referrer.

        Args:
            target: with a tag, or by digest alone.
            content: the manifest as it is, to the byte.
            media_type: of the content.

        Returns:
            Its descriptor, as an index would list it.

        Raises:
            OutsideError: the registry refused it (a blob or manifest it names is missing, the tag is locked), or
                failed.
        """
        document = json_object(content, partial(unbelievable, target))
        digest = digest_of(content, (target.digest or "sha256:").partition(":")[0])
        if target.digest not in ("", digest):
            raise ValueError(f"{target} is not the digest of the content, {digest}")
        path = f"/v2/{target.repository}/manifests/{target.tag or digest}"
        headers = {"Content-Type": media_type}
        with self._connection.request(
            "PUT", target, path, content=content, headers=headers, expected=(200, 201)
        ) as response:
            said = response.headers.get("Docker-Content-Digest", digest)
            listed = "OCI-Subject" in response.headers
        if said != digest:
            raise unbelievable(target, f"it took the manifest for {said[:100]!r}, and it is {digest}")
        config = document.get("config")
        descriptor = Descriptor(
            digest=digest,
            media_type=media_type,
            size=len(content),
            # Of an artifact that has no type of its own, its configuration's type is it.
            artifact_type=str(
                document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "") or ""
            ),
            annotations=texts(document.get("annotations")),
        )
        subject = document.get("subject")
        if isinstance(subject, dict) and not listed:
            self._list(target.at(str(subject.get("digest"))), descriptor)
        return descriptor

    def delete_manifest(self, target: Reference) -> bool:
        """Delete a manifest by digest, with its entry in the list of its subject's referrers.

        Args:
            target: with a digest.

        Returns:
            Whether it was there.

        Raises:
            OutsideError: the registry does not let anything be deleted, or failed.
        """
        found = self._registry.find(target.at(target.digest))
        if found is None:
            return False
        subject = found.document.get("subject")
        path = f"/v2/{target.repository}/manifests/{target.digest}"
        self._connection.request("DELETE", target, path, expected=(200, 202, 404)).close()
        if isinstance(subject, dict):
            self._unlist(target.at(str(subject.get("digest"))), target.digest)
        return True

    def delete_tag(self, target: Reference) -> bool:
        """Delete a tag and leave the manifest it stands for, where the registry can do that.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#deleting-tags. Some registries take
        the manifest away with it: whoever needs the manifest looks whether it is still there.

        Args:
            target: with a tag.

        Returns:
            Whether the registry deleted something.

        Raises:
            OutsideError: the registry could not be asked, or does not let us.
        """
        path = f"/v2/{target.repository}/manifests/{target.tag}"
        if target.registry.endswith(_ACR):
            # There the path above is for digests; this one leaves the manifest.
            path = f"/acr/v1/{target.repository}/_tags/{target.tag}"
        with self._connection.request("DELETE", target, path, expected=(200, 202, 204, 400, 404, 405)) as response:
            return response.status_code < 300

    def _list(self, subject: Reference, one: Descriptor) -> None:
        """Keep the index of the referrers tag schema, as clients have to where the registry has no referrers API.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema
        """
        tag = subject.tagged(referrers_tag(subject.digest))
        for _ in range(_LISTING_TRIES):
            entries = self._entries(tag)
            if any(entry.get("digest") == one.digest for entry in entries):
                return
            # Another client may write it at the same moment, and registries know no condition: look whether it stayed.
            self._put_index(tag, [*entries, _entry(one)])
        if not any(entry.get("digest") == one.digest for entry in self._entries(tag)):
            raise OutsideError(
                f"{one.digest} was pushed, and could not be listed as a referrer of {subject.pinned}.",
                cause="Other clients write the list of referrers at the same time.",
                remedy="Run it again.",
                image=str(subject),
            )

    def _unlist(self, subject: Reference, digest: str) -> None:
        tag = subject.tagged(referrers_tag(subject.digest))
        entries = self._entries(tag)
        left = [entry for entry in entries if entry.get("digest") != digest]
        if len(left) < len(entries):
            self._put_index(tag, left)

    def _entries(self, tag: Reference) -> list[dict[str, Any]]:
        found = self._registry.find(tag)
        if found is None or found.descriptor.media_type not in INDEXES:
            return []
        return list(found.document.get("manifests") or [])

    def _put_index(self, tag: Reference, entries: list[dict[str, Any]]) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self.push_manifest(tag, json.dumps(index).encode(), OCI_INDEX)

    def _send(self, repository: Reference, place: str, chunk: bytes, start: int) -> str:
        """Send one chunk of an upload; returns where the next one goes."""
        while True:
            headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{start + len(chunk) - 1}"}
            with self._connection.request(
                "PATCH", repository, place, content=chunk, headers=headers, expected=(202, 204, 416)
            ) as response:
                if response.status_code != 416:
                    return self._place(response, repository)
            # An attempt whose answer was lost has arrived, whole or in part: go on behind it.
            with self._connection.request("GET", repository, place, expected=(204,)) as response:
                place = self._place(response, repository)
                arrived = int(response.headers.get("Range", "0--1").rpartition("-")[2] or -1) + 1
            if not start < arrived <= start + len(chunk):
                raise unbelievable(repository, f"of an upload it has {arrived} bytes, and {start} were sent")
            chunk, start = chunk[arrived - start :], arrived
            if not chunk:
                return place

    def _abandon(self, repository: Reference, place: str) -> None:
        """Let the registry forget an upload; it would do so by itself some day."""
        try:
            self._connection.request("DELETE", repository, place, expected=range(200, 600)).close()
        except OutsideError:
            return

    @staticmethod
    def _uploads(repository: Reference) -> str:
        return f"/v2/{repository.repository}/blobs/uploads/"

    @staticmethod
    def _place(response: Response, repository: Reference) -> str:
        place = response.headers.get("Location", "")
        if not place:
            raise unbelievable(repository, "it does not say where to upload to")
        return urljoin(response.url, place)


def _chunks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same content in pieces of `size` bytes, but for the last one."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _entry(one: Descriptor) -> dict[str, Any]:
    entry: dict[str, Any] = {"mediaType": one.media_type, "digest": one.digest, "size": one.size}
    if one.artifact_type:
        entry["artifactType"] = one.artifact_type
    if one.annotations:
        entry["annotations"] = dict(one.annotations)
    return entry
