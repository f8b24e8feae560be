"""What a release needs: `check TAG` holds a tag against the package, `notes TAG` prints its part of the changelog.

Runs on a bare Python, before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run one of the two; 1 when the tag is not ready to be released."""
    if len(arguments) != 2 or arguments[0] not in ("check", "notes"):
        print("usage: release.py check|notes TAG", file=sys.stderr)
        return 2
    what, tag = arguments
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if what == "notes":
        print(notes(text, tag))
        return 0
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    found = problems(tag, package, text)
    for problem in found:
        print(problem, file=sys.stderr)
    return int(bool(found))


def problems(tag: str, package: str, changelog: str) -> list[str]:
    """Why a tag cannot be released; empty when it can.

    Args:
        tag: `v1.2.3`.
        package: the version in pyproject.toml.
        changelog: the text of CHANGELOG.md.
    """
    found = []
    if tag != f"v{package}":
        found.append(f"The tag is {tag}, and the package's version is {package}: they must agree.")
    if not notes(changelog, tag):
        found.append(f"CHANGELOG.md has no section `## {tag.removeprefix('v')}`, or an empty one.")
    return found


def notes(changelog: str, tag: str) -> str:
    """The changelog's section of a version, without its heading; empty when there is none."""
    version = re.escape(tag.removeprefix("v"))
    section = re.search(rf"^## \[?{version}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return section[1].strip() if section else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
