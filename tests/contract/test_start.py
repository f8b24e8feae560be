"""What every run pays before it does anything, and what it believes by then: nothing in the workspace or the cache.

Heavy libraries are imported by what uses them, and by nothing else.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.core.folders import account_home, cache_folder

ROOT = Path(__file__).parents[2]
HEAVY = {"actions_toolkit", "cryptography", "docker", "jinja2", "requests", "rich", "sarif_om"}


@pytest.mark.parametrize(
    "code",
    [
        "import s3c_actions",
        "from s3c_actions.cli.run import run; run('scan', ['--help'], {}, sys.stdout, sys.stderr)",
        "from s3c_actions.cli.run import run; run('scan', ['a', '--no-such'], {}, sys.stdout, sys.stderr)",
        "from s3c_actions.__main__ import main; sys.argv = ['s3c', '--help']; main()",
    ],
)
def test_nothing_heavy_is_imported_before_there_is_work(code):
    print_imports = "import atexit, sys; atexit.register(lambda: print('imported:', *sys.modules)); "
    ended = subprocess.run(
        [sys.executable, "-c", print_imports + code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    _, imported, names = ended.stdout.rpartition("imported:")
    assert imported, ended.stderr
    assert HEAVY.isdisjoint(names.split())


DECLARATIONS = """
import io, sys
from s3c_actions.cli.run import run
from s3c_actions.options.command import COMMANDS
for name in COMMANDS:
    for arguments, code in (["--help"], 0), (["--no-such"], 2):
        assert run(name, arguments, {}, io.StringIO(), io.StringIO()) == code, (name, arguments)
print([name for name in sys.modules if name.startswith(("s3c_actions.commands", "s3c_actions.wiring."))])
"""


def test_help_and_a_wrong_flag_import_no_implementation():
    ended = subprocess.run(
        [sys.executable, "-c", DECLARATIONS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "['s3c_actions.wiring.context']\n"), ended.stderr


SETUP, RUN, S3C = ROOT / "actions" / "setup.sh", ROOT / "actions" / "run.sh", ROOT / "bin" / "s3c"


def started(command: list[Path | str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("S3C_", "PYTHON", "GITHUB_"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace in which whatever Python, pip or uv would take from a working folder says that it was taken."""
    workspace = tmp_path_factory.mktemp("shadowed") / "repo"
    workspace.mkdir()
    taken = workspace.parent / "taken"
    word = f"import os, sys\nopen({str(taken)!r}, 'a').write(f'{{__name__}} {{sorted(os.environ)}}')\n"
    for name in ("compileall", "venv", "ensurepip", "sitecustomize", "usercustomize", "environment", "site", "json"):
        (workspace / f"{name}.py").write_text(word)
    for name in ("pip", "s3c_actions"):
        (workspace / name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (workspace / name / file).write_text(word)
    (workspace / "x.pth").write_text("import compileall")
    (workspace / "uv.toml").write_text(
        'required-version = "==0.5.1"\n[[index]]\nurl = "http://127.0.0.1:9/simple"\ndefault = true\n'
        '[pip]\nno-binary = ["durationpy", "sarif-om"]\n'
    )
    (workspace / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\n[tool.uv]\nrequired-version = "==0.5.1"\n'
    )
    (workspace / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n")
    (workspace / ".python-version").write_text("2.7\n")
    for name in ("python3", "uv", "env", "bash", "sh", "cat", "git", "readlink", "dirname", "trivy", "notation"):
        program = workspace / name
        program.write_text(f"#!/bin/sh\necho {name} >>{taken}\nexit 1\n")
        program.chmod(0o755)
    yield workspace
    assert not taken.exists(), taken.read_text()


def test_setup_from_nothing_takes_nothing_from_the_workspace(shadowed: Path, tmp_path: Path) -> None:
    """The environment is made in a workspace full of traps; what is planted in it afterwards is never run."""
    # Readable by nobody else, wherever the tests' folders lie.
    private = {"S3C_CACHE": str(tmp_path / "cache"), "S3C_STATE": str(tmp_path / "state")}
    path = f":{os.environ['PATH']}:.:{shadowed}"
    ended = started([RUN, "scan", "--help"], shadowed, **private, PATH=path, S3C_KEY_PEM="THE-SIGNING-KEY")
    assert ended.returncode == 0, ended.stderr
    assert "setting up the environment" in ended.stderr
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (environment,) = (tmp_path / "cache" / "env").glob("runtime-*-????????????????")

    again = started([RUN, "--version"], shadowed, **private, PATH=path)
    assert (again.returncode, again.stderr) == (0, "")

    # Planted, or restored with the cache: it is seen before Python would run it, and the environment is made anew.
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    planted = packages / "x.pth"
    planted.write_text(f"import os; open({str(tmp_path / 'ran')!r}, 'w')\n")
    module = packages / "msgspec" / "__init__.py"
    module.write_text(module.read_text() + f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    # A cache under another name, as a restored one: nobody recorded it here.
    ended = started(
        [RUN, "--version"],
        tmp_path,
        **private,
        PIP_INDEX_URL="http://127.0.0.1:9",
        UV_DEFAULT_INDEX="http://127.0.0.1:9",
        UV_HTTP_RETRIES="0",
    )
    assert ended.returncode == 3
    assert "was changed: it is made anew" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("s3c: uv could not install what s3c needs")
    assert ended.stdout == ""
    assert not (tmp_path / "ran").exists()


def test_an_environment_of_this_machine_serves_another_cache_by_a_link(tmp_path: Path) -> None:
    kept = cache_folder(os.environ).path / "env"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "env").symlink_to(kept)
    state = {name: os.environ[name] for name in ("S3C_STATE", "XDG_STATE_HOME") if name in os.environ}
    started([SETUP], tmp_path, S3C_CACHE=str(kept.parent), **state)
    ended = started([SETUP], tmp_path, S3C_CACHE=str(tmp_path / "cache"), **state)
    assert (ended.returncode, ended.stderr) == (0, "")
    # The same, but not what this machine recorded: another user's records, or none.
    ended = started([SETUP], tmp_path, S3C_CACHE="/dev/null", **state)
    assert ended.returncode == 3


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"S3C_CACHE": "/etc/passwd"}, "is not a folder. Name another in S3C_CACHE"),
        ({"S3C_CACHE": "/proc/nothing/s3c"}, "Name a cache folder this user may write to in S3C_CACHE"),
        ({"HOME": "/proc/nothing", "S3C_CACHE": ""}, "Name a cache folder this user may write to in S3C_CACHE"),
        ({"S3C_STATE": "/proc/nothing"}, "Name a private folder in S3C_STATE"),
        ({"S3C_CACHE": "{tmp}/c", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}, "name a mirror in PIP_INDEX_URL"),
    ],
)
@pytest.mark.parametrize("program", [SETUP, S3C])
def test_setup_that_fails_ends_with_3_and_a_sentence(
    tmp_path: Path, program: Path, variables: dict[str, str], message: str
) -> None:
    own = {"S3C_STATE": str(tmp_path / "state"), "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    given = {name: value.format(tmp=tmp_path) for name, value in variables.items()}
    ended = started([program], tmp_path, **(own | given))
    assert ended.returncode == 3, ended.stderr
    assert message in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_no_home_and_a_full_device_are_no_bugs(tmp_path: Path) -> None:
    kept = {"S3C_CACHE": str(cache_folder(os.environ).path)}
    kept |= {name: os.environ[name] for name in ("S3C_STATE", "XDG_STATE_HOME") if name in os.environ}
    homeless = {name: value for name, value in os.environ.items() if name != "HOME"} | kept
    ended = subprocess.run([S3C, "--version"], cwd=tmp_path, env=homeless, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [S3C, "scan", "--help"],
            cwd=tmp_path,
            env=os.environ | kept,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 3
    assert ended.stderr == "s3c: standard output could not be written: No space left on device.      (exit 3)\n"


def test_a_cache_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    """Neither is what lies in it; the private one that takes its place is named."""
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(0o777)
    state = tmp_path / "state"
    (state / "cache").mkdir(parents=True)
    state.chmod(0o700)
    (state / "cache").chmod(0o700)
    given = {"S3C_CACHE": str(tmp_path / "all"), "S3C_STATE": str(state), "PIP_RETRIES": "0"}
    ended = started([RUN, "--version"], tmp_path, **given, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_FIND_LINKS="")
    assert ended.returncode == 3
    assert f"The cache {tmp_path / 'all'} is not used: other users may write to it (mode 0777)." in ended.stderr
    assert list((tmp_path / "all").iterdir()) == []


def test_neither_programs_nor_their_view_of_us_have_a_secret(tmp_path: Path) -> None:
    """Of this command or another, in the environment or in /proc/PID/environ of who started them."""
    spy = tmp_path / "spy"
    spy.write_text(
        f"#!/bin/sh\nenv >>{tmp_path}/seen\ntr '\\0' '\\n' </proc/$PPID/environ >>{tmp_path}/parent\n"
        'echo "$PATH" >>' + f"{tmp_path}/path\necho Version: 0.74.0\n"
    )
    spy.chmod(0o755)
    secrets = {
        "S3C_REGISTRY_PASSWORD": "canary-registry",
        "S3C_SOURCE_PASSWORD": "canary-source",
        "S3C_KEY_PEM": "canary-key",
        "S3C_KEY_PASSWORD": "canary-password",
        "S3C_GITHUB_TOKEN": "canary-github",
        "INPUT_KEY_PEM": "canary-input",
        "GITHUB_TOKEN": "canary-token",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary-oidc",
    }
    kept = {"S3C_CACHE": str(cache_folder(os.environ).path)}
    kept |= {name: os.environ[name] for name in ("S3C_STATE", "XDG_STATE_HOME") if name in os.environ}
    checksum = subprocess.run(["sha256sum", spy], capture_output=True, text=True, check=True).stdout.split()[0]
    commands: list[list[Path | str]] = [[S3C], [sys.executable, "-m", "s3c_actions"]]
    for command in commands:
        python = {} if command == [S3C] else {"PYTHONPATH": str(ROOT)}
        given: list[Path | str] = ["--trivy-path", spy, "--trivy-checksum", checksum]
        path = f".:{os.environ['PATH']}:"
        ended = started(
            [*command, "programs", "where", "trivy", *given], tmp_path, **kept, **python, **secrets, PATH=path
        )
        assert ended.returncode == 0, ended.stderr
        assert str(spy) in ended.stdout
        for seen in ("seen", "parent"):
            text = (tmp_path / seen).read_text()
            assert "HOME=" in text
            assert "canary" not in text
            (tmp_path / seen).unlink()
        assert all(element.startswith("/") for element in (tmp_path / "path").read_text().strip().split(":"))
        (tmp_path / "path").unlink()


def test_what_setup_starts_sees_a_list_of_variables(tmp_path: Path) -> None:
    """A Python on PATH that notes what it is given."""
    (tmp_path / "bin").mkdir()
    spy = tmp_path / "bin" / "python3"
    spy.write_text(
        f'#!/bin/sh\nenv >{tmp_path}/seen; echo "$@" >{tmp_path}/words; pwd >{tmp_path}/cwd\n'
        f'exec {sys.executable} "$@"\n'
    )
    spy.chmod(0o755)
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    kept = {"S3C_CACHE": str(cache_folder(os.environ).path), "HTTPS_PROXY": "http://proxy.example:3128"}
    kept |= {name: os.environ[name] for name in ("S3C_STATE", "XDG_STATE_HOME") if name in os.environ}
    given = {
        "S3C_KEY_PEM": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PYTHONPATH": "/x",
        "UV_CONFIG_FILE": "/x",
        "BASH_ENV": "/x",
    }
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    ended = started([SETUP], tmp_path / "repo", **kept, **given, PATH=path)
    assert ended.returncode == 0, ended.stderr
    names = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert {"PATH", "HOME", "S3C_CACHE", "HTTPS_PROXY"} <= names
    assert not names & set(given)
    assert (tmp_path / "words").read_text().startswith("-I -S ")
    assert (tmp_path / "cwd").read_text() == "/\n"


def test_uv_looks_for_packages_where_pip_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "actions")
    environment = importlib.import_module("environment")

    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\ntrusted-host = mirror.example\n"
    )
    place = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    expected = {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "UV_INSECURE_HOST": "mirror.example"}
    assert environment._index(place) == expected
    assert (
        environment._index({**place, "PIP_INDEX_URL": "https://other.example"})["UV_DEFAULT_INDEX"]
        == "https://other.example"
    )
    assert environment._index({**place, "UV_INDEX_URL": "https://uv.example"}) == {}
    assert environment._index({**place, "PIP_CONFIG_FILE": os.devnull}) == {}


def test_the_records_lie_outside_of_what_is_restored() -> None:
    from s3c_actions.core.folders import state_folder

    for given in ({}, {"HOME": "/home/x"}, {"S3C_CACHE": "/c"}, {"XDG_CACHE_HOME": "/c"}):
        cache, state = cache_folder(given).path, state_folder(given)
        assert not state.is_relative_to(cache)
        assert not cache.is_relative_to(state) or cache == state / "cache"
    assert account_home() is None or state_folder({}).is_relative_to(account_home() or Path())
