"""Images that all need a patch: several at once against one after another, and against Copa's bulk mode.

Each run has images of its own, which BuildKit has not seen. Their layers are those of one image of the lab, with a
small one on top: Trivy and BuildKit share what is below, as they do for the images of one base in a fleet.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import Plan, PlannedImage
from tests.support.oci import Repository, layer
from tools import machine_load
from tools.bench_run import Bench, Run

IMAGES = 20
"""To patch in each run; the goal is stated for so many."""
GOAL = "≤ 0.75 × one after another, or what limits it named"
JOBS = (1, 2, 4)
TOOLING = "library/debian"
"""Repository of the image in which Copa prepares packages; the lab's registry is the mirror of Docker Hub."""
BULK = "copa"
"""Tag that Copa's bulk mode gives to a patch, after the image's own."""


def measure(bench: Bench, images: int) -> None:
    """Measure every number of jobs and Copa's bulk mode, each once.

    Args:
        bench: of the lab.
        images: to patch in each run.
    """
    flags = ["--buildkit-addr", bench.lab["buildkit"], *bench.scan_flags, *bench.key, "--retries", "0"]
    flags += bench.shims("trivy", "copa", "notation")
    # Not counted: it fills the caches.
    _shard(bench, "first", 1, ["--jobs", "1", *flags])
    walls: dict[int, float] = {}
    for count in JOBS:
        run, load = _shard(bench, f"jobs-{count}", images, ["--jobs", str(count), *flags])
        walls[count] = run.wall
        figure = _speed(run.wall, images)
        if count > 1:
            figure += f", {run.wall / walls[1]:.2f} × one after another"
        busy = {
            name: sum(end - start for program, start, end in run.programs if program.startswith(name)) / run.wall
            for name in ("trivy", "copa", "notation")
        }
        figure += "; at work on average: " + ", ".join(f"{value:.1f} {name}" for name, value in busy.items())
        bench.row(f"fleet run: {images} to patch, {count} at once", GOAL if count > 1 else "", figure)
        bench.row("… what the machine did", "", load)
    run, load = _bulk(bench, images)
    figure = f"{_speed(run.wall, images)}, {run.wall / walls[1]:.2f} × one after another"
    figure += "; fleet run takes " + ", ".join(
        f"{walls[count] / run.wall:.2f} × its time with {count} at once" for count in JOBS
    )
    bench.row(f"Copa's bulk mode: {images} to patch, nothing scanned, proved or signed", "", figure)
    bench.row("… what the machine did", "", load)


def _speed(wall: float, images: int) -> str:
    return f"{3600 * images / wall:.0f} images an hour, {wall / images:.1f} s each"


def _shard(bench: Bench, name: str, images: int, flags: list[str]) -> tuple[Run, str]:
    """Run a shard of new images; what the machine did meanwhile is told in a line."""
    plan = bench.folder / "plan.json"
    plan.write_bytes(plans.render(_plan(_push(bench, name, images))))
    argv = [sys.executable, "-m", "s3c_actions", "fleet", "run", "--plan", str(plan), *flags]
    return _watched(bench, argv, images)


def _bulk(bench: Bench, images: int) -> tuple[Run, str]:
    """Have Copa patch new images by a PatchConfig, with a worker for each processor, as it decides itself."""
    names = [image.partition("@")[0].rpartition(":")[0] for image in _push(bench, "bulk", images)]
    config = bench.folder / "bulk.yaml"
    document = {
        "apiVersion": "copa.sh/v1alpha1",
        "kind": "PatchConfig",
        "target": {"tag": "{{ .SourceTag }}-" + BULK},
        "images": [
            {"name": name.rpartition("/")[2], "image": name, "tags": {"strategy": "list", "list": ["1.0"]}}
            for name in names
        ],
    }
    config.write_text(json.dumps(document))  # JSON is YAML
    # Without a report, Copa asks for the image of the release; with one, for the stable release's, which the lab has.
    tooling = Repository(bench.lab["registry"], TOOLING)
    tooling.put_manifest(tooling.get("stable-slim"), "12-slim")
    argv = [str(bench.folder / "copa"), "patch", f"--config={config}", "--push", f"--addr={bench.lab['buildkit']}"]
    ended = _watched(bench, [*argv, "--progress=plain", "--timeout=60m"], images)
    for name in names:
        registry, _, repository = name.partition("/")
        if f"1.0-{BULK}" not in Repository(registry, repository).tags():
            raise SystemExit(f"Copa's bulk mode left {name} as it was: there is nothing to compare with.")
    return ended


def _watched(bench: Bench, argv: list[str], images: int) -> tuple[Run, str]:
    folder = Path(bench.lab["folder"])
    daemons = {"BuildKit": "buildkitd.pid", "the registry": "registry.pid"}
    # The file begins with the process's id, as /proc/PID/stat does.
    processes = {name: int((folder / file).read_text().split()[0]) for name, file in daemons.items()}
    load, before = os.getloadavg()[0], machine_load.sample(processes)
    run = bench.run(argv)
    after = machine_load.sample(processes)
    own = {"the command and its programs": run.processor}
    usage = machine_load.between(before, after, own)
    # This hardly depends on what else the machine does, unlike the time.
    each = sum(usage.parts.values()) * (after.moment - before.moment) / images
    return (
        run,
        f"{each:.1f} s of processor time an image; {usage}; load {load:.1f} before, {os.getloadavg()[0]:.1f} after",
    )


def _push(bench: Bench, name: str, images: int) -> list[str]:
    """Push new images, and return them by tag and digest."""
    origin_image = Reference.parse(bench.lab["images"][0])
    origin = Repository(origin_image.registry, origin_image.repository)
    layers = [origin.blob(entry["digest"]) for entry in origin.get(origin_image.tag)["layers"]]
    pushed = []
    for number in range(images):
        repository = Repository(origin_image.registry, f"bench-{name}/app-{number}")
        image = repository.image([*layers, layer({"etc/bench": f"{name} {number}".encode()})], "1.0")
        pushed.append(f"{repository.registry}/{repository.name}:1.0@{image['digest']}")
    return pushed


def _plan(images: list[str]) -> Plan:
    return Plan(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fleet="0" * 64,
        shards=1,
        images=tuple(
            PlannedImage(image=image, names=(image.partition("@")[0],), seconds=60.0, reason="bench", shard=1)
            for image in images
        ),
    )
