"""`s3c-lab` and `python -m s3c_lab`: a supply chain on this machine, to try the toolkit on and to test it with."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from s3c_actions.cli.console import LogProgress, QuietProgress, TerminalProgress, error_lines
from s3c_actions.cli.run import cache_path
from s3c_actions.cli.streams import is_live
from s3c_actions.core import folders as places
from s3c_actions.core import process
from s3c_actions.core.errors import Exit, InputError, S3CError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Progress
from s3c_actions.programs.install.locate import ProgramRequest, find_present
from s3c_lab import demo, docker_engine, images, lab
from s3c_lab.bar import BarProgress
from s3c_lab.machine import Machine, with_system_path
from s3c_lab.node import cluster
from s3c_lab.node.programs import KUBECTL
from s3c_lab.pieces import EventProgress, piece
from s3c_lab.runner.image import RUNNER_IMAGE

_BIN = next((folder for folder in [Path(__file__).parent.parent / "bin"] if (folder / "s3c").is_file()), None)
"""The folder of `s3c` in a checkout; an installed package has it on PATH."""
_DESCRIPTION = """\
A supply chain on this machine: a registry with the two vulnerable images of an example voting app, BuildKit, a
vulnerability database and a signing key. What takes long is kept in S3C_CACHE, so the second start takes seconds.

Needs Debian or Ubuntu, and root (or sudo without a password) to install and start Docker and BuildKit.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: without the program's name; by default those of the process.

    Returns:
        The exit code, see `s3c_actions.core.errors.Exit`.
    """
    options = parser().parse_args(argv)
    environment = with_system_path(places.program_environment(os.environ, places.working_folder()))
    progress = _progress(options)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _interrupt)
    machine = Machine(
        runner=Runner(environment=environment, echo=progress.note), progress=progress, cache=cache_path(environment)
    )
    try:
        return int(options.run(options, machine))
    except S3CError as error:
        print("\n".join(error_lines(f"lab {options.command}", error)).replace("s3c lab", "s3c-lab", 1), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"s3c-lab: interrupted. {_after_interruption(options)}", file=sys.stderr)
        return Exit.INTERRUPTED
    except Exception:
        traceback.print_exc()
        return Exit.BUG


def parser() -> argparse.ArgumentParser:
    """The command line: every command with its flags."""
    root_parser = argparse.ArgumentParser(
        prog="s3c-lab", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = root_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, description: str, run: object, default: str = lab.NAME) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=description)
        added.set_defaults(run=run)
        added.add_argument(
            "--name", default=default, help="of the lab; labs of different names stand side by side (%(default)s)"
        )
        added.add_argument("-q", "--quiet", action="store_true", help="warnings and errors only")
        added.add_argument("-v", "--verbose", action="store_true", help="show what is run, and what it says")
        return added

    port = f"of the registry on localhost; 0 takes a free one (default: the one it had, else {lab.PORT})"
    up = command("up", "Bring the lab up, or what is missing of it.", _up)
    up.add_argument("--port", type=_parse_port, help=port)
    cluster_group = up.add_mutually_exclusive_group()
    cluster_group.add_argument(
        "--node", action="store_true", help="with a Kubernetes node, and Gatekeeper and Ratify on it (beta)"
    )
    cluster_group.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="install Gatekeeper and Ratify on this cluster instead"
    )
    up.add_argument("--json", action="store_true", help="print what the lab is made of as JSON")
    status = command("status", "Tell what is running and what is missing; exit code 1 when something is.", _status)
    status.add_argument("--all", action="store_true", help="every lab of this cache")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    down = command("down", "Take the lab down; the cache stays.", _down)
    down.add_argument("--all", action="store_true", help="every lab of this cache")
    env_description = 'Print what a shell needs to work on the lab that is up: `eval "$(bin/s3c-lab env)"`.'
    command("env", env_description, _env)
    ahead = command("prepare", "Bring into the cache what `up --node` needs: tens of minutes the first time.", _prepare)
    parts = ahead.add_mutually_exclusive_group()
    parts.add_argument("--images", action="store_true", help="the images alone")
    parts.add_argument("--node", action="store_true", help="the parts of a node alone")
    # For the demo, which shows the events, and removes Go's caches while a node starts.
    ahead.add_argument("--events", action="store_true", help=argparse.SUPPRESS)
    ahead.add_argument("--builds-follow", action="store_true", help=argparse.SUPPRESS)
    show = command(
        "demo",
        "Scan, patch, rescan, sign, verify and deploy the example's images, and show what came of it.",
        _demo,
    )
    show.set_defaults(name="demo")
    show.add_argument("--port", type=_parse_port, help=port)
    show.add_argument("--output-dir", type=Path, default=Path("s3c-out"), help="folder for the reports (%(default)s)")
    show.add_argument("--keep", action="store_true", help="leave the lab running")
    show.add_argument("--chain-only", action="store_true", help="stop before the cluster")
    return root_parser


def _parse_port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to 65535")
    return int(text)


def _up(options: argparse.Namespace, machine: Machine) -> int:
    running_lab = lab.up(options.name, options.port, machine, node=options.node, kubeconfig=options.kubeconfig)
    if options.json:
        print(json.dumps(asdict(running_lab), indent=2))
        return Exit.DONE
    print(f"\nThe lab {running_lab.name} is up. Images: {', '.join(running_lab.images)}")
    print(f"Try: bin/s3c chain {' '.join(running_lab.images)} {' '.join(running_lab.flags())}")
    if running_lab.kubeconfig:
        print(f"Cluster: kubectl --kubeconfig {running_lab.kubeconfig} get constraints")
    print(f"Take it down with: bin/s3c-lab down{_name_flag(running_lab.name)}")
    return Exit.DONE


def _part_document(part: lab.Part) -> dict[str, str | bool]:
    return {"name": part.name, "there": part.ready, "told": part.state}


def _status(options: argparse.Namespace, machine: Machine) -> int:
    parts_by_lab = {}
    for name in lab.names(machine) if options.all else [options.name]:
        known_lab = lab.read(lab.folder_of(name, machine))
        parts_by_lab[name] = lab.parts(known_lab, machine) if known_lab else ()
    if options.json:
        described = {name: [_part_document(part) for part in parts] for name, parts in parts_by_lab.items()}
        print(json.dumps(described, indent=2))
    else:
        if not parts_by_lab:
            print("There is no lab.")
        for name, parts in parts_by_lab.items():
            print(f"{name}:" if parts else f"{name}: not up")
            for part in parts:
                print(f"  {'✔' if part.ready else '✘'} {part.name:<9} {part.state}")
    return (
        Exit.DONE
        if all(parts and all(part.ready for part in parts) for parts in parts_by_lab.values())
        else Exit.REFUSED
    )


def _env(options: argparse.Namespace, machine: Machine) -> int:
    running_lab = lab.read(lab.folder_of(options.name, machine))
    if running_lab is None:
        raise InputError(
            "name", f"there is no lab {options.name}.", remedy=f"Run `s3c-lab up{_name_flag(options.name)}`."
        )
    kubectl = find_present(
        ProgramRequest(pin=KUBECTL), cache=machine.cache, runner=machine.runner, progress=machine.progress
    )
    folders = [
        str(path) for path in (_BIN, kubectl.path.parent if kubectl and running_lab.kubeconfig else None) if path
    ]
    print(f'export PATH={shlex.quote(os.pathsep.join(folders))}:"$PATH"' if folders else "", end="\n" * bool(folders))
    for name, value in running_lab.variables().items():
        print(f"export {name}={shlex.quote(value)}")
    return Exit.DONE


def _down(options: argparse.Namespace, machine: Machine) -> int:
    for name in lab.names(machine) if options.all else [options.name]:
        existed = lab.down(name, machine)
        print(f"The lab {name} is down." if existed else f"There was no lab {name}.")
    return Exit.DONE


def _demo(options: argparse.Namespace, machine: Machine) -> int:
    return demo.run(
        options.name,
        options.port,
        options.output_dir,
        machine,
        keep=options.keep,
        cluster=not options.chain_only,
    )


def _prepare(options: argparse.Namespace, machine: Machine) -> int:
    docker_engine.ensure(machine)
    try:
        if options.images:
            with machine.progress.step("images") as step, piece(machine.progress, "images"):
                images.stored(machine)
                step.done("those of the example, and their Debian base")
            return Exit.DONE
        cluster.prepare(machine, builds_follow=options.builds_follow)
        if options.node:
            return Exit.DONE
        with machine.progress.step("runner") as step:
            RUNNER_IMAGE.tarball(machine)
            step.done("a root like a hosted runner's, for the end-to-end tests")
    finally:
        if not lab.names(machine):
            docker_engine.stop(machine, needed=lambda: bool(lab.names(machine)))
    return Exit.DONE


def _name_flag(name: str) -> str:
    return "" if name == lab.NAME else f" --name {name}"


def _after_interruption(options: argparse.Namespace) -> str:
    if options.command == "demo" and not options.keep:
        return "Nothing of it runs any more. What was finished is kept: the same command goes on from there."
    return f"`s3c-lab down{_name_flag(options.name)}` removes what was made; the same command goes on."


def _progress(options: argparse.Namespace) -> Progress:
    if options.quiet:
        return QuietProgress(sys.stderr)
    if getattr(options, "events", False):
        return EventProgress(sys.stderr)
    terminal = is_live(sys.stderr, os.environ)
    color = not os.environ.get("NO_COLOR")
    if options.command == "demo":
        return BarProgress(sys.stderr, terminal=terminal, color=color, verbose=options.verbose)
    if terminal:
        return TerminalProgress(sys.stderr, color=color, verbose=options.verbose)
    return LogProgress(sys.stderr, verbose=options.verbose)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    process.interrupt()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
