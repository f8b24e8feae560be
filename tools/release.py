"""Support a release: `check TAG` compares a tag with the package, `notes TAG` prints its part of the changelog.

Runs on Python alone, before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run one of the two actions; return 1 when the tag cannot be released."""
    if len(arguments) != 2 or arguments[0] not in ("check", "notes"):
        print("usage: release.py check|notes TAG", file=sys.stderr)
        return 2
    action, tag = arguments
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if action == "notes":
        print(notes(text, tag))
        return 0
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    errors = problems(tag, package, text)
    for problem in errors:
        print(problem, file=sys.stderr)
    return int(bool(errors))


def problems(tag: str, package: str, changelog: str) -> list[str]:
    """Return why a tag cannot be released; empty when it can.

    Args:
        tag: `v1.2.3`.
        package: the version in pyproject.toml.
        changelog: the text of CHANGELOG.md.
    """
    errors = []
    if tag != f"v{package}":
        errors.append(f"The tag is {tag}, and the package's version is {package}: they must agree.")
    if not notes(changelog, tag):
        errors.append(f"CHANGELOG.md has no section `## {tag.removeprefix('v')}`, or an empty one.")
    return errors


def notes(changelog: str, tag: str) -> str:
    """Return the changelog's section of a version, without its heading; empty when there is none."""
    version = re.escape(tag.removeprefix("v"))
    section = re.search(rf"^## \[?{version}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return section[1].strip() if section else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
