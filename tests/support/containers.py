"""Images for container runtimes: on this machine, unpacked, and without a registry."""

import gzip
import io
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path

from s3c_actions.core.reference import Reference
from s3c_actions.layers.unpacking import FetchedImage, LayerFile
from s3c_actions.programs.containers.container import UnpackedImage
from s3c_actions.registry import ImageConfig
from s3c_actions.registry.runtime_config import RuntimeConfig
from tests.support import debian

PROGRAMS = "cat chmod dd echo false head httpd id kill ls mkdir mknod mount nc ps sh sleep touch true unshare wget yes"
REFERENCE = Reference.parse("localhost:5000/app@sha256:" + "0" * 64)


def unpacked(root: Path, runtime: RuntimeConfig, *layers: Path, config: bytes = b"{}") -> UnpackedImage:
    """Return an image whose files are in a folder, with the layers that it was fetched as."""
    fetched = FetchedImage(
        reference=REFERENCE,
        config=ImageConfig(manifest=REFERENCE.digest, platform="linux/amd64", diff_ids=(), labels={}, document={}),
        config_bytes=config,
        layers=tuple(LayerFile(path=path, digest="sha256:1") for path in layers),
    )
    return UnpackedImage(fetched=fetched, root=root, runtime=runtime)


def busybox_layer(files: Mapping[str, str] | None = None, *, without: Collection[str] = ()) -> bytes:
    """Return a gzipped layer: Debian's static busybox under the names of its programs, accounts, and scripts.

    Args:
        files: path to text; scripts are executable.
        without: paths to leave out.
    """
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:

        def add(name: str, content: bytes = b"", mode: int = 0o755, link: str = "") -> None:
            if name in without:
                return
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            if link:
                member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member, io.BytesIO(content))

        add("bin/busybox", debian.program("busybox", "busybox-static").read_bytes())
        for name in PROGRAMS.split():
            add(f"bin/{name}", link="busybox")
        add("etc/nsswitch.conf", b"hosts: files\n", 0o644)
        add("etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n", 0o644)
        for name, text in (files or {}).items():
            add(name, text.encode())
    return gzip.compress(raw.getvalue(), mtime=0)
