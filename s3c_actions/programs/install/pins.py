"""The programs that s3c uses: their versions, and every source of each.

A pin names one version. Its release archives are authenticated by SHA-256, its Go module by the go.sum beside its
go.mod in `modules/NAME`; nothing else is ever installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from s3c_actions.core.errors import InputError, OutsideError

MODULES = Path(__file__).parent / "modules"
GITHUB = "https://github.com"


class Platform(msgspec.Struct, frozen=True, order=True):
    """An operating system and architecture, in Go's terms: `linux`, `amd64`."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"

    @classmethod
    def here(cls) -> Platform:
        """Return the platform of this machine.

        Raises:
            OutsideError: on anything but Linux and macOS on amd64 and arm64.
        """
        systems = {"linux": "linux", "darwin": "darwin"}
        machines = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
        machine = platform.machine().lower()
        if sys.platform not in systems or machine not in machines:
            raise OutsideError(
                f"s3c has no programs for {sys.platform} on {machine}.",
                remedy="Use Linux or macOS on amd64 or arm64, or give the programs' paths.",
            )
        return cls(systems[sys.platform], machines[machine])


LINUX_AMD64, LINUX_ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
MACOS_AMD64, MACOS_ARM64 = Platform("darwin", "amd64"), Platform("darwin", "arm64")


class ReleaseArchives(msgspec.Struct, frozen=True, kw_only=True):
    """The files in which a project releases its program: archives, or the program itself.

    Attributes:
        path: below the host or a mirror of it; `{version}` and `{platform}` are filled in.
        member: the program's path in the archive, filled in likewise; empty: the file is the program.
        platforms: this project's name for each platform it releases for.
        checksums: SHA-256 of the pinned version's files; a platform without one is built from the module.
        host: base URL of the publisher.
    """

    path: str
    member: str
    platforms: Mapping[Platform, str]
    checksums: Mapping[Platform, str] = msgspec.field(default_factory=dict)
    host: str = GITHUB

    def path_of(self, version: str, where: Platform) -> str | None:
        """Return the path of a version's file, None where the project releases none."""
        word = self.platforms.get(where)
        return self.path.format(version=version, platform=word) if word else None

    def member_of(self, version: str, where: Platform) -> str:
        """Return the program's path in a version's archive; empty where the file is the program."""
        return self.member.format(version=version, platform=self.platforms.get(where, ""))


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A program at one version.

    Attributes:
        name: the executable's name.
        version: without a leading `v`.
        module: its Go module; `package` the import path of its main package.
        licence: SPDX identifier.
        ldflags: for the linker, in addition to `-s -w`.
        experiments: value of GOEXPERIMENT.
        release: None: there are no release archives.
        asks: arguments that make it print its version; empty: it cannot, so none on PATH is trusted.
        says: pattern that finds the version in that output.
        refused: versions never to be run, with the reason.
        modules: the folder that has the go.mod and go.sum in `NAME/`.
        shared: the folder's name, where one module makes several programs.
        tags: build tags.
        cgo: it is linked with C, statically; the C compiler is the machine's.
        go_before: the first Go release that no longer builds it, such as (1, 27); empty: none is known.
        any_version: what uses it takes one on PATH at any version, which `--version` prints, and installs none then.
    """

    name: str
    version: str
    module: str
    package: str
    licence: str
    ldflags: tuple[str, ...] = ()
    experiments: str = ""
    release: ReleaseArchives | None = None
    asks: tuple[str, ...] = ()
    says: str = ""
    refused: Mapping[str, str] = msgspec.field(default_factory=dict)
    modules: Path = MODULES
    shared: str = ""
    tags: tuple[str, ...] = ()
    cgo: bool = False
    go_before: tuple[int, ...] = ()
    any_version: bool = False

    @property
    def recipe(self) -> tuple[Path, ...]:
        """Return the files it is built from: go.mod, go.sum and, for our own, Go sources."""
        folder = self.modules / (self.shared or self.name)
        return (folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go")))

    def version_in(self, output: str) -> str:
        """Return the version in a program's output, without a leading `v`; empty when there is none."""
        match = re.search(self.says, output, re.MULTILINE) if self.says else None
        return match[1] if match else ""

    def check(self, version: str) -> None:
        """Reject a version that must never be run.

        Raises:
            InputError: naming the input `NAME-version`.
        """
        reason = self.refused.get(version.removeprefix("v"))
        if reason:
            raise InputError(
                f"{self.name}-version",
                f"{self.name} {version} is refused: {reason}.",
                remedy=f"Use {self.name} {self.version}, and replace whatever secrets a run of {version} could read.",
            )

    def key(self) -> str:
        """Return an identifier of the recipe, 12 hexadecimal digits: it covers every flag, checksum and dependency."""
        digest = hashlib.sha256()
        checksums = sorted(self.release.checksums.items()) if self.release else []
        options = (
            *self.ldflags,
            self.experiments,
            *(f"tag {tag}" for tag in self.tags),
            *(["cgo"] if self.cgo else []),
        )
        for part in (self.version, self.package, *options, *(f"{p}={s}" for p, s in checksums)):
            digest.update(part.encode() + b"\0")
        for file in self.recipe:
            digest.update(file.read_bytes() + b"\0")
        return digest.hexdigest()[:12]


TRIVY = Pin(
    name="trivy",
    version="0.74.0",
    module="github.com/aquasecurity/trivy",
    package="github.com/aquasecurity/trivy/cmd/trivy",
    licence="Apache-2.0",
    ldflags=("-X github.com/aquasecurity/trivy/pkg/version/app.ver=0.74.0",),
    experiments="jsonv2",
    # Go 1.27 renamed parts of the experiment that this release uses.
    go_before=(1, 27),
    release=ReleaseArchives(
        path="aquasecurity/trivy/releases/download/v{version}/trivy_{version}_{platform}.tar.gz",
        member="trivy",
        platforms={
            LINUX_AMD64: "Linux-64bit",
            LINUX_ARM64: "Linux-ARM64",
            MACOS_AMD64: "macOS-64bit",
            MACOS_ARM64: "macOS-ARM64",
        },
        checksums={
            LINUX_AMD64: "2ae6fe3ee734b7fdf11335663e18c75ea12dccc76062f09f164a3b0f8be4371a",
            LINUX_ARM64: "b94ce1976bbf3c15b514b605ee88be7c6d94a29be2302847ff01cb794d47aad5",
            MACOS_AMD64: "472816f6888dda689d075c30254d4210b4d1035acf365aa72332f584c2f60485",
            MACOS_ARM64: "1caada5e0e2091909357c7525d3aa76f4b660b13821bc143b190c7483e31cc11",
        },
    ),
    # So that a trivy.yaml in the working folder is ignored.
    asks=("--version", f"--config={os.devnull}"),
    says=r"^Version: v?(\S+)",
    refused={"0.69.4": "it was a malicious release (March 2026) that stole secrets"},
)
COPA = Pin(
    name="copa",
    version="0.14.2",
    module="github.com/project-copacetic/copacetic",
    package="github.com/project-copacetic/copacetic",
    licence="Apache-2.0",
    ldflags=("-X main.version=0.14.2",),
    # No trustworthy checksum of a release is known, so the pinned version is built from its module.
    release=ReleaseArchives(
        path="project-copacetic/copacetic/releases/download/v{version}/copa_{version}_{platform}.tar.gz",
        member="copa",
        platforms={
            LINUX_AMD64: "linux_amd64",
            LINUX_ARM64: "linux_arm64",
            MACOS_AMD64: "darwin_amd64",
            MACOS_ARM64: "darwin_arm64",
        },
    ),
    asks=("--version",),
    says=r"^copa version v?(\S+)",
)
NOTATION = Pin(
    name="notation",
    version="1.3.2",
    module="github.com/notaryproject/notation",
    package="github.com/notaryproject/notation/cmd/notation",
    licence="Apache-2.0",
    ldflags=(
        "-X github.com/notaryproject/notation/internal/version.Version=1.3.2",
        "-X github.com/notaryproject/notation/internal/version.BuildMetadata=",
    ),
    release=ReleaseArchives(
        path="notaryproject/notation/releases/download/v{version}/notation_{version}_{platform}.tar.gz",
        member="notation",
        platforms={
            LINUX_AMD64: "linux_amd64",
            LINUX_ARM64: "linux_arm64",
            MACOS_AMD64: "darwin_amd64",
            MACOS_ARM64: "darwin_arm64",
        },
        checksums={
            LINUX_AMD64: "e1a0f060308086bf8020b2d31defb7c5348f133ca0dba6a1a7820ef3cbb6dfe5",
            LINUX_ARM64: "34143c7b816a50104824278080a5cf12bbf855488e003f62e6acf27ed25c423c",
            MACOS_AMD64: "72fade2ccb0765e2ff26b53c9ca663dd33dc4f2020b2b8493e703a9ccf6174a2",
            MACOS_ARM64: "054bf6e9fb2619390dab9c74e5d6c511bde7609f3a060ee512c6aead2440c214",
        },
    ),
    asks=("version",),
    says=r"^Version:\s+v?(\S+)",
)
BUILDKITD = Pin(
    name="buildkitd",
    version="0.34.2",
    module="github.com/moby/buildkit",
    package="github.com/moby/buildkit/cmd/buildkitd",
    licence="Apache-2.0",
    ldflags=("-X github.com/moby/buildkit/version.Version=v0.34.2",),
    release=ReleaseArchives(
        path="moby/buildkit/releases/download/v{version}/buildkit-v{version}.{platform}.tar.gz",
        member="bin/buildkitd",
        platforms={LINUX_AMD64: "linux-amd64", LINUX_ARM64: "linux-arm64"},
    ),
    asks=("--version",),
    says=r"^buildkitd \S+ v?(\S+)",
)
# The lab's node takes none from PATH, so that `asks` is empty.
RUNC = Pin(
    name="runc",
    version="1.5.2",
    module="github.com/opencontainers/runc",
    package="github.com/opencontainers/runc",
    licence="Apache-2.0",
    release=ReleaseArchives(
        path="opencontainers/runc/releases/download/v{version}/runc.{platform}",
        member="",
        platforms={LINUX_AMD64: "amd64", LINUX_ARM64: "arm64"},
        checksums={
            LINUX_AMD64: "599f6f94ff8c5057241eff0d54c3c74f95c34935b6457b33fe545defc61e9488",
            LINUX_ARM64: "d10ecae898361832a059be2089bab92d158aec54661b18ed7346ed79628b46b0",
        },
    ),
    ldflags=("-X main.version=1.5.2", "-extldflags=-static"),
    tags=("seccomp", "netgo", "osusergo"),
    cgo=True,
    says=r"^runc version (\S+)",
    any_version=True,
)
HELM = Pin(
    name="helm",
    version="3.22.0",
    module="helm.sh/helm/v3",
    package="helm.sh/helm/v3/cmd/helm",
    licence="Apache-2.0",
    ldflags=("-X helm.sh/helm/v3/internal/version.version=v3.22.0",),
    release=ReleaseArchives(
        path="helm-v{version}-{platform}.tar.gz",
        member="{platform}/helm",
        platforms={
            LINUX_AMD64: "linux-amd64",
            LINUX_ARM64: "linux-arm64",
            MACOS_AMD64: "darwin-amd64",
            MACOS_ARM64: "darwin-arm64",
        },
        checksums={
            LINUX_AMD64: "1e4ab49e429626cf6c6958d914248b78c9730803c2751b87627e171dc800e7bb",
            LINUX_ARM64: "f14e804dfee240f55525b667488fe9adca349e63e00c9af634c0beb1421ac310",
            MACOS_AMD64: "bd1d09f316558dda23698527859600936fed1371021ce0f2272d66b2fdcfa69c",
            MACOS_ARM64: "4c9982a6cdeb458b60258df66b55398ca5b19293f6877faffe2909ad6f23dfe0",
        },
        host="https://get.helm.sh",
    ),
    asks=("version", "--template", "{{.Version}}"),
    says=r"^v?(\d\S*)$",
)
# What runs in the cluster, from the images that their charts name; the lab builds them.
GATEKEEPER = Pin(
    name="gatekeeper",
    version="3.23.1",
    module="github.com/open-policy-agent/gatekeeper/v3",
    package="github.com/open-policy-agent/gatekeeper/v3",
    licence="Apache-2.0",
    ldflags=("-X github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version=v3.23.1",),
)
RATIFY = Pin(
    name="ratify",
    version="1.4.6",
    module="github.com/ratify-project/ratify",
    package="github.com/ratify-project/ratify/cmd/ratify",
    licence="Apache-2.0",
    ldflags=("-X github.com/ratify-project/ratify/internal/version.Version=v1.4.6",),
)

PINS: tuple[Pin, ...] = (TRIVY, COPA, NOTATION, BUILDKITD, RUNC, HELM)
CHARTS: tuple[Pin, ...] = (GATEKEEPER, RATIFY)
"""The pinned modules that hold the Helm chart of the same name."""
