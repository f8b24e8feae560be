"""The systems that actions and `bin/s3c` start on, and those where they end with a sentence before they do anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml

from s3c_actions.core.folders import cache_folder
from tests.support import ROOT, debian

ACTIONS = ROOT / "actions"
ALL = [ROOT / "action.yml", *sorted(path for path in ACTIONS.glob("*/action.yml") if not path.parent.is_symlink())]


def environment(**more: str) -> dict[str, str]:
    """The cache and records of this machine, and nothing else of the tests' environment."""
    kept = {name: os.environ[name] for name in ("S3C_STATE", "XDG_STATE_HOME", "HOME") if name in os.environ}
    return {"PATH": os.environ["PATH"], "S3C_CACHE": str(cache_folder(os.environ).path), **kept, **more}


def run(command: list[Path | str], cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# Windows


@pytest.mark.parametrize("variable", [{"RUNNER_OS": "Windows"}, {"OS": "Windows_NT"}])
@pytest.mark.parametrize("script", ["actions/run.sh", "actions/cache.sh", "actions/setup.sh", "bin/s3c"])
def test_windows_is_rejected_before_a_program_starts(tmp_path: Path, script: str, variable: dict[str, str]) -> None:
    """As Git's own shell there would run it; a program that is started leaves its name."""
    for name in ("env", "sed", "sort", "uname", "python3", "git"):
        executable(tmp_path / "bin" / name, f"#!/bin/sh\necho {name} >>{tmp_path}/started\n")
    given = {"PATH": str(tmp_path / "bin"), "S3C_CACHE": str(tmp_path / "cache"), **variable}
    ended = run([ROOT / script, "scan"], tmp_path, given)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("s3c: it runs on Linux and macOS, not on Windows.")
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.parent.name))
def test_an_action_rejects_windows_in_its_first_step_and_needs_no_bash(path: Path) -> None:
    """A Windows runner need not have sh on PATH, and Alpine's image has no bash that could say why it is rejected."""
    first, *rest = ruamel.yaml.YAML(typ="safe", pure=True).load(path.read_text())["runs"]["steps"]
    assert (first["if"], first["shell"]) == ("runner.os == 'Windows'", "powershell")
    assert "::error" in first["run"]
    assert "not on Windows" in first["run"]
    assert first["run"].rstrip().endswith("exit 3")
    assert {step["shell"] for step in rest if "run" in step} == {"sh"}


# Alpine and other systems with musl


@pytest.fixture(scope="module")
def busybox() -> Path:
    return debian.program("busybox", "busybox-static")


@pytest.fixture
def root(tmp_path: Path, busybox: Path) -> Path:
    """A system of BusyBox alone, with our scripts in /s3c."""
    folder = tmp_path / "root"
    for name in ("bin", "dev", "etc", "lib", "lib64", "s3c", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "dev" / "null").touch()
    shutil.copy2(busybox, folder / "bin" / "busybox")
    for name in ("sh", "env", "sed", "sort", "cut", "cat", "date", "readlink", "uname"):
        (folder / "bin" / name).symlink_to("busybox")
    shutil.copytree(ACTIONS, folder / "s3c" / "actions", symlinks=True)
    return folder


def inside(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    argv: list[Path | str] = ["unshare", "--map-root-user", "chroot", root, "/bin/sh", f"/s3c/actions/{script}", "scan"]
    return run(argv, root, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "S3C_CACHE": "/tmp/cache"})


@pytest.mark.parametrize(
    "files",
    [
        ("etc/alpine-release", "lib/ld-musl-x86_64.so.1"),
        ("etc/alpine-release", "lib/ld-musl-aarch64.so.1", "lib/ld-linux-aarch64.so.1"),
        ("etc/alpine-release", "lib/ld-musl-x86_64.so.1", "lib64/ld-linux-x86-64.so.2"),
        ("lib/ld-musl-x86_64.so.1",),
    ],
)
@pytest.mark.parametrize("script", ["run.sh", "cache.sh", "setup.sh"])
def test_musl_is_rejected_before_anything_else(root: Path, files: tuple[str, ...], script: str) -> None:
    for file in files:
        (root / file).touch()
    ended = inside(root, script)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "Alpine or another Linux with musl, which s3c does not support" in ended.stderr
    assert "Use a container of Debian or Ubuntu" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list((root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        ("lib64/ld-linux-x86-64.so.2",),
        ("lib64/ld-linux-x86-64.so.2", "lib/ld-musl-x86_64.so.1"),
        ("lib/ld-linux-aarch64.so.1", "lib/ld-musl-aarch64.so.1"),
    ],
)
def test_glibc_beside_musl_is_no_reason(root: Path, files: tuple[str, ...]) -> None:
    """Debian's package musl; this system lacks a Python, which is the next thing looked for."""
    for file in files:
        (root / file).touch()
    ended = inside(root, "setup.sh")
    assert ended.returncode == 3
    assert "no Python 3.11 or newer was found" in ended.stderr


# macOS: BSD's programs

BSD = {
    # What of each program's arguments BSD does not take, as a pattern of sh.
    "date": "--* | -d* | -I* | -*d*",
    "sed": "--* | -i | -r | -z | *'\\+'* | *'\\?'* | *'\\|'*",
    "readlink": "--* | -[ems]*",
    "mktemp": "--* | -p*",
    "sort": "--* | -V | -h",
    "cut": "--*",
    "env": "--* | -C* | -a*",
    "cat": "--* | -A | -E | -T",
    "uname": "--* | -o | -i",
    "cksum": "--* | -a*",
    "tr": "--*",
    "rm": "--*",
    "mkdir": "--*",
}


@pytest.fixture(scope="module")
def shasum() -> Path:
    return debian.program("shasum", "perl")


@pytest.fixture
def bsd(tmp_path: Path, shasum: Path) -> Path:
    """A folder for PATH with the programs of our scripts, which refuse what BSD's refuse; sha256sum is missing."""
    folder = tmp_path / "bsd"
    for name, refused in BSD.items():
        real = shutil.which(name)
        executable(
            folder / name,
            f'#!/bin/sh\nfor word; do case "$word" in {refused})\n'
            f'echo "{name}: illegal option -- $word" >&2; exit 64;; esac; done\nexec {real} "$@"\n',
        )
    for name, program in {"shasum": shasum, "perl": shutil.which("perl"), "python3": sys.executable}.items():
        executable(folder / name, f'#!/bin/sh\nexec {program} "$@"\n')
    return folder


def test_the_scripts_run_with_bsd_s_programs_and_the_key_is_the_same(tmp_path: Path, bsd: Path) -> None:
    outputs = []
    for path in (str(bsd), os.environ["PATH"]):
        output = tmp_path / "output"
        output.write_text("")
        given = environment(PATH=path, GITHUB_OUTPUT=str(output), RUNNER_OS="macOS", RUNNER_ARCH="ARM64")
        ended = run([ACTIONS / "cache.sh", "scan"], tmp_path, given)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        outputs.append(output.read_text())
    assert outputs[0] == outputs[1]
    assert "\nkey=s3c-1-macOS-ARM64-" in outputs[0]
    ended = run([ROOT / "bin" / "s3c", "--version"], tmp_path, environment(PATH=str(bsd)))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_link_to_s3c_is_followed_with_bsd_s_readlink(tmp_path: Path, bsd: Path) -> None:
    (tmp_path / "s3c").symlink_to(ROOT / "bin" / "s3c")
    ended = run([tmp_path / "s3c", "--version"], tmp_path, environment(PATH=str(bsd)))
    assert (ended.returncode, ended.stderr) == (0, "")


WORKFLOWS = [
    pytest.param(step, id=f"{path.stem} {name}: {step['name']}")
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    for workflow in [ruamel.yaml.YAML(typ="safe", pure=True).load(path.read_text())]
    if "inputs" in (workflow["on"].get("workflow_call") or {})
    for name, job in workflow["jobs"].items()
    for step in job.get("steps", ())
    if "run" in step
]
"""The steps that are scripts, of the workflows that others call on runners of their own (`runs-on`)."""


@pytest.mark.parametrize("step", WORKFLOWS)
def test_a_workflows_script_runs_with_bsd_s_programs_and_jq(tmp_path: Path, bsd: Path, step: dict[str, Any]) -> None:
    given = {
        "IMAGE": "ghcr.io/acme/voting-app:1.4.0",
        "IMAGES": " ghcr.io/acme/a:1 \n# not this\n\nghcr.io/acme/b:2\n",
        "CALL": '{"image": "é"} 7',
        "KUBECONFIG_TEXT": "apiVersion: v1",
    }
    assert set(step.get("env", ())) <= set(given)
    executable(bsd / "jq", f'#!/bin/sh\nexec {shutil.which("jq")} "$@"\n')
    (tmp_path / "s3c-patched").mkdir()
    result = {"images": [{"verdict": "passed", "digest": f"sha256:{'0' * 64}"}]}
    (tmp_path / "s3c-patched" / "result.json").write_text(json.dumps(result))
    (tmp_path / "plan.json").write_text(json.dumps({"shards": 2, "images": [{"shard": 1}, {"shard": 2}, {"shard": 1}]}))
    output = tmp_path / "output"
    output.touch()
    variables = {"PATH": str(bsd), "GITHUB_OUTPUT": str(output), "RUNNER_TEMP": str(tmp_path)}
    bash = shutil.which("bash")
    assert bash is not None
    ended = run([bash, "-e", "-c", step["run"]], tmp_path, variables | given)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert bool(outputs) == ("GITHUB_OUTPUT" in step["run"])
    assert outputs.get("shards", "[1,2]") == "[1,2]"
    for name in ("call", "artifact"):
        assert name not in outputs or re.search(r"(^|-)[0-9a-f]{8}$", outputs[name])


def test_there_are_such_steps() -> None:
    assert len(WORKFLOWS) >= 7


# Which Python


Pythons = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def pythons(tmp_path: Path) -> Iterator[Pythons]:
    """Runs setup.sh on a machine with these Pythons and no others: path below the test's folder → kind."""
    real = f'#!/bin/sh\necho "$0" >>{tmp_path}/used\nexec {sys.executable} "$@"\n'
    kinds = {
        "good": real,
        "old": "#!/bin/sh\nexit 77\n",  # what a Python before 3.11 answers
        "shim": "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n",
        "stub": "#!/bin/sh\necho 'xcode-select: note: no developer tools were found' >&2\nexit 1\n",
    }

    def pythons(given: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
        for path, kind in given.items():
            executable(tmp_path / path, kinds[kind])
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "work" / ".git").mkdir(parents=True, exist_ok=True)
        # The system's own, below /usr, are out of sight: a namespace of its own hides them.
        hide = "for p in /usr/bin/python3 /usr/local/bin/python3; do [ ! -e $p ] || mount --bind /dev/null $p; done"
        hidden: list[Path | str] = ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{hide}; exec "$@"', "sh"]
        variables = {name: value.replace("TMP", str(tmp_path)) for name, value in variables.items()}
        path = f"{tmp_path}/bin:{tmp_path}/later:/usr/sbin:/usr/bin:/sbin:/bin"
        return run([*hidden, ACTIONS / "setup.sh"], tmp_path / "work", environment(**{"PATH": path, **variables}))

    yield pythons


def used(tmp_path: Path) -> list[str]:
    file = tmp_path / "used"
    return [Path(line).relative_to(tmp_path).as_posix() for line in file.read_text().split()] if file.exists() else []


@pytest.mark.parametrize(
    ("given", "variables", "wanted"),
    [
        ({"bin/python3": "good", "bin/python3.12": "good"}, {}, "bin/python3"),
        ({"bin/python3": "old", "bin/python3.12": "good"}, {}, "bin/python3.12"),
        ({"bin/python3": "shim", "later/python3.11": "good"}, {}, "later/python3.11"),
        ({"bin/python3": "stub", "bin/python3.14": "good"}, {}, "bin/python3.14"),
        ({"bin/python3": "good", "own/python": "good"}, {"S3C_PYTHON": "TMP/own/python"}, "own/python"),
        ({"bin/python3": "good", "own/python": "good"}, {"S3C_PYTHON": "../own/python"}, "own/python"),
        (
            {"bin/python3": "old", "tools/Python/3.10.1/x64/bin/python3": "good"}
            | {"tools/Python/3.12.9/x64/bin/python3": "good"},
            {"RUNNER_TOOL_CACHE": "TMP/tools"},
            "tools/Python/3.12.9/x64/bin/python3",
        ),
        (
            {"tools/Python/3.11.9/x64/bin/python3": "shim", "tools/Python/3.13.2/arm64/bin/python3": "good"},
            {"RUNNER_TOOL_CACHE": "TMP/tools"},
            "tools/Python/3.13.2/arm64/bin/python3",
        ),
    ],
)
def test_a_python_is_looked_for(
    tmp_path: Path, pythons: Pythons, given: dict[str, str], variables: dict[str, str], wanted: str
) -> None:
    ended = pythons(given, **variables)
    assert ended.returncode == 0, ended.stderr
    (chosen,) = {Path(os.path.normpath(tmp_path / path)) for path in used(tmp_path)}
    assert chosen == tmp_path / wanted
    assert Path(ended.stdout.strip()).is_file()


@pytest.mark.parametrize(
    ("given", "variables", "message"),
    [
        ({}, {}, "no Python 3.11 or newer was found. Install one (on a runner: actions/setup-python)"),
        ({"bin/python3": "old", "bin/python3.11": "stub"}, {}, "no Python 3.11 or newer was found"),
        ({"bin/python3": "good", "own/p": "old"}, {"S3C_PYTHON": "TMP/own/p"}, "S3C_PYTHON names"),
        ({"bin/python3": "good", "own/p": "stub"}, {"S3C_PYTHON": "TMP/own/p"}, "S3C_PYTHON names"),
        ({"bin/python3": "good"}, {"S3C_PYTHON": "TMP/nowhere"}, "S3C_PYTHON names"),
        # What the workspace has is nobody's choice.
        ({"work/bin/python3": "good"}, {"PATH": "TMP/work/bin:/usr/bin:/bin"}, "no Python 3.11"),
        (
            {"work/Python/3.12.1/x64/bin/python3": "good"},
            {"RUNNER_TOOL_CACHE": "TMP/work", "GITHUB_WORKSPACE": "TMP/work"},
            "no Python 3.11",
        ),
    ],
)
def test_without_a_python_there_is_a_sentence(
    tmp_path: Path, pythons: Pythons, given: dict[str, str], variables: dict[str, str], message: str
) -> None:
    ended = pythons(given, **variables)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert message in ended.stderr.splitlines()[-1]
    assert used(tmp_path) == []
