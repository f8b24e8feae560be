"""Trivy-shaped reports made for tests: of any size, and with hostile text in every field."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

SEVERITIES = ("CRITICAL", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "MEDIUM", "LOW", "LOW", "UNKNOWN")
DIFF_IDS = [f"sha256:{number:064x}" for number in range(1, 9)]


def image(results: list[dict[str, Any]], *, name: str = "localhost:5000/voting-app:1.4.0", **more: Any) -> bytes:
    """A report on a container image with these results."""
    repository = name.rpartition(":")[0]
    return json.dumps(
        {
            "SchemaVersion": 2,
            "Trivy": {"Version": "0.74.0"},
            "CreatedAt": "2026-11-23T06:00:00.000000000Z",
            "ArtifactName": name,
            "ArtifactType": "container_image",
            "Metadata": {
                "OS": {"Family": "debian", "Name": "12.5"},
                "ImageID": f"sha256:{7:064x}",
                "DiffIDs": DIFF_IDS,
                "RepoDigests": [f"{repository}@sha256:{3:064x}"],
                "ImageConfig": {
                    "architecture": "amd64",
                    "os": "linux",
                    "history": [{"created_by": f"RUN step {number} # buildkit"} for number in range(1, 9)],
                    "config": {"Labels": {"org.opencontainers.image.title": "voting app"}},
                },
            },
            "Results": results,
        }
        | more
    ).encode()


@lru_cache(4)
def large(amount: int = 30_000, *, seed: int = 1) -> bytes:
    """A report of that many vulnerabilities with texts of the lengths that real ones have; the same for a seed."""
    chance = random.Random(seed)
    words = [
        "buffer",
        "overflow",
        "in",
        "the",
        "parser",
        "allows",
        "remote",
        "attackers",
        "to",
        "read",
        "memory",
        "crafted",
    ]
    advisories = [
        {
            "VulnerabilityID": f"CVE-{2015 + number % 12}-{number:05d}",
            "Status": "fixed",
            "SeveritySource": "nvd",
            "PrimaryURL": f"https://avd.aquasec.com/nvd/cve-{2015 + number % 12}-{number:05d}",
            "DataSource": {"ID": "debian", "Name": "Debian Security Tracker"},
            "Title": " ".join(chance.choices(words, k=9)),
            "Description": " ".join(chance.choices(words, k=60)),
            "Severity": chance.choice(SEVERITIES),
            "CweIDs": [f"CWE-{chance.randrange(20, 900)}"],
            "CVSS": {"nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "V3Score": 7.5}},
            "References": [f"https://example.org/advisories/{number}/{part}" for part in range(6)],
        }
        for number in range(amount // 2)
    ]
    vulnerabilities = []
    for number in range(amount):
        package = f"lib{chance.choice(words)}{number % 997}"
        version = f"1.{number % 31}.{number % 7}-{number % 5}"
        vulnerabilities.append(
            advisories[number % len(advisories)]
            | {
                "PkgID": f"{package}@{version}",
                "PkgName": package,
                "PkgIdentifier": {"PURL": f"pkg:deb/debian/{package}@{version}?arch=amd64&distro=debian-12.5"},
                "InstalledVersion": version,
                "FixedVersion": f"1.{number % 31}.{number % 7 + 1}-1" if number % 3 else "",
                "Layer": {"DiffID": DIFF_IDS[number % len(DIFF_IDS)]},
            }
        )
    target = "localhost:5000/voting-app:1.4.0 (debian 12.5)"
    return image([{"Target": target, "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": vulnerabilities}])


def _vulnerability(package: str, installed: str, fixed: str, severity: str, **more: Any) -> dict[str, Any]:
    return {
        "VulnerabilityID": f"CVE-2024-{sum(map(ord, package + installed)) % 10_000:04d}",
        "PkgName": package,
        "InstalledVersion": installed,
        "FixedVersion": fixed,
        "Status": "fixed" if fixed else "affected",
        "Severity": severity,
        "Title": f"{package}: denial of service",
        "Description": "A crafted request makes the parser use too much memory.",
        "PrimaryURL": "https://avd.aquasec.com/nvd/cve-2024-0001",
        "References": ["https://example.org/advisory"],
        "Layer": {"DiffID": DIFF_IDS[0]},
    } | more


def _of(target: str, result_class: str, kind: str, *vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    return {"Target": target, "Class": result_class, "Type": kind, "Vulnerabilities": list(vulnerabilities)}


SHAPES: dict[str, bytes] = {
    "alpine": image(
        [
            _of(
                "localhost:5000/web:3 (alpine 3.20.1)",
                "os-pkgs",
                "alpine",
                _vulnerability("libcrypto3", "3.3.1-r0", "3.3.1-r1", "HIGH"),
                _vulnerability("busybox", "1.36.1-r28", "", "MEDIUM", Title=""),
            )
        ],
        name="localhost:5000/web:3",
    ),
    "distroless": image(
        [
            _of(
                "gcr/base (debian 12.5)",
                "os-pkgs",
                "debian",
                _vulnerability("libc6", "2.36-9", "", "LOW", Description=""),
            )
        ],
        name="localhost:5000/distroless/base:latest",
    ),
    "npm": image(
        [
            _of(
                "Node.js",
                "lang-pkgs",
                "node-pkg",
                _vulnerability("@babel/traverse", "7.22.0", "7.23.2", "CRITICAL", PkgPath="app/node_modules/@babel/x"),
            )
        ]
    ),
    "go": image(
        [_of("usr/bin/app", "lang-pkgs", "gobinary", _vulnerability("stdlib", "v1.21.0", "1.21.8, 1.22.1", "HIGH"))]
    ),
    "python": image(
        [
            _of(
                "Python",
                "lang-pkgs",
                "python-pkg",
                _vulnerability("Jinja2", "3.1.2", "3.1.3", "MEDIUM", PkgPath="usr/lib/Jinja2-3.1.2.dist-info/METADATA"),
                _vulnerability("pip", "22.0", "", "UNKNOWN", CVSS={"nvd": {"V3Score": 9.9}}, SeveritySource="nvd"),
            )
        ]
    ),
    "licences": image(
        [
            {
                "Target": "OS Packages",
                "Class": "license",
                "Licenses": [
                    {
                        "Severity": "HIGH",
                        "Category": "restricted",
                        "PkgName": "bash",
                        "FilePath": "",
                        "Name": "GPL-3.0-only",
                    },
                    {"Severity": "LOW", "Category": "notice", "PkgName": "zlib", "FilePath": "", "Name": "Zlib"},
                ],
            }
        ]
    ),
    "suppressed": image(
        [
            _of("localhost:5000/web:3 (debian 12.5)", "os-pkgs", "debian")
            | {
                "ExperimentalModifiedFindings": [
                    {
                        "Type": "vulnerability",
                        "Status": "not_affected",
                        "Statement": "vulnerable_code_not_in_execute_path",
                        "Source": "vex.json",
                        "Finding": _vulnerability("curl", "7.88.1", "7.88.2", "HIGH"),
                    }
                ]
            }
        ]
    ),
    "empty": image([]),
}
"""Reports in Trivy's shape, of images that cannot be obtained here; the recorded ones are in `data/trivy`."""
