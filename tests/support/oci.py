"""Pushes images that a test makes by hand: layers, configs, manifests and indexes, over the distribution API."""

import gzip
import hashlib
import io
import json
import re
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from functools import cache
from typing import Any, cast

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_LARGE = 1 << 20
_HOLDERS: dict[tuple[str, str], str] = {}
"""Which repository of a registry has a large blob: others take it over from there, as it takes seconds to send."""


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@cache
def diff_id(blob: bytes) -> str:
    """The digest of a layer's content. Kept: many tests use the same layers, of a hundred megabytes."""
    return digest_of(gzip.decompress(blob))


def descriptor(media_type: str, data: bytes, **more) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def layer(files: dict[str, bytes]) -> bytes:
    """A gzipped layer holding these files; a name that ends with a slash is a folder."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if name.endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


class Repository:
    """One repository of a plain-HTTP registry."""

    def __init__(self, registry: str, name: str):
        self.registry, self.name = registry, name
        self.base = f"http://{registry}/v2/{name}"

    def _call(self, method, url, data=None, **headers):
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read(), response.headers

    def get(self, what: str) -> dict[str, Any]:
        """A manifest or index by tag or digest, as JSON."""
        return cast(dict[str, Any], json.loads(self.raw(what)[0]))

    def raw(self, what: str) -> tuple[bytes, str]:
        body, headers = self._call(
            "GET",
            f"{self.base}/manifests/{what}",
            Accept=f"{MANIFEST}, {INDEX}, application/vnd.docker.distribution.manifest.v2+json",
        )
        return body, headers["Content-Type"]

    def blob(self, digest: str) -> bytes:
        data = cast(bytes, self._call("GET", f"{self.base}/blobs/{digest}")[0])
        self._holder(digest, data)
        return data

    def _holder(self, digest: str, data: bytes) -> str:
        return _HOLDERS.setdefault((self.registry, digest), self.name) if len(data) > _LARGE else self.name

    def tags(self) -> list[str]:
        """Every tag but those that a patch was pushed under at first: Debian's registry lets nobody delete a tag."""
        return [tag for tag in self.every_tag() if not re.fullmatch(r"s3c-[0-9a-f]{32}(-[a-z0-9-]+)?", tag)]

    def every_tag(self) -> list[str]:
        try:
            body, _ = self._call("GET", f"{self.base}/tags/list")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return sorted(json.loads(body)["tags"] or [])

    def put_blob(self, data: bytes) -> str:
        digest, query = digest_of(data), ""
        if (holder := self._holder(digest, data)) != self.name:
            query = "?" + urllib.parse.urlencode({"mount": digest, "from": holder})
        _, headers = self._call("POST", f"{self.base}/blobs/uploads/{query}", b"")
        if not headers["Location"].endswith(f"/{digest}"):  # else the registry took it over
            place = urllib.parse.urljoin(self.base, headers["Location"])
            place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
            self._call("PUT", place, data, **{"Content-Type": "application/octet-stream"})
        return digest

    def put_manifest(self, document: dict[str, Any], tag: str) -> dict[str, Any]:
        data = json.dumps(document).encode()
        self._call("PUT", f"{self.base}/manifests/{tag}", data, **{"Content-Type": document["mediaType"]})
        return descriptor(document["mediaType"], data)

    def image(self, layers: list[bytes], tag: str, *, architecture="amd64", variant="", config=None) -> dict[str, Any]:
        """Push an image of gzipped layers; returns its descriptor with its platform."""
        platform = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
        document = {
            **platform,
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": [diff_id(layer) for layer in layers]},
        }
        data = json.dumps(document).encode()
        for blob in (*layers, data):
            self.put_blob(blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, data),
            "layers": [descriptor(LAYER, layer) for layer in layers],
        }
        return {**self.put_manifest(manifest, tag), "platform": platform}

    def index(self, images: list[dict[str, Any]], tag: str) -> dict[str, Any]:
        return self.put_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": images}, tag)

    def mount(self, digest: str, origin: str) -> None:
        """Take a blob over from another repository of the registry, without sending it."""
        query = urllib.parse.urlencode({"mount": digest, "from": origin})
        self._call("POST", f"{self.base}/blobs/uploads/?{query}", b"")

    def delete(self, digest: str, kind: str = "manifests") -> None:
        """Delete a manifest, or one of the `blobs`."""
        self._call("DELETE", f"{self.base}/{kind}/{digest}")

    def put_raw(self, data: bytes, media_type: str, tag: str) -> None:
        self._call("PUT", f"{self.base}/manifests/{tag}", data, **{"Content-Type": media_type})


def copy_image(reference: str, repository: str) -> str:
    """Copy an image of one platform within its registry, under the same tag; returns the copy's reference."""
    registry, _, rest = reference.partition("/")
    origin, _, tag = rest.partition(":")
    data, media_type = Repository(registry, origin).raw(tag)
    manifest = json.loads(data)
    copy = Repository(registry, repository)
    for blob in (manifest["config"], *manifest["layers"]):
        copy.mount(blob["digest"], origin)
    copy.put_raw(data, media_type, tag)
    return f"{registry}/{repository}:{tag}"


def look_alike(repository: Repository, patched: str, tag: str, **config: Any) -> str:
    """What whoever may push can make of a patched image: the same but for a file in its last layer.

    Args:
        repository: of the image.
        patched: its tag or digest.
        tag: of the new one.
        config: what else is different about how it runs.

    Returns:
        Its digest. Nothing is left to patch in it, and its layers begin with the original's.
    """
    manifest = repository.get(patched)
    raw = io.BytesIO(gzip.decompress(repository.blob(manifest["layers"][-1]["digest"])))
    with tarfile.open(fileobj=raw, mode="a") as tar:
        tar.addfile(tarfile.TarInfo("backdoor"))
    last = gzip.compress(raw.getvalue(), 1, mtime=0)
    document = json.loads(repository.blob(manifest["config"]["digest"]))
    document["rootfs"]["diff_ids"][-1] = digest_of(raw.getvalue())
    document["config"] |= config
    data = json.dumps(document).encode()
    for blob in (last, data):
        repository.put_blob(blob)
    layers = [*manifest["layers"][:-1], descriptor(manifest["layers"][-1]["mediaType"], last)]
    changed = {**manifest, "config": descriptor(manifest["config"]["mediaType"], data), "layers": layers}
    return str(repository.put_manifest(changed, tag)["digest"])


def attach(repository: Repository, subject: str, artifact_type: str, content: bytes, **annotations: str) -> str:
    """Attach a document to a digest by the referrers tag schema, as a client of a registry without the API does."""
    referrer = document_of(repository, subject, artifact_type, content, annotations)
    list_referrers(repository, subject, [referrer])
    return str(referrer["digest"])


def document_of(
    repository: Repository, subject: str, artifact_type: str, content: bytes, annotations: dict[str, str]
) -> dict[str, Any]:
    """Push a document's manifest; returns its descriptor as a list of referrers has it."""
    data, media_type = repository.raw(subject)
    for blob in (content, b"{}"):
        repository.put_blob(blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor(artifact_type, content)],
        "subject": descriptor(media_type, data),
        "annotations": annotations,
    }
    pushed = repository.put_manifest(manifest, digest_of(json.dumps(manifest).encode()))
    return {**pushed, "artifactType": artifact_type, "annotations": annotations}


def list_referrers(repository: Repository, subject: str, more: list[dict[str, Any]]) -> None:
    """Add descriptors to the index under the tag of the referrers tag schema."""
    tag = subject.replace(":", "-")
    listed = repository.get(tag)["manifests"] if tag in repository.tags() else []
    repository.index([*listed, *more], tag)
