"""`make demo`: both images of the example from vulnerable to running in a cluster, by the commands that users type."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from s3c_actions.core import process
from s3c_actions.core.errors import Exit, S3CError
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.cache import free_bytes
from s3c_actions.report.render.terminal import plain_line
from s3c_lab import duration, lab, refused, registry_server, voting
from s3c_lab.ahead import PATIENCE, Ahead
from s3c_lab.bar import shown_as_bar, without_bar
from s3c_lab.machine import Machine
from s3c_lab.pieces import piece

BUILD_BYTES = 25 * 1024**3
"""Free space with which Go's caches are kept until the last build; with less, they are removed after each."""
LONGEST_SHOWN = 12
"""Lines of a folded part of the summary that a terminal is given."""


def run(name: str, port: int | None, output: Path, machine: Machine, *, keep: bool, cluster: bool = True) -> int:
    """Bring a lab up, run the chain on it, deploy the result, show the summary, and take the lab down again.

    In the background the images are made while the programs of the chain are built, and the parts of the node while it
    runs. Interrupted or failed, the lab is taken down all the same; the next run goes on with what was finished.

    Args:
        name: of the lab.
        port: of its registry; None for the one it had, else the lab's default, else a free one.
        output: folder for the reports, created when it is missing.
        machine: of the lab.
        keep: leave the lab running.
        cluster: go on to a cluster when the chain is done.

    Returns:
        The exit code of the first command that did not end as expected; 0 when all did.

    Raises:
        InputError, OutsideError: as `lab.up` and `lab.down` do; the app does not answer.
    """
    with _interrupted_once(machine) as hold:
        return _run(name, port, output.absolute(), machine, hold, keep=keep, cluster=cluster)


def _run(
    name: str,
    port: int | None,
    output: Path,
    machine: Machine,
    hold: Callable[[], None],
    *,
    keep: bool,
    cluster: bool,
) -> int:
    if port is None and lab.read(lab.folder_of(name, machine)) is None and not registry_server.is_free(lab.PORT):
        machine.progress.notice(f"port {lab.PORT} is taken, so the registry gets another one")
        port = 0
    expectation = duration.expect(machine, cluster=cluster)
    machine.progress.notice(expectation.sentence)
    log = log_file(name, machine)
    try:
        with shown_as_bar(machine.progress, expectation.seconds, log), Ahead(machine) as ahead:
            demo_lab, code = _bring_up(
                name, port, output, machine, ahead=ahead, expectation=expectation, cluster=cluster
            )
        if (output / "summary.md").is_file():
            _show_markdown((output / "summary.md").read_text())
        paths = voting.paths(output / "result.json") if code == Exit.DONE else []
    except BaseException as error:
        hold()
        if not keep:
            _down_after_failure(name, machine)
        if isinstance(error, Exception):
            machine.progress.notice(f"what each piece printed is in {log}")
        raise
    if not keep:
        hold()
        lab.down(name, machine)
    _print_result(demo_lab, output, code, paths, keep=keep, cluster=cluster)
    return code


def log_file(name: str, machine: Machine) -> Path:
    """The file with everything that the last demo of a name printed beside its bar."""
    return machine.cache / "lab" / "logs" / f"{name}.log"


def _bring_up(
    name: str,
    port: int | None,
    output: Path,
    machine: Machine,
    *,
    ahead: Ahead,
    expectation: duration.Expectation,
    cluster: bool,
) -> tuple[lab.Lab, int]:
    """Bring the lab up and run everything on it; returns the lab and the exit code."""
    progress = machine.progress
    try:
        demo_lab = lab.up(
            name,
            port,
            machine,
            milestones=lab.Milestones(
                docker_ready=ahead.start_images if "images" in expectation.seconds else lambda: None,
                programs_ready=ahead.start_node if cluster else lambda: None,
            ),
            # Removing gigabytes takes time, and the node's programs share packages with these.
            builds_follow=cluster and free_bytes(machine.cache) > BUILD_BYTES,
        )
        chain = _chain_arguments(demo_lab, output)
        with piece(progress, "chain"), without_bar(progress):
            code = _run_s3c(chain, machine)
        if code == Exit.DONE and cluster:
            print(flush=True)
            is_built = ahead.wait()
            with piece(progress, "cluster"), _caches_discarded(machine.cache, meanwhile=is_built):
                demo_lab = lab.up(name, None, machine, node=True)
                stage = _stage(demo_lab, output, machine)
                with without_bar(progress):
                    code = voting.show(stage, chain) or refused.show(stage, chain, output)
    except S3CError as error:
        for line in error.original.splitlines():
            progress.note(line)
        raise
    return demo_lab, code


@contextmanager
def _caches_discarded(cache: Path, *, meanwhile: bool) -> Iterator[None]:
    """Remove what Go compiled, more than a minute of a slow disk: while the block runs, or after it."""
    if not meanwhile:
        yield
        gobuild.discard_caches(cache)
        return
    remover = threading.Thread(target=gobuild.discard_caches, args=(cache,), daemon=True)
    remover.start()
    yield
    remover.join()


@contextmanager
def _interrupted_once(machine: Machine) -> Iterator[Callable[[], None]]:
    """Let the first signal interrupt the block, and no other: what is being removed would stay behind otherwise.

    Yields:
        A function after which no signal interrupts it, not even the first.
    """
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]

    def show_wait(_signal: int, _frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the signal came within a write to the same stream
            machine.progress.notice("the lab is being taken down: a moment")

    def hold() -> None:
        for number in numbers:
            signal.signal(number, show_wait)

    interruptions: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        hold()
        interruptions.append(number)
        process.interrupt()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield hold
    finally:
        for number, handler in before.items():
            # The process ends after an interruption, and another Ctrl-C would change its exit code, also when Python
            # has taken its own handlers away.
            signal.signal(number, signal.SIG_IGN if interruptions else handler)


def _stage(demo_lab: lab.Lab, output: Path, machine: Machine) -> voting.Stage:
    def s3c(arguments: Sequence[str]) -> int:
        return _run_s3c(arguments, machine)

    return voting.Stage(lab=demo_lab, machine=machine, manifests=output / "app.yaml", s3c=s3c)


def _down_after_failure(name: str, machine: Machine) -> None:
    """Take the lab down without hiding the failure that is the reason."""
    try:
        lab.down(name, machine)
    except S3CError as error:
        machine.progress.warning(f"The lab could not be taken down: {error}")


def _chain_arguments(demo_lab: lab.Lab, output: Path) -> list[str]:
    arguments = ["chain", *demo_lab.images, *demo_lab.flags(), "--output-dir", str(output)]
    return [*arguments, "--format", "json,sarif,html,csv,table"]


def _run_s3c(arguments: Sequence[str], machine: Machine) -> int:
    """Run `s3c` as a user does, in a process of its own on this terminal."""
    print(f"\n$ s3c {shlex.join(arguments)}", flush=True)
    root = Path(__file__).parent.parent
    path = os.pathsep.join(filter(None, [str(root), machine.environment.get("PYTHONPATH", "")]))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "s3c_actions", *arguments], env={**machine.environment, "PYTHONPATH": path}
    )
    try:
        return child.wait()
    except BaseException:
        # Killed, it would leave its programs running. Ctrl-C has reached it as well, a signal to this process has not.
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
        child.kill()
        raise


def _show_markdown(summary: str) -> None:
    """Show Markdown on the terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    print()
    Console().print(Markdown(without_html(summary)))


def without_html(summary: str) -> str:
    """The summary as a terminal shows it: no diagram, no HTML, and only the short ones of the folded parts."""
    text = re.sub(r"^```mermaid\n.*?^```\n", "", summary, flags=re.M | re.S)
    # The innermost folds are the lists; those around them are the images.
    text = re.sub(r"<details><summary>([^\n]*?)</summary>((?:(?!<details>).)*?)</details>", _unfold, text, flags=re.S)
    return re.sub(r"</?[a-z]+>", "", re.sub(r"<br ?/?>", " ", text))


def _unfold(folded: re.Match[str]) -> str:
    lines = folded[2].strip().splitlines()
    return f"{folded[1]}: in summary.md" if len(lines) > LONGEST_SHOWN else "\n".join([folded[1], "", *lines])


def _print_result(
    demo_lab: lab.Lab, output: Path, code: int, paths: Sequence[str], *, keep: bool, cluster: bool
) -> None:
    print(f"\nVulnerability data: {plain_line(demo_lab.advisories)}.")
    print(f"Reports: {output}")
    for file in sorted(path for path in output.rglob("*") if path.is_file()):
        print(f"  {file.relative_to(output)}")
    if code == Exit.DONE:
        print("\nBoth images were scanned, patched, scanned again, signed and verified" + "." * (not cluster), end="")
        print(", and run in a cluster that refused them unsigned, and unpatched:" if cluster else "")
        print("\n".join(f"  {plain_line(path)}" for path in paths))
        if cluster:
            print("A third image, signed as well, was refused by name for the findings in its report.")
    if keep:
        print(f"The lab is still up, its registry at {demo_lab.registry}.")
        print(
            "Run the chain above again: nothing is left to do. "
            f"Take it down with: bin/s3c-lab down --name {demo_lab.name}"
        )
    else:
        print(
            "The lab is down again, and nothing runs any more. `bin/s3c-lab demo --keep` leaves it up to look around;"
        )
        print("`bin/s3c-lab up` starts one to work with.")
    for page in sorted(output.glob("trace/*/trace.html")):
        print(f"The whole story of the admitted image, to open in a browser: {page}")
