"""Model a nightly run of a fleet on several numbers of runners, from the times of single steps. It is a calculation.

    python -m tools.fleet_model                        the figures of docs/fleet-engines.md, from fleet_measured.json
    python -m tools.fleet_model measured.json          other measurements, as `Measured` has them

The times of steps are measured; how many runners there are and what services allow are inputs with their sources. What
the model leaves out is in docs/fleet-engines.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import ceil
from pathlib import Path

import msgspec

RUNNERS = (1, 20, 60, 500)
"""One machine, and GitHub's concurrent jobs on Free, Team and Enterprise."""
MAX_SHARDS = 256
ROOT = Path(__file__).parent.parent


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What was measured, in seconds unless it says otherwise, and where.

    Attributes:
        source: how these figures were measured.
        plan_image: planning an image that needs nothing, with the verification of its evidence; on average, as several
            are judged at once.
        job_start: a job until s3c runs: queue, checkout, BuildKit, caches. Not measured by us where it is a hosted
            runner's.
        database: download of the vulnerability databases.
        scan, patch, rescan, sign: of an image; `sign` with the evidence attached.
        longest: of the image that takes longest.
        parallel: how many times faster the images of a shard are done with `jobs` at once than one after another.
        requests_current: requests to the registry for an image that needs nothing.
        requests_patched: for one that is patched, scanned, signed and attached to.
        signatures: of the vault for one that is patched.
    """

    source: str
    plan_image: float
    job_start: float
    database: float
    scan: float
    patch: float
    rescan: float
    sign: float
    longest: float
    parallel: float
    requests_current: float
    requests_patched: float
    signatures: float


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet, and what services allow in a second; the rates are theirs, not measured.

    Attributes:
        images: how many.
        share: of them, that is patched in a night.
        registry_rate: requests to the registry; an assumption, 10,000 a minute.
        vault_rate: signatures with an RSA 3,072-bit key in software, 1,000 in 10 s
            (https://learn.microsoft.com/azure/key-vault/general/service-limits); four times that with RSA 2,048 or EC.
    """

    images: int = 3000
    share: float = 0.05
    registry_rate: float = 10_000 / 60
    vault_rate: float = 100.0


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """A night of a fleet.

    Attributes:
        runners: that work at once.
        shards: with work.
        seconds: from the first request to the report.
        requests: to the registry.
        databases: downloads.
        limits: seconds that each limit alone would take, the greatest first.
    """

    runners: int
    shards: int
    seconds: float
    requests: float
    databases: int
    limits: tuple[tuple[str, float], ...]


def model(measured: Measured, fleet: Fleet, runners: int) -> Night:
    """Return a night on a number of runners.

    Patching and signing are two jobs of each shard, as in `fleet.yml`: the one with the key starts, downloads the
    databases and scans as well.
    """
    patched = ceil(fleet.images * fleet.share)
    shards = min(MAX_SHARDS, runners, patched)
    each = ceil(patched / shards)
    planning = measured.job_start + fleet.images * measured.plan_image
    image = measured.scan + measured.patch + measured.rescan
    start = measured.job_start + measured.database
    patching = start + max(measured.longest, each * image / measured.parallel)
    signing = start + each * (measured.scan + measured.sign) / measured.parallel
    requests = fleet.images * measured.requests_current + patched * measured.requests_patched
    limits = {
        "planning, on one machine": planning,
        "starts of jobs and databases": 2 * start + measured.job_start,
        "patching on the runners": each * image / measured.parallel,
        "scanning and signing on the runners": each * (measured.scan + measured.sign) / measured.parallel,
        "the longest image": measured.longest,
        "the registry's rate": requests / fleet.registry_rate,
        "the vault's rate": patched * measured.signatures / fleet.vault_rate,
    }
    own = planning + patching + signing + measured.job_start
    return Night(
        runners=runners,
        shards=shards,
        seconds=max(own, limits["the registry's rate"], limits["the vault's rate"]),
        requests=requests,
        databases=1 + 2 * shards,
        limits=tuple(sorted(limits.items(), key=lambda entry: -entry[1])),
    )


def render(nights: Iterable[Night]) -> str:
    """Return the nights as a table in Markdown."""
    lines = [
        "| runners | shards | night | registry requests | database downloads | what binds |",
        "|---|---|---|---|---|---|",
    ]
    for night in nights:
        binding = ", ".join(f"{name} ({_duration(seconds)})" for name, seconds in night.limits[:2])
        lines.append(
            f"| {night.runners} | {night.shards} | {_duration(night.seconds)} | {night.requests:,.0f} | "
            f"{night.databases} | {binding} |"
        )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def main(arguments: list[str]) -> int:
    """Print the table for the measurements in a file; by default those of this repository."""
    path = Path(arguments[0]) if arguments else ROOT / "tools" / "fleet_measured.json"
    measured = msgspec.json.decode(path.read_bytes(), type=Measured)
    sys.stdout.write(f"{render(model(measured, Fleet(), runners) for runners in RUNNERS)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
