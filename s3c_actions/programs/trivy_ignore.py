"""Trivy's ignore files: what they set aside, and until when.

`.trivyignore` has an id a line with an optional `exp:YYYY-MM-DD`; `.trivyignore.yaml` has lists of entries with
`id`, `expired_at`, `statement` (https://trivy.dev/docs/v0.74/guide/configuration/filtering/). Trivy drops entries that
have expired without a word, and takes a file that is not there for an empty one; people are told here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions import reading
from s3c_actions.errors import InputError

DEFAULT = ".trivyignore"
SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")
SOON = timedelta(days=14)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
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


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of one file, in its order.

    Raises:
        InputError: it is not there, cannot be read, or an entry's id or date is not one.
    """
    try:
        text = reading.text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, getattr(error, "strerror", "") or "it is not UTF-8") from error
    if path.suffix in {".yaml", ".yml"}:
        return tuple(_yaml(path, text))
    return tuple(_plain(path, text))


def merged(files: Sequence[Path], entries: Iterable[Entry], temp: Path) -> Path | None:
    """The one file that Trivy takes: the person's own when there is one, else all entries in a new one in `temp`."""
    if len(files) <= 1:
        return files[0] if files else None
    from ruamel.yaml import YAML

    document: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        for section in entry.sections:
            document.setdefault(section, []).append(entry.fields)
    path = temp / "trivyignore.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(document, file)
    return path


def notices(entries: Iterable[Entry], now: datetime) -> list[str]:
    """A sentence for each entry that has expired or soon will. Ids are untrusted."""
    told = []
    for entry in entries:
        if entry.expires is None:
            continue
        day = entry.expires.date().isoformat()
        if entry.expires < now:
            told.append(f"{entry.id} is reported again: its entry in {entry.file.name} expired on {day}.")
        elif entry.expires - now < SOON:
            days = (entry.expires - now).days
            told.append(f"{entry.id} will be reported again in {days} days: its entry in {entry.file.name} expires.")
    return told


def _plain(path: Path, text: str) -> Iterable[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        said = next((word.removeprefix("exp:") for word in words[1:] if word.startswith("exp:")), "")
        expires = None
        if said:
            try:
                expires = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
            except ValueError:
                raise _unreadable(path, f"{said!r} in line {number} is not a date such as 2027-01-31") from None
        fields: dict[str, Any] = {"id": words[0]}
        if expires:
            fields["expired_at"] = expires.date()
        # Trivy cannot know which kind of finding a bare id is, and takes it for all.
        yield Entry(id=words[0], sections=SECTIONS, expires=expires, file=path, fields=fields)


def _yaml(path: Path, text: str) -> Iterable[Entry]:
    try:
        document = reading.yaml_value(text)
    except reading.YamlError as error:
        raise _unreadable(path, str(error)) from error
    if document is None:
        return
    if not isinstance(document, dict):
        raise _unreadable(path, "it is not a mapping of " + ", ".join(SECTIONS))
    for section, listed in document.items():
        if section not in SECTIONS:
            raise _unreadable(path, f"{str(section)[:80]!r} is none of {', '.join(SECTIONS)}")
        if not isinstance(listed, list | None):
            raise _unreadable(path, f"{section} is not a list")
        for one in listed or []:
            if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
                raise _unreadable(path, f"an entry of {section} has no id")
            yield Entry(id=one["id"], sections=(section,), expires=_expiry(path, one), file=path, fields=dict(one))


def _expiry(path: Path, fields: dict[str, Any]) -> datetime | None:
    said = fields.get("expired_at")
    if said is None:
        return None
    if isinstance(said, datetime):
        return said if said.tzinfo else said.replace(tzinfo=UTC)
    if isinstance(said, date):
        return datetime(said.year, said.month, said.day, tzinfo=UTC)
    raise _unreadable(path, f"expired_at of {fields['id'][:80]} is not a date such as 2027-01-31 (without quotes)")


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        "ignore-files",
        f"{str(path)!r} cannot be used: {why}.",
        remedy="An ignore file that is not understood would set aside nothing, or too much: mend it, or leave it out.",
    )
