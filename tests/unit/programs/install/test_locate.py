"""Where a program is taken from, in which order, and what is refused. Programs are files that hold what they say."""

import dataclasses
import hashlib
import json
import shutil
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import Exit, InputError, OutsideError
from s3c_actions.core.process import CompletedProgram, Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import pins
from s3c_actions.programs.install.locate import (
    LateProgram,
    Program,
    ProgramRequest,
    ProgramSources,
    default_sources,
    find_present,
    find_used,
    locate_all,
)
from s3c_actions.programs.install.pins import COPA, HELM, NOTATION, PINS, RUNC, TRIVY, Platform
from s3c_actions.programs.install.releases import DownloadFailed, WrongChecksum
from s3c_lab import programs as lab

OTHER = "0" * 64


@dataclass(frozen=True)
class Reader(Runner):
    """Instead of running a program: says what is in its file."""

    asked: list[str] = field(default_factory=list)

    def run(self, argv, **_):
        self.asked.append(str(argv[0]))
        return CompletedProgram(tuple(map(str, argv)), 0, Path(argv[0]).read_text(), "", 0.0)


@dataclass
class Notes(Silent):
    lines: list[str] = field(default_factory=list)

    def note(self, text):
        self.lines.append(text)

    notice = warning = note


@dataclass
class World:
    """A release host and a Go that both make files saying `Version: …`."""

    tmp: Path
    released: str = "Version: 0.74.0"
    built: str = "Version: 0.74.0"
    failure: Exception | None = None
    path: str = ""
    mirror: str = "https://releases.example"
    calls: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    reader: Reader = field(default_factory=lambda: Reader(environment={}))
    unreachable: dict[str, str] = field(default_factory=dict)

    def source(self):
        def download(url, sha256, into, _progress):
            self.calls.append(f"download {url} {sha256[:4]}")
            if self.failure is not None:
                into.write_text("part")
                raise self.failure
            into.write_text(self.released)

        def extract(archive, member, into):
            into.write_text(archive.read_text())
            into.chmod(0o755)

        def build(pin, into, **_):
            self.calls.append(f"build {pin.name}")
            into.write_text(self.built)
            into.chmod(0o755)

        return ProgramSources(
            mirror=self.mirror,
            download=download,
            extract=extract,
            build=build,
            discard=lambda _cache: self.calls.append("discard"),
            unreachable=self.unreachable,
        )

    def locate(self, *wanted):
        programs = locate_all(
            wanted,
            cache=self.tmp / "cache",
            runner=dataclasses.replace(self.reader, environment={"PATH": self.path}),
            progress=self.notes,
            source=self.source(),
        )
        return programs[0] if len(programs) == 1 else programs

    def program(self, folder, says, name="trivy"):
        path = self.tmp / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(says)
        path.chmod(0o755)
        return path

    def leftovers(self):
        return [p.name for p in (self.tmp / "cache").rglob(".tmp-*")]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(Platform, "here", classmethod(lambda _cls: pins.LINUX_AMD64))
    return World(tmp_path)


def pinned_to(content):
    """Trivy's pin with the checksum of another release."""
    assert TRIVY.release is not None
    checksums = {pins.LINUX_AMD64: hashlib.sha256(content.encode()).hexdigest()}
    return replace(TRIVY, release=replace(TRIVY.release, checksums=checksums))


def test_the_release_comes_first_and_is_found_the_next_time(world):
    first = world.locate(ProgramRequest(pin=TRIVY))
    assert (first.name, first.version, first.origin) == ("trivy", "0.74.0", "release")
    assert first.path.read_text() == "Version: 0.74.0"
    assert world.locate(ProgramRequest(pin=TRIVY)) == first
    assert world.calls == [
        "download https://releases.example/aquasecurity/trivy/releases/download/v0.74.0/"
        "trivy_0.74.0_Linux-64bit.tar.gz 2ae6"
    ]
    assert sorted(p.name for p in first.path.parent.iterdir()) == ["origin.json", "trivy"]
    assert not world.leftovers()


def test_a_program_found_in_the_cache_is_not_run(world):
    world.locate(ProgramRequest(pin=TRIVY))
    world.reader.asked.clear()
    world.locate(ProgramRequest(pin=TRIVY))
    assert world.reader.asked == []


@pytest.mark.parametrize(("says", "version"), [("runc version 1.1.5+ds1\ncommit: x", "1.1.5+ds1"), ("what?", "")])
def test_runc_on_path_is_the_one_that_is_used_at_any_version(world, says, version):
    path = world.program("bin", says, name="runc")

    def used(folder):
        runner = dataclasses.replace(world.reader, environment={"PATH": str(folder)})
        return find_used(ProgramRequest(pin=RUNC), cache=world.tmp / "cache", runner=runner, progress=world.notes)

    assert used(path.parent) == Program(name="runc", path=path, version=version, origin="PATH")
    assert used(world.tmp / "empty") is None
    world.path, world.released = str(path.parent), "runc version 1.5.2"
    assert world.locate(ProgramRequest(pin=RUNC)).origin == "release"  # the lab's node has no other
    assert used(world.tmp / "empty").origin == "release"


def test_an_unreachable_host_makes_the_build_take_over(world):
    world.failure = DownloadFailed("https://releases.example/x", "no connection within 5 s", host_down=True)
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "module"
    assert world.calls[1:] == ["build trivy", "discard"]
    assert any("no connection within 5 s" in line and "built from its Go module" in line for line in world.notes.lines)
    assert not world.leftovers()


def test_an_unreachable_host_is_asked_once_in_a_process(world):
    world.failure = DownloadFailed("x", "no connection within 5 s", host_down=True)
    world.locate(ProgramRequest(pin=TRIVY))
    world.built = "Version: 1.3.2"
    world.locate(ProgramRequest(pin=pins.NOTATION))
    assert [call.split()[0] for call in world.calls] == ["download", "build", "discard", "build", "discard"]


def test_a_host_that_did_not_answer_is_named_as_the_reason_of_each_build(world):
    world.failure = DownloadFailed("x", "no connection within 5 s", host_down=True)
    for _ in range(2):
        world.locate(ProgramRequest(pin=TRIVY))
        assert "because its release cannot be downloaded (no connection within 5 s)" in world.notes.lines[-2]
        shutil.rmtree(world.tmp / "cache")
    assert [call.split()[0] for call in world.calls].count("download") == 1


def test_each_publisher_is_asked_at_its_own_host(world):
    world.mirror, world.released = "", "v3.22.0"
    assert world.locate(ProgramRequest(pin=HELM)).origin == "release"
    assert world.calls == ["download https://get.helm.sh/helm-v3.22.0-linux-amd64.tar.gz 1e4a"]


def test_a_host_that_is_down_does_not_condemn_another(world):
    world.mirror = ""
    world.failure = DownloadFailed("x", "no connection within 5 s", host_down=True)
    world.locate(ProgramRequest(pin=TRIVY))
    world.failure, world.released = None, "v3.22.0"
    assert world.locate(ProgramRequest(pin=HELM)).origin == "release"
    assert set(world.unreachable) == {"github.com"}


def test_a_release_that_is_the_program_itself_is_not_unpacked(world):
    assert TRIVY.release is not None
    pin = replace(TRIVY, release=replace(TRIVY.release, path="v{version}/trivy", member=""))
    program = world.locate(ProgramRequest(pin=pin))
    assert program.origin == "release"
    assert program.path.read_text() == "Version: 0.74.0"
    assert program.path.stat().st_mode & 0o777 == 0o755
    assert sorted(p.name for p in program.path.parent.iterdir()) == ["origin.json", "trivy"]


def test_programs_of_one_archive_are_downloaded_once(world):
    pin = pinned_to(world.released)
    other = replace(pin, name="other", shared="trivy", release=replace(pin.release, member="other"))
    world.locate(ProgramRequest(pin=pin), ProgramRequest(pin=other))
    assert len(world.calls) == 1


def test_what_is_kept_with_another_content_is_downloaded_anew(world):
    pin = pinned_to(world.released)
    for planted in (False, True):
        if planted:
            (kept,) = (world.tmp / "cache" / "archives").iterdir()
            kept.write_text("planted")
        world.locate(ProgramRequest(pin=pin))
        shutil.rmtree(world.tmp / "cache" / "programs")
    assert len(world.calls) == 2
    assert kept.read_text() == world.released


def test_what_was_received_before_a_failure_is_left_for_the_next_run(world):
    world.failure = DownloadFailed("x", "it broke off", broke_off=True)
    world.locate(ProgramRequest(pin=TRIVY))
    (part,) = (path for path in (world.tmp / "cache" / "downloads").iterdir() if path.suffix != ".lock")
    assert part.read_text() == "part"
    assert not (world.tmp / "cache" / "archives").exists()


def test_one_file_that_is_missing_does_not_condemn_the_host(world):
    world.failure = DownloadFailed("x", "HTTP 404 Not Found")
    world.locate(ProgramRequest(pin=TRIVY))
    assert world.unreachable == {}


def test_a_wrong_checksum_is_refused_and_nothing_else_is_tried(world):
    world.failure = WrongChecksum("https://releases.example/x", "a" * 64, "b" * 64)
    with pytest.raises(WrongChecksum, match=r"a{64}.*b{64}") as caught:
        world.locate(ProgramRequest(pin=TRIVY))
    assert caught.value.exit_code == Exit.OUTSIDE_FAILED
    assert [call.split()[0] for call in world.calls] == ["download"]
    assert not list((world.tmp / "cache").rglob("trivy_*"))
    assert not world.leftovers()
    assert (
        find_present(ProgramRequest(pin=TRIVY), cache=world.tmp / "cache", runner=world.reader, progress=world.notes)
        is None
    )


def test_without_a_pinned_checksum_it_is_built(world):
    world.built = "copa version 0.14.2"
    assert world.locate(ProgramRequest(pin=COPA)).origin == "module"
    assert world.calls == ["build copa", "discard"]


def test_an_interrupted_run_is_continued_with_what_it_had_finished(world):
    world.failure = DownloadFailed("x", "down", host_down=True)
    finish, wanted = world.source().build, (ProgramRequest(pin=TRIVY), ProgramRequest(pin=NOTATION))

    def interrupted(pin, into, **_):
        into.write_text("half")
        raise KeyboardInterrupt

    def built(pin, into, **more):
        world.built = f"Version: {pin.version}"
        (interrupted if pin is NOTATION and interruptions else finish)(pin, into, **more)

    for interruptions in (1, 0):
        source = replace(world.source(), build=built)
        with pytest.raises(KeyboardInterrupt) if interruptions else nullcontext():
            locate_all(wanted, cache=world.tmp / "cache", runner=world.reader, progress=world.notes, source=source)
        assert not world.leftovers()
        assert ("discard" in world.calls) is (not interruptions)
    assert [call for call in world.calls if call.startswith("build")] == ["build trivy", "build notation"]


def test_gos_caches_are_discarded_once_after_all(world):
    world.failure = DownloadFailed("x", "down", host_down=True)
    world.built = "Version: 0.74.0\ncopa version 0.14.2"
    world.locate(ProgramRequest(pin=TRIVY), ProgramRequest(pin=COPA))
    assert world.calls[1:] == ["build trivy", "build copa", "discard"]


@pytest.mark.parametrize("says", ["Version: 0.73.0", "no version", ""])
def test_what_prints_another_version_than_was_installed_is_not_kept(world, says):
    world.released = says
    with pytest.raises(OutsideError, match=r"installed as trivy 0\.74\.0 says it is"):
        world.locate(ProgramRequest(pin=TRIVY))
    assert not list((world.tmp / "cache").rglob("origin.json"))
    assert not world.leftovers()
    world.released = "Version: 0.74.0"
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"


@pytest.mark.parametrize("version", ["0.74.0", "v0.74.0"])
def test_path_at_the_pinned_version_is_taken(world, version):
    path = world.program("bin", f"Version: {version}")
    world.path = str(path.parent)
    assert world.locate(ProgramRequest(pin=TRIVY)) == Program(name="trivy", path=path, version="0.74.0", origin="PATH")
    assert world.calls == []


def test_path_is_asked_once_for_each_state_of_the_file(world):
    path = world.program("bin", "Version: 0.74.0")
    world.path = str(path.parent)
    world.locate(ProgramRequest(pin=TRIVY))
    world.locate(ProgramRequest(pin=TRIVY))
    assert world.reader.asked == [str(path)]
    path.write_text("Version: 0.73.0 another one")
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"


@pytest.mark.parametrize("says", ["Version: 0.73.1", "Version: 0.74.0-rc.1", "Version: 0.74.01", "hello", ""])
def test_path_at_another_version_is_passed_over(world, says):
    world.path = str(world.program("bin", says).parent)
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"
    assert any("passed over" in line for line in world.notes.lines)


def test_a_malicious_release_on_path_is_warned_of(world):
    world.path = str(world.program("bin", "Version: 0.69.4").parent)
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"
    assert any("malicious" in line for line in world.notes.lines)


def test_a_malicious_release_is_refused_by_name_whatever_its_checksum(world):
    for version in ("0.69.4", "v0.69.4", " 0.69.4 "):
        with pytest.raises(InputError, match="malicious") as caught:
            world.locate(ProgramRequest(pin=TRIVY, version=version, checksum=OTHER))
        assert caught.value.field == "trivy-version"
    assert world.calls == []


def test_a_malicious_release_is_refused_at_a_path_given(world):
    path = world.program("given", "Version: 0.69.4")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="malicious"):
        world.locate(ProgramRequest(pin=TRIVY, explicit=path, checksum=checksum))


def test_a_path_given_wins(world):
    world.path = str(world.program("bin", "Version: 0.74.0").parent)
    path = world.program("given", "Version: 0.74.0")
    assert world.locate(ProgramRequest(pin=TRIVY, explicit=path)).path == path


def test_a_path_given_of_another_version_needs_its_checksum(world):
    path = world.program("given", "Version: 0.75.0")
    with pytest.raises(InputError, match=r"is trivy 0\.75\.0, not trivy 0\.74\.0") as caught:
        world.locate(ProgramRequest(pin=TRIVY, explicit=path))
    assert caught.value.field == "trivy-path"
    with pytest.raises(InputError, match="does not have this SHA-256"):
        world.locate(ProgramRequest(pin=TRIVY, explicit=path, checksum=OTHER))
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    assert world.locate(ProgramRequest(pin=TRIVY, explicit=path, checksum=checksum)).version == "0.75.0"
    with pytest.raises(InputError, match=r"not trivy 0\.76\.0"):
        world.locate(ProgramRequest(pin=TRIVY, explicit=path, checksum=checksum, version="0.76.0"))


def test_a_path_given_that_is_no_program_is_refused(world):
    plain = world.tmp / "plain"
    plain.write_text("Version: 0.74.0")
    for path in (world.tmp / "missing", world.tmp, plain):
        with pytest.raises(InputError, match="not a file that may be executed") as caught:
            world.locate(ProgramRequest(pin=TRIVY, explicit=path))
        assert caught.value.field == "trivy-path"


def test_another_version_without_its_checksum_is_refused(world):
    with pytest.raises(InputError, match=r"trivy 0\.75\.0 has no pinned checksum") as caught:
        world.locate(ProgramRequest(pin=TRIVY, version="0.75.0"))
    assert (caught.value.field, caught.value.exit_code) == ("trivy-version", Exit.WRONG_INPUT)
    assert world.calls == []


def test_another_version_with_its_checksum_is_installed_beside_the_pinned_one(world):
    pinned = world.locate(ProgramRequest(pin=TRIVY))
    world.released = "Version: 0.75.0"
    other = world.locate(ProgramRequest(pin=TRIVY, version="v0.75.0", checksum=f"sha256:{OTHER}"))
    assert (other.version, other.origin) == ("0.75.0", "release")
    assert world.calls[-1].endswith("v0.75.0/trivy_0.75.0_Linux-64bit.tar.gz 0000")
    assert world.locate(ProgramRequest(pin=TRIVY)) == pinned


def test_another_version_is_never_built(world):
    world.failure = DownloadFailed("x", "down", host_down=True)
    for _ in range(2):
        with pytest.raises(OutsideError):
            world.locate(ProgramRequest(pin=TRIVY, version="0.75.0", checksum=OTHER))
    assert [call.split()[0] for call in world.calls] == ["download"]


@pytest.mark.parametrize("version", ["latest", "1", "../../x", "0.75.0/../..", "0.75.0 x", "$(id)", "0." * 50, "-1.0"])
def test_a_malformed_version_is_refused(world, version):
    with pytest.raises(InputError) as caught:
        world.locate(ProgramRequest(pin=TRIVY, version=version, checksum=OTHER))
    assert caught.value.field == "trivy-version"


@pytest.mark.parametrize("checksum", ["abc", "g" * 64, "0" * 63, "0" * 65, "md5:" + "0" * 64])
def test_a_malformed_checksum_is_refused(world, checksum):
    with pytest.raises(InputError) as caught:
        world.locate(ProgramRequest(pin=TRIVY, version="0.75.0", checksum=checksum))
    assert caught.value.field == "trivy-checksum"


@pytest.mark.parametrize("damage", ["missing", "short", "facts", "no facts", "not executable"])
def test_an_incomplete_installation_is_made_anew(world, damage):
    first = world.locate(ProgramRequest(pin=TRIVY))
    facts = first.path.parent / "origin.json"
    if damage == "missing":
        first.path.unlink()
    elif damage == "short":
        first.path.write_text("Vers")
    elif damage == "facts":
        facts.write_text('{"version": "0.7')
    elif damage == "no facts":
        facts.unlink()
    else:
        first.path.chmod(0o644)
    again = world.locate(ProgramRequest(pin=TRIVY))
    assert again == first
    assert again.path.read_text() == "Version: 0.74.0"
    assert len(world.calls) == 2


def test_a_program_of_the_same_size_that_was_planted_is_not_run(world):
    first = world.locate(ProgramRequest(pin=TRIVY))
    evil = "Version: 0.74.O"
    first.path.write_text(evil)
    facts = {
        "version": "0.74.0",
        "origin": "release",
        "size": len(evil),
        "sha256": hashlib.sha256(evil.encode()).hexdigest(),
    }
    (first.path.parent / "origin.json").write_text(json.dumps(facts))
    world.reader.asked.clear()
    assert (
        find_present(ProgramRequest(pin=TRIVY), cache=world.tmp / "cache", runner=world.reader, progress=world.notes)
        is None
    )
    again = world.locate(ProgramRequest(pin=TRIVY))
    assert again.path.read_text() == "Version: 0.74.0"
    assert world.reader.asked == [str(path) for path in world.reader.asked if "/.tmp-" in path]
    assert any("is not what this machine installed" in line for line in world.notes.lines)


@pytest.mark.parametrize("pin", [TRIVY, COPA], ids=["release", "module"])
def test_a_restored_cache_without_records_is_installed_anew(world, own_records, pin):
    world.built = "copa version 0.14.2"
    world.locate(ProgramRequest(pin=pin))
    shutil.rmtree(own_records)
    world.locate(ProgramRequest(pin=pin))
    assert len([call for call in world.calls if call.startswith(("download", "build"))]) == 2
    world.locate(ProgramRequest(pin=pin))
    assert len([call for call in world.calls if call.startswith(("download", "build"))]) == 2


def test_a_restored_archive_proves_itself_by_the_pinned_hash(world, own_records):
    checksum = hashlib.sha256(world.released.encode()).hexdigest()
    assert TRIVY.release is not None
    release = replace(TRIVY.release, checksums={pins.LINUX_AMD64: checksum})
    wanted = ProgramRequest(pin=replace(TRIVY, release=release))
    program = world.locate(wanted)
    program.path.write_text("Version: 0.74.O")
    shutil.rmtree(own_records)
    assert world.locate(wanted).path.read_text() == "Version: 0.74.0"
    assert len(world.calls) == 1  # nothing was downloaded again
    shutil.rmtree(own_records)
    (world.tmp / "cache" / "archives" / checksum).write_text("Version: 0.74.O")
    assert world.locate(wanted).path.read_text() == "Version: 0.74.0"
    assert len(world.calls) == 2


def test_records_that_others_may_write_are_not_believed(world, own_records):
    world.locate(ProgramRequest(pin=TRIVY))
    (own_records / ".local" / "state" / "s3c").chmod(0o777)
    world.locate(ProgramRequest(pin=TRIVY))
    assert len(world.calls) == 2
    assert any("is installed anew by the next run" in line for line in world.notes.lines)


def test_what_a_cache_says_of_path_is_not_believed(world):
    path = world.program("bin", "Version: 0.73.0")
    world.path = str(path.parent)
    state = path.stat()
    seen = [str(path), state.st_ino, state.st_size, state.st_mtime_ns]
    memory = world.tmp / "cache" / "programs" / "trivy" / "path.json"
    memory.parent.mkdir(parents=True)
    memory.write_text(json.dumps({"seen": seen, "version": "0.74.0"}))
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"


def test_a_program_on_path_is_held_to_the_release_or_noted(world):
    known = world.locate(ProgramRequest(pin=TRIVY))
    world.path = str(world.program("bin", known.path.read_text()).parent)
    world.notes.lines.clear()
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "PATH"
    assert world.notes.lines == []
    world.path = str(world.program("other", "Version: 0.74.0\nand more").parent)
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "PATH"
    assert any("no hash holds it to that" in line for line in world.notes.lines)


@pytest.mark.parametrize(
    "path", [":/usr/bin", "/usr/bin:", "/usr/bin::/bin", ".", "bin", "bin:/bin", "{ws}/bin", "{ws}/link"]
)
def test_no_program_is_taken_from_the_workspace(world, monkeypatch, path):
    """By an empty element, a relative one, or one inside of it; also by a link from outside."""
    (world.tmp / ".git").mkdir()
    monkeypatch.chdir(world.tmp)
    world.program("bin", "Version: 0.74.0")
    world.program(".", "Version: 0.74.0")
    (world.tmp / "link").symlink_to("bin")
    world.path = path.format(ws=world.tmp)
    assert world.locate(ProgramRequest(pin=TRIVY)).origin == "release"


def test_two_at_once_install_once(world):
    entered, release = threading.Event(), threading.Event()
    source = world.source()

    def slow(*arguments):
        entered.set()
        assert release.wait(20)
        source.download(*arguments)

    results: list[Program] = []

    def install():
        results.extend(
            locate_all(
                [ProgramRequest(pin=TRIVY)],
                cache=world.tmp / "cache",
                runner=world.reader,
                progress=world.notes,
                source=replace(source, download=slow),
            )
        )

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert entered.wait(20)
    while sum("another process" in line for line in world.notes.lines) < 3:
        assert any(thread.is_alive() for thread in threads)
    release.set()
    for thread in threads:
        thread.join(20)
    assert len(world.calls) == 1
    assert len(results) == 4
    assert len(set(results)) == 1


def test_a_build_that_fails_keeps_gos_caches_for_the_next_run(world):
    source = world.source()

    def build(*_arguments, **_options):
        raise OutsideError("no proxy")

    with pytest.raises(OutsideError, match="no proxy"):
        locate_all(
            [ProgramRequest(pin=COPA)],
            cache=world.tmp / "cache",
            runner=world.reader,
            progress=world.notes,
            source=replace(source, build=build),
        )
    assert world.calls == []
    assert not world.leftovers()


def test_a_cache_that_cannot_be_written_is_named(world):
    (world.tmp / "cache").write_text("a file")
    with pytest.raises(InputError) as caught:
        world.locate(ProgramRequest(pin=TRIVY))
    assert caught.value.field == "S3C_CACHE"


def test_a_full_disk_is_named_as_such(world):
    world.failure = OSError(28, "No space left on device")
    with pytest.raises(OutsideError, match=r"is full.*are free.*S3C_CACHE") as caught:
        world.locate(ProgramRequest(pin=TRIVY))
    assert caught.value.exit_code == Exit.OUTSIDE_FAILED
    assert not world.leftovers()


@pytest.mark.parametrize("mirror", ["ftp://x", "/local", "https://", "javascript:alert(1)"])
def test_a_mirror_is_an_http_url(mirror):
    with pytest.raises(InputError) as caught:
        default_sources({}, mirror)
    assert caught.value.field == "programs-mirror"


def test_the_mirror_is_read_from_the_environment_too():
    assert default_sources({"S3C_PROGRAMS_MIRROR": "https://mirror.example/x/"}).mirror == "https://mirror.example/x"
    assert default_sources({}).mirror == ""
    assert {pin.release.host for pin in PINS if pin.release} == {"https://github.com", "https://get.helm.sh"}


def test_origin_has_the_hash_of_what_was_installed(world):
    program = world.locate(ProgramRequest(pin=TRIVY))
    facts = json.loads((program.path.parent / "origin.json").read_text())
    assert facts["sha256"] == hashlib.sha256(b"Version: 0.74.0").hexdigest()


@pytest.mark.parametrize("pin", [*PINS, *lab.PINS], ids=lambda pin: pin.name)
def test_each_pin_agrees_with_its_module(pin):
    text = (pin.modules / pin.name / "go.mod").read_text()
    assert f"\ntool {pin.package}\n" in text
    assert f"\t{pin.module} v{pin.version}" in text
    assert f"{pin.module} v{pin.version} h1:" in (pin.modules / pin.name / "go.sum").read_text()
    assert pin.version not in pin.refused
    if pin.release:
        assert set(pin.release.checksums) <= set(pin.release.platforms)
        assert len(set(pin.release.checksums.values())) == len(pin.release.checksums)
        assert all(len(bytes.fromhex(checksum)) == 32 for checksum in pin.release.checksums.values())


def test_the_key_follows_everything_that_decides_the_program():
    changed = [
        replace(TRIVY, version="0.74.1"),
        replace(TRIVY, ldflags=()),
        replace(TRIVY, experiments=""),
        replace(TRIVY, release=None),
    ]
    assert len({TRIVY.key(), *(pin.key() for pin in changed)}) == 5


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "linux-amd64"),
        ("linux", "aarch64", "linux-arm64"),
        ("darwin", "arm64", "darwin-arm64"),
        ("darwin", "x86_64", "darwin-amd64"),
    ],
)
def test_platforms(monkeypatch, system, machine, expected):
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert str(Platform.here()) == expected


@pytest.mark.parametrize(("system", "machine"), [("win32", "AMD64"), ("linux", "riscv64"), ("freebsd14", "x86_64")])
def test_other_platforms_are_named(monkeypatch, system, machine):
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(OutsideError, match="has no programs for"):
        Platform.here()


def test_a_late_program_is_looked_for_when_it_is_used_and_once() -> None:
    asked = []

    def find() -> Program:
        asked.append(1)
        return Program(name="trivy", path=Path("/trivy"), version="1.0", origin="release")

    late = LateProgram("trivy", find)
    assert not asked
    assert (late.path, late.version, len(asked)) == (Path("/trivy"), "1.0", 1)


def test_each_use_of_a_late_program_that_cannot_be_obtained_has_an_error_of_its_own() -> None:
    asked = []

    def find() -> Program:
        asked.append(1)
        raise OutsideError("no", remedy="wait")

    late, errors = LateProgram("trivy", find), []
    for image in ("a", "b"):
        with pytest.raises(OutsideError) as caught:
            _ = late.path
        caught.value.image = image
        errors.append(caught.value)
    assert ([error.image for error in errors], errors[1].remedy, len(asked)) == (["a", "b"], "wait", 1)
