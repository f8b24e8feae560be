"""Support a release: compare a tag with the package, print its part of the changelog, write the repository's name.

`check TAG` refuses a tag whose version, changelog or repository (GITHUB_REPOSITORY) is not what the files say;
`notes TAG` prints; `name OWNER/NAME` writes the repository's name, which `s3c_actions/__init__.py` sets, everywhere.
Runs on Python alone, before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = Path("s3c_actions") / "__init__.py"
"""Where the repository's name is set."""
_OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}"
_NAME = re.compile(rf"{_OWNER}/(?!\.\.?\Z)[A-Za-z0-9._-]{{1,100}}")


def main(arguments: list[str]) -> int:
    """Run one of the actions; return 1 when the tag cannot be released, 2 when the arguments are wrong."""
    if len(arguments) != 2 or arguments[0] not in ("check", "notes", "name"):
        print("usage: release.py check TAG | notes TAG | name OWNER/NAME", file=sys.stderr)
        return 2
    action, tag = arguments
    if action == "name":
        if not _NAME.fullmatch(tag):
            print(f"name: {tag!r} is not OWNER/NAME, as GitHub writes a repository's name.", file=sys.stderr)
            return 2
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout
        for path in rename(ROOT, tag, [Path(os.fsdecode(name)) for name in listed.split(b"\0") if name]):
            print(path)
        return 0
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if action == "notes":
        print(notes(text, tag))
        return 0
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    errors = problems(tag, package, text, name=repository_name(ROOT), published=os.environ.get("GITHUB_REPOSITORY", ""))
    for problem in errors:
        print(problem, file=sys.stderr)
    return int(bool(errors))


def repository_name(root: Path) -> str:
    """Return the repository's name on GitHub, owner/name, as a checkout at `root` has it."""
    match = re.search(r'^REPOSITORY = "([^"]+)"$', (root / PLACE).read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{PLACE} sets no REPOSITORY.")
    return match[1]


def rename(root: Path, name: str, files: Iterable[Path]) -> list[Path]:
    """Write another name wherever the repository's own stands in some files; return those that changed.

    Args:
        root: the checkout.
        name: owner/name.
        files: relative to `root`. Links, and what is no text, are left alone.
    """
    # Not within another path or name, and not a team (`@owner/name`), which is no repository.
    old = re.compile(rf"(?<![\w@.-]){re.escape(repository_name(root))}(?![\w-]|\.\w)")
    changed = []
    for relative in files:
        path = root / relative
        if path.is_symlink() or not path.is_file():
            continue
        try:
            before = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        after = old.sub(lambda _: name, before)
        if after != before:
            path.write_bytes(after.encode())
            changed.append(relative)
    return changed


def problems(tag: str, package: str, changelog: str, *, name: str = "", published: str = "") -> list[str]:
    """Return why a tag cannot be released; empty when it can.

    Args:
        tag: `v1.2.3`.
        package: the version in pyproject.toml.
        changelog: the text of CHANGELOG.md.
        name: the repository's name as its files have it, owner/name.
        published: the repository that releases; empty when that is not known.
    """
    errors = []
    if published and published != name:
        errors.append(
            f"The files name {name}, and this is {published}: run `python3 tools/release.py name {published}`, then "
            "`make docs`, and commit."
        )
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
