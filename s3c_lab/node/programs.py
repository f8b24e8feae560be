"""The programs of a lab node: static ones, of a release or built from the pinned Go module.

None is taken from PATH: they are mounted into a container without this machine's libraries. A release is without a
checksum where no two independent sources confirm any: its program is built.
"""

from __future__ import annotations

from s3c_actions.programs.install.pins import (
    GATEKEEPER,
    HELM,
    LINUX_AMD64,
    LINUX_ARM64,
    RATIFY,
    RUNC,
    Pin,
    ReleaseArchives,
)
from s3c_lab.programs import MODULES

KUBERNETES = "1.37.2"
_CONTAINERD = "github.com/containerd/containerd/v2"
_ARCHITECTURES = {LINUX_AMD64: "amd64", LINUX_ARM64: "arm64"}


def _kubernetes(name: str) -> Pin:
    # Without these, they report a version that clients refuse.
    version_variables = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": "37"}
    return Pin(
        name=name,
        version=KUBERNETES,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        licence="Apache-2.0",
        release=ReleaseArchives(
            host="https://dl.k8s.io",
            path=f"release/v{{version}}/bin/linux/{{platform}}/{name}",
            member="",
            platforms=_ARCHITECTURES,
        ),
        ldflags=tuple(f"-X k8s.io/component-base/version.{key}={value}" for key, value in version_variables.items()),
        modules=MODULES,
        shared="kubernetes",
    )


def _containerd(name: str) -> Pin:
    return Pin(
        name=name,
        version="2.4.2",
        module=_CONTAINERD,
        package=f"{_CONTAINERD}/cmd/{name}",
        licence="Apache-2.0",
        release=ReleaseArchives(
            path="containerd/containerd/releases/download/v{version}/containerd-static-{version}-linux-{platform}.tar.gz",
            member=f"bin/{name}",
            platforms=_ARCHITECTURES,
        ),
        ldflags=(f"-X {_CONTAINERD}/version.Version=v2.4.2",),
        tags=("no_btrfs", "no_devmapper", "no_zfs"),
        modules=MODULES,
        shared="containerd",
    )


def _ratify_plugin(name: str) -> Pin:
    return Pin(
        name=name,
        version=RATIFY.version,
        module=RATIFY.module,
        package=f"{RATIFY.module}/plugins/verifier/{name}",
        licence="Apache-2.0",
        shared="ratify",
    )


ETCD = Pin(
    name="etcd",
    version="3.7.3",
    module="go.etcd.io/etcd/server/v3",
    package="go.etcd.io/etcd/server/v3",
    licence="Apache-2.0",
    release=ReleaseArchives(
        path="etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{platform}.tar.gz",
        member="etcd-v{version}-linux-{platform}/etcd",
        platforms=_ARCHITECTURES,
    ),
    modules=MODULES,
)
COREDNS = Pin(
    name="coredns",
    version="1.15.0",
    module="github.com/coredns/coredns",
    package="s3c.invalid/programs/coredns",
    licence="Apache-2.0",
    release=ReleaseArchives(
        path="coredns/coredns/releases/download/v{version}/coredns_{version}_linux_{platform}.tgz",
        member="coredns",
        platforms=_ARCHITECTURES,
    ),
    modules=MODULES,
)
PAUSE = Pin(
    name="pause",
    version="1.0.0",
    module="s3c.invalid/programs/pause",
    package="s3c.invalid/programs/pause",
    licence="Apache-2.0",
    modules=MODULES,
)
RATIFY_PLUGINS = (_ratify_plugin("sbom"), _ratify_plugin("vulnerabilityreport"))
KUBECTL = _kubernetes("kubectl")

# The programs on the node itself, in the order in which they are needed.
NODE = (
    *(_containerd(name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
    RUNC,
    ETCD,
    *(_kubernetes(name) for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")),
    _kubernetes("kube-proxy"),
    KUBECTL,
    COREDNS,
    PAUSE,
)
# The programs of the gate.
GATE = (HELM, GATEKEEPER, RATIFY, *RATIFY_PLUGINS)
