"""What a scan says of its ignore files."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.programs.trivy import ignore
from s3c_actions.steps.scan.scan import MAX_NAMED, unused_entry_notices
from tests.support.samples import finding, report, scan_settings


@pytest.mark.parametrize("number", [1, 2, MAX_NAMED + 2])
def test_entries_that_set_nothing_aside_are_named_up_to_a_limit(tmp_path, number):
    path = tmp_path / ".trivyignore"
    path.write_text("".join(f"CVE-2024-{entry:04d}\n" for entry in range(number)))
    entries = ignore.read(path)
    (sentence,) = unused_entry_notices(report(), scan_settings(tmp_path, settings={"ignored": entries}))
    assert sentence.startswith("1 entry of ignore files sets" if number == 1 else f"{number} entries of ignore files")
    assert sentence.count("(.trivyignore)") == min(number, MAX_NAMED)
    assert sentence.endswith(" and 2 more." if number > MAX_NAMED else ").")


def test_an_entry_that_is_used_or_of_a_rescan_is_not_named(tmp_path):
    path = tmp_path / ".trivyignore"
    path.write_text(finding().id)
    settings = {"ignored": ignore.read(path)}
    scanned = scan_settings(tmp_path, settings=settings)
    assert unused_entry_notices(report(), scanned) != ()
    assert unused_entry_notices(replace(report(), suppressed=(finding(),)), scanned) == ()
    assert unused_entry_notices(report(), scan_settings(tmp_path, settings={**settings, "title": "rescan"})) == ()
