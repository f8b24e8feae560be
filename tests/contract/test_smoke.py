"""Images that are started by the real runc: what works, what is broken on purpose, and what tries to get out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.programs.containers.runc import FOLDER, STATE, RuncRuntime
from s3c_actions.programs.install.cache import lock_file
from s3c_actions.registry import Registry
from s3c_actions.registry.credentials import Logins
from s3c_actions.result.smoke import SmokeResult, SmokeVerdict
from s3c_actions.steps import smoke
from s3c_actions.steps.smoke import SmokeProbe, SmokeTools
from s3c_lab.machine import with_system_path
from tests.support import debian
from tests.support.containers import busybox_layer
from tests.support.debian_registry import debian_registry
from tests.support.oci import Repository

ROOT = Path(__file__).resolve().parent.parent.parent
STAYS = "#!/bin/sh\nexec httpd -f -p 8080 -h /tmp\n"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def image(real: str, request: pytest.FixtureRequest) -> Callable[..., Reference]:
    """A function that pushes an image of busybox with a script as its entry point."""
    numbers = iter(range(1000))

    def push(script: str = STAYS, *, without: tuple[str, ...] = (), **config: Any) -> Reference:
        repository = Repository(real, request.node.originalname.replace("_", "-"))
        settings = {"Entrypoint": ["/start"], "User": "web", "ExposedPorts": {"8080/tcp": {}}, **config}
        layer = busybox_layer({"start": script}, without=without)
        tag = str(next(numbers))
        return Reference.parse(f"{real}/{repository.name}@{repository.image([layer], tag, config=settings)['digest']}")

    return push


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One of these tests at a time on this machine: each looks at what is left of all."""
    with lock_file(cache_path(os.environ) / "lab" / ".smoke-tests.lock"):
        yield


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SmokeResult]:
    debian.program("runc", "runc")
    monkeypatch.setattr(smoke, "SETTLE_SECONDS", 1.0)
    runtime = RuncRuntime(Runner(with_system_path(dict(os.environ))), Silent(), lambda: Path("/nothing"))
    assert runtime.unusable() == ""
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)
    tools = SmokeTools(
        registry=registry,
        runtime=lambda: (runtime, ""),
        runs=lambda platform: platform == "linux/amd64",
        progress=Silent(),
    )

    def run(original: Reference, patched: Reference, **probe: Any) -> SmokeResult:
        pairs = smoke.find_pairs(original, patched, registry)
        result = smoke.run(original, patched, pairs, SmokeProbe(**{"seconds": 10.0} | probe), tools)
        assert left_over() == ([], [])
        return result

    return run


def left_over() -> tuple[list[str], list[str]]:
    """What is there of containers of ours: their states, and folders of unpacked images."""
    listed = subprocess.run(
        ["runc", "--root", str(STATE), "list", "--quiet"], capture_output=True, text=True, check=True
    ).stdout
    return listed.split(), [path.name for path in FOLDER.glob("s3c-run-*")]


def test_two_that_serve_work(image: Callable[..., Reference], compare: Callable[..., SmokeResult]) -> None:
    health = {"Healthcheck": {"Test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/page"]}}
    script = f"#!/bin/sh\necho hello >/tmp/page\n{STAYS}"
    result = compare(image(script, **health), image(script + "# patched\n", **health), command=("id",), port=8080)
    assert result.sentence == (
        "works: both stay up; their health check passes; the command succeeds in both; both listen on 1 port (8080); "
        "no library went missing."
    )
    assert result.platforms[0].runtime == "runc"


@pytest.mark.parametrize(
    ("broken", "difference"),
    [
        ({"without": ("bin/sh",)}, "no such file or directory"),
        ({"script": "#!/bin/sh\nexit 3\n"}, "ended with exit code 3"),
        ({"script": "#!/bin/sh\necho no configuration >&2; exit 1\n"}, "no configuration"),
        ({"script": STAYS.replace("8080", "9090")}, "does not listen on 8080 any more"),
        ({"Entrypoint": ["/nothing"]}, "another entrypoint (/start → /nothing)"),
        ({"User": "root"}, "another user (web → root)"),
        ({"User": "nobody-there"}, "another user"),
        ({"Healthcheck": {"Test": ["CMD", "false"]}}, "another health check"),
    ],
)
def test_a_patch_that_breaks_something_differs(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], broken: dict[str, Any], difference: str
) -> None:
    result = compare(image(), image(**broken), seconds=3.0)
    assert result.verdict in (SmokeVerdict.DIFFERS, SmokeVerdict.NOT_TRIED)
    assert difference in result.sentence or "no user 'nobody-there'" in result.sentence, result.sentence


def test_a_companion_is_reached_by_its_name_and_nothing_else_is(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], real: str
) -> None:
    database = image("#!/bin/sh\nexec httpd -f -p 5432 -h /etc\n", ExposedPorts={"5432/tcp": {}})
    asks = (
        "#!/bin/sh\nwget -q -O /dev/null http://db:5432/passwd || exit 7\n"
        f"wget -q -T 2 -O /dev/null http://{real}/v2/ && exit 8\n"
        "wget -q -T 2 -O /dev/null http://192.0.2.1/ && exit 9\n" + STAYS
    )
    both = image(asks), image(asks + "# patched\n")
    together = compare(*both, companions={"db": str(database)}, command=("true",))
    assert together.verdict is SmokeVerdict.WORKS, together.sentence
    alone = compare(*both)
    assert alone.verdict is SmokeVerdict.NOT_TRIED and "exit code 7" in alone.sentence


ESCAPES = {
    "mounts": "mount -t tmpfs none /tmp",
    "mounts what is there": "mount -o remount,rw /",
    "a new user namespace": "unshare -U true",
    "a new network": "unshare -n true",
    "a device": "mknod /tmp/sda b 8 0",
    "the root": "touch /written",
    "its own program": "echo >>/start",
    "hosts": "echo >>/etc/hosts",
    "the kernel's settings": "echo 1 >/proc/sys/kernel/panic",
    "the kernel's trigger": "echo b >/proc/sysrq-trigger",
    "control groups": "mkdir /sys/fs/cgroup/x",
    "the memory of the kernel": "head -c 1 /proc/kcore",
    "other owners": "touch /tmp/x && chmod 4755 /tmp/x && ls -ln /tmp/x | grep -q ' 0 0 '",
}


@pytest.mark.parametrize("user", ["web", "root"])
def test_no_way_out_is_open(image: Callable[..., Reference], compare: Callable[..., SmokeResult], user: str) -> None:
    tries = [
        f'if ( {command} ) >/dev/null 2>&1; then open="$open {name},"; fi\n'
        for name, command in ESCAPES.items()
        if user == "web" or name != "other owners"
    ]
    # What it prints last is shown of an image that fails.
    script = f'#!/bin/sh\nopen=\n{"".join(tries)}echo "open: [$open]"\nexit 5\n'
    result = compare(image(script, User=user), image(script + "#\n", User=user))
    assert "exit code 5 (open: [])" in result.sentence


def test_the_host_is_not_seen(image: Callable[..., Reference], compare: Callable[..., SmokeResult]) -> None:
    """Processes, environment and files of this machine: none is there."""
    script = (
        "#!/bin/sh\n[ $(ls /proc | grep -c '^[0-9]') -le 6 ] || exit 3\n[ -e /var/lib/dpkg ] && exit 4\n"
        '[ -n "$HOME_OF_HOST" ] && exit 5\ngrep -q NoNewPrivs:.1 /proc/self/status || exit 6\n'
        "grep -q 'CapBnd:.0000000000000000' /proc/self/status || exit 7\n"
        "grep -q 'Seccomp:.2' /proc/self/status || exit 8\n"
        "exit 0\n"
    ).replace("grep", "busybox grep")
    result = compare(image(script, User="root"), image(script + "#\n", User="root"))
    assert result.verdict is SmokeVerdict.WORKS, result.sentence


HOSTILE = {
    "a fork bomb": "f() { f | f & }; f; f; f\n",
    "endless output": "yes 0123456789012345678901234567890123456789 & yes >&2 &\n",
    "deaf to signals": "trap '' TERM INT HUP QUIT\n",
    "a full disk": "for d in /tmp /run /var/tmp; do dd if=/dev/zero of=$d/big bs=1M count=10000; done 2>/dev/null\n",
    "busy processors": "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_bounded_and_gone_afterwards(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], name: str
) -> None:
    script = f"#!/bin/sh\n{HOSTILE[name]}while :; do sleep 1; done\n"
    started = time.monotonic()
    result = compare(image(script), image(script + "#\n"), seconds=6.0)
    assert time.monotonic() - started < 90
    assert all(
        len(text) < 500
        for platform in result.platforms
        for text in (*platform.differences, platform.reason, *platform.versions)
    )
    assert len(json.dumps(result.sentence)) < 3000


def test_a_health_check_that_hangs_ends(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "HEALTH_SECONDS", 1.0)
    health = {"Healthcheck": {"Test": ["CMD-SHELL", "trap '' TERM; while :; do sleep 1; done"]}}
    started = time.monotonic()
    result = compare(image(**health), image(STAYS + "#\n", **health), seconds=4.0)
    assert time.monotonic() - started < 60
    assert result.verdict is SmokeVerdict.NOT_TRIED and "its health check fails" in result.sentence


def test_a_platform_of_another_machine_is_not_tried(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], real: str
) -> None:
    repository = Repository(real, "platforms")
    layer = busybox_layer({"start": STAYS})
    both = [
        repository.image(
            [layer], f"{tag}", architecture="arm64", config={"Entrypoint": ["/start"], "Labels": {"a": tag}}
        )
        for tag in ("1", "2")
    ]
    original, patched = (Reference.parse(f"{real}/platforms@{pushed['digest']}") for pushed in both)
    assert compare(original, patched).sentence == "not tried: this machine does not run its programs."


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_an_interrupted_run_leaves_is_removed(
    image: Callable[..., Reference], compare: Callable[..., SmokeResult], how: signal.Signals
) -> None:
    """By the run itself where it can, and by the next one when it was killed."""
    script = "#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 1; done\n"
    original, patched = image(script), image(script + "#\n")
    argv = [sys.executable, "-m", "s3c_actions", "smoke", str(original), str(patched), "--smoke-port", "8080"]
    environment = {**with_system_path(dict(os.environ)), "PYTHONPATH": str(ROOT), "DOCKER_HOST": "tcp://127.0.0.1:1"}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while len(left_over()[0]) < 2:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        child.send_signal(how)
        assert child.wait(60) != 0
    if how == signal.SIGKILL:
        assert len(left_over()[0]) == 2
        runtime = RuncRuntime(Runner(with_system_path(dict(os.environ))), Silent(), lambda: Path("/nothing"))
        runtime.sweep()
        with runtime.folder():
            pass
    assert left_over() == ([], [])
