"""What s3c does on registries with and without the Referrers API, and with tags that cannot be moved.

docs/registries.md shows the results; they are measured here, and compared with the page.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.credentials import Credentials, Logins
from s3c_lab.certificates import make
from tests.contract.test_registry import Server, reply
from tests.support import ROOT, reports
from tests.support.oci import Repository, layer
from tests.support.other_registries import (
    DEBIAN,
    SERVED,
    Amazon,
    Azure,
    GitHub,
    GitLab,
    Guarded,
    Harbor,
    Immutable,
    Proxy,
    Quay,
    behaving,
    real_registries,
)
from tests.support.signing import Ended
from tests.support.signing import s3c as run_s3c

PAGE = ROOT / "docs" / "registries.md"
GITHUB = "as GitHub's"
SERVICES: dict[str, tuple[str, type[Proxy]]] = {
    "tags immutable, no API": (DEBIAN, Immutable),
    "as Amazon's, tags immutable": (SERVED, Amazon),
    "as Azure's, tags locked": (SERVED, Azure),
    "as Harbor, tags immutable": (SERVED, Harbor),
    "as Quay, tags immutable": (SERVED, Quay),
    GITHUB: (DEBIAN, GitHub),
    "as GitLab's": (DEBIAN, GitLab),
}
NAMES = (DEBIAN, SERVED, *SERVICES)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        real = stack.enter_context(real_registries(tmp_path_factory.mktemp("registry")))
        yield real | {
            name: stack.enter_context(behaving(service, real[behind])) for name, (behind, service) in SERVICES.items()
        }


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("keys")
    return [make(name).write(folder, name) for name in ("first", "second")]


class Image:
    """A new image, mirrored into a registry, and what is done with it."""

    def __init__(self, source: str, registry: str, s3c: Callable[..., Ended], keys: list[tuple[Path, Path]]) -> None:
        self.s3c, self.keys = s3c, keys
        self.registry = Registry(Logins(environment={"HOME": "/nonexistent"}), timeout=10)
        self.name = f"{uuid.uuid4().hex[:12]}/app"
        self.origin = Repository(source, self.name)
        self.descriptor = self.origin.image([layer({"etc/id": self.name.encode()})], "1")
        self.pushed = s3c("mirror", f"{source}/{self.name}:1", f"{registry}/mirrored/{self.name}:1")
        self.reference = f"{registry}/mirrored/{self.name}@{self.descriptor['digest']}"

    def sign(self, key: int, *flags: str) -> Ended:
        private, certificate = self.keys[key]
        return self.s3c("sign", self.reference, "--key", private, "--certificate", certificate, *flags)

    def attach(self, folder: Path, *flags: str) -> Ended:
        manifest = self.origin.get("1")
        config = json.loads(self.origin.blob(manifest["config"]["digest"]))
        document = json.loads(reports.image([], name=f"{self.reference.partition('@')[0]}:1"))
        document["Metadata"] |= {
            "ImageID": manifest["config"]["digest"],
            "DiffIDs": config["rootfs"]["diff_ids"],
            "RepoDigests": [self.reference],
        }
        report = folder / "trivy.json"
        report.write_text(json.dumps(document))
        private, certificate = self.keys[0]
        key = ("--key", private, "--certificate", certificate)
        return self.s3c("attach", self.reference, "--attach", "sarif", "--report", report, *key, *flags)

    def verify(self, key: int) -> Ended:
        return self.s3c("verify", self.reference, "--trust-store", self.keys[key][1])

    def listed(self) -> int:
        """The number of referrers that the registry client finds."""
        return len(self.registry.referrers(Reference.parse(self.reference)))

    def has_api(self) -> bool:
        return self.registry.referrers_by_api(Reference.parse(self.reference)) is not None


def row(name: str, registry: str, source: str, s3c: Callable[..., Ended], keys: Any, folder: Path) -> str:
    """The results on a registry as a row of the page's table."""
    by_tag, by_api = (Image(source, registry, s3c, keys) for _ in range(2))
    for image in (by_tag, by_api):
        assert image.pushed.code == 0, image.pushed.stderr
        assert image.verify(0).code == 1, "nobody has signed it"
        assert image.listed() == 0
    written: list[str] = []

    def attempt(ended: Ended) -> str:
        # What a registry refuses is reported as its refusal, and never as a mistake of s3c's.
        assert ended.code in {0, 3}, ended.stderr
        assert ended.code == 0 or "docs/registries.md" in ended.stderr, ended.stderr
        assert "Traceback" not in ended.stderr
        written.append("yes" if ended.code == 0 else "refused")
        return written[-1]

    cells = [attempt(by_tag.sign(0)), attempt(by_tag.sign(1))]
    api = "--force-referrers-tag=false"
    cells += [attempt(by_api.sign(0, api)), attempt(by_api.sign(1, api)), attempt(by_api.attach(folder, api))]
    # What was written is found again, by verification too, and nothing else is.
    assert [by_tag.verify(key).code for key in (0, 1)] == [0 if cell == "yes" else 1 for cell in cells[:2]]
    assert [by_api.verify(key).code for key in (0, 1)] == [0 if cell == "yes" else 1 for cell in cells[2:4]]
    # A document that is attached is signed in its turn: one referrer of the image, which has one itself.
    assert by_tag.listed() == cells[:2].count("yes")
    assert by_api.listed() == cells[2:].count("yes")
    return f"| {' | '.join((name, 'yes' if by_api.has_api() else 'no', *cells))} |"


@pytest.mark.parametrize("name", NAMES)
def test_a_registry_does_what_the_page_says(
    name: str, addresses: dict[str, str], keys: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    measured = row(name, addresses[name], addresses[DEBIAN], partial(run_s3c, tmp_path), keys, tmp_path)
    assert measured in PAGE.read_text().splitlines()


def test_a_tag_that_a_service_does_not_delete_stays(addresses: dict[str, str]) -> None:
    """As on GitHub's: the temporary tag of a patch stays, and the patch is made all the same."""
    name = f"{uuid.uuid4().hex[:12]}/app"
    image = Repository(addresses[DEBIAN], name).image([layer({"etc/id": b"x"})], "s3c-1")
    client = Registry(Logins(environment={"HOME": "/nonexistent"}), timeout=10)
    tag = Reference.parse(f"{addresses[GITHUB]}/{name}:s3c-1")
    assert Writer(client).delete_tag(tag) is False
    assert client.resolve(tag).digest == image["digest"]


def test_the_page_shows_no_result_that_is_not_measured() -> None:
    rows = re.findall(r"^\| (.*?) \| (?:yes|no) \|(?: (?:yes|refused) \|)+$", PAGE.read_text(), re.MULTILINE)
    assert tuple(rows) == NAMES


@pytest.mark.parametrize("where", ["auth", "username", "helper", "variable", "nowhere"])
def test_notation_logs_in_where_s3c_does(
    where: str,
    addresses: dict[str, str],
    keys: list[tuple[Path, Path]],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With a store that is not installed, and a malformed entry of another registry."""
    with behaving(Guarded, addresses[DEBIAN]) as registry:
        name = f"{uuid.uuid4().hex[:12]}/app"
        digest = Repository(addresses[DEBIAN], name).image([layer({"etc/id": b"x"})], "1")["digest"]
        auth = {"auth": Guarded.login}
        entries = {"auth": auth, "username": {"username": "ann", "password": "s3cret-word"}}
        # Not in the workspace, from which no program is run.
        programs = tmp_path_factory.mktemp("programs")
        helper = programs / "docker-credential-lab"
        helper.write_text('#!/bin/sh\nread server\nprintf \'{"Username":"ann","Secret":"s3cret-word"}\'\n')
        helper.chmod(0o755)
        config = {
            "auths": {"other.test": {"auth": "!!!"}} | ({registry: entries[where]} if where in entries else {}),
            "credsStore": "desktop.exe",
            "credHelpers": {registry: "lab"} if where == "helper" else {},
        }
        docker = tmp_path / "docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps(config))
        environment = {"DOCKER_CONFIG": str(docker), "PATH": f"{programs}:{os.environ['PATH']}"}
        if where == "variable":
            environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {registry: auth}})
        private, certificate = keys[0]
        reference = f"{registry}/{name}@{digest}"
        s3c = partial(run_s3c, tmp_path, environment=environment)
        signed = s3c("sign", reference, "--key", private, "--certificate", certificate)
        verified = s3c("verify", reference, "--trust-store", certificate)
    assert [signed.code, verified.code] == ([3, 3] if where == "nowhere" else [0, 0]), signed.stderr + verified.stderr
    assert "s3cret-word" not in signed.stderr + signed.stdout + verified.stderr + verified.stdout
    assert ("docker-credential-desktop.exe" in signed.stderr) is (where not in {"helper", "variable"})


# Service → how it asks for a login, URL being its own address. Read in its source, or in what its clients log.
CHALLENGES = {
    "GitHub": ['Bearer realm="URL/token",service="ghcr.io",scope="repository:app:pull"'],
    "Amazon": ['Basic realm="URL/",service="ecr.amazonaws.com"'],
    "Google": ['Bearer realm="URL/v2/token",service="127.0.0.1",scope="repository:app:pull"'],
    "Docker Hub": ['Bearer realm="URL/token",service="registry.docker.io",scope="repository:app:pull"'],
    "Harbor": ['Bearer realm="URL/service/token",service="harbor-registry",scope="repository:app:pull"'],
    "Quay": ['Bearer realm="URL/v2/auth",service="quay.io",scope="repository:app:pull"'],
    "GitLab": ['Bearer realm="URL/jwt/auth",service="container_registry",scope="repository:app:pull"'],
    "Gitea": ['Bearer realm="URL/v2/token",service="container_registry",scope="*"', "Basic"],
}


def logins_of_the_page() -> dict[str, str]:
    """Service → the first user name that the page shows for it; empty where none is needed."""
    table = PAGE.read_text().partition("## Login\n")[2].partition("\n\n|")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    return {row[0]: (re.findall(r"`([^`]+)`", row[1]) or [row[1]])[0] for row in rows}


def test_the_page_has_a_login_for_each_service() -> None:
    assert [name for name, user in logins_of_the_page().items() if user] == list(CHALLENGES)


def table_after(heading: str) -> list[list[str]]:
    """The cells of the rows of the first table below a heading of the page."""
    table = PAGE.read_text().partition(f"{heading}\n")[2].partition("\n\n|")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_the_page_says_of_each_service_what_was_run() -> None:
    services = [re.sub(r" \(.*", "", name) for name, *_ in table_after("## The services")]
    rows = {name: (login, rest) for name, login, rest in table_after("### What was run of each")}
    assert list(rows) == services
    assert len(rows) == 9
    measured = " ".join(SERVICES)
    for name, (login, rest) in rows.items():
        # Azure's exchange has tests of its own (tests/e2e/test_azure_registry.py).
        assert login.startswith("stand-in") is (name in CHALLENGES or name == "Azure"), name
        assert rest.startswith("stand-in") is (f"as {name}" in measured), name
        assert rest.startswith(("stand-in", "read only")), name


@pytest.mark.parametrize("service", CHALLENGES)
def test_a_service_is_logged_in_to_as_it_asks(service: str) -> None:
    server = Server()
    server.image()
    image = server.answers["/v2/app/manifests/1"]
    login = Credentials(username=logins_of_the_page()[service], password="geheim-1")
    bearer = CHALLENGES[service][0].startswith("Bearer")
    wanted = "Bearer tkn" if bearer else f"Basic {login.basic()}"

    def guarded(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Authorization") == wanted:
            image(handler)
            return
        handler.send_response(401)
        for line in CHALLENGES[service]:
            handler.send_header("WWW-Authenticate", line.replace("URL", server.url))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answers["/v2/app/manifests/1"] = guarded
    realm = re.search(r'realm="URL([^"]+)"', CHALLENGES[service][0])
    assert realm
    server.answers[realm[1]] = reply(200, b'{"token":"tkn"}')
    try:
        client = Registry(Logins(environment={"HOME": "/nonexistent"}, given={server.name: login}), timeout=5)
        assert client.resolve(Reference.parse(f"{server.name}/app:1")).digest
    finally:
        server.http.shutdown()
        server.http.server_close()
    token_requests = [
        (path, authorization) for _, path, authorization in server.requests if path.partition("?")[0] == realm[1]
    ]
    # The password goes to the service that the registry named, once, and a token to the registry.
    assert [authorization for _, authorization in token_requests] == ([f"Basic {login.basic()}"] if bearer else [])
    assert all("service=" in path and "scope=" in path for path, _ in token_requests)
