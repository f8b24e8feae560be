"""The configuration files of one lab node. None depends on facts that are known only after the start."""

from __future__ import annotations

import base64
from collections.abc import Mapping

CLUSTER_DNS = "169.254.20.10"  # the address Kubernetes uses for a DNS server on the node itself
PAUSE = "s3c-lab.invalid/pause:1"

_CONTAINERD = """\
version = 3
root = "/var/lib/s3c-node/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/s3c-node/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE a container may not be made less likely to be killed than its parent.
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "/etc/s3c-node/cni"
"""

_HOSTS = """\
server = "http://{registry}"
[host."http://{registry}"]
  capabilities = ["pull", "resolve"]
"""

_NETWORK = """\
{"cniVersion": "1.0.0", "name": "s3c-lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""

_KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
oomScoreAdj: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: /etc/s3c-node/pki/ca.crt}}
authorization: {{mode: Webhook}}
clusterDNS: ["{dns}"]
clusterDomain: cluster.local
serializeImagePulls: false
# Gatekeeper starts once the certificate it made for itself has reached its Pod: at the default of 1 m, minutes later.
syncFrequency: 2s
# The disk is the host's: nothing of it is the node's to judge or to clean.
imageGCHighThresholdPercent: 100
evictionHard: {{memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}}
"""

_PROXY = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: /etc/s3c-node/admin.conf}
mode: iptables
clusterCIDR: 10.244.0.0/16
oomScoreAdj: 0
# The host's limits on connections stay as they are.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
"""

_DNS = """\
.:53 {{
  bind {dns}
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig /etc/s3c-node/admin.conf
    fallthrough in-addr.arpa ip6.arpa
  }}
  forward . /etc/resolv.conf
  errors
}}
"""

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- name: s3c-lab
  cluster: {{server: "https://127.0.0.1:{port}", certificate-authority-data: {authority}}}
users:
- name: {user}
  user: {{client-certificate-data: {certificate}, client-key-data: {key}}}
contexts:
- name: s3c-lab
  context: {{cluster: s3c-lab, user: {user}}}
current-context: s3c-lab
"""


def node_files(*, registry: str, pki: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Everything the node reads from /etc/s3c-node, by path below it.

    Args:
        registry: `localhost:PORT`, the one name of the registry on the host, the node and in Pods.
        pki: as returned by `pki.node_certificates`.
    """
    text = {
        "containerd.toml": _CONTAINERD.format(pause=PAUSE),
        f"certs.d/{registry}/hosts.toml": _HOSTS.format(registry=registry),
        "cni/10-s3c-lab.conflist": _NETWORK,
        "kubelet.yaml": _KUBELET.format(dns=CLUSTER_DNS, cgroup="/"),
        "kube-proxy.yaml": _PROXY,
        "Corefile": _DNS.format(dns=CLUSTER_DNS),
        "dns-address": CLUSTER_DNS,
        "registry-port": registry.rpartition(":")[2],
        "admin.conf": kubeconfig("admin", 6443, pki),
        "kubelet.conf": kubeconfig("kubelet", 6443, pki),
    }
    return {path: content.encode() for path, content in text.items()} | {f"pki/{n}": pem for n, pem in pki.items()}


def kubeconfig(user: str, port: int, pki: Mapping[str, bytes]) -> str:
    """A kubeconfig for the API server at 127.0.0.1:`port`; `user` is `admin` or `kubelet`."""

    def data(name: str) -> str:
        return base64.b64encode(pki[name]).decode()

    return _KUBECONFIG.format(
        port=port, user=user, authority=data("ca.crt"), certificate=data(f"{user}.crt"), key=data(f"{user}.key")
    )
