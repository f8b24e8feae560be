"""`s3c exception` on a real registry with the real notation: grants that count, and every way in which one does not."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core import artifact_types
from s3c_actions.core.exception_document import ExceptionGrant, Revocation
from s3c_actions.core.process import Runner
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import report_document
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from s3c_lab import daemons, registry_server
from s3c_lab.certificates import make
from s3c_lab.machine import Machine, with_system_path
from tests.support import evidence, exceptions, oci
from tests.support.signing import Ended, s3c

POLICY = """\
version: 1
signers:
  - {name: lab, certificate: lab.crt}
  - {name: oncall, certificate: oncall.crt, may: [grant-exceptions]}
findings: {refuse: [HIGH, CRITICAL], deny: [CVE-2021-44228]}
break-glass: {maximum: 48h}
"""
FINDING = "CVE-2024-1"
SAYS = ("--why", "checkout is down, INC-7", "--who", "Ada of platform")


class World:
    """A registry, three keys and a policy, and images with one HIGH finding, signed and with a signed report."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry, self.folder = registry, folder
        self.client = Registry(Logins(environment={"HOME": str(folder)}), timeout=10)

    def run(self, *arguments: str, code: int = 0) -> Ended:
        ended = s3c(self.folder, *arguments)
        assert ended.code == code, ended.stdout + ended.stderr
        return ended

    def sign(self, reference: str, key: str) -> None:
        self.run("sign", reference, *self.key(key))

    @staticmethod
    def key(name: str) -> tuple[str, ...]:
        return ("--key", f"{name}.key", "--certificate", f"{name}.crt")

    def image(self, row: str, *findings: str, signer: str = "lab") -> str:
        repository = oci.Repository(self.registry, f"rows/{row}")
        pushed = repository.image([oci.layer({"row": row.encode()})], "1.0")["digest"]
        reference = f"{self.registry}/rows/{row}@{pushed}"
        reported = tuple(evidence.finding(name) for name in findings or (FINDING,))
        created = datetime.now(UTC) - timedelta(minutes=5)
        stated = {"refuse": ["CRITICAL", "HIGH"], "deny": ["CVE-2021-44228"], "fixable-only": False}
        run = evidence.run(created, reported, subject=pushed, policy={**stated, "packages": [], "licenses": []})
        report = self.attach(reference, artifact_types.SARIF, evidence.sarif(run), created)
        self.sign(reference, signer)
        self.sign(report, "lab")
        return reference

    def attach(self, image: str, kind: str, content: bytes, created: datetime) -> str:
        reference = Reference.parse(image)
        pushed = push_artifact(
            Writer(self.client),
            reference.tagged(""),
            kind,
            content,
            annotations={artifact_types.CREATED: evidence.stamp(created)},
            subject=self.client.resolve(reference),
        )
        return reference.at(pushed.digest).pinned

    def state(self, image: str, statement: ExceptionGrant | Revocation, key: str = "oncall") -> str:
        """Attach an exception or a revocation by other means than ours, sign it, and return its reference."""
        reference = self.attach(image, artifact_types.EXCEPTION, statement.encode(), statement.created)
        if key:
            self.sign(reference, key)
        return reference

    def grant(self, image: str, *arguments: str, key: str = "oncall", code: int = 0) -> Ended:
        given = arguments or ("--findings", FINDING, "--until", "24h")
        return self.run("exception", "grant", image, *given, *SAYS, *self.key(key), code=code)

    def check(self, image: str, code: int = 0) -> tuple[dict[str, str], list[dict[str, Any]], Ended]:
        ended = self.run("policy", "check", image, code=code)
        judgement = ended.image["judgement"]
        return {refusal["code"]: refusal["text"] for refusal in judgement["refusals"]}, judgement["exceptions"], ended

    def beside(self, image: str) -> list[str]:
        reference = Reference.parse(image)
        return [referrer.digest for referrer in self.client.referrers(reference, artifact_types.EXCEPTION)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    environment = with_system_path(dict(os.environ))
    machine = Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))
    folder, port = tmp_path_factory.mktemp("registry"), registry_server.free_port()
    registry_server.start(folder, port, machine)
    here = tmp_path_factory.mktemp("exceptions")
    for name in ("lab", "oncall", "stranger"):
        make(name).write(here, name)
    (here / "s3c-policy.yaml").write_text(POLICY)
    yield World(f"localhost:{port}", here)
    daemons.stop(folder / "registry.pid", machine)


def test_an_exception_admits_until_it_is_revoked_and_pushing_it_again_changes_nothing(world: World) -> None:
    image = world.image("granted")
    assert world.check(image, code=1)[0].keys() == {"finding"}
    granted = world.grant(image)
    digest = granted.image["attach"]["documents"][0]["digest"]
    assert f"exception {digest[:19]} excuses {FINDING}, 23 h 59 min left" in granted.stdout
    assert "by Ada of platform (signer oncall): checkout is down, INC-7" in granted.stdout
    refusals, listed, ended = world.check(image)
    assert not refusals
    assert [(entry["digest"], entry["findings"], entry["granter"], entry["ignored"]) for entry in listed] == [
        (digest, [FINDING], "oncall", "")
    ]
    assert f"warning: {image}: exception {digest[:19]} excuses {FINDING}" in ended.stderr
    assert f"exception {digest[:19]} excuses" in world.run("exception", "list", image).stdout

    revoked = world.run("exception", "revoke", image, *SAYS, *world.key("oncall"))
    assert f"{digest} revoked" in revoked.stdout
    assert f"{digest[:19]}: it was revoked" in world.check(image, code=1)[0]["ignored-exception"]
    repository = oci.Repository(*image.partition("@")[0].split("/", 1))
    exception = Reference.parse(image).at(digest)
    content = world.client.manifest(exception).content
    Writer(world.client).delete_manifest(exception)
    Writer(world.client).push_manifest(exception, content, "application/vnd.oci.image.manifest.v1+json")
    assert digest in world.beside(image), repository
    assert "it was revoked" in world.check(image, code=1)[0]["ignored-exception"]
    assert "nothing was revoked" in world.run("exception", "revoke", image, *SAYS, *world.key("oncall")).stdout


@pytest.mark.parametrize(
    ("arguments", "key", "sentence"),
    [
        ((), "lab", "may not grant exceptions by this policy: oncall may"),
        ((), "stranger", "may not grant exceptions by this policy: oncall may"),
        (("--findings", FINDING, "--until", "49h"), "oncall", "48h at most by this policy"),
        (("--findings", FINDING, "--until", "73h"), "oncall", "a duration of 1m to 72h"),
        (("--findings", FINDING, "--until", "2020-01-01T00:00Z"), "oncall", "it may last a minute at least"),
        (("--findings", FINDING, "--until", "2099-01-01T00:00Z"), "oncall", "48h at most by this policy"),
        (("--findings", FINDING, "--until", "2099-01-01T00:00"), "oncall", "a time with its zone"),
        (("--findings", "cve-2021-44228", "--until", "1h"), "oncall", "which no exception excuses"),
        (("--findings", "", "--until", "1h"), "oncall", "findings"),
    ],
)
def test_what_would_not_count_is_an_error_before_anything_is_attached(
    world: World, arguments: tuple[str, ...], key: str, sentence: str
) -> None:
    image = world.image("kept")
    ended = world.grant(image, *arguments, key=key, code=2)
    assert sentence in ended.stderr
    assert not world.beside(image)


def test_what_does_not_count_is_named_and_the_image_is_refused(world: World) -> None:
    now = datetime.now(UTC)
    image = world.image("ignored")
    subject = Reference.parse(image).digest
    begun = now.replace(microsecond=0) - timedelta(minutes=1)
    rows = {
        "it is not signed": world.state(image, exceptions.grant(now, FINDING, subject=subject, hours=1), ""),
        "it is signed by nobody whom the policy lets grant exceptions": world.state(
            image, exceptions.grant(now, FINDING, subject=subject, hours=2), "lab"
        ),
        "it lasts longer than 48h": world.state(image, exceptions.grant(now, FINDING, subject=subject, hours=49)),
        "it ended at": world.state(
            image,
            exceptions.grant(now, FINDING, subject=subject, created=begun - timedelta(hours=2), until=begun),
        ),
        "which is still to come": world.state(
            image,
            exceptions.grant(
                now,
                FINDING,
                subject=subject,
                created=begun + timedelta(hours=1),
                until=begun + timedelta(hours=2),
            ),
        ),
        "it cannot be read": world.attach(image, artifact_types.EXCEPTION, b'{"findings": ["all"]}', now),
    }
    world.sign(rows["it cannot be read"], "oncall")
    refusals, listed, _ = world.check(image, code=1)
    assert refusals.keys() == {"finding", "ignored-exception"}
    reasons = {entry["digest"]: entry["ignored"] for entry in listed}
    for reason, reference in rows.items():
        assert reason in reasons[reference.partition("@")[2]]
    assert "and 1 more: see `s3c exception list" in refusals["ignored-exception"]


def test_one_that_is_listed_beside_another_image_does_not_count_there(world: World) -> None:
    image = world.image("copied")
    repository = oci.Repository(world.registry, "rows/copied")
    world.grant(image, "--findings", "all", "--until", "1h")
    listed = repository.get(Reference.parse(image).digest.replace(":", "-"))["manifests"]
    exception = next(referrer for referrer in listed if referrer["artifactType"] == artifact_types.EXCEPTION)
    other = repository.image([oci.layer({"row": b"other"})], "2.0")["digest"]
    reference = f"{world.registry}/rows/copied@{other}"
    created = datetime.now(UTC) - timedelta(minutes=5)
    stated = {"refuse": ["CRITICAL", "HIGH"], "deny": ["CVE-2021-44228"], "fixable-only": False}
    run = evidence.run(
        created,
        (evidence.finding(FINDING),),
        subject=other,
        policy={**stated, "packages": [], "licenses": []},
    )
    report = world.attach(reference, artifact_types.SARIF, evidence.sarif(run), created)
    world.sign(reference, "lab")
    world.sign(report, "lab")
    entries = repository.get(other.replace(":", "-"))["manifests"]
    oci.list_referrers(repository, other, [*entries, exception])
    refusals, beside, _ = world.check(reference, code=1)
    assert [entry["ignored"] for entry in beside] == ["it is for another image"], json.dumps(beside)
    assert refusals.keys() == {"finding", "ignored-exception"}


def test_a_signer_of_exceptions_signs_no_image_and_no_finding_denied_by_name_is_excused(world: World) -> None:
    image = world.image("oncall", FINDING, "CVE-2021-44228", signer="oncall")
    ended = world.grant(image, "--findings", "all", "--until", "1h")
    assert "is refused nevertheless: it has what the policy denies by name, CVE-2021-44228" in ended.stderr
    refusals, listed, _ = world.check(image, code=1)
    assert refusals.keys() == {"stranger-image", "denied-finding"}
    assert [entry["ignored"] for entry in listed] == [""]


def test_a_fleets_report_finds_the_exception_by_itself_and_when_the_image_is_lost(world: World) -> None:
    image = world.image("of-a-fleet")
    images = f"images: [{{image: {world.registry}/rows/of-a-fleet:1.0}}]"
    (world.folder / "fleet.yaml").write_text(f"version: 1\ndefaults: {{policy: s3c-policy.yaml}}\n{images}\n")
    (world.folder / "no-results").mkdir()

    def report() -> FleetReport:
        world.run("fleet", "plan", "--output", "plan.json")
        world.run("fleet", "report", "--plan", "plan.json", "--results", "no-results", code=3)
        return report_document.read(world.folder / "s3c-out" / "fleet-report.json", field="earlier-report")

    def losses(of: FleetReport) -> list[tuple[bool, str]]:
        (reported,) = of.images
        return [(loss.now, reason.partition(",")[0]) for loss in reported.losses or () for reason in loss.reasons]

    refused = [(True, "it has 1 refused finding")]
    before = report()
    assert (losses(before)[:1], before.exceptions) == (refused, ())
    world.grant(image)
    granted = report()
    (exception,) = granted.exceptions
    assert exception.id.startswith(f"{FINDING} (break-glass until ")
    assert (exception.who, exception.images, granted.images[0].expiring) == ("Ada of platform", 1, (0,))
    assert [moment for moment, _ in losses(granted)][:1] == [False], "admitted, until the exception ends"
    page = (world.folder / "s3c-out" / "fleet.html").read_text()
    assert re.search(r"(24 h 0|23 h 5\d) min left", page)
    world.run("exception", "revoke", image, *SAYS, *world.key("oncall"))
    revoked = report()
    assert revoked.exceptions == ()
    assert losses(revoked)[0][0]
