"""The lab that the end-to-end tests share, and what each of them gets of its own."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.programs.install.cache import lock_file
from s3c_actions.programs.install.locate import locate
from s3c_lab import lab as labs
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine, with_system_path
from s3c_lab.node.programs import KUBECTL
from tests.support import fleet_images
from tests.support.cluster import Kubectl
from tests.support.oci import Repository, copy_image, digest_of
from tests.support.private_registry import private_registry
from tests.support.signing import Ended, push_image
from tests.support.signing import s3c as run_s3c

PREFIX = "test-"
TOGETHER = "@node"
_CHAINS = re.compile(r"@(node|runner)\b")
LONG = {
    *("test_attach.py", "test_azure_registry.py", "test_chain.py", "test_demo.py", "test_fleet_images.py"),
    *("test_fleet_buildkit.py", "test_fleet_run.py", "test_fleet_workflow.py", "test_lab.py"),
    *("test_other_cluster.py", "test_own_image.py", "test_patch.py", "test_patch_container.py", "test_smoke.py"),
    "test_workflows.py",
}
"""With tests of half a minute or more: at the end, one process would work on them alone."""
IN_ONE = {
    *("test_azure_registry.py", "test_chain.py", "test_fleet_images.py", "test_hosted_runner.py", "test_mirror.py"),
    *("test_own_image.py", "test_patch_container.py", "test_smoke.py"),
}
"""Whose tests share what takes long to make: in several processes it would be made as often.

Or take away what another run left, as one that starts a BuildKit does: at once, they would take it from each other.
"""


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One test at a time for each of `make e2e`'s processes, but those of a node to one of them, as of the runner.

    There are two nodes, in two processes: what is about the gate itself has one, and waits for answers that are kept.
    pytest-xdist's own groups are no more with pytest 9.2 (pytest-dev/pytest-xdist#1386), and nobody is told: each
    process would have a node. Some files stay in one process, too.
    """

    def _split_scope(self, nodeid: str) -> str:
        together = _CHAINS.search(nodeid.partition("[")[2])
        if together is None:
            file = nodeid.partition("::")[0]
            return file if Path(file).name in IN_ONE else nodeid
        about_the_gate = together[0] == TOGETHER and re.search(r"\btest_(azure_)?(gate|signers)", nodeid)
        return f"{together[0]} of the gate" if about_the_gate else together[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Who hands tests out to `make e2e`'s processes, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first: chains of them before single ones."""
    items.sort(key=lambda item: (_CHAINS.search(item.name) is None, item.path.name not in LONG))


@pytest.fixture(scope="session", params=[TOGETHER])
def on_the_node() -> None:
    """For tests of a node: it serves all of a process, and they change its gate. The parameter is in their names."""


@pytest.fixture(scope="session")
def machine() -> Machine:
    """The real one."""
    environment = with_system_path(dict(os.environ))
    return Machine(
        runner=Runner(environment=environment),
        progress=LogProgress(sys.stderr),
        cache=cache_path(environment),
    )


@pytest.fixture(scope="session")
def lab(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of this test run, beside any other; its first start on a machine takes minutes and shows its progress."""
    _take_down_the_dead(machine)
    name = f"{PREFIX}{os.getpid()}"
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        new_lab = labs.up(name, 0, machine)
        _know_the_images(new_lab, machine)
    yield new_lab
    with capture.global_and_fixture_disabled():
        labs.down(name, machine)


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a registry behind a login, with the image of the fleet that nobody may read."""
    folder = tmp_path_factory.mktemp("private")
    with private_registry(folder, fleet_images.PRIVATE, fleet_images.push_private) as host:
        yield host


@pytest.fixture(scope="session")
def gated(lab: Lab, machine: Machine, request: pytest.FixtureRequest, on_the_node: None) -> Lab:
    """The lab of this run, with a node and the gate on it; the lab's own fixture takes it down."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        return labs.up(lab.name, None, machine, node=True)


@pytest.fixture(scope="session")
def kubectl(gated: Lab, machine: Machine) -> Kubectl:
    """kubectl on the lab's node."""
    program = locate(KUBECTL, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    return Kubectl(program.path, gated.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """The name of a namespace that is not there, and is removed in the end."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    yield name
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


@pytest.fixture
def sign(gated: Lab, s3c: Callable[..., Ended]) -> Callable[..., str]:
    """Signs an image, with the key whose certificate the gate trusts unless told otherwise; returns it by digest."""

    def run(image: str, key: str | Path = gated.key, certificate: str | Path = gated.certificate, *flags: str) -> str:
        ended = s3c("sign", image, "--key", key, "--certificate", certificate, *flags)
        assert ended.code == 0, ended.stderr
        return str(ended.image["reference"])

    return run


@pytest.fixture(scope="session")
def signed(gated: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the voting app by digest, which the gate admits."""
    (original,) = (image for image in gated.images if "/voting-app:" in image)
    copy = copy_image(original, f"{uuid.uuid4().hex[:12]}/voting-app")
    flags = ("--key", gated.key, "--certificate", gated.certificate)
    ended = run_s3c(tmp_path_factory.mktemp("signed"), "sign", copy, *flags)
    assert ended.code == 0, ended.stderr
    return str(ended.image["reference"])


@pytest.fixture
def unsigned(gated: Lab) -> str:
    """An image by digest that nobody signed: its content, and so its digest, is this test's alone."""
    repository = f"e2e/{uuid.uuid4().hex[:12]}"
    return push_image(gated.registry, repository, "1", repository)


@pytest.fixture
def deploy(gated: Lab, namespace: str, s3c: Callable[..., Ended], tmp_path: Path) -> Callable[..., Ended]:
    """Runs `s3c deploy` on a manifest's text; keywords are flags with a value, `""` leaves out one that is set here."""
    defaults = {
        "kubeconfig": gated.kubeconfig,
        "namespace": namespace,
        "rollout-timeout": "120s",
        "trust-store": gated.certificate,
    }

    def run(text: str, *flags: str, **others: str | Path) -> Ended:
        file = tmp_path / "app.yaml"
        file.write_text(text)
        named = defaults | {name.replace("_", "-"): str(value) for name, value in others.items()}
        given = [part for name, value in named.items() if value for part in (f"--{name}", value)]
        return s3c("deploy", file, "--create-namespace", *given, *flags)

    return run


@pytest.fixture
def fresh(lab: Lab) -> Callable[[str], str]:
    """Copies an image of the lab (`voting-app`, `voting-db`) into a repository of this test; returns its reference."""
    mine = uuid.uuid4().hex[:12]

    def copy(short: str) -> str:
        (original,) = (image for image in lab.images if f"/{short}:" in image)
        return copy_image(original, f"{mine}/{short}")

    return copy


@pytest.fixture(scope="session")
def layers(lab: Lab) -> list[bytes]:
    """The layers of an image whose packages have security updates pending, and which knows where to get them."""
    base = Repository(lab.registry, "library/debian")
    return [base.blob(layer["digest"]) for layer in base.get("stable-slim")["layers"]]


@pytest.fixture
def repository(lab: Lab, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    return Repository(lab.registry, f"e2e/{os.getpid()}/{request.node.originalname.replace('_', '-')[:60].rstrip('-')}")


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """PEM files of a private key and of its self-signed certificate."""
    return make("s3c-e2e").write(tmp_path_factory.mktemp("keys"), "s3c-e2e")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name, unlike pytest's own in one of several processes."""
    with tempfile.TemporaryDirectory(prefix="s3c-test-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def s3c(tmp_path: Path) -> Callable[..., Ended]:
    """Runs `python -m s3c_actions` with the arguments given in a folder of this test; see `signing.s3c`."""
    return partial(run_s3c, tmp_path)


def _know_the_images(lab: Lab, machine: Machine) -> None:
    """Let Trivy have looked into the lab's images before: their layers take it seconds, in each process's lab anew."""
    names = [image.removeprefix(f"{lab.registry}/").split(":") for image in lab.images]
    digests = [digest_of(Repository(lab.registry, name).raw(tag)[0]) for name, tag in names]
    scans = machine.cache / "tests" / "scans"
    kept = scans / digest_of("".join(digests).encode())[-12:]
    with lock_file(scans / ".lock"):
        if not kept.exists():
            for old in scans.glob("[0-9a-f]*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory() as folder:
                flags = ("--offline", "--trivy-cache-dir", lab.trivy_cache)
                ended = run_s3c(Path(folder), "scan", *lab.images, *flags)
            assert ended.code == 0, ended.stderr
            copy = shutil.copytree(Path(lab.trivy_cache) / "fanal", scans / f"{os.getpid()}")
            copy.rename(kept)
        else:
            shutil.copytree(kept, Path(lab.trivy_cache) / "fanal", dirs_exist_ok=True)


def _take_down_the_dead(machine: Machine) -> None:
    """Labs of test runs that were killed."""
    for name in labs.names(machine):
        pid = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            labs.down(name, machine)
