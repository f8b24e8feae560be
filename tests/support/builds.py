"""Builds of one image for property tests: the same findings under another tag, version, layer, line and order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.support import reports

REPOSITORY = "registry.example/team/app"


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """One finding at one place. Equal ones are two occurrences of the same.

    Attributes:
        kind: of KINDS.
        rule: of the advisory, secret, check or licence.
        subject: package, or the text that distinguishes a secret or a failed check.
        file: where it is, as far as its kind has files.
    """

    kind: str
    rule: int
    subject: int
    file: int


KINDS = (
    "os", "jar", "war", "release", "python", "node", "gobinary", "lock-file", "secret", "config-secret", "check",
    "whole-file-check", "config-check", "os-license", "license",
)  # fmt: skip
OCCURRENCES = st.lists(
    st.builds(
        Occurrence,
        kind=st.sampled_from(KINDS),
        rule=st.integers(0, 2),
        subject=st.integers(0, 2),
        file=st.integers(0, 2),
    ),
    max_size=12,
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a rebuild changes.

    Attributes:
        tag: of the image.
        version: of every package and language, also in paths.
        shift: lines by which everything in a file moved.
        seed: of the order.
    """

    tag: str = "1.0"
    version: int = 1
    shift: int = 0
    seed: int = 0


BUILDS = st.builds(
    Build,
    tag=st.from_regex(r"[a-z0-9][a-z0-9.-]{0,8}", fullmatch=True),
    version=st.integers(0, 30),
    shift=st.integers(0, 50),
    seed=st.integers(0, 1000),
)


def report(occurrences: list[Occurrence], build: Build, **more: Any) -> bytes:
    """Trivy's report on a build with these occurrences."""
    name = f"{REPOSITORY}:{build.tag}"
    results: dict[tuple[str, str, str], dict[str, Any]] = {}
    for number, occurrence in enumerate(occurrences):
        target, class_, type_, list_, finding = _finding(occurrence, build, name, number)
        result = results.setdefault((target, class_, type_), {"Target": target, "Class": class_, "Type": type_})
        result.setdefault(list_, []).append(finding)
    ordered = list(results.values())
    chance = random.Random(build.seed)
    chance.shuffle(ordered)
    for result in ordered:
        for value in result.values():
            if isinstance(value, list):
                chance.shuffle(value)
    return reports.image(ordered, name=name, **more)


def _finding(o: Occurrence, build: Build, image: str, number: int) -> tuple[str, str, str, str, dict[str, Any]]:
    version = f"1.{build.version}.{build.version + 2}"
    layer = {"DiffID": f"sha256:{build.version * 100 + number:064x}"}
    line = 10 * number + 1 + build.shift
    vulnerability: dict[str, Any] = {
        "VulnerabilityID": f"CVE-2026-{o.rule:04d}",
        "PkgName": f"package{o.subject}",
        "InstalledVersion": version,
        "Severity": ("LOW", "HIGH", "CRITICAL")[o.rule],
        "Layer": layer,
    }
    secret: dict[str, Any] = {
        "RuleID": f"rule-{o.rule}",
        "Severity": "CRITICAL",
        "Title": "a key",
        "StartLine": line,
        "EndLine": line,
        "Match": f"KEY{o.subject}=****",
        "Layer": layer,
    }
    check: dict[str, Any] = {"ID": f"DS00{o.rule}", "Severity": "HIGH", "Status": "FAIL", "Layer": layer}
    cause: dict[str, Any] = {"CauseMetadata": {"Resource": f"r{o.subject}", "StartLine": line, "EndLine": line}}
    message: dict[str, Any] = {"Message": f"package{o.subject} {version} is not pinned"}
    licensed: dict[str, Any] = {"Name": f"LICENSE-{o.rule}", "Severity": "HIGH", "Category": "restricted"}
    package = f"package{o.subject}"
    installed = {
        "jar": ("Java", "jar", f"app/{o.file}/{package}-{version}.jar"),
        "war": ("Java", "jar", f"webapps/shop{o.file}##{build.version}/WEB-INF/lib/{package}.jar"),
        "release": (
            "Node.js",
            "node-pkg",
            f"srv/{o.file}/202611{build.version % 28 + 1:02}120000/app-r{build.version}/{package}/package.json",
        ),
        "python": (
            "Python",
            "python-pkg",
            f"opt/{o.file}/lib/python3.{build.version}/site-packages/{package}-{version}.dist-info/METADATA",
        ),
        "node": ("Node.js", "node-pkg", f"app/{o.file}/node_modules/{package}/package.json"),
    }
    if o.kind in installed:
        target, type_, path = installed[o.kind]
        return target, "lang-pkgs", type_, "Vulnerabilities", vulnerability | {"PkgPath": path}
    return {
        "os": (f"{image} (debian 12.5)", "os-pkgs", "debian", "Vulnerabilities", vulnerability),
        "gobinary": (f"usr/bin/tool{o.file}", "lang-pkgs", "gobinary", "Vulnerabilities", vulnerability),
        "lock-file": (
            f"opt/node-v{version}/{o.file}/package-lock.json", "lang-pkgs", "npm", "Vulnerabilities", vulnerability,
        ),
        "secret": (f"/app/{o.file}.env", "secret", "", "Secrets", secret),
        "config-secret": (image, "secret", "", "Secrets", secret),
        "check": (f"deploy/{o.file}.yaml", "config", "kubernetes", "Misconfigurations", check | message | cause),
        "whole-file-check": (f"deploy/{o.file}.tf", "config", "terraform", "Misconfigurations", check | message),
        "config-check": (image, "config", "dockerfile", "Misconfigurations", check | {"Message": "no user is set"}),
        "os-license": ("OS Packages", "license", "", "Licenses", licensed | {"PkgName": package}),
        "license": (
            "Node.js", "license", "", "Licenses", licensed | {"PkgName": package, "FilePath": f"app/{o.file}/p.json"},
        ),
    }[o.kind]  # fmt: skip
