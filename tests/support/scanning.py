"""What the scan's tests need around the real Trivy: a small database, small images, a wrapper that counts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import TRIVY, Pin
from s3c_lab.programs import TRIVY_DB
from tests.support.oci import Repository, digest_of, layer

HIGH, MEDIUM, LOW = "CVE-2024-10001", "CVE-2024-10002", "CVE-2024-10003"
"""Advisories of the database: two fixed in openssl, one of zlib that has no fix."""

_STATUS = """Package: libssl3
Status: install ok installed
Source: openssl
Version: 3.0.11-1~deb12u2
Architecture: amd64
Maintainer: Nobody <nobody@localhost>
Description: one

Package: zlib1g
Status: install ok installed
Source: zlib
Version: 1:1.2.13.dfsg-1
Architecture: amd64
Maintainer: Nobody <nobody@localhost>
Description: other

"""


def debian(version: str = "12") -> dict[str, bytes]:
    """The files by which Trivy knows a Debian and its packages."""
    return {
        "etc/os-release": f'ID=debian\nVERSION_ID="{version}"\n'.encode(),
        "etc/debian_version": f"{version}.5\n".encode(),
        "var/lib/dpkg/status": _STATUS.encode(),
        "usr/share/doc/zlib1g/copyright": b"Files: *\nLicense: Zlib\n",
    }


def planted() -> dict[str, bytes]:
    """Files that a secret, a misconfiguration and a licence are found in. The key is made up."""
    key = "AKIA" + "Q3EGRIK7XLB5WMFT"
    return {
        **debian(),
        "app/": b"",
        "app/key.env": f"AWS_ACCESS_KEY_ID={key}\n".encode(),
        "app/Dockerfile": b"FROM debian:latest\nUSER root\n",
        "usr/share/doc/libssl3/copyright": b"License: GPL-2.0\n",
    }


def program(pin: Pin) -> Path:
    """A program, found or installed as the product does it."""
    environment = dict(os.environ)
    cache = Path(environment.get("S3C_CACHE") or Path.home() / ".cache" / "s3c")
    return locate(pin, cache=cache, runner=Runner(environment), progress=Silent()).path


def database(folder: Path, *more: tuple[str, str, str, str]) -> Path:
    """A Trivy cache folder with a database that Trivy takes for fresh.

    Args:
        folder: where it is made.
        more: further advisories: id, source package, the version that fixes it, urgency.
    """
    root = folder / "made" / "vuln-list-debian" / "tracker"
    releases = {"bookworm": ("12", "lts"), "jessie": ("8", "end-of-life")}
    _write(
        root / "distributions.json",
        {name: {"major-version": number, "support": kind, "contact": ""} for name, (number, kind) in releases.items()},
    )
    for cve, source, fixed, urgency in (
        (HIGH, "openssl", "3.0.13-1~deb12u1", "high"),
        (MEDIUM, "openssl", "3.0.13-1~deb12u1", "medium"),
        (LOW, "zlib", "", "low"),
        *more,
    ):
        fact = {"Type": "package", "Package": source, "Kind": "fixed" if fixed else "unfixed", "Version": fixed}
        annotations = [{**fact, "Severity": urgency}, {**fact, "Release": "bookworm"}]
        _write(root / "CVE" / f"{cve}.json", {"Header": {"ID": cve, "Description": cve}, "Annotations": annotations})
    for empty in ("DSA", "DLA"):
        (root / empty).mkdir()
    for kind in ("source", "updates-source"):
        for source, version in (("openssl", "3.0.13-1~deb12u1"), ("zlib", "1:1.2.13.dfsg-1")):
            _write(
                root / kind / "bookworm" / "main" / source[0] / f"{source}.json",
                {"Package": [source], "Version": [version]},
            )
    cache = folder / "trivy"
    (cache / "db").mkdir(parents=True)
    words = ["build", "--only-update", "debian", "--update-interval", "24h"]
    words += ["--cache-dir", str(folder / "made"), "--output-dir", str(cache / "db")]
    subprocess.run([str(program(TRIVY_DB)), *words], check=True, capture_output=True)
    downloaded(cache)
    return cache


def downloaded(cache: Path) -> None:
    """Let the database be one that Trivy has just downloaded."""
    path = cache / "db" / "metadata.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({**metadata, "DownloadedAt": datetime.now(UTC).isoformat()}))


def push_database(repository: Repository, cache: Path) -> str:
    """Push the database the way Trivy takes it from a registry; returns its reference."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("trivy.db", "metadata.json"):
            tar.add(cache / "db" / name, arcname=name)
    data = packed.getvalue()
    repository.put_blob(data)
    repository.put_blob(b"{}")
    database_layer = {
        "mediaType": "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
        "digest": digest_of(data),
        "size": len(data),
        "annotations": {"org.opencontainers.image.title": "db.tar.gz"},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.aquasec.trivy.config.v1+json",
            "digest": digest_of(b"{}"),
            "size": 2,
        },
        "layers": [database_layer],
    }
    repository.put_manifest(manifest, "2")
    return f"{repository.registry}/{repository.name}:2"


class Counting:
    """A Trivy that writes down how it was called."""

    def __init__(self, folder: Path):
        self.path, self._calls = folder / "bin" / "trivy", folder / "calls"
        self.path.parent.mkdir()
        self.path.write_text(f'#!/bin/sh\necho "$*" >>"{self._calls}"\nexec "{program(TRIVY)}" "$@"\n')
        self.path.chmod(0o755)

    def calls(self, subcommand: str) -> list[str]:
        """The argument lines of the calls of a subcommand, since the last `forget`."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line.split()[:1] == [subcommand]]

    def forget(self) -> None:
        self._calls.unlink(missing_ok=True)


def docker_archive(path: Path, files: dict[str, bytes], name: str) -> Path:
    """An archive as `docker save` writes it."""
    raw = gzip.decompress(layer(files))
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(raw)]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for entry, content in ((config_name, config), ("layer.tar", raw), ("manifest.json", manifest)):
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def oci_layout(folder: Path, repository: Repository, tag: str) -> Path:
    """An image of a registry as a folder in OCI layout."""
    body, kind = repository.raw(tag)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = json.loads(body)
    for digest in (manifest["config"]["digest"], *(blob["digest"] for blob in manifest["layers"])):
        (blobs / digest.partition(":")[2]).write_bytes(repository.blob(digest))
    (blobs / digest_of(body).partition(":")[2]).write_bytes(body)
    _write(folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    _write(
        folder / "index.json",
        {"schemaVersion": 2, "manifests": [{"mediaType": kind, "digest": digest_of(body), "size": len(body)}]},
    )
    return folder


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
