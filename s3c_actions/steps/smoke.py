"""Start an image and its patched form beside each other, and compare what they do.

Images are programs of strangers. A runtime isolates them as `programs/containers` says, everything they print is cut
and cleaned before it is shown, and whatever could not be tried is a verdict of its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from s3c_actions.core import concurrency
from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.core.shared_libraries import missing_libraries
from s3c_actions.core.text import short_digest
from s3c_actions.layers.unpacking import Unpacker, fetch_image
from s3c_actions.programs.containers.container import (
    PREFIX,
    ContainerRequest,
    ContainerState,
    ExecutedCommand,
    UnpackedImage,
)
from s3c_actions.registry import Registry
from s3c_actions.registry.content import invalid_answer, normalize_platform
from s3c_actions.registry.runtime_config import parse_runtime_config
from s3c_actions.report.render.escape import line
from s3c_actions.result.smoke import ImagePair, PlatformSmoke, SmokeResult, SmokeVerdict
from s3c_actions.steps.smoke_comparison import Observation, compare, last_line, versions

SETTLE_SECONDS = 3.0
"""How long a process has to stay up that has neither a health check nor a port."""
COMPANION_SECONDS = 60.0
LOOK_SECONDS = 0.25
HEALTH_SECONDS = 10.0
ANSWER_SECONDS = 0.25
"""How long a runtime may take to answer; what it takes longer is the machine's, and not the image's."""
MAX_SLOWNESS = 4
"""How many times its own time an image gets at most on a machine that is busy."""
MAX_REASON = 300


_Answer = TypeVar("_Answer")


class Container(Protocol):
    """A container that was started."""

    def state(self) -> ContainerState:
        """Return whether it runs."""

    def ports(self) -> frozenset[int] | None:
        """Return the TCP ports on which something listens in it; None when that cannot be seen."""

    def execute(self, argv: tuple[str, ...], seconds: float) -> ExecutedCommand:
        """Run a command in it."""

    def output(self) -> str:
        """Return what it printed, a bounded part of it; the container may be ended for that."""


class ContainerRuntime(Protocol):
    """What runs containers; each method raises OutsideError when the program fails.

    Attributes:
        name: for people.
        owner: returns owner and group on this machine of those in an image; None when files keep this user's.
    """

    name: str

    @property
    def owner(self) -> Callable[[int, int], tuple[int, int]] | None:
        """Return the function that maps owners, None without one."""

    def folder(self) -> AbstractContextManager[Path]:
        """Open a temporary folder for layers and unpacked images."""

    def hold(self, image: UnpackedImage, temp: Path) -> AbstractContextManager[None]:
        """Make an image ready to be run, and remove it at the end of the block."""

    def start(self, request: ContainerRequest) -> AbstractContextManager[Container]:
        """Start a container, and remove it at the end of the block."""


class SmokeProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What an image has to do to count as working; an image's health check counts without being named.

    Attributes:
        command: run in the container once it is up; in place of the image's own when that ends by itself.
        port: that something has to listen on.
        seconds: for all of it.
        companions: images that run beside it, by the name under which it reaches them.
        environment: `NAME=value` for the image and its companions.
        writable: absolute paths that are writable besides /tmp, /run, /var/tmp and the image's volumes.
        capabilities: kept of those that an entry point needs to change its user.
    """

    command: tuple[str, ...] = ()
    port: int | None = None
    seconds: float = 60.0
    companions: Mapping[str, str] = msgspec.field(default_factory=dict)
    environment: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class SmokeTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step.

    Attributes:
        registry: of the images and their companions.
        runtime: opens what runs containers, with a reason in a clause when there is none.
        runs: returns whether a platform's programs run here, natively or emulated.
    """

    registry: Registry
    runtime: Callable[[], tuple[ContainerRuntime | None, str]]
    runs: Callable[[str], bool]
    progress: Progress


class _Work(msgspec.Struct, frozen=True):
    probe: SmokeProbe
    tools: SmokeTools
    runtime: ContainerRuntime
    folder: Path
    unpacker: Unpacker


def run(
    original: Reference, patched: Reference, pairs: tuple[ImagePair, ...], probe: SmokeProbe, tools: SmokeTools
) -> SmokeResult:
    """Compare two images, platform by platform. What fails on the way is a verdict, and no error.

    Args:
        original: pinned, an image or an index.
        patched: likewise.
        pairs: their platforms.
        probe: what they have to do.
        tools: the collaborators.
    """
    started = time.monotonic()
    with tools.progress.step("smoke") as step:
        result = SmokeResult(
            original=original.pinned,
            reference=patched.pinned,
            platforms=tuple(_compare_platforms(pairs, probe, tools)),
            seconds=time.monotonic() - started,
        )
        step.done(result.sentence)
    return result


def find_pairs(original: Reference, patched: Reference, registry: Registry) -> tuple[ImagePair, ...]:
    """Return the images of each platform that either reference has.

    Raises:
        InputError: one of them does not exist.
        OutsideError: the registry failed, or an index lists several images of a platform.
    """
    ours, theirs = _platforms(original, registry), _platforms(patched, registry)
    return tuple(
        ImagePair(platform=platform, original=ours.get(platform), patched=theirs.get(platform))
        for platform in dict.fromkeys([*ours, *theirs])
    )


def _compare_platforms(pairs: tuple[ImagePair, ...], probe: SmokeProbe, tools: SmokeTools) -> Iterator[PlatformSmoke]:
    for pair in pairs:
        platform = pair.platform
        if pair.original is None or pair.patched is None:
            which = "the original" if pair.original is None else "the other image"
            yield _not_tried(platform, f"{which} has no image for it")
            continue
        if pair.original.digest == pair.patched.digest:
            yield PlatformSmoke(platform=platform, verdict=SmokeVerdict.WORKS, checks=("it is the same image",))
            continue
        if not tools.runs(platform):
            yield _not_tried(platform, "this machine does not run its programs")
            continue
        try:
            runtime, missing = tools.runtime()
            if runtime is None:
                yield _not_tried(platform, missing)
            else:
                yield _compare_images(platform, (pair.original, pair.patched), probe, tools, runtime)
        except S3CError as error:
            detail = last_line(error.original)
            reason = error.what.rstrip(".") + (f" ({detail})" if detail else "")
            yield _not_tried(platform, line(reason, MAX_REASON))


def _platforms(reference: Reference, registry: Registry) -> dict[str, Reference]:
    """Return the images of a reference by platform."""
    descriptor = registry.resolve(reference)
    if not descriptor.is_index:
        return {registry.config(reference).platform: reference}
    images: dict[str, Reference] = {}
    for image in registry.flatten(reference, descriptor).images:
        name = image.platform
        if normalize_platform(name) in {normalize_platform(other) for other in images}:
            if name.startswith("linux/"):
                raise invalid_answer(reference, f"its index lists several images of {name}, and one of them runs")
            # Windows' differ by `os.version`, and none is started.
            name = f"{name} ({short_digest(image.digest)})"
        images[name] = reference.at(image.digest)
    return images


def _not_tried(platform: str, reason: str) -> PlatformSmoke:
    return PlatformSmoke(platform=platform, verdict=SmokeVerdict.NOT_TRIED, reason=reason)


def _compare_images(
    platform: str, images: tuple[Reference, Reference], probe: SmokeProbe, tools: SmokeTools, runtime: ContainerRuntime
) -> PlatformSmoke:
    started = time.monotonic()
    with runtime.folder() as folder, ExitStack() as stack:
        unpacker = stack.enter_context(Unpacker(folder / "contents", runtime.owner))
        work = _Work(probe, tools, runtime, folder, unpacker)
        note = tools.progress.note
        note(f"smoke, {platform}: both images are unpacked for {runtime.name}")
        prepared = [_prepare(reference, platform, work, stack) for reference in images]
        companions = {
            name: _prepare(Reference.parse(image, field="smoke-companions"), platform, work, stack)
            for name, image in probe.companions.items()
        }
        note(f"smoke, {platform}: both are started, for {probe.seconds:.0f} s at most")
        before, after = concurrency.for_each(prepared, lambda image: _observe(image, companions, work), jobs=2)
        comparison = compare(before, after)
        if comparison.verdict is SmokeVerdict.DIFFERS and not before.problem:
            # Once more alone, and waiting for what the original did: a busy machine is no difference.
            note(f"smoke, {platform}: they differ, so the second is started once more, alone")
            comparison = compare(before, _observe(prepared[1], companions, work, before.served))
    return msgspec.structs.replace(
        comparison, platform=platform, runtime=runtime.name, seconds=time.monotonic() - started
    )


def _prepare(reference: Reference, platform: str, work: _Work, stack: ExitStack) -> UnpackedImage:
    """Fetch and unpack an image, and make it ready to run until the stack is closed."""
    registry = work.tools.registry
    layers = work.folder / "layers"
    layers.mkdir(exist_ok=True, mode=0o700)
    pinned = reference.at(registry.resolve(reference).digest)
    fetched = fetch_image(registry, pinned, layers, platform=platform)
    root = work.folder / secrets.token_hex(8)
    root.mkdir(mode=0o755)
    folders = work.unpacker.unpack(fetched, root)
    image = UnpackedImage(fetched=fetched, root=root, folders=folders, runtime=parse_runtime_config(fetched.config))
    stack.enter_context(work.runtime.hold(image, work.folder))
    return image


def _observe(
    image: UnpackedImage,
    companions: Mapping[str, UnpackedImage],
    work: _Work,
    expected: frozenset[int] = frozenset(),
) -> Observation:
    """Run one image with companions of its own, and return what it did; `expected` are ports to wait for."""
    variables = dict(variable.split("=", 1) for variable in image.runtime.environment)
    observation = Observation(
        config=image.runtime, missing=missing_libraries(image.root, variables.get("LD_LIBRARY_PATH", ""))
    )
    if not image.runtime.argv:
        return msgspec.structs.replace(observation, failure="it names no program to start")
    with ExitStack() as stack:
        peer = ""
        for name, companion in companions.items():
            started, container = stack.enter_context(_started(companion, work, peer=peer, hosts=tuple(companions)))
            peer = peer or started
            if failure := _await_companion(name, companion, container):
                return msgspec.structs.replace(observation, failure=failure)
        _, container = stack.enter_context(_started(image, work, peer=peer, hosts=tuple(companions)))
        observation = _watch(container, image, work.probe, expected, observation)
        output = container.output()
    if observation.code == 0 and work.probe.command:
        observation = _run_once(image, work, observation)
    return msgspec.structs.replace(observation, output=output)


@contextmanager
def _started(
    image: UnpackedImage, work: _Work, *, peer: str = "", hosts: tuple[str, ...] = (), argv: tuple[str, ...] = ()
) -> Iterator[tuple[str, Container]]:
    request = ContainerRequest(
        name=f"{PREFIX}{secrets.token_hex(8)}",
        image=image,
        argv=argv,
        environment=work.probe.environment,
        writable=work.probe.writable,
        capabilities=work.probe.capabilities,
        peer=peer,
        hosts=hosts,
    )
    with work.runtime.start(request) as container:
        yield request.name, container


class _Patience:
    """The time that an image has, from the start of its process.

    On a busy machine a runtime takes seconds for each answer, and the image gets as little of the processor: what is
    waited for the runtime does not count.

    Args:
        seconds: the image's time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._started, self._waited, self.slowest = seconds, time.monotonic(), 0.0, 0.0

    def asked(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the runtime something."""
        began = time.monotonic()
        try:
            return question()
        finally:
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            self._waited += max(0.0, took - ANSWER_SECONDS)

    @property
    def passed(self) -> float:
        """Return the seconds that count."""
        return time.monotonic() - self._started - min(self._waited, (MAX_SLOWNESS - 1) * self._seconds)

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self._seconds - self.passed


def _await_companion(name: str, image: UnpackedImage, container: Container) -> str:
    """Wait until a companion is ready; return why it is not, in a clause."""
    patience = _Patience(COMPANION_SECONDS)
    while patience.left > 0:
        state = patience.asked(container.state)
        if not state.running:
            last = last_line(container.output())
            return f"the companion {name} ended with exit code {state.code}" + (f": {last}" if last else "")
        ports = patience.asked(container.ports)
        if image.runtime.health:
            if container.execute(image.runtime.health, HEALTH_SECONDS + patience.slowest).code == 0:
                return ""
        elif ports is not None and image.runtime.ports:
            if ports.intersection(image.runtime.ports):
                return ""
        elif patience.passed > SETTLE_SECONDS:
            return ""
        time.sleep(LOOK_SECONDS)
    return f"the companion {name} was not ready within {COMPANION_SECONDS:.0f} s"


def _watch(
    container: Container, image: UnpackedImage, probe: SmokeProbe, expected: frozenset[int], observation: Observation
) -> Observation:
    """Wait until a container is up or has ended, and run the command in it."""
    patience = _Patience(probe.seconds)
    health = image.runtime.health
    healthy = None if not health else False
    health_output, ready = "", False
    command: ExecutedCommand | None = None
    ports: frozenset[int] | None = frozenset()
    state = patience.asked(container.state)
    while state.running and not ready and patience.left > 0:
        ports = patience.asked(container.ports)
        ready = patience.passed >= SETTLE_SECONDS and _listens(ports, image, probe, expected, patience.passed)
        if ready and health:
            seconds = min(HEALTH_SECONDS, max(patience.left, 1)) + patience.slowest
            checked = container.execute(health, seconds)
            healthy, health_output = checked.code == 0, last_line(checked.output)
            ready = healthy
        if ready and probe.command:
            command = container.execute(probe.command, max(patience.left, 1) + patience.slowest)
            ready = command.code == 0
        if not ready:
            time.sleep(LOOK_SECONDS)
        state = patience.asked(container.state)
    if state.running:
        ports = container.ports()
        state = container.state()
    unseen = probe.port is not None and state.running and ports is None
    return msgspec.structs.replace(
        observation,
        failure="which ports are open in it cannot be seen on this machine" if unseen else "",
        up=state.running,
        code=state.code,
        out_of_memory=state.out_of_memory,
        ready=ready,
        healthy=healthy,
        health_output=health_output,
        probe_port=probe.port,
        port=None if probe.port is None else probe.port in (ports or ()),
        ports=ports,
        probed=bool(probe.command),
        command=command.code == 0 if command is not None else None,
        command_code=command.code if command is not None else None,
        command_output=last_line(command.output) if command is not None else "",
        versions=versions(command.output) if command is not None else (),
    )


def _listens(
    ports: frozenset[int] | None, image: UnpackedImage, probe: SmokeProbe, expected: frozenset[int], passed: float
) -> bool:
    """Return whether something listens on the ports to wait for: half of the time, on those that no input names."""
    if ports is None:
        return True
    if probe.port is not None and probe.port not in ports:
        return False
    patient = passed < probe.seconds / 2
    if not expected <= ports:
        return not patient
    if probe.port is None and not image.runtime.health and not probe.command and image.runtime.ports:
        return not ports.isdisjoint(image.runtime.ports) or not patient
    return True


def _run_once(image: UnpackedImage, work: _Work, observation: Observation) -> Observation:
    """Run the command in place of a program that ends by itself."""
    with _started(image, work, argv=work.probe.command) as (_, container):
        patience = _Patience(work.probe.seconds)
        state = patience.asked(container.state)
        while state.running and patience.left > 0:
            time.sleep(LOOK_SECONDS)
            state = patience.asked(container.state)
        output = container.output()
    return msgspec.structs.replace(
        observation,
        command=state.code == 0,
        command_code=state.code,
        command_output=last_line(output),
        versions=versions(output),
        probed=True,
    )
