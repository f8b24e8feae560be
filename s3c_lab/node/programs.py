"""The programs of a lab node, each built static from its pinned Go module.

None is taken from PATH: they are mounted into a container without this machine's libraries.
"""

from __future__ import annotations

from s3c_actions.programs.install.pins import GATEKEEPER, HELM, RATIFY, Pin
from s3c_lab.programs import MODULES

KUBERNETES = "1.37.2"
_CONTAINERD = "github.com/containerd/containerd/v2"


def _kubernetes(name: str) -> Pin:
    # Without these, they report a version that clients refuse.
    version_variables = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": "37"}
    return Pin(
        name=name,
        version=KUBERNETES,
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        licence="Apache-2.0",
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
    modules=MODULES,
)
RUNC = Pin(
    name="runc",
    version="1.5.2",
    module="github.com/opencontainers/runc",
    package="github.com/opencontainers/runc",
    licence="Apache-2.0",
    ldflags=("-X main.version=1.5.2", "-extldflags=-static"),
    tags=("seccomp", "netgo", "osusergo"),
    cgo=True,
    modules=MODULES,
)
COREDNS = Pin(
    name="coredns",
    version="1.15.0",
    module="github.com/coredns/coredns",
    package="s3c.invalid/programs/coredns",
    licence="Apache-2.0",
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
