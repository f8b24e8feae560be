"""The root of the runner: what GitHub's image for Ubuntu has of what an action can notice, from Debian's packages.

The properties are those of https://github.com/actions/runner-images (images/ubuntu, November 2026); Debian 13 has the
Python and the Docker of its time. A hosted image has Go, too: none is here, so that nothing relies on it.
"""

from __future__ import annotations

from s3c_lab.base import TRIXIE
from s3c_lab.system.image import SystemImage

USER = "runner"
UID = 1001
TOOLS = "/opt/hostedtoolcache"

RUNNER_IMAGE = SystemImage(
    name="runner",
    suite=TRIXIE,
    packages=(
        *("docker.io", "docker-cli", "docker-buildx", "iptables", "iproute2", "dnsmasq-base"),
        *("git", "nodejs", "python3", "python3-pip", "python3-venv"),
        *("sudo", "curl", "jq", "unzip", "xz-utils", "zstd", "openssh-client", "procps"),
    ),
    # No password, and a member of docker: both let a job do anything on its own machine.
    setup=f"""\
useradd --uid {UID} --create-home --shell /bin/bash --groups docker,sudo {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
chmod 0440 /etc/sudoers.d/{USER}
install -d -o {USER} -g {USER} {TOOLS}
""",
)
