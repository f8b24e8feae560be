"""Measure our own time against that of the bare programs, on a lab of its own. Prints figures without judging them.

Programs are run through a shim that logs the start and end of each run, so that in every run `ours = wall time -
time in which a program ran`. Each figure is the median of RUNS runs, after one that is not counted, so that
Python's compiled modules exist, as after the first step of a job.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from s3c_actions.cli.run import cache_path
from s3c_actions.core import artifact_types
from s3c_actions.core.records import Records
from s3c_actions.core.reference import Reference
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings import trivy_report
from s3c_actions.fleet.sources import SnapshotImage, render_snapshot
from s3c_actions.registry import Registry
from s3c_actions.registry.credentials import Logins
from s3c_actions.report import format_registry
from s3c_actions.result import document as result
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.reuse import ReportStore
from s3c_lab import voting
from s3c_lab.node.cluster import node_name
from tests.support import fleet_images, outcomes, reports
from tests.support.findable import Fleet, now, purl_package, sarif, spdx
from tests.support.github import events
from tests.support.github.server import serving
from tests.support.github.state import Token
from tools import bench_jobs
from tools.bench_run import ROOT, Bench, Run, median, output

FORGOTTEN = 31.0
"""Seconds after which Gatekeeper, Ratify and its store have forgotten a verdict: 10 s each."""
FORMATS = ("json", "sarif", "table", "cyclonedx", "spdx")
DOCUMENT = """\
# Number {number}
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{number}, labels: {{app: app-{number}}}}}
spec:
  selector: {{matchLabels: {{app: app-{number}}}}}
  template:
    metadata: {{labels: {{app: app-{number}}}}}
    spec:
      containers:
        - name: main
          image: {image}  # replaced
          args: ["--number", "{number}"]
"""
START = {"s3c --help": "≤ 1 ×", "s3c scan --help": "≤ 1.2 ×"}


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (%(default)s)")
    parser.add_argument("--only", metavar="NAME,…", default="", help=f"of {', '.join(MEASURES)}")
    parser.add_argument(
        "--images", type=int, default=bench_jobs.IMAGES, help="that each run of `jobs` patches (%(default)s)"
    )
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(MEASURES)
    if unknown := sorted(set(wanted) - set(MEASURES)):
        parser.error(f"there is no {', '.join(unknown)}")
    name = f"bench-{os.getpid()}"
    lab_command = [sys.executable, "-m", "s3c_lab"]
    lab = json.loads(output([*lab_command, "up", "--name", name, "--port", "0", "--json"]))
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(lab, Path(folder), options.runs, options.images)
            for measure in wanted:
                if measure in ON_A_NODE and not bench.on_a_node:
                    node(bench, [*lab_command, "up", "--name", name, "--node", "--json"])
                MEASURES[measure](bench)
    finally:
        output([*lab_command, "down", "--name", name])
    table = Table("what", "goal", f"median of {options.runs}", title="s3c beside the bare programs")
    for row in bench.rows:
        table.add_row(*row)
    Console().print(table)
    return 0


def start(bench: Bench) -> None:
    """What every command pays, as multiples of `import requests` measured in between: machines differ by half."""
    python = sys.executable
    report = str(ROOT / "tests" / "data" / "trivy" / "deb.json")
    base = ("import requests", [python, "-c", "import requests"])
    commands = (
        base,
        ("python -c pass", [python, "-c", "pass"]),
        ("import s3c_actions", [python, "-c", "import s3c_actions"]),
        ("s3c --help", [python, "-m", "s3c_actions", "--help"]),
        ("s3c scan --help", [python, "-m", "s3c_actions", "scan", "--help"]),
        ("s3c report", [python, "-m", "s3c_actions", "report", report]),
    )
    walls: dict[str, list[float]] = {what: [] for what, _ in commands}
    for turn in range(bench.runs + 1):
        for what, command in commands:  # in turns, so that a busy moment meets all of them
            wall = bench.run(command).wall
            if turn:
                walls[what].append(wall)
    unit = median(walls[base[0]])
    for what, _ in commands:
        figure = median(walls[what])
        bench.row(what, START.get(what, ""), f"{figure:.3f} s = {figure / unit:.2f} × {base[0]}")
    runs = bench.several(lambda _: bench.run([ROOT / "actions" / "setup.sh"]))
    bench.row("environment, warm cache", "≤ 0.3 s", f"{median(run.wall for run in runs):.3f} s")
    figures = [_verified() for _ in range(bench.runs)]
    bench.row("… of it, and of a kept scan: verifying", "≤ 0.3 s", f"{median(figures):.3f} s")


def _verified() -> float:
    """Seconds to hold the environment to its record, and a kept report to its signature."""
    environment = Path(output([str(ROOT / "actions" / "setup.sh")])).parents[1]
    report, facts = ROOT / "tests" / "data" / "trivy" / "deb.json", {"of": "the bench"}
    digest = json.loads(report.read_text())["Metadata"]["RepoDigests"][0].partition("@")[2]
    records = Records.of(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        ReportStore(Path(folder), records.key()).keep(facts, report)
        started = time.perf_counter()
        known = records.has_tree(environment)
        kept = ReportStore(Path(folder), records.key()).find(facts, digest=digest, now=datetime.now(UTC))
        seconds = time.perf_counter() - started
    if not known or kept is None:
        raise SystemExit("What was recorded is not found again: there is nothing to measure.")
    return seconds


def scan(bench: Bench) -> None:
    """A scan with its default reports, against the bare Trivy that makes the JSON."""
    image = bench.lab["images"][1]
    ours, bare = [], []
    for number in range(bench.runs + 1):
        # In turn, so that a machine whose speed drifts does not favour one of them.
        mine = bench.s3c("scan", image, "--reuse", "false", *bench.scan_flags, *bench.shims("trivy"))
        theirs = bench.run([*_trivy(bench), "--list-all-pkgs", "--format", "json", "--output", "t.json", image])
        if number:
            ours.append(mine)
            bare.append(theirs)
    bench.own("scan: one image, json+sarif+html+table", "≤ 0.25 s", ours)
    ratio = median(a.wall / b.wall for a, b in zip(ours, bare, strict=True))
    bench.row("scan against bare trivy image", "", f"{ratio:.2f} × ({median(b.wall for b in bare):.2f} s bare)")


def formats(bench: Bench) -> None:
    """Five reports of one scan against a Trivy run for each: of an image new to Trivy, and of one in its cache."""
    image = bench.lab["images"][1]
    theirs = {form.name: form.trivy for form in format_registry.FORMATS if form.trivy}
    flags = ["--reuse", "false", "--format", ",".join(FORMATS), *bench.scan_flags, *bench.shims("trivy")]
    single = [sys.executable, "-m", "s3c_actions", "scan", image, *flags]
    separate = [[*_trivy(bench), "--format", theirs.get(form, form), "--output", "out", image] for form in FORMATS]

    def wall(command: list[str], *, new: bool) -> float:
        if new:
            shutil.rmtree(Path(bench.lab["trivy_cache"]) / "fanal", ignore_errors=True)
        return bench.run(command).wall

    # The first is minutes long, so that two rounds will do.
    for what, new, rounds in (
        ("each of an image new to Trivy (2 runs)", True, 2),
        ("of an image in Trivy's cache", False, bench.runs + 1),
    ):
        walls = [(wall(single, new=new), sum(wall(command, new=new) for command in separate)) for _ in range(rounds)]
        walls = walls if new else walls[1:]
        mine, runs = (median(side) for side in zip(*walls, strict=True))
        figure = f"{median(a / b for a, b in walls):.2f} × ({mine:.2f} s, {runs:.2f} s)"
        bench.row(f"five reports: one scan against five runs, {what}", "≤ 0.5 ×" if new else "", figure)


def patch(bench: Bench) -> None:
    """A patch that pushes, each time under another tag."""
    image = bench.lab["images"][1]
    flags = ["--buildkit-addr", bench.lab["buildkit"], *bench.scan_flags, *bench.shims("trivy", "copa")]
    runs = bench.several(lambda number: bench.s3c("patch", image, "--patched-tag", f"bench-{number}", *flags))
    bench.own("patch: scan, copa, rescan", "≤ 0.25 s a step", runs)


def sign(bench: Bench) -> None:
    """A signature that is new each time, and its verification."""
    image = _pinned(bench.lab["images"][1])
    notation = bench.shims("notation")
    runs = bench.several(
        lambda number: bench.s3c("sign", image, "--user-metadata", f"run={number}", *bench.key, *notation)
    )
    bench.own("sign: sign and verify after", "≤ 0.25 s", runs)
    runs = bench.several(lambda _: bench.s3c("verify", image, "--trust-store", bench.lab["certificate"], *notation))
    bench.own("verify", "≤ 0.25 s", runs)


def attach(bench: Bench) -> None:
    """Three documents attached and signed, new each time: the last ones are deleted before."""
    image = _pinned(bench.lab["images"][1])
    report = bench.folder / "attached.json"
    bench.run([*_trivy(bench), "--list-all-pkgs", "--format", "json", "--output", report, image])
    shims = bench.shims("notation", "trivy")
    flags = ("--attach", "sarif,spdx,cyclonedx", "--prune-evidence", "--report", str(report), *bench.key, *shims)

    def once(number: int) -> Run:
        document = json.loads(report.read_text())
        document["CreatedAt"] = f"2026-11-24T12:00:{number:02d}Z"
        report.write_text(json.dumps(document))
        return bench.s3c("attach", image, *flags)

    bench.own("attach and sign three documents", "≤ 1 s", bench.several(once))


def admission(bench: Bench) -> None:
    """A Pod of an image tried with a gate by signature alone, and with one that asks for evidence as well."""
    image = _pinned(bench.lab["images"][1])
    policy, objects = bench.folder / "s3c-policy.yaml", bench.folder / "gate.yaml"
    policy.write_text(
        f"version: 1\nsigners: [{{name: lab, certificate: {bench.lab['certificate']}}}]\nfindings: {{refuse: []}}\n"
    )
    bench.s3c("sign", image, *bench.key)
    bench.s3c("attach", image, "--attach", "sarif,spdx", "--policy", str(policy), *bench.scan_flags, *bench.key)
    kubectl = [_kubectl(), "--kubeconfig", bench.lab["kubeconfig"]]
    attempt = [*kubectl, "run", "bench", f"--image={image}", "--dry-run=server", "--namespace", "default"]

    def measure_attempts() -> float:
        runs = []
        for _ in range(bench.runs):
            time.sleep(FORGOTTEN)
            runs.append(bench.run(attempt).wall)
        return median(runs)

    by_signature = measure_attempts()
    objects.write_text(output([sys.executable, "-m", "s3c_actions", "policy", "export", "--policy", str(policy)]))
    bench.run([*kubectl, "apply", "--server-side", "--force-conflicts", "-f", objects])
    time.sleep(FORGOTTEN)
    subprocess.run(attempt, capture_output=True, check=False)  # the first may find Ratify's cache being written
    by_evidence = measure_attempts()
    ratio = f"{by_evidence / by_signature:.2f} × ({by_signature:.2f} s by signature, {by_evidence:.2f} s by evidence)"
    bench.row("admission by evidence against by signature", "", ratio)


def vault(bench: Bench) -> None:
    """A signature by a key vault's key, against one by a key on disk; both are verified after."""
    from s3c_lab.certificates import make
    from tests.support.azure.stage import azure

    image = _pinned(bench.lab["images"][1])
    flags = ["sign", image, *bench.shims("notation")]
    with azure(bench.folder / "azure") as stage:
        stage.world.forward(int(bench.lab["registry"].rpartition(":")[2]))
        key_vault = stage.vault()
        key_vault.add("signing", make("signing", spec="RSA-3072"))
        arguments = [*flags, "--vault", key_vault.name, "--vault-certificate", "signing", *stage.ids]
        program = [sys.executable, "-m", "s3c_actions"]
        local = bench.several(lambda number: bench.s3c(*flags, "--user-metadata", f"local={number}", *bench.key))
        runs = bench.several(
            lambda number: bench.run(
                stage.world.inside([*program, *arguments, "--user-metadata", f"vault={number}"], bench.folder),
                stage.world.environment | stage.github.environment,
            )
        )
        calls = len(stage.world.sites.asked(key_vault.host)) / (bench.runs + 1)
    theirs = median(run.theirs for run in local)
    ours = median(run.wall for run in runs) - theirs
    goal = "≤ 1.0 s on top of notation with a local key, ≤ 3 requests"
    bench.row("sign with a vault's key", goal, f"{ours:.2f} s on top of {theirs:.2f} s, {calls:g} requests")


def trace(bench: Bench) -> None:
    """The story of a signed image, each signature verified."""
    image = _pinned(bench.lab["images"][1])
    flags = ["--trust-store", bench.lab["certificate"], *bench.shims("notation")]
    runs = bench.several(lambda _: bench.s3c("trace", image, *flags))
    bench.own("trace: text, page and JSON", "≤ 0.5 s", runs)


def chain(bench: Bench) -> None:
    """The whole chain, and the same again on an image it has been through."""
    image = bench.lab["images"][0]
    flags = ["--buildkit-addr", bench.lab["buildkit"], *bench.scan_flags, *bench.key]
    flags += bench.shims("trivy", "copa", "notation")
    runs = bench.several(
        lambda number: bench.s3c(
            "chain",
            image,
            "--reuse",
            "false",
            "--patched-tag",
            f"chain-{number}",
            "--user-metadata",
            f"run={number}",
            *flags,
        )
    )
    bench.own("chain: scan, patch, rescan, sign, verify", "≤ 1.10 × the programs", runs)
    bench.s3c("chain", image, *flags)
    before = _state(image)
    again = bench.several(lambda _: bench.s3c("chain", image, *flags))
    pushes = len(_state(image) ^ before)
    bench.row(
        "chain again, nothing changed", "≤ 2 s, 0 pushes", f"{median(r.wall for r in again):.2f} s, {pushes} pushes"
    )


def jobs(bench: Bench) -> None:
    """A shard of images that all need a patch, with several jobs, and Copa's bulk mode on such images."""
    bench_jobs.measure(bench, bench.images)


def node(bench: Bench, up: list[str]) -> None:
    """How long the lab's node takes to come up with the gate on it, from a warm cache, and what memory it needs."""
    output([sys.executable, "-m", "s3c_lab", "prepare"])
    started = time.perf_counter()
    bench.lab = json.loads(output(up))
    bench.row("node with the gate, warm cache, until proved", "≤ 60 s", f"{time.perf_counter() - started:.1f} s")
    resident = output(["docker", "exec", node_name(bench.lab["name"]), "ps", "-e", "-o", "rss="]).split()
    used = sum(map(int, resident)) / 2**20
    bench.row("node with the gate, memory of its processes", "≤ 1.5 GiB", f"{used:.2f} GiB")
    bench.on_a_node = True


def fleet(bench: Bench) -> None:
    """200 images of which 10 are patched; then a night in which nothing has to be done."""
    lab, counts = bench.lab, {"patchable": 10, "clean": 190}
    total = sum(counts.values())
    fleet_images.push(lab["registry"], lab["images"][0], counts)
    folder = bench.folder / "fleet"
    folder.mkdir()
    policy, file, plan, results = (folder / name for name in ("policy.yaml", "fleet.yaml", "plan.json", "results"))
    policy.write_text(fleet_images.policy(lab["certificate"]))
    file.write_text(fleet_images.fleet(lab["registry"]))
    jobs = ["--jobs", str(min(4, os.cpu_count() or 1))]

    def night() -> tuple[float, float, float]:
        """Seconds to plan, to run and to report."""
        planned = bench.s3c("fleet", "plan", str(file), "--policy", str(policy), "--output", str(plan), "--shards", "1")
        work = ["--plan", str(plan), "--shard", "1/1", "--policy", str(policy), "--attach", "sarif"]
        work += ["--buildkit-addr", lab["buildkit"], "--output-dir", str(results), *jobs]
        ran = bench.s3c("fleet", "run", *work, *bench.scan_flags, *bench.key)
        reported = bench.s3c("fleet", "report", "--plan", str(plan), "--results", str(results))
        return planned.wall, ran.wall, reported.wall

    planned, ran, _ = night()
    bench.row(f"fleet: {total} images, 10 to patch, first run", "", f"{ran:.0f} s, {total / ran * 3600:,.0f} images/h")
    bench.row("… planned, nothing known of any", "", f"{planned:.1f} s")
    nights = [night() for _ in range(bench.runs)]
    bench.row(f"fleet: {total} images, nothing to do", "≤ 60 s", f"{median(sum(times) for times in nights):.1f} s")
    each = median(times[0] for times in nights) / total
    bench.row("… of it, planning an image", "≤ 50 ms", f"{each * 1000:.0f} ms")


def deploy(bench: Bench) -> None:
    """A deployment of the app against kubectl that applies the same manifests and waits for the rollout.

    Without Pods, whose start takes both as long, and never twice the same.
    """
    signed = []
    for image in bench.lab["images"]:
        bench.s3c("sign", _pinned(image), *bench.key)
        signed.append(_pinned(image))
    kubectl = [str(_kubectl()), "--kubeconfig", bench.lab["kubeconfig"]]
    text = output([*kubectl, "kustomize", str(voting.MANIFESTS / "overlays" / "lab")])
    app = bench.folder / "app.yaml"
    app.write_text(voting.rendered(text, bench.lab["registry"]).replace("replicas: 1", "replicas: 0"))
    flags = [word for image in signed for word in ("--image", image)]
    flags += ["--kubeconfig", bench.lab["kubeconfig"], "--trust-store", bench.lab["certificate"]]
    pinned = bench.folder / "pinned.yaml"
    pinned.write_text(_with_digests(app.read_text(), bench.lab["images"], signed))
    script = (
        f'set -e; "$@" apply --server-side -f {pinned}; '
        'for one in deployment/voting-app statefulset/voting-db; do "$@" rollout status $one --timeout=120s; done'
    )
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(bench.runs + 1):
        for tool in ("s3c", "kubectl"):
            namespace = f"bench-{tool}-{number}"
            output([*kubectl, "create", "namespace", namespace])
            within = ["--namespace", namespace]
            if tool == "s3c":
                run = bench.s3c("deploy", str(app), *within, *flags)
            else:
                run = bench.run(["/bin/sh", "-c", script, "sh", *kubectl, *within])
            if number:
                (ours if tool == "s3c" else theirs).append(run.wall)
            output([*kubectl, "delete", "namespace", namespace, "--wait=false"])
    mine, bare = median(ours), median(theirs)
    what = "deploy: the app, verified, gate proved (without its Pods' start)"
    bench.row(what, "≤ 0.5 s on top of kubectl", f"{mine - bare:+.2f} s ({mine:.2f} s, kubectl {bare:.2f} s)")


def large(bench: Bench) -> None:
    """30,000 findings to every format."""
    report = bench.folder / "large.json"
    report.write_bytes(reports.large())
    own = bench.several(lambda _: bench.s3c("report", str(report), "--format", "json,sarif,html,csv,table"))
    wall, peak = median(run.wall for run in own), max(run.peak for run in own)
    bench.row("30,000 findings: json, sarif, html, csv, table", "≤ 2 s, ≤ 300 MB", f"{wall:.2f} s, {peak:.0f} MB peak")
    every = "json,sarif,html,csv,table,cyclonedx,spdx"
    runs = bench.several(lambda _: bench.s3c("report", str(report), "--format", every, *bench.shims("trivy")))
    bench.own("30,000 findings: with the SBOMs by trivy convert", "≤ 2 s of ours", runs)


_LOOKS = """
import sys
from pathlib import Path
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings import trivy_report
from s3c_actions.findings.threshold import Threshold
from s3c_actions.report import formats
from s3c_actions.report.formats import sarif
from s3c_actions.report.github import comment, summary
from s3c_actions.result.document import build_document, render_document
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import assess
from datetime import UTC, datetime
report = trivy_report.parse(Path(sys.argv[1]).read_bytes())
Path("report.sarif").write_bytes(sarif.drop_suppressed(formats.render("sarif", report, formats.Rendering())))
criteria = assess.Criteria(
    gate=Threshold(None),
    policy=None,
    unscanned_fails=True,
    ignore_unfixed=False,
    now=datetime.now(UTC),
    bill=Path.read_bytes,
)
given = Path(sys.argv[1])
scan = assess.assess_given_report(
    given, image=report.image, reference=report.image, criteria=criteria, report=report
)
outcome = Outcome(command="scan", images=(ImageOutcome(image=report.image, reference=report.image, scan=scan),))
document = build_document(outcome, datetime.now(UTC), Secrets({"a secret of the run"}))
if "result.json" in sys.argv:
    Path("result.json").write_text(render_document(document))
Path("summary.md").write_text(summary.render(document))
Path("comment.md").write_text(comment.render([document], run_url="https://github.example/run"))
"""


def looks(bench: Bench) -> None:
    """30,000 findings as what GitHub shows."""
    report = bench.folder / "large.json"
    report.write_bytes(reports.large())
    for extra in ((), ("result.json",)):
        command = [sys.executable, "-c", _LOOKS, report, *extra]
        runs = bench.several(lambda _: bench.run(command))  # noqa: B023 - called in this turn of the loop
        wall, peak = median(run.wall for run in runs), max(run.peak for run in runs)
        what = ", ".join(["30,000 findings: comment, sarif, summary", *extra])
        bench.row(what, "≤ 2 s, ≤ 300 MB", f"{wall:.2f} s, {peak:.0f} MB peak")


def calls(bench: Bench) -> None:
    """Calls of GitHub's API for one comment, among 300 of others, counted by the stand-in."""
    report = trivy_report.parse(reports.large(500))
    image = ImageOutcome(image=report.image, reference=report.image, scan=outcomes.scan(report))
    file = bench.folder / "result.json"
    with serving() as github:
        github.state.tokens["run-token"] = Token()
        pull = github.state.pull()
        for number in range(300):
            remark = github.state.comment(pull.number, f"remark {number}", "reviewer")
            remark.created = remark.updated = datetime(2026, 1, 1, tzinfo=UTC)
        environment = events.of_pull(github, bench.folder, pull) | {"S3C_GITHUB_TOKEN": "run-token"}
        for what, outcome in (
            ("begun", Outcome(command="scan", images=(image,))),
            ("unchanged", Outcome(command="scan", images=(image,))),
            ("changed", Outcome(command="scan", images=(replace(image, scan=None),))),
        ):
            file.write_text(result.render_document(result.build_document(outcome, datetime.now(UTC), Secrets())))
            github.calls.clear()
            bench.run([sys.executable, "-m", "s3c_actions", "comment", file], environment)
            goal = "≤ 4" if what == "unchanged" else ""
            bench.row(f"GitHub's API: a comment {what}, among 300 others", goal, f"{len(github.calls)} calls")
        if github.violations:
            sys.exit("\n".join(github.violations))


def documents(bench: Bench) -> None:
    """Manifests of 10,000 documents with every image by its digest."""
    before, after = "registry.example/app:1.4", f"registry.example/app@sha256:{64 * '1'}"
    file = bench.folder / "documents.yaml"
    file.write_text("---\n".join(DOCUMENT.format(number=number, image=before) for number in range(10_000)))
    flags = ("--render-only", "--resolve=false", "--image", f"{before}={after}")
    runs = bench.several(lambda _: bench.s3c("deploy", str(file), *flags))
    bench.row("10,000 documents rewritten", "≤ 5 s", f"{median(run.wall for run in runs):.2f} s")


def find(bench: Bench) -> None:
    """A query of 200 images with a signed bill of materials of 200 packages each, and a signed report."""
    key, certificate = Path(bench.lab["key"]), Path(bench.lab["certificate"])
    registry = Reference.parse(bench.lab["images"][1]).registry
    fleet = Fleet(registry, Path(bench.paths["notation"]), key, certificate)
    packages = [
        purl_package(f"pkg:deb/debian/lib{number}@1.{number}-1", f"1.{number}-1", source=f"src{number} 1.{number}-1")
        for number in range(199)
    ]

    def push_image(number: int) -> str:
        image, created = fleet.image(f"bench/find-{number}"), now()
        version = "3.0.11-1~deb12u2" if number % 10 == 0 else "3.0.13-1"
        openssl = purl_package(f"pkg:deb/debian/libssl3@{version}", version, source=f"openssl {version}")
        fleet.attach(image, artifact_types.SPDX, spdx([*packages, openssl], created), created)
        fleet.attach(image, artifact_types.SARIF, sarif(image.digest, (), created), created)
        return image.pinned

    with ThreadPoolExecutor(2) as pool:
        images = ",".join(pool.map(push_image, range(200)))
    policy = bench.folder / "find-policy.yaml"
    policy.write_text(f"version: 1\nsigners: [{{name: lab, certificate: {certificate}}}]\n")
    flags = ("--image", images, "--policy", str(policy))
    cold = bench.s3c("find", "openssl<3.0.13", *flags)
    bench.row("find: 200 images, nothing known yet", "", f"{cold.wall:.2f} s")
    for what, query in (("20 of 200 images", "openssl<3.0.13"), ("all of 200 images", "lib5")):
        runs = bench.several(lambda _, query=query: bench.s3c("find", query, *flags))  # type: ignore[misc]
        wall, processor = median(run.wall for run in runs), median(run.processor for run in runs)
        bench.row(f"find: in {what}, warm", "≤ 2 s", f"{wall:.2f} s, processor {processor:.2f} s")


ON_A_NODE = ("deploy", "admission")


def _plan(bench: Bench, files: list[str], _number: int) -> Run:
    return bench.s3c("fleet", "plan", *files, "--shards", "256")


def fleet_plan(bench: Bench) -> None:
    """The plan of 5,000 references without a registry, and its memory."""
    folder = bench.folder / "fleet"
    folder.mkdir(exist_ok=True)
    images = {
        f"registry.example/team-{number % 50}/app-{number // 10}:1.{number % 10}.0": SnapshotImage(
            digest=f"sha256:{number:064x}",
            base=f"sha256:{number % 40:064x}",
            size=20_000_000 + number * 1000,
            platforms=1 + number % 2,
        )
        for number in range(5000)
    }
    (folder / "snapshot.json").write_bytes(render_snapshot(images))
    selections = "".join(f"  - {{image: {name}}}\n" for name in images)
    (folder / "fleet.yaml").write_text(f"version: 1\nimages:\n{selections}")
    (folder / "catalog.yaml").write_text(
        "version: 1\nimages: [{catalog: registry.example/, tags: {strategy: pattern, pattern: .}}]\n"
    )
    for what, name in (("one by one", "fleet.yaml"), ("by catalog", "catalog.yaml")):
        files = [str(folder / name), "--snapshot", str(folder / "snapshot.json")]
        runs = bench.several(partial(_plan, bench, files))
        peak = max(run.peak for run in runs)
        figure = f"{median(run.wall for run in runs):.2f} s, {peak:.0f} MiB"
        bench.row(f"fleet plan: 5,000 references {what}, offline", "≤ 10 s, ≤ 300 MB", figure)


MEASURES: dict[str, Callable[[Bench], None]] = {
    measure.__name__: measure
    for measure in (
        *(start, scan, formats, patch, sign, vault, trace, attach, chain, large, looks, calls, documents),
        *(jobs, deploy, admission, fleet_plan, fleet, find),
    )
}


def _trivy(bench: Bench) -> list[str]:
    flags = ["--quiet", "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--scanners", "vuln"]
    source = ["--image-src", "remote", "--cache-dir", bench.lab["trivy_cache"]]
    return [bench.paths["trivy"], "image", *flags, *source]


def _state(image: str) -> set[tuple[str, str]]:
    """Every tag of the image's repository (signatures have referrers tags), with its digest."""
    reference = Reference.parse(image)
    registry = Registry(Logins(environment={}))
    return {(tag, registry.resolve(reference.tagged(tag)).digest) for tag in registry.tags(reference)}


def _pinned(image: str) -> str:
    reference = Reference.parse(image)
    return reference.at(Registry(Logins(environment={})).resolve(reference).digest).pinned


def _with_digests(text: str, images: list[str], pinned: list[str]) -> str:
    for image, digest in zip(images, pinned, strict=True):
        text = text.replace(image, digest)
    return text


def _kubectl() -> Path:
    from s3c_actions.cli.console import LogProgress
    from s3c_actions.core.process import Runner
    from s3c_actions.programs.install.locate import locate
    from s3c_lab.node.programs import KUBECTL

    cache = cache_path(dict(os.environ))
    return locate(KUBECTL, cache=cache, runner=Runner(os.environ), progress=LogProgress(sys.stderr)).path


if __name__ == "__main__":
    sys.exit(main())
