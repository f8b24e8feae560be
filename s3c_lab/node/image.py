"""The image a node runs in: the lab's Debian base with the packages that Kubernetes needs. The programs are mounted."""

from __future__ import annotations

from s3c_lab.system.image import SystemImage

NODE_IMAGE = SystemImage(
    name="node",
    packages=("containernetworking-plugins", "iproute2", "iptables", "kmod", "mount", "procps", "socat"),
)
