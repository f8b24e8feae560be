"""The comparison in a world of its own: a registry that is a dictionary, and containers that follow a script."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.programs.containers.container import ContainerRequest, ContainerState, ExecutedCommand, UnpackedImage
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig
from s3c_actions.registry.content import compute_digest, parse_manifest
from s3c_actions.result.smoke import SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import smoke
from s3c_actions.steps.smoke import SmokeProbe, SmokeTools
from tests.support.elf import elf

NAME = "localhost:5000/app"


class Script(msgspec.Struct, frozen=True):
    """What a container does: it runs until `ends` looks at its state have passed, and then has ended with `code`.

    Its ports open after `opens` looks; `answers` is how long the runtime takes to tell its state, by a Clock.
    """

    code: int | None = None
    ends: int = 0
    ports: frozenset[int] | None = frozenset()
    commands: dict[str, int | None] = {}
    output: str = ""
    opens: int = 0
    answers: float = 0.0


class Clock:
    """A clock of each thread's own, which its sleeps and a runtime's answers move."""

    def __init__(self) -> None:
        self._local = threading.local()

    def monotonic(self) -> float:
        return float(getattr(self._local, "now", 0.0))

    def sleep(self, seconds: float) -> None:
        self._local.now = self.monotonic() + seconds


CLOCK = Clock()


class Container:
    def __init__(self, script: Script) -> None:
        self.script, self.looks = script, 0

    def state(self) -> ContainerState:
        self.looks += 1
        if self.script.answers:
            CLOCK.sleep(self.script.answers)
        running = self.script.code is None or self.looks <= self.script.ends
        return ContainerState(running=running, code=None if running else self.script.code)

    def ports(self) -> frozenset[int] | None:
        return self.script.ports if self.looks > self.script.opens else frozenset()

    def execute(self, argv: tuple[str, ...], seconds: float) -> ExecutedCommand:
        code = self.script.commands.get(" ".join(argv), 127)
        return ExecutedCommand(code=code, output=f"{argv[0]}: {code}")

    def output(self) -> str:
        return self.script.output


class World:
    """Images by digest, and the script of each program that they start."""

    name, owner = "a script", None

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path, self.progress = tmp_path, Silent()
        self.blobs: dict[str, bytes] = {}
        self.indexes: set[str] = set()
        self.scripts: dict[str, list[Script]] = {}
        self.started: list[ContainerRequest] = []
        self.living: list[str] = []
        self.held: list[Path] = []
        self.fails = ""
        self.script_of = lambda request: (request.argv or request.image.runtime.argv)[0]

    # making images

    def image(
        self, program: str, files: dict[str, bytes] | None = None, platform: str = "linux/amd64", **config: Any
    ) -> Reference:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, content in (files or {"etc/hostname": b"x"}).items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o755
                archive.addfile(member, io.BytesIO(content))
        layer = out.getvalue()
        system, _, architecture = platform.partition("/")
        document = {
            "os": system,
            "architecture": architecture,
            "rootfs": {"diff_ids": [compute_digest(layer)]},
            "config": {"Entrypoint": [program] if program else None, **config},
        }
        blob = json.dumps(document).encode()
        entries = [
            {"digest": self.keep(content), "size": len(content), "mediaType": kind}
            for content, kind in ((blob, "application/vnd.oci.image.config.v1+json"), (layer, "layer"))
        ]
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
        return Reference.parse(f"{NAME}@{self.keep(json.dumps(manifest).encode())}")

    def index(self, **images: Reference) -> Reference:
        entries = [
            {
                "digest": image.digest,
                "size": 1,
                "mediaType": OCI_MANIFEST,
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, image in images.items()
        ]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return Reference.parse(f"{NAME}@{self.keep(json.dumps(document).encode())}")

    def keep(self, content: bytes) -> str:
        digest = compute_digest(content)
        self.blobs[digest] = content
        return digest

    # the registry

    def manifest(self, reference: Reference, *, field: str = "image") -> Any:
        return parse_manifest(self.blobs[reference.digest], OutsideError, digest=reference.digest)

    def resolve(self, reference: Reference, *, field: str = "image") -> Descriptor:
        descriptor: Descriptor = self.manifest(reference).descriptor
        return descriptor

    def flatten(self, reference: Reference, index: Descriptor) -> Descriptor:
        return index

    def config(self, reference: Reference, *, platform: str = "", field: str = "image") -> ImageConfig:
        document = json.loads(self.blobs[self.manifest(reference).document["config"]["digest"]])
        return ImageConfig(
            manifest=reference.digest,
            platform=f"{document['os']}/{document['architecture']}",
            diff_ids=tuple(document["rootfs"]["diff_ids"]),
            labels={},
            document=document,
        )

    def blob(self, reference: Reference, digest: str) -> bytes:
        return self.blobs[digest]

    def layer(self, reference: Reference, digest: str, size: int) -> Iterator[bytes]:
        yield self.blobs[digest]

    # the runtime

    @contextmanager
    def folder(self) -> Iterator[Path]:
        folder = self.tmp_path / f"run{len(list(self.tmp_path.iterdir()))}"
        folder.mkdir()
        yield folder

    @contextmanager
    def hold(self, image: UnpackedImage, temp: Path) -> Iterator[None]:
        self.held.append(image.root)
        try:
            yield
        finally:
            self.held.remove(image.root)

    @contextmanager
    def start(self, request: ContainerRequest) -> Iterator[Container]:
        if self.fails:
            raise OutsideError(self.fails)
        scripts = self.scripts[self.script_of(request)]
        self.started.append(request)
        self.living.append(request.name)
        try:
            yield Container(scripts.pop(0) if len(scripts) > 1 else scripts[0])
        finally:
            self.living.remove(request.name)

    def compare(self, original: Reference, patched: Reference, *, runtime: bool = True, **probe: Any) -> SmokeResult:
        tools = SmokeTools(
            registry=self,  # type: ignore[arg-type]
            runtime=lambda: (self, "") if runtime else (None, "nothing here runs containers"),
            runs=lambda platform: platform == "linux/amd64",
            progress=self.progress,
        )
        pairs = smoke.find_pairs(original, patched, self)  # type: ignore[arg-type]
        result = smoke.run(original, patched, pairs, SmokeProbe(**{"seconds": 0.4} | probe), tools)
        assert self.living == [] and self.held == []
        return result


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(smoke, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(smoke, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(smoke, "COMPANION_SECONDS", 0.3)
    world = World(tmp_path)
    world.scripts = {"/app": [Script(ports=frozenset({80}))], "/broken": [Script(code=1, output="cannot start")]}
    return world


def test_an_index_with_several_images_of_a_platform_is_not_compared(world: World) -> None:
    clean, evil = world.image("/app"), world.image("/broken")
    document = json.loads(world.blobs[world.index(amd64=clean).digest])
    document["manifests"].append({**document["manifests"][0], "digest": evil.digest})
    several = Reference.parse(f"{NAME}@{world.keep(json.dumps(document).encode())}")
    for pair in ((several, clean), (clean, several)):
        with pytest.raises(OutsideError, match="several images of linux/amd64"):
            world.compare(*pair)


def test_images_for_several_versions_of_windows_are_told_apart(world: World) -> None:
    app = world.image("/app")

    def index(*images: Reference) -> Reference:
        document = json.loads(world.blobs[world.index(amd64=app).digest])
        for number, image in enumerate(images):
            platform = {"os": "windows", "architecture": "amd64", "os.version": f"10.0.{number}"}
            document["manifests"].append({**document["manifests"][0], "digest": image.digest, "platform": platform})
        return Reference.parse(f"{NAME}@{world.keep(json.dumps(document).encode())}")

    first, second, other = world.image("/first"), world.image("/second"), world.image("/other")
    verdicts = {
        str(platform.verdict) for platform in world.compare(index(first, second), index(first, second)).platforms
    }
    assert verdicts == {"works"}
    platforms = world.compare(index(first, second), index(first, other)).platforms
    assert [str(platform.verdict) for platform in platforms] == ["works", "works", "not tried", "not tried"]
    assert second.digest[7:19] in platforms[2].platform


def test_two_images_that_stay_up_work(world: World) -> None:
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}))
    (platform,) = result.platforms
    assert (result.verdict, platform.platform, platform.runtime) == (SmokeVerdict.WORKS, "linux/amd64", "a script")
    assert result.sentence == "works: both stay up; both listen on 1 port (80); no library went missing."
    assert len({request.name for request in world.started}) == 2
    assert all(request.peer == "" and request.environment == () for request in world.started)


def test_another_program_that_fails_differs(world: World) -> None:
    result = world.compare(world.image("/app"), world.image("/broken"))
    assert result.verdict is SmokeVerdict.DIFFERS
    assert result.platforms[0].differences == (
        "another entrypoint (/app → /broken)",
        "ended with exit code 1 (cannot start)",
    )


def test_a_library_that_is_gone_differs_although_both_run(world: World) -> None:
    program = elf(("libpq.so.5",))
    before = world.image("/app", {"usr/bin/app": program, "usr/lib/libpq.so.5": elf()})
    result = world.compare(before, world.image("/app", {"usr/bin/app": program}))
    assert result.platforms[0].differences == ("libpq.so.5, which /usr/bin/app needs, is missing",)


def test_a_start_that_fails_once_is_repeated(world: World) -> None:
    fails, works = Script(code=1), Script(ports=frozenset({80}))
    world.scripts |= {"serve": [works], "serve-patched": [fails, works]}
    world.script_of = lambda request: "serve-patched" if (request.image.root / "new").exists() else "serve"
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}))
    assert len(world.started) == 3 and result.verdict is SmokeVerdict.WORKS


def test_a_difference_that_stays_is_one(world: World) -> None:
    world.scripts |= {"/app": [Script(ports=frozenset({80}))], "/deaf": [Script(ports=frozenset())]}
    result = world.compare(world.image("/app"), world.image("/deaf"))
    assert len(world.started) == 3
    assert result.platforms[0].differences[1:] == ("does not listen on 80 any more",)


@pytest.mark.parametrize(
    ("commands", "probe", "verdict", "words"),
    [
        ({"check": 0}, {}, SmokeVerdict.WORKS, "their health check passes"),
        ({"check": 1}, {}, SmokeVerdict.NOT_TRIED, "its health check fails (check: 1)"),
        ({"check": None}, {}, SmokeVerdict.NOT_TRIED, "its health check fails (check: None)"),
        ({"check": 0, "ask it": 0}, {"command": ("ask", "it")}, SmokeVerdict.WORKS, "the command succeeds in both"),
        ({"check": 0, "ask it": 3}, {"command": ("ask", "it")}, SmokeVerdict.NOT_TRIED, "exit code 3 (ask: 3)"),
        ({"check": 0}, {"port": 80}, SmokeVerdict.WORKS, "both stay up"),
        ({"check": 0}, {"port": 81}, SmokeVerdict.NOT_TRIED, "nothing listens on port 81"),
    ],
)
def test_what_is_asked_of_an_image(
    world: World, commands: dict[str, int | None], probe: dict[str, Any], verdict: SmokeVerdict, words: str
) -> None:
    world.scripts["/app"] = [Script(ports=frozenset({80}), commands=commands)]
    health: dict[str, Any] = {"Healthcheck": {"Test": ["CMD", "check"]}}
    result = world.compare(world.image("/app", **health), world.image("/app", {"new": b""}, **health), **probe)
    assert result.verdict is verdict and words in result.sentence


@pytest.mark.parametrize(
    ("opens", "verdict"), [(8, SmokeVerdict.WORKS), (1_000_000, SmokeVerdict.NOT_TRIED)], ids=["late", "never"]
)
def test_what_a_busy_machine_takes_to_answer_is_not_the_images_time(
    world: World, monkeypatch: pytest.MonkeyPatch, opens: int, verdict: SmokeVerdict
) -> None:
    monkeypatch.setattr(smoke, "time", CLOCK)
    world.scripts["/app"] = [Script(ports=frozenset({80}), opens=opens, answers=7.0)]
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), port=80, seconds=20.0)
    assert result.verdict is verdict, result.sentence


def test_a_machine_that_hardly_answers_ends_the_wait_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(smoke, "time", clock)
    patience = smoke._Patience(10.0)
    clock.sleep(4)
    patience.asked(lambda: clock.sleep(20.25))
    assert (patience.passed, patience.left, patience.slowest) == (4.25, 5.75, 20.25)
    patience.asked(lambda: clock.sleep(1000.25))
    assert patience.left < 0


def test_ports_that_cannot_be_seen_are_not_called_closed(world: World) -> None:
    world.scripts["/app"] = [Script(ports=None)]
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), port=80)
    assert result.verdict is SmokeVerdict.NOT_TRIED and "cannot be seen on this machine" in result.sentence


def test_a_program_that_ends_is_followed_by_the_command(world: World) -> None:
    world.scripts = {"/app": [Script(code=0)], "tool": [Script(code=0, output="tool 1.2.3")]}
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), command=("tool", "--version"))
    assert result.verdict is SmokeVerdict.WORKS and "the command succeeds in both" in result.sentence
    assert [request.argv for request in world.started].count(("tool", "--version")) == 2


def test_companions_share_a_network_and_come_first(world: World) -> None:
    db = world.image("/db", ExposedPorts={"5432/tcp": {}})
    world.scripts["/db"] = [Script(ports=frozenset({5432}))]
    probe: dict[str, Any] = {"companions": {"db": str(db)}, "environment": ("A=1",)}
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), **probe)
    assert result.verdict is SmokeVerdict.WORKS
    databases = [request for request in world.started if request.image.runtime.entrypoint == ("/db",)]
    apps = [request for request in world.started if request not in databases]
    assert {request.peer for request in apps} == {request.name for request in databases} and len(databases) == 2
    assert all(request.hosts == ("db",) for request in world.started)
    assert all(request.environment == ("A=1",) for request in world.started)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (Script(code=1, output="no password"), "the companion db ended with exit code 1: no password"),
        (Script(ports=frozenset()), "the companion db was not ready within"),
    ],
)
def test_a_companion_that_fails_leaves_it_untried(world: World, script: Script, words: str) -> None:
    db = world.image("/db", ExposedPorts={"5432/tcp": {}})
    world.scripts["/db"] = [script]
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), companions={"db": str(db)})
    assert result.verdict is SmokeVerdict.NOT_TRIED and words in result.sentence


def test_each_platform_has_a_verdict(world: World) -> None:
    before, after = world.image("/app"), world.image("/app", {"new": b""})
    arm, other = world.image("/app", platform="linux/arm64"), world.image("/app", {"n": b""}, platform="linux/arm64")
    result = world.compare(world.index(amd64=before, arm64=arm), world.index(amd64=after, arm64=other))
    assert {platform.platform: platform.verdict.value for platform in result.platforms} == {
        "linux/amd64": "works",
        "linux/arm64": "not tried",
    }
    assert result.verdict is SmokeVerdict.NOT_TRIED
    assert result.sentence == "not tried: linux/arm64: this machine does not run its programs."
    result = world.compare(world.index(amd64=before, arm64=arm), world.index(amd64=after))
    assert "the other image has no image for it" in result.sentence
    result = world.compare(world.index(amd64=before, arm64=arm), world.index(amd64=after, arm64=arm))
    assert result.verdict is SmokeVerdict.WORKS


def test_without_a_runtime_nothing_is_tried(world: World) -> None:
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}), runtime=False)
    assert result.sentence == "not tried: nothing here runs containers."


def test_a_runtime_that_fails_is_a_verdict_with_a_clean_reason(world: World) -> None:
    world.fails = "runc could not\x1b[2J create a container."
    result = world.compare(world.image("/app"), world.image("/app", {"new": b""}))
    assert result.sentence == "not tried: runc could not\ufffd[2J create a container."


def test_an_image_without_a_program_is_not_tried(world: World) -> None:
    result = world.compare(world.image(""), world.image("", {"new": b""}))
    assert result.verdict is SmokeVerdict.NOT_TRIED and "it names no program to start" in result.sentence


def test_nothing_of_a_result_means_works_by_default() -> None:
    empty = SmokeResult(original="a@sha256:1", reference="b@sha256:2", platforms=())
    assert empty.verdict is SmokeVerdict.NOT_TRIED
    assert SmokeRefused(empty).result is empty
    assert replace(empty, platforms=()).sentence == "not tried."
