"""Vulnerability advisories of a Debian image, read from the changelogs of the packages that fix it.

A changelog entry (Debian Policy 4.4) that is newer than the installed version names the CVEs it fixes: that pair of CVE
and fixed version is what Debian's security tracker would list. They are written in the tracker's shape, from which
trivy-db builds its database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST_TITLE = 160
SHORTEST_TITLE = 8
_ENTRY = re.compile(r"^(?P<source>\S+) \((?P<version>[^()\s]+)\) [^;\n]+;.*?\burgency=(?P<urgency>\w+)", re.I)
_CVE = re.compile(r"CVE-\d{4}-\d{4,7}")
_ITEM = re.compile(r"^\s{2,}([*+-])\s+")
_AUTHORS = re.compile(r" \((?:[A-Z][\w.'-]*,? ?(?:and )?)+\)$")
_NOISE = re.compile(r"\(?\b(?:Closes|LP):? *:? *(?:Bug)?#\d+(?:, *#?\d+)*\)?|\(\s*[,;/ ]*\)|\[\s*[,;/ ]*\]", re.I)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A binary package with its source package, as dpkg has them."""

    package: str
    source: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """One CVE in one source package.

    Attributes:
        version: the first fixed version.
        newest: the version in the archive.
        urgency: as Debian rates it.
        title: from the changelog.
    """

    cve: str
    source: str
    version: str
    newest: str
    urgency: str
    title: str


@dataclass(frozen=True)
class Entry:
    """One entry of a changelog; `lines` are those between its header and its signature."""

    source: str
    version: str
    urgency: str
    lines: tuple[str, ...]


def read_installed(text: str) -> dict[str, Installed]:
    """Packages by name, from lines of package, source package and source version with tabs between them.

    Raises:
        ValueError: a line has another number of fields.
    """
    packages = {}
    for line in text.splitlines():
        package, source, version = line.split("\t")
        packages[package] = Installed(package=package, source=source, version=version)
    return packages


def entries(changelog: str) -> Iterator[Entry]:
    """The entries of a Debian changelog, newest first."""
    header: re.Match[str] | None = None
    lines: list[str] = []
    for line in changelog.splitlines():
        match = _ENTRY.match(line)
        if match:
            if header:
                yield _entry(header, lines)
            header, lines = match, []
        elif not line.startswith(" -- "):
            lines.append(line)
    if header:
        yield _entry(header, lines)


def fixes(changelog: str, installed: Installed, newer: Callable[[str, str], bool]) -> list[Advisory]:
    """List the fixes of the entries newer than the installed version, each by the first version that names it.

    Args:
        changelog: of a binary package of that source.
        installed: the image's package.
        newer: whether the first Debian version is later than the second.
    """
    advisories: dict[str, Advisory] = {}
    newest = ""
    for entry in entries(changelog):
        newest = newest or entry.version
        if not newer(entry.version, installed.version):
            break
        for cve, title in titles(entry.lines).items():
            # Entries come newest first, so an older one overwrites.
            advisories[cve] = Advisory(
                cve=cve,
                source=installed.source,
                version=entry.version,
                newest=newest,
                urgency=entry.urgency,
                title=f"{installed.source}: {title}" if title else f"{installed.source}: fixed in {entry.version}",
            )
    return list(advisories.values())


def titles(lines: Iterable[str]) -> dict[str, str]:
    """The CVEs an entry names, each with the text of its item, or of the item above; "" without one."""
    cve_titles: dict[str, str] = {}
    above = ""
    for depth, head, text in _items(lines):
        words = _clean_title(head)
        if len(words) < SHORTEST_TITLE:
            words = above if depth else ""
        if not depth:
            above = words
        for cve in _CVE.findall(text):
            cve_titles[cve] = cve_titles.get(cve) or words
    return cve_titles


def write_tracker(advisories: Iterable[Advisory], folder: Path, *, codename: str, release: str) -> None:
    """Write advisories in the shape of Debian's security tracker, below `vuln-list-debian` in the folder.

    Args:
        advisories: in any order.
        folder: where `vuln-list-debian` is made.
        codename: such as `bookworm`.
        release: its number, such as `12`.
    """
    root = folder / "vuln-list-debian" / "tracker"
    for empty in ("CVE", "DSA", "DLA"):
        (root / empty).mkdir(parents=True, exist_ok=True)
    _write_json(
        root / "distributions.json", {codename: {"major-version": release, "support": "security", "contact": ""}}
    )
    by_cve: dict[str, list[Advisory]] = {}
    newest: dict[str, str] = {}
    for advisory in sorted(advisories, key=lambda advisory: (advisory.cve, advisory.source)):
        by_cve.setdefault(advisory.cve, []).append(advisory)
        newest[advisory.source] = advisory.newest
    for cve, same in by_cve.items():
        annotations = []
        for advisory in same:
            fact = {"Type": "package", "Package": advisory.source, "Kind": "fixed", "Version": advisory.version}
            # trivy-db takes the severity from the annotation without a release, and it has to come first.
            annotations += [{**fact, "Severity": advisory.urgency}, {**fact, "Release": codename}]
        _write_json(
            root / "CVE" / f"{cve}.json",
            {"Header": {"ID": cve, "Description": same[0].title}, "Annotations": annotations},
        )
    for source, version in newest.items():
        for kind in ("source", "updates-source"):
            _write_json(
                root / kind / codename / "main" / source[0] / f"{source}.json",
                {"Package": [source], "Version": [version]},
            )


def _entry(header: re.Match[str], lines: list[str]) -> Entry:
    return Entry(header["source"], header["version"], header["urgency"].lower(), tuple(lines))


def _items(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Each item's depth (0 for `*`), its first paragraph and all of its text, each on one line."""
    depth, head, rest, ended = 0, list[str](), list[str](), False
    for line in lines:
        bullet = _ITEM.match(line)
        if bullet:
            if head:
                yield depth, " ".join(head), " ".join(head + rest)
            depth, head, rest, ended = int(bullet[1] != "*"), [line[bullet.end() :].strip()], [], False
        elif line.strip():
            (rest if ended else head).append(line.strip())
        else:
            ended = bool(head)
    if head:
        yield depth, " ".join(head), " ".join(head + rest)


def _clean_title(text: str) -> str:
    text = _NOISE.sub(" ", _NOISE.sub(" ", _CVE.sub(" ", text)))
    text = re.sub(r"\s+", " ", re.sub(r"\s*,(?:\s*,)+", ",", text))
    text = re.sub(r" (?=[,;:.])", "", text).strip(' ,.;:-+/&"')
    text = _AUTHORS.sub("", re.sub(r"^fix(?:es)?(?:: *|$)", "", text, flags=re.I))
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1].rstrip() + "…"


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
