"""Azure Container Registry: unmodified clients in front of a login that checks every token, and a real registry behind.

No test here has a password: what logs in is the OIDC token of a job.
"""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.azure.tries import MAX_TRIES
from s3c_actions.programs.install.pins import COPA, NOTATION, TRIVY, Pin
from s3c_lab import registry_server
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT, warm
from tests.support.azure.entra import BadToken
from tests.support.azure.registry import NULL_GUID, ContainerRegistry, container_registry
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.azure.web import Answer, Request
from tests.support.scanning import program
from tests.support.signing import Ended


@dataclass
class Stage:
    """The stand-ins, and a shim for each program that writes down how it is called."""

    azure: Azure
    registry: ContainerRegistry
    lab: Lab
    folder: Path

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    def shims(self, *pins: Pin) -> list[str | Path]:
        """Flags that put a wrapper in each program's place."""
        flags: list[str | Path] = []
        for pin in pins or (TRIVY, COPA, NOTATION):
            path = self.folder / "bin" / pin.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f'#!/bin/sh\necho "{pin.name} $*" >>"{self.calls}"\nexec "{program(pin)}" "$@"\n')
            path.chmod(stat.S_IRWXU)
            flags += [f"--{pin.name}-path", path]
        return flags

    def s3c(
        self,
        *arguments: str | Path,
        identity: bool = True,
        job: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run the command in the job, with a temp folder that has to be empty in the end.

        Args:
            arguments: of `s3c`.
            identity: say whom to log in as.
            job: with GitHub's OIDC token.
            environment: more of it.
        """
        output, temp = self.folder / "s3c-out", self.folder / "temp"
        temp.mkdir(exist_ok=True)
        result = output / "result.json"
        result.unlink(missing_ok=True)
        home = {"HOME": str(self.folder), "RUNNER_TEMP": str(temp), "TMPDIR": str(temp), "PYTHONPATH": str(ROOT)}
        argv = [*map(str, arguments), "--output-dir", str(output), "--verbose"]
        argv += self.azure.ids if identity else []
        own = {name: value for name, value in self.azure.job.items() if job or not name.startswith("ACTIONS_")}
        env = own | home | dict(environment or {})
        ended = warm.run(argv, cwd=self.folder, env=env, namespaces=self.azure.world.pid)
        assert not list(temp.iterdir()), "something is left behind"
        document = json.loads(result.read_text()) if result.exists() else {}
        return Ended(ended.returncode, ended.stdout, ended.stderr, document)

    def written(self, *ended: Ended) -> None:
        """Nothing that was given out, or asked with, is found in anything that was shown, called or left."""
        secrets = {*self.azure.written(), *self.registry.given}
        secrets |= {base64.b64encode(f"{NULL_GUID}:{token}".encode()).decode() for token in self.registry.given}
        shown = [text for run in ended for text in (run.stdout, run.stderr, json.dumps(run.result))]
        files = [path.read_text(errors="replace") for path in self.folder.rglob("*") if path.is_file()]
        assert secrets
        assert files
        for secret in secrets:
            assert not any(secret in text for text in (*shown, *files))

    def exchanges(self) -> int:
        return len(
            [request for request in self.azure.world.sites.asked(self.host) if request.path == "/oauth2/exchange"]
        )


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        yield stand_ins


@pytest.fixture(scope="module")
def pushed(
    azure: Azure, lab: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ContainerRegistry]:
    """A registry to which the job may push."""
    azure.world.forward(int(lab.registry.rpartition(":")[2]))
    folder = tmp_path_factory.mktemp("acr")
    with container_registry(azure.world, azure.entra, registry_server.program(machine), folder) as registry:
        yield registry


@pytest.fixture
def stage(azure: Azure, pushed: ContainerRegistry, lab: Lab, tmp_path: Path) -> Stage:
    pushed.roles = {azure.application.object: {"AcrPush"}}
    pushed.repositories, pushed.failures, pushed.denied_address = {}, [], ""
    pushed.refresh_lifetime, pushed.anonymous_pull, pushed.arm_tokens = 10_800.0, False, False
    azure.world.sites.requests.clear()
    return Stage(azure, pushed, lab, tmp_path)


def mirrored(stage: Stage, name: str, short: str = "voting-db") -> str:
    """An image of the lab's in the registry; its reference by tag."""
    (source,) = (image for image in stage.lab.images if f"/{short}:" in image)
    target = f"{stage.host}/{name}:{source.rpartition(':')[2]}"
    ended = stage.s3c("mirror", source, target)
    assert ended.code == 0, ended.stderr
    return target


def test_an_image_is_mirrored_with_a_token_and_nothing_else(stage: Stage) -> None:
    (source,) = (image for image in stage.lab.images if "/voting-db:" in image)
    target = f"{stage.host}/mirror/voting-db:15.0"
    ended = stage.s3c("mirror", source, target)
    assert ended.code == 0, ended.stderr
    assert f"{stage.host}: logged in by token exchange, with GitHub's OIDC token" in ended.stderr
    assert ended.image["reference"].startswith(f"{stage.host}/mirror/voting-db@sha256:")
    assert stage.exchanges() == 1
    assert stage.s3c("mirror", source, target).image["mirror"]["skipped"] is True
    within = stage.s3c("mirror", target, f"{stage.host}/release/voting-db:15.0").image["mirror"]
    assert within["mounted"] > 0
    assert (within["blobs"], within["size"]) == (0, 0)
    stage.written(ended)


def test_trivy_and_notation_log_in_as_we_do_and_again_when_a_login_ends(
    stage: Stage, signing_key: tuple[Path, Path]
) -> None:
    image = mirrored(stage, "team/db")
    key, certificate = signing_key
    # When Trivy's run ends, half of it is over: what starts behind it gets a login of its own.
    stage.registry.refresh_lifetime = 18.0
    flags = stage.shims()
    trivy = stage.folder / "bin" / "trivy"
    lasts = f'case "$1" in image) "{program(TRIVY)}" "$@"; code=$?; sleep 9; exit $code;; esac\nexec'
    trivy.write_text(trivy.read_text().replace("exec", lasts))
    stage.azure.world.sites.requests.clear()
    ended = stage.s3c(
        "chain",
        image,
        "--patch=false",
        "--fail-on=none",
        f"--key={key}",
        f"--certificate={certificate}",
        f"--trivy-cache-dir={stage.lab.trivy_cache}",
        "--offline",
        *flags,
    )
    assert ended.code == 0, ended.stderr
    assert ended.image["sign"]["verified"] is True
    assert stage.exchanges() >= 2
    asked = [request for request in stage.azure.world.sites.asked(stage.host) if request.path == "/oauth2/token"]
    agents = {str(request.headers.get("user-agent")).partition("/")[0] for request in asked}
    assert {"s3c", "notation", "trivy"} <= agents
    calls = stage.calls.read_text()
    assert "notation sign" in calls
    assert "trivy image" in calls
    again = stage.s3c("verify", ended.image["reference"], f"--trust-store={certificate}", *stage.shims(NOTATION))
    assert again.code == 0, again.stderr
    stage.written(ended, again)


@pytest.fixture(scope="module")
def buildkit(azure: Azure, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A BuildKit that reaches the stand-ins, and Debian's archive besides."""
    with azure.buildkit(tmp_path_factory.mktemp("bk"), lab.registry) as address:
        yield address


def test_copa_and_buildkit_push_what_they_patched(stage: Stage, buildkit: str, signing_key: tuple[Path, Path]) -> None:
    image = mirrored(stage, "team/patched-db")
    key, certificate = signing_key
    ended = stage.s3c(
        "chain",
        image,
        "--fail-on=none",
        f"--key={key}",
        f"--certificate={certificate}",
        f"--trivy-cache-dir={stage.lab.trivy_cache}",
        "--offline",
        f"--buildkit-addr={buildkit}",
        *stage.shims(),
    )
    assert ended.code == 0, ended.stderr
    assert ended.image["patch"]["patched"] is True
    assert ended.image["verify"]["signature_digest"]
    assert "copa patch" in stage.calls.read_text()
    stage.written(ended)


def test_docker_pulls_and_pushes_with_an_exchanged_token(stage: Stage, tmp_path: Path, short_folder: Path) -> None:
    """What `docker login` is given by az: the null GUID, and the token by standard input."""
    image = mirrored(stage, "team/docker")
    # Below exec-root lies containerd's longest socket: over 104 characters containerd ends, and Docker waits in vain.
    daemon = [
        "dockerd",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        f"--host=unix://{short_folder}/d.sock",
    ]
    daemon += [f"--data-root={tmp_path}/data", f"--exec-root={short_folder}/exec", f"--pidfile={tmp_path}/pid"]
    client = ["docker", f"--host=unix://{short_folder}/d.sock", f"--config={tmp_path}/config"]
    token = stage.registry.given[0]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(stage.azure.world.inside(daemon, tmp_path), stdout=log, stderr=log)
        try:
            until = time.monotonic() + 120
            while stage.azure.run(tmp_path, *client, "version").returncode:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.2)
            login = stage.azure.world.inside(
                [*client, "login", "--username", NULL_GUID, "--password-stdin", stage.host], tmp_path
            )
            subprocess.run(login, input=token, text=True, check=True, capture_output=True)
            for command in (["pull", image], ["tag", image, f"{image}-again"], ["push", f"{image}-again"]):
                ended = stage.azure.run(tmp_path, *client, *command)
                assert ended.returncode == 0, ended.stderr
        finally:
            process.terminate()
            process.wait(120)
    assert any(request.path == "/v2/team/docker/manifests/15.0-again" for request in _puts(stage))


def _puts(stage: Stage) -> list[Request]:
    return [request for request in stage.azure.world.sites.asked(stage.host) if request.method == "PUT"]


FIREWALL = (
    'az acr network-rule add --name "$(az acr list --query "[?loginServer==\'acrvoting.azurecr.io\'].name | [0]" '
    '--output tsv)" --ip-address 203.0.113.7'
)


@pytest.mark.parametrize(
    ("roles", "command", "code", "says"),
    [
        (set(), "verify", 3, "az role assignment create --role AcrPull --assignee CLIENT"),
        ({"AcrPull"}, "mirror", 3, "az role assignment create --role AcrPush --assignee CLIENT"),
    ],
)
def test_a_missing_role_is_named(
    stage: Stage, signing_key: tuple[Path, Path], roles: set[str], command: str, code: int, says: str
) -> None:
    stage.registry.roles = {stage.azure.application.object: roles}
    rest: tuple[str | Path, ...] = (f"--trust-store={signing_key[1]}", *stage.shims(NOTATION))
    image = f"{stage.host}/team/app:1"
    if command == "mirror":
        image, rest = stage.lab.images[0], (f"{stage.host}/team/app:1",)
    ended = stage.s3c(command, image, *rest)
    assert ended.code == code
    assert says.replace("CLIENT", stage.azure.application.client) in ended.stderr
    assert "authentication required" in ended.stderr
    stage.written(ended)


def test_a_role_may_be_for_some_repositories_alone(stage: Stage) -> None:
    stage.registry.repositories = {stage.azure.application.object: {"mine/app"}}
    assert stage.s3c("mirror", stage.lab.images[0], f"{stage.host}/mine/app:1").code == 0
    ended = stage.s3c("mirror", stage.lab.images[0], f"{stage.host}/theirs/app:1")
    assert (ended.code, "Container Registry Repository Reader" in ended.stderr) == (3, True)


def test_who_is_turned_away_is_told_why(stage: Stage) -> None:
    target = f"{stage.host}/team/app:1"

    def fails(code: int, *says: str, to: str = target, job: bool = True, **environment: str) -> Ended:
        ended = stage.s3c("mirror", stage.lab.images[0], to, job=job, environment=environment)
        assert ended.code == code, ended.stderr
        for words in says:
            assert words in ended.stdout + ended.stderr
        return ended

    stage.registry.denied_address = "203.0.113.7"
    denied = fails(3, "network rules", FIREWALL)
    stage.registry.denied_address = ""
    # Another tenant's registry: it knows neither the token's issuer nor its tenant.
    other = stage.azure.entra.signer.key
    stage.azure.entra.signer.key = type(stage.azure.entra.signer)("x").key
    stage.azure.entra.checked, kept = _never, stage.azure.entra.checked  # type: ignore[method-assign]
    tenant = fails(2, "tenant-id:", stage.azure.entra.tenant, "az account list")
    stage.azure.entra.checked, stage.azure.entra.signer.key = kept, other  # type: ignore[method-assign]
    stage.registry.failures = [Answer(503)] * MAX_TRIES
    fails(3, "HTTP 503", "busy", f"it was tried {MAX_TRIES} times")
    stage.registry.failures = [Answer(429), Answer(broken=0), Answer(429, headers={"Retry-After": "86400"})]
    assert stage.s3c("mirror", stage.lab.images[0], target).code == 0
    unknown = fails(3, "nowhere12.azurecr.io: its name cannot be resolved", to="nowhere12.azurecr.io/a:1")
    stage.azure.world.answer_for(_plain, "plain12.azurecr.io")
    plain = fails(3, "no Azure container registry", to="plain12.azurecr.io/a:1")
    nobody = fails(2, "id-token: write", job=False, GITHUB_ACTIONS="true", RUNNER_ENVIRONMENT="github-hosted")
    stage.written(denied, tenant, unknown, plain, nobody)


def _plain(request: Request) -> Answer:
    """A registry of another kind."""
    challenge = {"WWW-Authenticate": f'Bearer realm="https://{request.host}/token",service="plain"'}
    return Answer(401, headers=challenge) if request.path.startswith("/v2/") else Answer(404)


def _never(token: str, audience: str) -> dict[str, Any]:
    raise BadToken(f"{len(token)} {audience}")


def test_who_gives_credentials_or_is_logged_in_by_docker_is_not_exchanged(stage: Stage) -> None:
    """A repository-scoped token of the registry's own, as `az acr token create` makes it, is a name and a password."""
    image = f"{stage.host}/team/app:1"
    ended = stage.s3c(
        "mirror", image, "localhost:1/x", "--source-username=tok", environment={"S3C_SOURCE_PASSWORD": "s3cret-word"}
    )
    assert (ended.code, "credentials given are wrong" in ended.stderr, stage.exchanges()) == (3, True, 0)
    folder = stage.folder / "docker"
    folder.mkdir()
    login = base64.b64encode(f"{NULL_GUID}:nonsense".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {stage.host: {"auth": login}}}))
    ended = stage.s3c("mirror", image, "localhost:1/x", environment={"DOCKER_CONFIG": str(folder)})
    assert (ended.code, stage.exchanges()) == (3, 0)


def test_nobody_pulls_from_a_registry_that_lets_everybody(stage: Stage) -> None:
    mirrored(stage, "open/db")
    stage.registry.anonymous_pull = True
    stage.azure.world.sites.requests.clear()
    image = f"{stage.host}/open/db:15.0"
    # On a machine; in a job without `id-token: write`, as a fork's is; in a job that names nobody to log in as.
    hosted = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}
    for job, environment in ((False, {}), (False, hosted), (True, hosted)):
        within = stage.s3c("mirror", image, "localhost:1/x", identity=False, job=job, environment=environment)
        assert "localhost:1: it refused the connection" in within.stdout + within.stderr
        scanned = stage.s3c(
            "scan",
            image,
            "--fail-on=none",
            f"--trivy-cache-dir={stage.lab.trivy_cache}",
            "--offline",
            *stage.shims(TRIVY),
            identity=False,
            job=job,
            environment=environment,
        )
        assert scanned.code == 0, scanned.stdout + scanned.stderr
    assert stage.exchanges() == 0
    stage.registry.anonymous_pull = False
    refused = stage.s3c("mirror", image, "localhost:1/x", identity=False, job=False, environment=hosted)
    assert (refused.code, "id-token: write" in refused.stdout + refused.stderr) == (2, True), refused.stdout
