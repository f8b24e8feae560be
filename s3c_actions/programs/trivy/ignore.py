"""Trivy's ignore files: what they suppress, and until when.

`.trivyignore` has an id a line with an optional `exp:YYYY-MM-DD`; `.trivyignore.yaml` has lists of entries with
`id`, `paths`, `purls`, `expired_at`, `statement` (https://trivy.dev/docs/v0.74/guide/configuration/filtering/). Trivy
skips what it does not understand: an unknown key, a line with a wrong date, YAML under another name. A mistake of
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
from s3c_actions.core.libraries import ruamel_yaml
from s3c_actions.core.patterns import late_pattern
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
# Go's bufio.Scanner, with which Trivy reads lines, stops at a longer one silently.
_LONGEST_LINE = 65_535
_ID = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._+()/:-]*(?<!:)")
_OTHER_ID = late_pattern(
    r"(?:CVE|GHSA|AVD|RUSTSEC|TEMP|DLA|DSA|ELSA|RHSA|ALSA|PYSEC|GO)-[A-Za-z0-9-]*[0-9][A-Za-z0-9-]*"
    r"|(?:DS|KSV|KCV)-?[0-9]{3,4}"
)
_EXPIRY = late_pattern(
    r"(?:[a-z]{1,20}[-_])?(?:exp\w*|until|valid\w*)[:=].*"
    r"|(?!https?:).*?(?<!\d)(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})(?!\d).*",
    re.IGNORECASE,
)
_LIMIT = late_pattern(r"pkg:.*|(?:paths?|purls?|packages?|files?|targets?)[:=].*", re.IGNORECASE)
_DATE = late_pattern(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# What gopkg.in/yaml.v3 parses as a time without quotes, and Go's time.Time with them.
_TIMES = late_pattern(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)
_RFC3339 = late_pattern(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)


class IgnoreEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One suppressed id.

    Attributes:
        sections: of SECTIONS, those with this entry.
        expires: from then on it has no effect; None: it never expires.
        file: that holds it.
        fields: all its fields, as Trivy reads them.
    """

    id: str
    sections: tuple[str, ...]
    expires: datetime | None
    file: Path
    fields: dict[str, Any]

    @property
    def limits(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths and packages it is limited to; empty: no limit."""
        return tuple(self.fields.get("paths", ())), tuple(self.fields.get("purls", ()))


def read(path: Path) -> tuple[IgnoreEntry, ...]:
    """The entries of one file, in its order.

    Raises:
        InputError: it is missing or cannot be read, or has an invalid line, key, id or date.
    """
    text = _read_text(path)
    return tuple(_yaml_entries(path, text) if _is_yaml(path, text) else _plain_entries(path, text))


def merge_files(files: Sequence[Path], entries: Iterable[IgnoreEntry], temp: Path) -> Path | None:
    """Merge ignore files into the single file that Trivy takes.

    A single file that Trivy reads as `read` does is returned itself, else a new one in `temp` with all entries; None
    without any file.
    """
    if not files:
        return None
    if len(files) == 1 and _trivy_reads_the_same(files[0]):
        return files[0]

    document: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        for section in entry.sections:
            document.setdefault(section, []).append(entry.fields)
    path = temp / "trivyignore.yaml"
    with path.open("w", encoding="utf-8") as file:
        ruamel_yaml.YAML(typ="safe", pure=True).dump(document, file)
    return path


def entry_notices(entries: Iterable[IgnoreEntry], now: datetime) -> list[str]:
    """A sentence for each entry that has expired or soon will, unless another entry suppresses the same for longer.

    Ids are untrusted.
    """
    entries = tuple(entries)
    notices = []
    for entry in entries:
        if entry.expires is None or entry.expires - now >= NOTICE_PERIOD:
            continue
        if all(any(_covers(another, entry, section, now) for another in entries) for section in entry.sections):
            continue
        day = entry.expires.date().isoformat()
        if entry.expires < now:
            notices.append(f"{entry.id} is reported again: its entry in {entry.file.name} expired on {day}.")
        else:
            days = (entry.expires - now).days
            notices.append(f"{entry.id} will be reported again in {days} days: its entry in {entry.file.name} expires.")
    return list(dict.fromkeys(notices))


def unused_entries(
    entries: Iterable[IgnoreEntry], suppressed: Iterable[Finding], now: datetime, scanners: Iterable[str]
) -> tuple[IgnoreEntry, ...]:
    """The entries in force that suppress nothing, of the kinds that were scanned for.

    Args:
        entries: of the ignore files.
        suppressed: the suppressed findings of the report.
        now: entries that have expired by then are left out.
        scanners: Trivy's names of the scanners used.
    """
    suppressed_ids: dict[str, set[str]] = {section: set() for section in SECTIONS}
    for finding in suppressed:
        names = re.split(r"\s+(?:AND|OR)\s+|[()]", finding.id) if finding.kind is FindingKind.LICENSE else ()
        suppressed_ids[_KINDS[finding.kind]].update(map(_comparable_id, (finding.id, *filter(None, names))))
    looked_for = {_SCANNERS[scanner] for scanner in scanners if scanner in _SCANNERS}
    return tuple(
        entry
        for entry in entries
        if not (entry.expires and entry.expires < now)
        and looked_for.intersection(entry.sections)
        and not any(_comparable_id(entry.id) in suppressed_ids[section] for section in entry.sections)
    )


def _covers(another: IgnoreEntry, entry: IgnoreEntry, section: str, now: datetime) -> bool:
    """Whether another entry, in force for longer, suppresses the same in a section."""
    if another is entry or another.id != entry.id or section not in another.sections:
        return False
    lasts = another.expires is None or another.expires - now >= NOTICE_PERIOD
    if entry.expires is not None and entry.expires < now:
        lasts = another.expires is None or another.expires >= now
    return lasts and another.limits in (((), ()), entry.limits)


def _comparable_id(name: str) -> str:
    """Normalise an id: Trivy names one check AVD-DS-0002, DS-0002 and DS002."""
    check = re.fullmatch(r"(?:AVD-)?([A-Z]+)-?0*(\d+)", name)
    return f"{check[1]}{check[2]}" if check else name


def _read_text(path: Path) -> str:
    try:
        return reading.read_text_file(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable_error(path, reading.describe(error)) from error


def _is_yaml(path: Path, text: str) -> bool:
    """Decide by its name, as Trivy does, or by its first line with content."""
    if path.suffix in {".yaml", ".yml"}:
        return True
    lines = (line.strip() for line in text.split("\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first.startswith(("{", "---", "%YAML")) or bool(re.fullmatch(r"[\w\"']+:(?:\s*[\[{#].*)?", first))


def _trivy_reads_the_same(path: Path) -> bool:
    text = _read_text(path)
    named = path.suffix in {".yaml", ".yml"}
    data = reading.read_file(path)
    # Go splits lines at LF alone.
    lone_return = b"\r" in data.replace(b"\r\n", b"")
    return named == _is_yaml(path, text) and not lone_return and not data.startswith(b"\xef\xbb\xbf")


def _plain_entries(path: Path, text: str) -> Iterator[IgnoreEntry]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(line.encode()) > _LONGEST_LINE:
            raise _unreadable_error(path, f"line {number} is longer than Trivy reads")
        identity = words[0]
        problem = _id_problem(identity)
        if problem:
            raise _unreadable_error(path, f"line {number}: {identity[:80]!r} {problem}")
        expiry = next((word.removeprefix("exp:") for word in words[1:] if word.startswith("exp:")), None)
        expires = None
        if expiry is not None:
            expires = _parse_day(expiry)
            if expires is None:
                raise _unreadable_error(path, f"{expiry[:80]!r} in line {number} is not a date such as 2027-01-31")
        for word in words[1:]:
            if word.startswith("#"):
                break
            if expiry is None and _EXPIRY.fullmatch(word):
                raise _unreadable_error(
                    path, f"line {number}: {word[:80]!r} is no expiry, which is written exp:2027-01-31"
                )
            if _LIMIT.fullmatch(word):
                raise _unreadable_error(
                    path,
                    f"line {number}: {word[:80]!r} would not limit the entry; that takes .trivyignore.yaml",
                )
            if _OTHER_ID.fullmatch(word):
                raise _unreadable_error(path, f"line {number} has two ids; each stands in a line of its own")
        fields: dict[str, Any] = {"id": identity}
        if expires:
            fields["expired_at"] = expires.date()
        # Trivy cannot know the kind of finding of a bare id, and applies it to all.
        yield IgnoreEntry(id=identity, sections=SECTIONS, expires=expires, file=path, fields=fields)


def _id_problem(identity: str) -> str:
    """Explain why Trivy could not find it as an id; empty when it could."""
    if identity.startswith("//"):
        return "is no comment: those begin with #"
    if "," in identity:
        return "holds a comma: each id stands in a line of its own"
    if ":exp:" in identity or identity.startswith("exp:"):
        return "is no id: the expiry comes after it and a blank, as in CVE-2027-1 exp:2027-01-31"
    if not _ID.fullmatch(identity):
        return "is not an id"
    return _misspelling(identity)


def _misspelling(identity: str) -> str:
    prefix = identity.partition("-")[0]
    correct = identity.upper() if prefix.upper() == "CVE" else f"GHSA{identity[4:].lower()}"
    if prefix.upper() in {"CVE", "GHSA"} and identity != correct:
        return f"is never found: Trivy tells capital from small letters. Did you mean {correct[:80]}?"
    return ""


def _parse_day(text: str) -> datetime | None:
    """Parse a date as Go does: month and day have two digits."""
    return _parse_time(_TIMES.fullmatch(text)) if _DATE.fullmatch(text) else None


def _parse_time(match: re.Match[str] | None) -> datetime | None:
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        offset: tzinfo = UTC
        if zone and zone != "Z":
            minutes = int(zone[1:3]) * 60 + int(zone[4:6])
            offset = timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")[:6]),
            offset,
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Go's zero time is none, and an entry with it never ends.
    return moment if moment.year >= 1970 else None


class _Quoted(str):
    """A quoted text, which YAML never parses as a time."""

    __slots__ = ()


def _load_yaml(text: str) -> Any:
    """Load the document, with times as plain texts.

    Raises:
        YamlError: it is no YAML, or is too large.
    """

    class Constructor(ruamel_yaml.constructor.SafeConstructor):
        def text(self, node: Any) -> str:
            value = str(self.construct_scalar(node))
            return _Quoted(value) if node.style else value

    for tag in ("str", "timestamp"):
        Constructor.add_constructor(f"tag:yaml.org,2002:{tag}", Constructor.text)
    return reading.parse_yaml(text, Constructor)


def _yaml_entries(path: Path, text: str) -> Iterator[IgnoreEntry]:
    try:
        document = _load_yaml(text)
    except reading.YamlError as error:
        raise _unreadable_error(path, str(error)) from error
    if document is None:
        return
    if not isinstance(document, dict):
        raise _unreadable_error(path, "it is not a mapping of " + ", ".join(SECTIONS))
    for section, listed in document.items():
        if section not in SECTIONS:
            raise _unreadable_error(
                path, f"{str(section)[:80]!r} is none of {', '.join(SECTIONS)}{suggest_word(str(section), SECTIONS)}"
            )
        if not isinstance(listed, list | None):
            raise _unreadable_error(path, f"{section} is not a list of entries")
        for written in listed or []:
            if not isinstance(written, dict) or not isinstance(written.get("id"), str) or not written["id"]:
                raise _unreadable_error(path, f"an entry of {section} has no id")
            yield _entry(path, str(section), written)


def _entry(path: Path, section: str, written: dict[Any, Any]) -> IgnoreEntry:
    identity = str(written["id"])
    label = f"{identity[:80]} in {section}"
    for key in written:
        if key not in ENTRY_KEYS:
            hint = (
                f": did you mean {_INTENDED_KEYS[str(key)]}?"
                if str(key) in _INTENDED_KEYS
                else suggest_word(str(key), ENTRY_KEYS)
            )
            raise _unreadable_error(path, f"{str(key)[:80]!r} of {label} is none of {', '.join(ENTRY_KEYS)}{hint}")
    several = section != "licenses" and ("," in identity or identity != identity.strip())
    problem = "holds more than an id" if several else _misspelling(identity)
    if problem:
        raise _unreadable_error(path, f"{label} {problem}")
    fields: dict[str, Any] = {"id": identity, **_limits(path, section, label, written)}
    if "statement" in written:
        if not isinstance(written["statement"], str | None):
            raise _unreadable_error(path, f"statement of {label} is not a text")
        fields["statement"] = str(written["statement"] or "")
    expires = None
    if "expired_at" in written:
        expires = _parse_expiry(written["expired_at"])
        if expires is None:
            raise _unreadable_error(
                path, f"expired_at of {label} is not a date such as 2027-01-31 (without quotes) or 2027-01-31T00:00:00Z"
            )
        # Go reads a time only with a T and its zone; a date alone, only without quotes.
        fields["expired_at"] = expires.isoformat() if expires.time() != time() else expires.date()
    return IgnoreEntry(id=identity, sections=(section,), expires=expires, file=path, fields=fields)


def _limits(path: Path, section: str, label: str, written: dict[Any, Any]) -> dict[str, list[str]]:
    """The paths and packages that an entry is limited to, as given."""
    fields = {}
    for key in ("paths", "purls"):
        if key not in written:
            continue
        fields[key] = _texts(written[key])
        if not fields[key]:
            raise _unreadable_error(path, f"{key} of {label} is not a list of texts; leave it out to mean everywhere")
    if "purls" in fields and section != "vulnerabilities":
        raise _unreadable_error(path, f"purls of {label} would not limit it: Trivy has them for vulnerabilities alone")
    if any(not purl.startswith("pkg:") for purl in fields.get("purls", ())):
        raise _unreadable_error(path, f"purls of {label} are not package URLs such as pkg:deb/debian/openssl")
    return fields


_INTENDED_KEYS = {"expires": "expired_at", "expiry": "expired_at", "exp": "expired_at", "until": "expired_at"} | {
    "reason": "statement",
    "comment": "statement",
    "targets": "paths",
    "files": "paths",
    "packages": "purls",
}
"""Wrong keys whose meaning the spelling alone does not reveal."""


def _texts(value: Any) -> list[str]:
    """A list of texts, none of them empty; empty for anything else."""
    good = isinstance(value, list) and all(isinstance(text, str) and text for text in value)
    return [str(text) for text in value] if good else []


def _parse_expiry(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    match = _TIMES.fullmatch(value)
    if isinstance(value, _Quoted) and not _RFC3339.fullmatch(value):
        return None
    zoned = bool(match and match[8])
    if match and match[4] and ((" " in value) == zoned):  # Go requires a zone after T and none after a blank
        return None
    return _parse_time(match)


def _unreadable_error(path: Path, why: str) -> InputError:
    return InputError(
        "ignore-files",
        f"{str(path)!r} cannot be used: {why}" + ("" if why.endswith("?") else "."),
        remedy="An ignore file that is not understood would set aside nothing, or too much: correct it, or leave it "
        "out. `ignore-files` set to none takes none.",
    )
