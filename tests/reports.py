"""Trivy-shaped reports made for tests: of any size, and with hostile text in every field."""

from __future__ import annotations

import json
import random
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
    found = []
    for number in range(amount):
        package = f"lib{chance.choice(words)}{number % 997}"
        version = f"1.{number % 31}.{number % 7}-{number % 5}"
        found.append(
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
    return image([{"Target": target, "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": found}])
