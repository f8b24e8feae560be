"""How long a demo takes on this machine, and why: what is in the cache, downloaded, or built from source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec

from s3c_actions.programs.install.locate import ProgramRequest, default_sources, find_present
from s3c_actions.programs.install.pins import BUILDKITD, COPA, NOTATION, TRIVY, Pin, Platform
from s3c_actions.programs.install.releases import check_host
from s3c_lab import images, vulnerabilities
from s3c_lab.machine import Machine
from s3c_lab.node.image import NODE_IMAGE
from s3c_lab.node.programs import GATE, NODE
from s3c_lab.programs import TRIVY_DB, recipe_name

CHAIN = (TRIVY, COPA, NOTATION, BUILDKITD)
"""The programs of every lab."""
BUILD_SECONDS = {
    **{"trivy": 330, "copa": 55, "notation": 6, "buildkitd": 72, "trivy-db": 11},
    **{"containerd": 50, "runc": 8, "etcd": 15, "coredns": 55, "helm": 45, "gatekeeper": 115, "ratify": 95},
    **{"kube-apiserver": 200, "kube-controller-manager": 60, "kube-scheduler": 8, "kubelet": 17, "kube-proxy": 10},
}
"""Of a build on two idle cores from empty caches, where it is more than the linker's few seconds.

Measured in the order of the node's programs: those of Kubernetes share what the first of them compiled.
"""
LINK_SECONDS = 5
DOWNLOAD_SECONDS = 10
OTHER_SECONDS = {"docker": 60, "images": 120, "database": 45, "node image": 20, "chain": 60, "cluster": 75}
"""Of the pieces that are no programs. The chain and the cluster are part of every demo, the others are kept.

The images are made, and a part of the node is built, beside the rest: all together took 21 minutes on two idle cores.
"""
SOON = 90
"""Seconds for which a demo is not announced in minutes."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo has to do on this machine.

    Attributes:
        seconds: expected of each piece, on two idle cores; a piece is a name in `OTHER_SECONDS` or a pin's recipe.
        reason: why it takes so long, in sentences.
    """

    seconds: Mapping[str, float]
    reason: str

    @property
    def sentence(self) -> str:
        """The expectation in words."""
        total = sum(self.seconds.values())
        if total <= SOON + OTHER_SECONDS["chain"] + OTHER_SECONDS["cluster"]:
            return f"This takes about {_minutes(total)}. {self.reason}"
        return (
            f"This takes about {_minutes(total)} on two idle cores. {self.reason} What is finished is kept: after "
            "Ctrl-C or a lost network, the same command goes on where it was."
        )


def chain_programs(machine: Machine) -> tuple[Pin, ...]:
    """The programs of a demo that does not go to a cluster; trivy-db is one where the database has to be built."""
    return (*CHAIN, *([TRIVY_DB] if vulnerabilities.is_built(machine) else []))


def missing(pins: Iterable[Pin], machine: Machine) -> tuple[Pin, ...]:
    """The programs that are neither on PATH nor in the cache."""
    return tuple(
        pin
        for pin in pins
        if find_present(ProgramRequest(pin=pin), cache=machine.cache, runner=machine.runner, progress=machine.progress)
        is None
    )


def expect(machine: Machine, *, cluster: bool) -> Expectation:
    """Look at the cache and at the release hosts, each for 3 s at most.

    A host that does not answer is not asked again by this process: what it has is built.

    Args:
        machine: of the lab.
        cluster: the demo goes on to a cluster.
    """
    database = vulnerabilities.is_kept(machine)
    wanted = [*chain_programs(machine), *(NODE + GATE if cluster else ())]
    pins = missing(wanted, machine)
    down = _hosts_down(filter(_is_released, pins), machine)
    sources = {pin.name: _host(pin, machine) if _is_released(pin) else "" for pin in pins}
    seconds: dict[str, float] = {}
    for pin in pins:
        host = sources[pin.name]
        took = DOWNLOAD_SECONDS if host and host not in down else BUILD_SECONDS.get(pin.name, LINK_SECONDS)
        seconds[recipe_name(pin)] = seconds.get(recipe_name(pin), 0) + took
    kept = {"images": images.is_kept(machine), "database": database, "chain": False}
    if not machine.find("dockerd"):
        kept["docker"] = False
    if cluster:
        kept |= {"node image": NODE_IMAGE.is_kept(machine), "cluster": False}
    seconds |= {name: OTHER_SECONDS[name] for name, is_kept in kept.items() if not is_kept}
    kept_parts = "".join(f", the {name}" for name, is_kept in kept.items() if is_kept)
    by_reason = {"Downloaded": [name for name, host in sources.items() if host and host not in down]}
    for host, why in down.items():
        by_reason[f"Built from source, because of {host} ({why})"] = [
            name for name, its_host in sources.items() if its_host == host
        ]
    by_reason["Built from source, because no checksum of a release is pinned"] = [
        name for name, host in sources.items() if not host
    ]
    sentences = [
        *(f"{reason}: {', '.join(names)}." for reason, names in by_reason.items() if names),
        f"In the cache or on PATH: {len(wanted) - len(pins)} of {len(wanted)} programs{kept_parts}.",
    ]
    return Expectation(seconds=seconds, reason=" ".join(sentences))


def _is_released(pin: Pin) -> bool:
    """Whether a release of the pinned version has a checksum for this platform."""
    return pin.release is not None and Platform.here() in pin.release.checksums


def _hosts_down(pins: Iterable[Pin], machine: Machine) -> Mapping[str, str]:
    """The hosts of releases that do not answer, each with the reason."""
    sources = default_sources(machine.environment)
    urls = {_host(pin, machine): sources.mirror or pin.release.host for pin in pins if pin.release is not None}
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        reasons = dict(zip(urls, pool.map(check_host, urls.values()), strict=True))
    down = {host: why for host, why in reasons.items() if why}
    sources.unreachable.update(down)
    return down


def _host(pin: Pin, machine: Machine) -> str:
    base = default_sources(machine.environment).mirror or (pin.release.host if pin.release else "")
    return urlsplit(base).netloc


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"
