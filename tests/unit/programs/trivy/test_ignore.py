from datetime import UTC, date, datetime

import pytest
from ruamel.yaml import YAML

from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.programs.trivy import ignore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def read(folder, name, text):
    return ignore.read(written(folder, name, text))


def ignored(identity, kind=FindingKind.VULNERABILITY):
    return Finding(id=identity, kind=kind, severity=Severity.HIGH, suppressed="ignored")


def test_plain_entries_and_their_expiry(tmp_path):
    file = written(
        tmp_path, ".trivyignore", "# why\nCVE-1\nCVE-2 exp:2026-01-01\n\nCVE-3 exp:2026-11-30\nCVE-4 exp:2027-11-30\n"
    )
    entries = ignore.read(file)
    assert [entry.id for entry in entries] == ["CVE-1", "CVE-2", "CVE-3", "CVE-4"]
    notices = ignore.entry_notices(entries, NOW)
    assert notices[0].startswith("CVE-2 is reported again")
    assert "expired on 2026-01-01" in notices[0]
    assert notices[1].startswith("CVE-3 will be reported again in 6 days")
    assert len(notices) == 2


def test_yaml_entries_and_their_expiry(tmp_path):
    file = written(
        tmp_path,
        ".trivyignore.yaml",
        "vulnerabilities:\n  - id: CVE-1\n    expired_at: 2026-01-01\n    statement: waits\n"
        "secrets:\n  - id: aws-access-key-id\n    paths: ['app/**']\n",
    )
    first, second = ignore.read(file)
    assert (first.sections, first.expires) == (("vulnerabilities",), datetime(2026, 1, 1, tzinfo=UTC))
    assert (second.id, second.expires) == ("aws-access-key-id", None)


@pytest.mark.parametrize(
    "line",
    [
        "CVE-2027-1",
        "GHSA-4xc9-xhrj-v574  # waits for upstream",
        "SUSE-SU-2021:1234-1",
        "AVD-DS-0002 the base image runs as root exp:2027-01-31",
        "GPL-2.0+",
        "LicenseRef-a/b",
        "CVE-2027-1 see https://example.test/2027-01-31/advisory",
        "CVE-2027-1 # looked at 2026-11-30",
        "\tCVE-2027-1\r",
    ],
)
def test_lines_that_trivy_reads_are_read(tmp_path, line):
    (entry,) = read(tmp_path, ".trivyignore", f"# first\n{line}\n")
    assert entry.id == line.split()[0]
    assert bool(entry.expires) == ("exp:" in line)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("CVE-1 exp:tomorrow", "line 2 is not a date"),
        ("CVE-1 exp:2027-1-1", "line 2 is not a date"),
        ("CVE-1 exp:2027-02-30", "line 2 is not a date"),
        ("CVE-1 exp: 2027-01-01", "line 2 is not a date"),
        ("CVE-1 exp:0001-01-01", "line 2 is not a date"),
        ("CVE-1 exp:\u0662\u0660\u0662\u0667-01-01", "line 2 is not a date"),
        ("CVE-1 expires:2027-01-01", "line 2: 'expires:2027-01-01' is no expiry"),
        ("CVE-1 until=2027-01-01", "is no expiry"),
        ("CVE-1 2027-01-01", "is no expiry"),
        ("CVE-1 valid-until=2027-01-01", "is no expiry"),
        ("CVE-1 (until 2027-01-01)", "is no expiry"),
        ("CVE-1 2027/01/31", "is no expiry"),
        ("CVE-1 31.01.2027,", "is no expiry"),
        ("CVE-1 2027-01-31T00:00:00Z", "is no expiry"),
        ("CVE-1 pkg:deb/debian/openssl", "would not limit the entry"),
        ("CVE-1 path:usr/bin/curl", "would not limit the entry"),
        ("CVE-2024-1,CVE-2024-2", "line 2: 'CVE-2024-1,CVE-2024-2' holds a comma"),
        ("CVE-2024-1, CVE-2024-2", "holds a comma"),
        ("CVE-2024-1 CVE-2024-2", "line 2 has two ids"),
        ("DS-0002 DS-0026", "line 2 has two ids"),
        ("CVE-2024-1\fAVD-KSV-0014", "line 2 has two ids"),
        ("CVE-2024-1 DS026 # root", "line 2 has two ids"),
        ("CVE-2024-4:exp:2025-01-01", "line 2: 'CVE-2024-4:exp:2025-01-01' is no id"),
        ("exp:2027-01-01", "is no id"),
        ("// comment", "line 2: '//' is no comment"),
        ("cve-2024-3", "Did you mean CVE-2024-3?"),
        ("ghsa-4xc9-xhrj-v574", "Did you mean GHSA-4xc9-xhrj-v574?"),
        ("- id: CVE-5", "line 2: '-' is not an id"),
        ("vulnerabilities:", "is not an id"),
        ("'CVE-5'", "is not an id"),
        ("CVE-1 " + "x" * 65_535, "line 2 is longer"),
    ],
)
def test_lines_that_trivy_would_misread_are_refused_with_their_number(tmp_path, line, why):
    with pytest.raises(InputError, match="ignore-files") as caught:
        read(tmp_path, ".trivyignore", f"CVE-0\n{line}\n")
    assert why in caught.value.what


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("vulnerabilities:\n  - id: [", "cannot be used"),
        ("- CVE-1", "not a mapping"),
        ("[" * 5000, "cannot be used"),
        ("CVE-1\nCVE-2", "not a mapping"),
        ("vulnerability:\n  - id: CVE-1", "'vulnerability' is none of"),
        ("vulnerability:\n  - id: CVE-1", "did you mean vulnerabilities?"),
        ("vulnerabilities:\n  CVE-1: why", "is not a list"),
        ("vulnerabilities: CVE-1", "is not a list"),
        ("vulnerabilities:\n  - CVE-1", "has no id"),
        ("vulnerabilities:\n  - ID: CVE-1", "has no id"),
        ("vulnerabilities:\n  - id: cve-2024-1", "Did you mean CVE-2024-1?"),
        ("vulnerabilities:\n  - id: CVE-1,CVE-2", "holds more than an id"),
        ("secrets:\n  - id: 'key '", "holds more than an id"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: '2026-01-01'", "without quotes"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at:", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 2027", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: soon", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 0001-01-01", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 9999-12-31T23:00:00-05:00", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 2027-01-01 00:00:00Z", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 2027-01-01T00:00:00+25:00", "not a date"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired_at: 2027-01-01\n    expired_at: 2020-01-01", "cannot be used"),
        ("vulnerabilities:\n  - id: CVE-1\n    expires: 2020-01-01", "did you mean expired_at?"),
        ("vulnerabilities:\n  - id: CVE-1\n    expiredAt: 2020-01-01", "did you mean expired_at?"),
        ("vulnerabilities:\n  - id: CVE-1\n    expired-at: 2020-01-01", "did you mean expired_at?"),
        ("vulnerabilities:\n  - id: CVE-1\n    path: [a]", "did you mean paths?"),
        ("vulnerabilities:\n  - id: CVE-1\n    purl: [pkg:deb/debian/x]", "did you mean purls?"),
        ("vulnerabilities:\n  - id: CVE-1\n    reason: x", "did you mean statement?"),
        ("vulnerabilities:\n  - id: CVE-1\n    owner: x", "'owner' of CVE-1 in vulnerabilities is none of"),
        ("vulnerabilities:\n  - id: CVE-1\n    paths: app", "paths of CVE-1 in vulnerabilities is not a list"),
        ("vulnerabilities:\n  - id: CVE-1\n    paths: []", "leave it out to mean everywhere"),
        ("vulnerabilities:\n  - id: CVE-1\n    paths:", "leave it out to mean everywhere"),
        ("vulnerabilities:\n  - id: CVE-1\n    purls: [openssl]", "are not package URLs"),
        ("secrets:\n  - id: key\n    purls: [pkg:deb/debian/x]", "would not limit it"),
    ],
)
def test_yaml_that_trivy_would_misread_is_refused(tmp_path, text, why):
    with pytest.raises(InputError, match="ignore-files") as caught:
        read(tmp_path, "a.yaml", text)
    assert why in caught.value.what


@pytest.mark.parametrize(
    ("written_as", "moment"),
    [
        ('"2027-12-10T00:00:00Z"', datetime(2027, 12, 10, tzinfo=UTC)),
        ("'2027-12-10T01:30:00+01:00'", datetime(2027, 12, 10, 0, 30, tzinfo=UTC)),
        ("2027-12-10T01:30:00.5Z", datetime(2027, 12, 10, 1, 30, 0, 500_000, tzinfo=UTC)),
        ("2027-12-10 01:30:00", datetime(2027, 12, 10, 1, 30, tzinfo=UTC)),
        ("2027-1-2", datetime(2027, 1, 2, tzinfo=UTC)),
    ],
)
def test_times_are_what_they_are_for_trivy(tmp_path, written_as, moment):
    (entry,) = read(tmp_path, "a.yaml", f"vulnerabilities:\n  - id: CVE-1\n    expired_at: {written_as}\n")
    assert entry.expires == moment


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ignore.txt", "# why\nvulnerabilities:\n  - id: CVE-1\n"),
        (".trivyignore", "---\nvulnerabilities: [{id: CVE-1}]\n"),
        ("ignore.json", '{"vulnerabilities": [{"id": "CVE-1"}]}'),
        ("bom.txt", "\ufeffCVE-1\n"),
        ("bom.yaml", "\ufeffvulnerabilities:\n  - id: CVE-1\n"),
    ],
)
def test_what_trivy_would_not_recognise_is_written_anew_for_it(tmp_path, name, text):
    file = written(tmp_path, name, text)
    entries = ignore.read(file)
    assert [entry.id for entry in entries] == ["CVE-1"]
    handed = ignore.merge_files((file,), entries, tmp_path)
    assert handed is not None
    assert handed != file
    assert YAML(typ="safe").load(handed.read_text())["vulnerabilities"] == [{"id": "CVE-1"}]


def test_lines_that_end_as_on_an_old_mac_are_lines_for_trivy_too(tmp_path):
    file = tmp_path / ".trivyignore"
    file.write_bytes(b"CVE-1\rCVE-2\r")
    entries = ignore.read(file)
    handed = ignore.merge_files((file,), entries, tmp_path)
    assert handed is not None
    assert YAML(typ="safe").load(handed.read_text())["secrets"] == [{"id": "CVE-1"}, {"id": "CVE-2"}]
    file.write_bytes(b"CVE-1\r\nCVE-2\r\n")
    assert ignore.merge_files((file,), ignore.read(file), tmp_path) == file


def test_a_file_that_is_not_there_or_is_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        ignore.read(tmp_path / "nope")
    (tmp_path / "wide").write_text("CVE-1\n", encoding="utf-16")
    with pytest.raises(InputError, match="not UTF-8"):
        ignore.read(tmp_path / "wide")


def test_several_files_become_one_that_trivy_reads_the_same_way(tmp_path):
    plain = written(tmp_path, ".trivyignore", "CVE-1 exp:2027-01-31\n")
    yaml = written(
        tmp_path,
        "more.yaml",
        "secrets:\n  - id: key\n    statement: test data\n  - id: other\n    expired_at: '2027-01-31T01:00:00+01:00'\n"
        "  - id: third\n    expired_at: 2027-01-31T01:00:00+02:00\n",
    )
    entries = [entry for file in (plain, yaml) for entry in ignore.read(file)]
    merged = ignore.merge_files((plain, yaml), entries, tmp_path)
    assert merged is not None
    document = YAML(typ="safe").load(merged.read_text())
    assert document["secrets"] == [
        {"id": "CVE-1", "expired_at": date(2027, 1, 31)},
        {"id": "key", "statement": "test data"},
        {"id": "other", "expired_at": date(2027, 1, 31)},
        {"id": "third", "expired_at": "2027-01-30T23:00:00+00:00"},
    ]
    assert [entry["id"] for entry in document["vulnerabilities"]] == ["CVE-1"]
    assert ignore.merge_files((plain,), entries, tmp_path) == plain
    assert ignore.merge_files((), (), tmp_path) is None


def test_nothing_is_reported_again_that_another_entry_sets_aside(tmp_path):
    entries = read(
        tmp_path,
        "dup.yaml",
        "vulnerabilities:\n"
        "  - {id: CVE-1, expired_at: 2026-01-01}\n  - {id: CVE-1, expired_at: 2027-12-01}\n"
        "  - {id: CVE-2, expired_at: 2026-01-01, paths: [a]}\n  - {id: CVE-2}\n"
        "  - {id: CVE-3, expired_at: 2026-01-01}\n  - {id: CVE-3, paths: [a]}\n"
        "  - {id: CVE-4, expired_at: 2026-01-01}\n  - {id: CVE-4, expired_at: 2026-11-30}\n"
        "  - {id: CVE-5, expired_at: 2026-01-01}\n"
        "secrets:\n  - {id: CVE-5}\n",
    )
    subjects = [notice.partition(":")[0] for notice in ignore.entry_notices(entries, NOW)]
    assert subjects == [
        "CVE-3 is reported again",
        "CVE-4 will be reported again in 6 days",
        "CVE-5 is reported again",
    ]


def test_entries_that_set_nothing_aside_are_known(tmp_path):
    entries = read(
        tmp_path,
        "a.yaml",
        "vulnerabilities:\n  - {id: CVE-1}\n  - {id: CVE-2}\n  - {id: CVE-3, expired_at: 2026-01-01}\n"
        "misconfigurations:\n  - {id: AVD-DS-0002}\n  - {id: DS003}\nsecrets:\n  - {id: key}\n"
        "licenses:\n  - {id: GPL-2.0-only}\n  - {id: MIT}\n",
    )
    entries += read(tmp_path, ".trivyignore", "CVE-4\nother-key\n")
    suppressed = (
        ignored("CVE-1"),
        ignored("DS-0002", FindingKind.MISCONFIGURATION),
        ignored("GPL-2.0-only AND (BSD OR ISC)", FindingKind.LICENSE),
        ignored("other-key", FindingKind.SECRET),
    )
    every = ("vuln", "misconfig", "secret", "license")
    names = [entry.id for entry in ignore.unused_entries(entries, suppressed, NOW, every)]
    assert names == ["CVE-2", "DS003", "key", "MIT", "CVE-4"]
    # What was not looked for says nothing of an entry.
    names = [entry.id for entry in ignore.unused_entries(entries, suppressed, NOW, ("vuln",))]
    assert names == ["CVE-2", "CVE-4"]
