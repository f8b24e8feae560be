"""Programs that only the lab and the lint tools use."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.programs.install.pins import Pin

MODULES = Path(__file__).parent / "modules"

TRIVY_DB = Pin(
    name="trivy-db",
    version="0.0.0-20260813095258-0e0340a01b57",  # the version that trivy 0.74.0 requires
    module="github.com/aquasecurity/trivy-db",
    package="github.com/aquasecurity/trivy-db/cmd/trivy-db",
    licence="Apache-2.0",
    modules=MODULES,
)
ACTIONLINT = Pin(
    name="actionlint",
    version="1.7.12",
    module="github.com/rhysd/actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    licence="MIT",
    asks=("-version",),
    says=r"^v?(\d+\.\d+\.\d+)$",
    modules=MODULES,
)
HCLFMT = Pin(
    name="hclfmt",
    version="2.25.0",  # the formatter of `tofu fmt`; all of OpenTofu takes minutes to build
    module="github.com/hashicorp/hcl/v2",
    package="github.com/hashicorp/hcl/v2/cmd/hclfmt",
    licence="MPL-2.0",
    modules=MODULES,
)
OPA = Pin(
    name="opa",
    version="1.18.2",  # the version in Ratify 1.4.6
    module="github.com/open-policy-agent/opa",
    package="github.com/open-policy-agent/opa",
    licence="Apache-2.0",
    asks=("version",),
    says=r"^Version: (\d+\.\d+\.\d+)$",
    modules=MODULES,
)
BUILDCTL = Pin(
    name="buildctl",
    version="0.34.2",  # as buildkitd: builds what a workflow's docker/build-push-action would
    module="github.com/moby/buildkit",
    package="github.com/moby/buildkit/cmd/buildctl",
    licence="Apache-2.0",
    ldflags=("-X github.com/moby/buildkit/version.Version=v0.34.2",),
    asks=("--version",),
    says=r"^buildctl \S+ v?(\S+)",
    modules=MODULES,
)

PINS: tuple[Pin, ...] = (TRIVY_DB, ACTIONLINT, HCLFMT, OPA, BUILDCTL)


def recipe_name(pin: Pin) -> str:
    """The name of the piece that a program is part of: programs of one module are built together."""
    return pin.shared or pin.name
