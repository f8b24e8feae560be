"""Copa's command line, and its failures explained from its recorded output (tests/data/copa)."""

import json
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import CompletedProgram, ProgramTimedOut
from s3c_actions.core.reference import Reference
from s3c_actions.programs.buildkit.buildkit import TlsFiles
from s3c_actions.programs.copa import errors
from s3c_actions.programs.copa.copa import Copa, PatchRequest
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "copa"
IMAGE = Reference.parse("localhost:5000/app:1@sha256:" + "a" * 64)
# What Copa wrote of the recorded patch (pkg/vex/openvex.go), cut to one statement.
PUSHED = "sha256:95f7ef3a3a54f99dfcb209a881b94d8c1083170399231703877f7134a7fa9b73"
VEX: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "author": "Project Copacetic",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"@id": "CVE-2026-1"},
            "products": [
                {"@id": f"pkg:oci/voting-db@{PUSHED}", "subcomponents": [{"@id": "pkg:deb/debian/openssl@3.0.20"}]}
            ],
            "status": "fixed",
        }
    ],
}


def patch(**more):
    more = {"timeout": 60.0, "address": "unix:///run/bk.sock", "vex": Path("copa.openvex.json"), **more}
    return PatchRequest(image=IMAGE, report=Path("r.json"), tag="1-1", **more)


class Recorded:
    """A runner that answers with a recording."""

    def __init__(self, name, code):
        self.stderr = (DATA / f"{name}.stderr").read_text()
        self.code = code
        self.calls = []

    def run(self, argv, *, extra=None, timeout=None, check=True, on_line=None, **_):
        self.calls.append((argv, extra, timeout))
        for line in self.stderr.splitlines():
            on_line(line)
        return CompletedProgram(argv=tuple(argv), code=self.code, stdout="", stderr=self.stderr, seconds=1)


def run(name, code=1, lines=None, **more):
    return Copa(Path("/bin/copa"), Recorded(name, code)).patch(  # type: ignore[arg-type]
        patch(**more), docker_config={}, on_line=lines.append if lines is not None else None
    )


def test_the_image_is_given_by_digest_and_every_value_belongs_to_its_flag():
    argv = Copa(Path("/bin/copa"), None).argv(  # type: ignore[arg-type]
        patch(ignore_errors=True, library=True, tls=TlsFiles(ca=Path("/ca.pem")))
    )
    assert argv[:3] == ["/bin/copa", "patch", f"--image=localhost:5000/app@sha256:{'a' * 64}"]
    assert {"--format=openvex", "--output=copa.openvex.json"} <= set(argv)
    assert {"--push", "--tag=1-1", "--timeout=60s", "--ignore-errors", "--cacert=/ca.pem"} <= set(argv)
    assert "--pkg-types=os,library" in argv
    assert all(argument.startswith("-") for argument in argv[2:])


@pytest.fixture
def vex(tmp_path):
    path = tmp_path / "copa.openvex.json"
    path.write_text(json.dumps(VEX))
    return path


def test_a_patch_shows_the_steps_of_the_build_and_hands_on_its_digest(vex):
    lines: list[str] = []
    assert run("patched", 0, lines, vex=vex) == PUSHED
    assert "Installing 8 security updates" in lines
    assert not [line for line in lines if line.startswith(("DONE", "ERROR", "CACHED"))]


def test_nothing_to_patch_is_no_failure_and_no_patch():
    assert run("nothing", 0) == ""


def product(name):
    return {**VEX, "statements": [{**VEX["statements"][0], "products": [{"@id": name}]}]}


@pytest.mark.parametrize(
    "document",
    [
        None,
        "[",
        "[" * 100_000,
        [],
        {"statements": []},
        {"statements": [{"products": [{}]}]},
        product("pkg:oci/voting-db"),
        product("pkg:oci/voting-db@sha256:12"),
        {"statements": [*VEX["statements"], *product("pkg:oci/voting-db@sha256:" + "b" * 64)["statements"]]},
    ],
)
def test_a_digest_that_is_not_reported_is_a_failure(tmp_path, document):
    vex = tmp_path / "copa.openvex.json"
    if document is not None:
        vex.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(OutsideError, match="did not report the digest"):
        run("patched", 0, vex=vex)


def test_library_packages_take_copas_experiments(vex):
    runner = Recorded("patched", 0)
    Copa(Path("/bin/copa"), runner).patch(patch(library=True, vex=vex), docker_config={"DOCKER_CONFIG": "/d"})  # type: ignore[arg-type]
    assert runner.calls[0][1] == {"DOCKER_CONFIG": "/d", "COPA_EXPERIMENTAL": "1"}


@pytest.mark.parametrize(
    ("name", "what", "advice"),
    [
        ("nosec", "fixed version of libbrotli1 is not available", "allow-partial"),
        ("nodpkg", "no package manager in the image", "newer base"),
        ("os", "cannot patch this image's operating system", "newer base"),
        ("timeout", "did not finish within 60 s", "timeout"),
        ("rights", "BuildKit could not start a container", "buildkit-addr"),
        ("nobk", "BuildKit went away", "log"),
        ("notool", "tooling image could not be pulled", "mirror"),
        ("readonly", "localhost:5000 did not take the patched image", "registry-username"),
        ("noreg", "localhost:5000 did not take the patched image", "registry-username"),
        ("cut", "could not patch localhost:5000/app", "Copa said"),
        ("absent", "could not patch localhost:5000/app", "Copa said"),
    ],
)
def test_a_failure_is_explained_from_copas_last_word(name, what, advice):
    with pytest.raises(OutsideError) as caught:
        run(name)
    assert what in caught.value.what
    assert advice in caught.value.remedy
    assert caught.value.exit_code == 3
    assert caught.value.original and "\x1b" not in caught.value.original


@pytest.mark.parametrize(
    ("reason", "rights"),
    [
        ("runc run failed: unable to start container process: error mounting proc: operation not permitted", True),
        ("crun: mount `proc` to `proc`: Operation not permitted: OCI permission denied", True),
        ('runc run failed: unable to start container process: error during container init: exec: "apk": no', False),
        ("crun: executable file `apk` not found in $PATH: No such file or directory", False),
        ("E: Temporary failure resolving 'deb.example'", False),
    ],
)
def test_a_step_that_did_not_start_is_no_unreachable_repository(reason, rights):
    failed = 'Error: failed to solve: process "apk update" did not complete successfully: exit code: 1'
    ended = CompletedProgram(argv=("copa",), code=1, stdout="", stderr=f"#5 0.1 {reason}\n{failed}", seconds=0.0)
    error = errors.translate(ended, IMAGE, 60.0)
    assert error.what.startswith("BuildKit could not start" if rights else "The package manager")
    assert (reason in error.original) is rights


def test_a_copa_that_hangs_is_explained_like_one_that_gives_up():
    class Hanging:
        def run(self, argv, *, timeout, **_):
            assert timeout > 60
            raise ProgramTimedOut(argv, timeout, "#3 resolve image config")

    with pytest.raises(OutsideError, match="did not finish within 60 s") as caught:
        Copa(Path("/bin/copa"), Hanging()).patch(patch(), docker_config={})  # type: ignore[arg-type]
    assert "resolve image config" in caught.value.original
