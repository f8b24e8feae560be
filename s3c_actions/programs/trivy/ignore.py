"""Trivy's ignore files: what they set aside, and until when.

`.trivyignore` has an id a line with an optional `exp:YYYY-MM-DD`; `.trivyignore.yaml` has lists of entries with
`id`, `paths`, `purls`, `expired_at`, `statement` (https://trivy.dev/docs/v0.74/guide/configuration/filtering/). Trivy
passes over what it does not understand: an unknown key, a line with a wrong date, YAML under another name. A mistake of
that kind makes an entry wider, endless or void, so it is an error here, with the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Finding, FindingKind
from s3c_actions.programs.trivy.settings import suggest_word

DEFAULT_FILE = ".trivyignore"
UNSUPPORTED_FILES = (".trivyignore.yaml", ".trivyignore.yml")
"""Files that Trivy does not read unless they are named."""

SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")
ENTRY_KEYS = ("id", "paths", "purls", "expired_at", "statement")
NOTICE_PERIOD = timedelta(days=14)

_KINDS = {
    FindingKind.VULNERABILITY: "vulnerabilities",
    FindingKind.MISCONFIGURATION: "misconfigurations",
    FindingKind.SECRET: "secrets",
    FindingKind.LICENSE: "licenses",
}
_SCANNERS = {"vuln": "vulnerabilities", "misconfig": "misconfigurations", "secret": "secrets", "license": "licenses"}
# Go's bufio.Scanner, with which Trivy reads lines, stops at a longer one without a word.
_LONGEST_LINE = 65_535
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+()/:-]*(?<!:)")
_ADVISORY = re.compile(r"(?:CVE|GHSA|AVD|RUSTSEC|TEMP|DLA|DSA|ELSA|RHSA|ALSA|PYSEC|GO)-[A-Za-z0-9-]*[0-9][A-Za-z0-9-]*")
_EXPIRY = re.compile(r"(?:exp\w*|until)[:=].*|\d{4}-\d{1,2}-\d{1,2}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# What gopkg.in/yaml.v3 takes for a time without quotes, and Go's time.Time with them.
_TIMES = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)


class IgnoreEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One id set aside.

    Attributes:
        sections: of SECTIONS, those it is in.
        expires: from then on it counts no more; None is never.
        file: where it stands.
        fields: everything written there, as Trivy reads it.
    """

    id: str
    sections: tuple[str, ...]
    expires: datetime | None
    file: Path
    fields: dict[str, Any]

    @property
    def limits(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths and packages it is limited to; empty is everywhere."""
        return tuple(self.fields.get("paths", ())), tuple(self.fields.get("purls", ()))


def read(path: Path) -> tuple[IgnoreEntry, ...]:
    """The entries of one file, in its order.

    Raises:
        InputError: it is not there or cannot be read, or has a line, key, id or date that is not understood.
    """
    text = _text(path)
    return tuple(_yaml(path, text) if _is_yaml(path, text) else _plain(path, text))


def merge_files(files: Sequence[Path], entries: Iterable[IgnoreEntry], temp: Path) -> Path | None:
    """The one file that Trivy takes.

    It is the person's own when there is one alone and Trivy reads it as `read` does, else all entries in a new one in
    `temp`; None without any file.
    """
    if not files:
        return None
    if len(files) == 1 and _as_trivy_reads_it(files[0]):
        return files[0]
    from ruamel.yaml import YAML

    document: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        for section in entry.sections:
            document.setdefault(section, []).append(entry.fields)
    path = temp / "trivyignore.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(document, file)
    return path


def entry_notices(entries: Iterable[IgnoreEntry], now: datetime) -> list[str]:
    """A sentence for each entry that has expired or soon will, unless another one sets the same aside for longer.

    Ids are untrusted.
    """
    entries = tuple(entries)
    found = []
    for entry in entries:
        if entry.expires is None or entry.expires - now >= NOTICE_PERIOD:
            continue
        if all(any(_covers(other, entry, section, now) for other in entries) for section in entry.sections):
            continue
        day = entry.expires.date().isoformat()
        if entry.expires < now:
            found.append(f"{entry.id} is reported again: its entry in {entry.file.name} expired on {day}.")
        else:
            days = (entry.expires - now).days
            found.append(f"{entry.id} will be reported again in {days} days: its entry in {entry.file.name} expires.")
    return list(dict.fromkeys(found))


def unused_entries(
    entries: Iterable[IgnoreEntry], suppressed: Iterable[Finding], now: datetime, scanners: Iterable[str]
) -> tuple[IgnoreEntry, ...]:
    """The entries in force that set nothing aside, of the kinds that were looked for.

    Args:
        entries: of the ignore files.
        suppressed: what the report has as set aside.
        now: what has expired by then is left out.
        scanners: Trivy's names of what was looked for.
    """
    there: dict[str, set[str]] = {section: set() for section in SECTIONS}
    for finding in suppressed:
        names = re.split(r"\s+(?:AND|OR)\s+|[()]", finding.id) if finding.kind is FindingKind.LICENSE else ()
        there[_KINDS[finding.kind]].update(map(_comparable, (finding.id, *filter(None, names))))
    looked_for = {_SCANNERS[one] for one in scanners if one in _SCANNERS}
    return tuple(
        entry
        for entry in entries
        if not (entry.expires and entry.expires < now)
        and looked_for.intersection(entry.sections)
        and not any(_comparable(entry.id) in there[section] for section in entry.sections)
    )


def _covers(other: IgnoreEntry, entry: IgnoreEntry, section: str, now: datetime) -> bool:
    """Whether another entry, in force for longer, sets the same aside in a section."""
    if other is entry or other.id != entry.id or section not in other.sections:
        return False
    lasts = other.expires is None or other.expires - now >= NOTICE_PERIOD
    if entry.expires is not None and entry.expires < now:
        lasts = other.expires is None or other.expires >= now
    return lasts and other.limits in (((), ()), entry.limits)


def _comparable(name: str) -> str:
    """Trivy knows a check as AVD-DS-0002, DS-0002 and DS002."""
    check = re.fullmatch(r"(?:AVD-)?([A-Z]+)-?0*(\d+)", name)
    return f"{check[1]}{check[2]}" if check else name


def _text(path: Path) -> str:
    try:
        # Editors on Windows begin a file with a mark that would be part of the first id.
        return reading.read_text_file(path, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, getattr(error, "strerror", "") or "it is not UTF-8") from error


def _is_yaml(path: Path, text: str) -> bool:
    """By its name, as Trivy does, or by its first line that says anything."""
    if path.suffix in {".yaml", ".yml"}:
        return True
    lines = (line.strip() for line in text.split("\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first.startswith(("{", "---", "%YAML")) or bool(re.fullmatch(r"[\w\"']+:(?:\s*[\[{#].*)?", first))


def _as_trivy_reads_it(path: Path) -> bool:
    text = _text(path)
    named = path.suffix in {".yaml", ".yml"}
    return named == _is_yaml(path, text) and not reading.read_file(path).startswith(b"\xef\xbb\xbf")


def _plain(path: Path, text: str) -> Iterator[IgnoreEntry]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(line.encode()) > _LONGEST_LINE:
            raise _unreadable(path, f"line {number} is longer than Trivy reads")
        identity = words[0]
        problem = _problem(identity)
        if problem:
            raise _unreadable(path, f"line {number}: {identity[:80]!r} {problem}")
        given = next((word.removeprefix("exp:") for word in words[1:] if word.startswith("exp:")), None)
        expires = None
        if given is not None:
            expires = _day(given)
            if expires is None:
                raise _unreadable(path, f"{given[:80]!r} in line {number} is not a date such as 2027-01-31")
        for word in words[1:]:
            if word.startswith("#"):
                break
            if given is None and _EXPIRY.fullmatch(word):
                raise _unreadable(path, f"line {number}: {word[:80]!r} is no expiry, which is written exp:2027-01-31")
            if _ADVISORY.fullmatch(word):
                raise _unreadable(path, f"line {number} has two ids; each stands in a line of its own")
        fields: dict[str, Any] = {"id": identity}
        if expires:
            fields["expired_at"] = expires.date()
        # Trivy cannot know which kind of finding a bare id is, and takes it for all.
        yield IgnoreEntry(id=identity, sections=SECTIONS, expires=expires, file=path, fields=fields)


def _problem(identity: str) -> str:
    """What keeps it from being an id that Trivy could find; empty when nothing does."""
    if identity.startswith("//"):
        return "is no comment: those begin with #"
    if "," in identity:
        return "holds a comma: each id stands in a line of its own"
    if ":exp:" in identity or identity.startswith("exp:"):
        return "is no id: the expiry comes after it and a blank, as in CVE-2027-1 exp:2027-01-31"
    if not _ID.fullmatch(identity):
        return "is not an id"
    return _misspelt(identity)


def _misspelt(identity: str) -> str:
    prefix = identity.partition("-")[0]
    right = identity.upper() if prefix.upper() == "CVE" else f"GHSA{identity[4:].lower()}"
    if prefix.upper() in {"CVE", "GHSA"} and identity != right:
        return f"is never found: Trivy tells capital from small letters. Did you mean {right[:80]}?"
    return ""


def _day(text: str) -> datetime | None:
    """A date as Go reads it: both zeros are there."""
    return _time(_TIMES.fullmatch(text)) if _DATE.fullmatch(text) else None


def _time(match: re.Match[str] | None) -> datetime | None:
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    offset: tzinfo = UTC
    if zone and zone != "Z":
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        offset = timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    try:
        found = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")[:6]),
            offset,
        )
    except ValueError:
        return None
    # Go's zero time is none, and an entry with it never ends.
    return found.astimezone(UTC) if found.year >= 1970 else None


class _Quoted(str):
    """A text in quotes, which YAML never takes for a time."""

    __slots__ = ()


def _loaded(text: str) -> Any:
    """The document, with times as the texts that they are written as.

    Raises:
        YamlError: it is no YAML, or more than is read.
    """
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):
        def text(self, node: Any) -> str:
            value = str(self.construct_scalar(node))
            return _Quoted(value) if node.style else value

    for tag in ("str", "timestamp"):
        Constructor.add_constructor(f"tag:yaml.org,2002:{tag}", Constructor.text)
    return reading.parse_yaml(text, Constructor)


def _yaml(path: Path, text: str) -> Iterator[IgnoreEntry]:
    try:
        document = _loaded(text)
    except reading.YamlError as error:
        raise _unreadable(path, str(error)) from error
    if document is None:
        return
    if not isinstance(document, dict):
        raise _unreadable(path, "it is not a mapping of " + ", ".join(SECTIONS))
    for section, listed in document.items():
        if section not in SECTIONS:
            raise _unreadable(
                path, f"{str(section)[:80]!r} is none of {', '.join(SECTIONS)}{suggest_word(str(section), SECTIONS)}"
            )
        if not isinstance(listed, list | None):
            raise _unreadable(path, f"{section} is not a list of entries")
        for one in listed or []:
            if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
                raise _unreadable(path, f"an entry of {section} has no id")
            yield _entry(path, str(section), one)


def _entry(path: Path, section: str, written: dict[Any, Any]) -> IgnoreEntry:
    identity = str(written["id"])
    about = f"{identity[:80]} in {section}"
    for key in written:
        if key not in ENTRY_KEYS:
            hint = f": did you mean {_MEANT[str(key)]}?" if str(key) in _MEANT else suggest_word(str(key), ENTRY_KEYS)
            raise _unreadable(path, f"{str(key)[:80]!r} of {about} is none of {', '.join(ENTRY_KEYS)}{hint}")
    several = section != "licenses" and ("," in identity or identity != identity.strip())
    problem = "holds more than an id" if several else _misspelt(identity)
    if problem:
        raise _unreadable(path, f"{about} {problem}")
    fields: dict[str, Any] = {"id": identity, **_limits(path, section, about, written)}
    if "statement" in written:
        if not isinstance(written["statement"], str | None):
            raise _unreadable(path, f"statement of {about} is not a text")
        fields["statement"] = str(written["statement"] or "")
    expires = None
    if "expired_at" in written:
        expires = _expiry(written["expired_at"])
        if expires is None:
            raise _unreadable(
                path, f"expired_at of {about} is not a date such as 2027-01-31 (without quotes) or 2027-01-31T00:00:00Z"
            )
        # Go reads a time only with a T and its zone; a date alone, only without quotes.
        fields["expired_at"] = expires.isoformat() if expires.time() != time() else expires.date()
    return IgnoreEntry(id=identity, sections=(section,), expires=expires, file=path, fields=fields)


def _limits(path: Path, section: str, about: str, written: dict[Any, Any]) -> dict[str, list[str]]:
    """The paths and packages that an entry is limited to, as it is written."""
    fields = {}
    for key in ("paths", "purls"):
        if key not in written:
            continue
        fields[key] = _texts(written[key])
        if not fields[key]:
            raise _unreadable(path, f"{key} of {about} is not a list of texts; leave it out to mean everywhere")
    if "purls" in fields and section != "vulnerabilities":
        raise _unreadable(path, f"purls of {about} would not limit it: Trivy has them for vulnerabilities alone")
    if any(not one.startswith("pkg:") for one in fields.get("purls", ())):
        raise _unreadable(path, f"purls of {about} are not package URLs such as pkg:deb/debian/openssl")
    return fields


_MEANT = {"expires": "expired_at", "expiry": "expired_at", "exp": "expired_at", "until": "expired_at"} | {
    "reason": "statement",
    "comment": "statement",
    "targets": "paths",
    "files": "paths",
    "packages": "purls",
}
"""What people write, where the spelling alone does not tell."""


def _texts(value: Any) -> list[str]:
    """A list of texts, none of them empty; empty for anything else."""
    good = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    return [str(one) for one in value] if good else []


def _expiry(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    match = _TIMES.fullmatch(value)
    if isinstance(value, _Quoted) and not _RFC3339.fullmatch(value):
        return None
    zoned = bool(match and match[8])
    if match and match[4] and ((" " in value) == zoned):  # Go wants a zone after T and none after a blank
        return None
    return _time(match)


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        "ignore-files",
        f"{str(path)!r} cannot be used: {why}" + ("" if why.endswith("?") else "."),
        remedy="An ignore file that is not understood would set aside nothing, or too much: correct it, or leave it "
        "out. `ignore-files: none` takes none.",
    )
