"""Every command on a machine where nothing answers and no program starts: it ends in an error with a message."""

import io
import json
import re
from typing import get_args

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import Exit, OutsideError, S3CError
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Registry
from s3c_actions.report.document import CommandName
from s3c_actions.steps import chain
from tests.support import samples
from tests.support.bare import IMAGE, KEY, PINNED, ended

SCANS = [
    ("scan", IMAGE),
    ("scan", IMAGE, "--fail-on", "HIGH"),
    ("scan", IMAGE, "--baseline", "registry.example/voting-app:main"),
    ("patch", IMAGE),
    ("patch", IMAGE, "--certificate", "signing.crt"),
    ("attach", PINNED, *KEY),
    ("refresh", PINNED),
]
CHAINS = [
    ("chain", IMAGE, *KEY),
    ("chain", IMAGE, "registry.example/voting-db:15.0", "--sign=false"),
    ("chain", IMAGE, "--patch=false", "--attach", "true", *KEY),
    ("chain", IMAGE, "--attach", "true", "--trust-store", "signing.crt", *KEY),
    ("chain", IMAGE, "--policy", "policy.yaml", *KEY),
]
SAYS = ("--why", "checkout is down", "--who", "Ada")
LINES: list[tuple[str, ...]] = [
    ("init", "--from-trivy-action", "scan.yml"),
    ("fleet manifests", "fleet.yaml"),
    ("doctor", "--vault", "kv-voting"),
    *SCANS,
    *CHAINS,
    ("base", IMAGE),
    ("base", PINNED, "--base-image", "registry.example/base:1"),
    ("chain", IMAGE, "--deploy", "--manifests", "app.yaml", *KEY),
    ("report", "trivy.json", "--format", "spdx"),
    ("sign", IMAGE, *KEY),
    ("sign", PINNED, *KEY),
    ("sign", PINNED, "--attach", "true", "--results", "result.json", *KEY),
    ("attach", PINNED, "--results", "result.json", *KEY),
    ("sign", PINNED, "--vault", "kv-voting", "--vault-certificate", "signing", "--azure-identity", "azure-cli"),
    ("verify", IMAGE, "--trust-store", "signing.crt"),
    ("trust", "export", "--vault", "kv-voting", "--vault-certificate", "signing", "--azure-identity", "azure-cli"),
    ("trust", "list-signed", "--image", IMAGE, "--certificate", "signing.crt"),
    ("trace", IMAGE, "--trust-store", "signing.crt"),
    ("trace", IMAGE, "--policy", "policy.yaml"),
    ("deploy", "app.yaml", "--trust-store", "signing.crt"),
    ("deploy", "app.yaml", "--policy", "policy.yaml"),
    ("policy", "check", PINNED, "--policy", "policy.yaml"),
    ("exception grant", PINNED, "--findings", "all", "--until", "1h", *SAYS, "--policy", "granting.yaml", *KEY),
    ("exception list", PINNED, "--policy", "granting.yaml"),
    ("exception revoke", PINNED, *SAYS, "--policy", "granting.yaml", *KEY),
    ("gate", "check", "--image", PINNED),
    ("gate", "demo", "--image", IMAGE),
    ("gate", "install", "--trust-store", "signing.crt"),
    ("gate", "pause", "--for", "30m", "--reason", "registry down"),
    ("gate", "pause", "--end"),
    ("gate", "uninstall", "--yes"),
    ("propose", "app.yaml", "--image", PINNED, "--base", "main"),
    ("comment", "result.json", "--pull-request", "7"),
    ("upload", "report.sarif", "--commit", "4b6472266afd7b471e86085a6659e8c7f2b119da", "--ref", "refs/heads/main"),
    ("mirror", IMAGE, "mirror.example/voting-app"),
    ("smoke", PINNED, IMAGE),
    ("diff", IMAGE, PINNED),
    ("fleet plan", "fleet.yaml"),
    ("fleet plan", "fleet.yaml", "--policy", "policy.yaml", "--publish", "oci://registry.example/fleet:today"),
    ("find", "openssl<3.0.13", "--image", IMAGE, "--trust-store", "signing.crt"),
    ("find", "CVE-2024-5535", "--image", PINNED, "--policy", "policy.yaml"),
    ("find", "--image", PINNED, "--policy", "policy.yaml", "--index", IMAGE, "--publish-index", *KEY),
    ("fleet run", "--plan", "plan.json", "--shard", "1/2", "--retries", "0", *KEY),
    ("fleet run", "--plan", "oci://registry.example/fleet:today", "--publish-result", *KEY),
    ("refresh",),
    ("refresh", PINNED, "--issue"),
    ("programs", "install", "trivy", "notation", "helm"),
    ("fleet report", "--plan", "oci://registry.example/fleet/plan:nightly"),
]


def assert_error(code, output) -> None:
    assert code in {Exit.WRONG_INPUT, Exit.OUTSIDE_FAILED}, output
    assert "Traceback" not in output
    assert re.search(r"^s3c [a-z ]+: \S.*\.", output, re.MULTILINE), output


# Of the rest, what fails first is the vault, GitHub or the cluster.
IMAGE_LINES = [line for line in LINES if {IMAGE, PINNED} & {*line} and not {"--vault", "propose", "--deploy"} & {*line}]


@pytest.mark.parametrize("argv", IMAGE_LINES, ids=" ".join)
@pytest.mark.usefixtures("programs")
def test_the_image_is_named(argv, alone):
    _, output = ended(argv, alone)
    assert re.search(r"\(image registry\.example/voting-app\S*; exit", output), output


def test_no_command_is_forgotten():
    assert {line[0] for line in LINES} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_document(name, alone):
    assert name in get_args(CommandName)
    argv = next(line for line in LINES if line[0] == name)
    code, printed = ended((*argv, "--json"), alone, io.StringIO())
    document = json.loads(printed)
    assert (document["command"], document["exit_code"]) == (name, code)


@pytest.mark.parametrize("argv", LINES, ids=" ".join)
def test_without_programs(argv, alone):
    assert_error(*ended(argv, alone))


@pytest.mark.parametrize("argv", [line for line in LINES if line[0] != "programs"], ids=" ".join)
@pytest.mark.usefixtures("programs")
def test_with_programs_that_do_not_start(argv, alone):
    assert_error(*ended(argv, alone))


@pytest.mark.parametrize("argv", CHAINS, ids=" ".join)
@pytest.mark.usefixtures("programs")
def test_every_step_of_a_chain_is_bound_to_what_it_needs(argv, alone, monkeypatch):
    tried = {}

    def try_each(_settings, steps, _progress):
        given = {
            "resolve": IMAGE,
            "scan": IMAGE,
            "patch": replace(samples.scan(), image=IMAGE),
            "attach": samples.chained(image=IMAGE),
        }
        for name in steps.__struct_fields__:
            step = getattr(steps, name)
            if step is not None:
                with pytest.raises(S3CError) as caught:
                    step(given.get(name, PINNED))
                tried[name] = caught.value
        raise OutsideError("Every step was tried.")

    monkeypatch.setattr(chain, "run", try_each)
    code, output = ended(argv, alone)
    assert (code, "Every step was tried." in output) == (Exit.OUTSIDE_FAILED, True), output
    assert {"resolve", "scan"} <= set(tried)
    assert ("sign" in tried) == ("--sign=false" not in argv)
    assert ("patch" in tried) == ("--patch=false" not in argv)
    assert ("attach" in tried) == ("--attach" in argv)


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if any(option.name.endswith("-checksum") for option in load(name).inputs)]
)
def test_a_command_that_brings_programs_takes_a_mirror(name):
    assert "programs-mirror" in [option.name for option in load(name).inputs]


@pytest.mark.parametrize(
    "argv",
    SCANS[:1] + CHAINS[:1] + [("sign", PINNED, *KEY), ("verify", PINNED, "--trust-store", "signing.crt")],
    ids=" ".join,
)
def test_the_mirror_given_is_the_one_asked(argv, alone, monkeypatch):
    asked = []

    def refused(url, _checksum, _to, _progress):
        asked.append(url)
        raise OutsideError("asked")

    monkeypatch.setattr("s3c_actions.programs.install.releases.download", refused)
    descriptor = Descriptor(digest=samples.DIGEST, media_type=OCI_MANIFEST, size=1)
    monkeypatch.setattr(Registry, "resolve", lambda *_asked, **_named: descriptor)
    code, output = ended((*argv, "--programs-mirror", "https://mirror.example/github"), alone)
    assert code == Exit.OUTSIDE_FAILED, output
    assert asked
    assert all(url.startswith("https://mirror.example/github/") for url in asked)
