from datetime import UTC, datetime

import pytest
from ruamel.yaml import YAML

from s3c_actions.errors import InputError
from s3c_actions.programs import trivy_ignore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_plain_entries_and_their_expiry(tmp_path):
    file = written(
        tmp_path, ".trivyignore", "# why\nCVE-1\nCVE-2 exp:2026-01-01\n\nCVE-3 exp:2026-11-30\nCVE-4 exp:2027-11-30\n"
    )
    entries = trivy_ignore.read(file)
    assert [one.id for one in entries] == ["CVE-1", "CVE-2", "CVE-3", "CVE-4"]
    told = trivy_ignore.notices(entries, NOW)
    assert told[0].startswith("CVE-2 is reported again")
    assert "expired on 2026-01-01" in told[0]
    assert told[1].startswith("CVE-3 will be reported again in 6 days")
    assert len(told) == 2


def test_yaml_entries_and_their_expiry(tmp_path):
    file = written(
        tmp_path,
        ".trivyignore.yaml",
        "vulnerabilities:\n  - id: CVE-1\n    expired_at: 2026-01-01\n    statement: waits\n"
        "secrets:\n  - id: aws-access-key-id\n    paths: ['app/**']\n",
    )
    first, second = trivy_ignore.read(file)
    assert (first.sections, first.expires) == (("vulnerabilities",), datetime(2026, 1, 1, tzinfo=UTC))
    assert (second.id, second.expires) == ("aws-access-key-id", None)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (".trivyignore", "CVE-1 exp:tomorrow", "line 1 is not a date"),
        ("a.yaml", "vulnerabilities:\n  - id: [", "cannot be used"),
        ("a.yaml", "- CVE-1", "not a mapping"),
        ("a.yaml", "vulnerability:\n  - id: CVE-1", "'vulnerability' is none of"),
        ("a.yaml", "vulnerabilities:\n  - CVE-1", "has no id"),
        ("a.yaml", "vulnerabilities:\n  - id: CVE-1\n    expired_at: '2026-01-01'", "without quotes"),
    ],
)
def test_what_trivy_would_pass_over_is_refused(tmp_path, name, text, why):
    with pytest.raises(InputError, match="ignore-files") as caught:
        trivy_ignore.read(written(tmp_path, name, text))
    assert why in caught.value.what


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        trivy_ignore.read(tmp_path / "nope")


def test_several_files_become_one_that_trivy_reads_the_same_way(tmp_path):
    plain = written(tmp_path, ".trivyignore", "CVE-1 exp:2027-01-31\n")
    yaml = written(tmp_path, "more.yaml", "secrets:\n  - id: key\n    statement: test data\n")
    entries = [entry for file in (plain, yaml) for entry in trivy_ignore.read(file)]
    merged = trivy_ignore.merged((plain, yaml), entries, tmp_path)
    assert merged is not None
    document = YAML(typ="safe").load(merged.read_text())
    assert document["secrets"] == [
        {"id": "CVE-1", "expired_at": datetime(2027, 1, 31).date()},
        {"id": "key", "statement": "test data"},
    ]
    assert [entry["id"] for entry in document["vulnerabilities"]] == ["CVE-1"]
    assert trivy_ignore.merged((plain,), entries, tmp_path) == plain
    assert trivy_ignore.merged((), (), tmp_path) is None
