"""Break-glass on the real gate: refused, admitted by a signed exception, refused when that ends by itself."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.exception_document import ExceptionGrant
from s3c_lab import lab as labs
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import evidence_world
from tests.support.cluster import CACHED, Kubectl
from tests.support.oci import Repository, attach, layer
from tests.support.scanning import HIGH, database, debian
from tests.support.signing import Ended, s3c

POLICY = """\
version: 1
signers:
  - {{name: lab, certificate: {certificate}}}
  - {{name: oncall, certificate: oncall.crt, may: [grant-exceptions]}}
findings: {{refuse: [HIGH, CRITICAL], fixable-only: true}}
report: {{maximum-age: 6h}}
"""
SAYS = ("--why", "checkout is down, INC-7", "--who", "Ada of platform")


class World:
    """The policy, its two keys, and images with one HIGH finding, signed and with a signed report."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.repository = Repository(lab.registry, f"e2e/{uuid.uuid4().hex[:12]}/app")
        self.first = database(folder / "first")
        self.oncall = tuple(map(str, make("oncall").write(folder, "oncall")))
        (folder / "s3c-policy.yaml").write_text(POLICY.format(certificate=lab.certificate))

    def run(self, *arguments: str | Path, code: int = 0) -> Ended:
        ended = s3c(self.folder, *arguments)
        assert ended.code == code, ended.stdout + ended.stderr
        return ended

    def key(self, *, oncall: bool) -> tuple[str, ...]:
        key, certificate = self.oncall if oncall else (self.lab.key, self.lab.certificate)
        return ("--key", str(key), "--certificate", str(certificate))

    def image(self, row: str) -> str:
        pushed = self.repository.image([layer({**debian(), "etc/row": row.encode()})], row)
        image = f"{self.repository.registry}/{self.repository.name}@{pushed['digest']}"
        how = ("--policy", "s3c-policy.yaml", "--exit-code", "0", "--trivy-cache-dir", self.first, "--offline")
        self.run("sign", image, *self.key(oncall=False))
        self.run("attach", image, *how, "--attach", "sarif", *self.key(oncall=False))
        return image


@pytest.fixture(scope="module")
def world(gated: Lab, machine: Machine, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The gate told of the policy; the gate by signatures alone comes back."""
    new_world = World(gated, tmp_path_factory.mktemp("break-glass"))
    export = new_world.run("policy", "export", "--policy", "s3c-policy.yaml")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=export.stdout)
    yield new_world
    resources = "verifiers.config.ratify.deislabs.io", "keymanagementproviders.config.ratify.deislabs.io"
    kubectl("delete", resources[0], "verifier-report", "verifier-exception", "verifier-notation-oncall")
    labs.up(gated.name, None, machine, node=True)
    kubectl("delete", resources[1], "s3c-lab", "s3c-oncall")


def admission(kubectl: Kubectl, image: str) -> str:
    """What the gate says of a Pod of an image; empty when it admits it. Where it asks to try again, it is."""
    end = time.monotonic() + 2 * CACHED + 60
    while "cache was being written" in (denial := evidence_world.admission(kubectl, image)) and time.monotonic() < end:
        time.sleep(1)
    return denial


def until(ask: Callable[[], str], expected: Callable[[str], bool], seconds: float) -> str:
    """Ask until the answer is as expected, and return it."""
    end = time.monotonic() + seconds
    while not expected(answer := ask()):
        assert time.monotonic() < end, answer
        time.sleep(1)
    return answer


def test_refused_then_admitted_by_break_glass_then_refused_when_it_ends(world: World, kubectl: Kubectl) -> None:
    image, other = world.image("excused"), world.image("other")
    until(lambda: admission(kubectl, image), lambda denial: f"refused finding, {HIGH}" in denial, 180)
    # The last minutes of an exception of 70 hours: its end is waited for, not its length.
    now = datetime.now(UTC).replace(microsecond=0)
    grant = ExceptionGrant(
        subject=image.partition("@")[2],
        findings=(HIGH,),
        created=now - timedelta(hours=70),
        until=now + timedelta(seconds=CACHED + 90),
        who="Ada of platform",
        why="checkout is down, INC-7",
    )
    notes = {artifact_types.CREATED: now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    attached = attach(world.repository, grant.subject, artifact_types.EXCEPTION, grant.encode(), **notes)
    exception = f"{image.partition('@')[0]}@{attached}"
    world.run("sign", exception, *world.key(oncall=True))
    until(lambda: admission(kubectl, image), lambda denial: not denial, CACHED + 60)
    assert f"exception {attached[:19]} excuses {HIGH}, " in world.run("policy", "check", image).stderr
    assert f"refused finding, {HIGH}" in admission(kubectl, other), "it excuses one image"
    until(lambda: admission(kubectl, image), bool, CACHED + 180)
    assert datetime.now(UTC) >= grant.until, "it was refused before its end"
    # At the very end, Gatekeeper's clock of the review and Ratify's of the answer may stand on both sides of it.
    ended = until(lambda: admission(kubectl, image), lambda denial: "it ended at" in denial, CACHED + 30)
    assert f"refused finding, {HIGH}" in ended
    assert f"{attached[:19]}: it ended at" in ended
    assert "it ended at" in world.run("policy", "check", image, code=1).stderr


def test_by_command_until_it_is_revoked_and_by_no_other_signer(world: World, kubectl: Kubectl) -> None:
    image = world.image("granted")
    until(lambda: admission(kubectl, image), lambda denial: f"refused finding, {HIGH}" in denial, 180)
    what = ("--findings", "all", "--until", "1h", *SAYS)
    world.run("exception", "grant", image, *what, *world.key(oncall=False), code=2)
    granted = world.run("exception", "grant", image, *what, *world.key(oncall=True))
    assert re.search(r"\b5\d min left", granted.stdout)
    until(lambda: admission(kubectl, image), lambda denial: not denial, CACHED + 60)
    traced = world.run("trace", image, "--policy", "s3c-policy.yaml").stdout
    assert "✔ admitted" in traced and re.search(r"excuses all findings, 5\d min left", traced)
    how = ("--policy", "s3c-policy.yaml", "--trivy-cache-dir", world.first, "--offline", "--attach", "none")
    assert "excuses all findings" in world.run("refresh", image, *how).stdout
    world.run("exception", "revoke", image, *SAYS, *world.key(oncall=True))
    revoked = until(lambda: admission(kubectl, image), bool, CACHED + 60)
    assert "it was revoked" in revoked
