"""Which files decided, and which of a pull request's did not."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.report.document import GateChangeEntry, SettingEntry
from s3c_actions.report.github.gate_files import MAX_FILES, describe_gate_changes, describe_settings
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes

DOCUMENT = outcomes.document(Outcome(command="scan", images=(ImageOutcome(image="a"),)))
FILE = SettingEntry(kind="policy", path="s3c-policy.yaml", sha256=64 * "a")
CHANGE = GateChangeEntry(
    kind="policy", path="p.yaml", target_sha256=64 * "a", head_sha256=64 * "b", used="target", accepted_by=""
)


def test_each_file_is_named_once_with_its_hash_and_many_are_counted() -> None:
    twice = replace(DOCUMENT, settings=(FILE, FILE))
    assert describe_settings([twice, twice]).count("s3c-policy.yaml") == 1
    assert "aaaaaaaaaaaa)" in describe_settings([twice])
    many = tuple(replace(FILE, path=f"ignore-{number}", sha256="") for number in range(MAX_FILES + 3))
    sentence = describe_settings([replace(DOCUMENT, settings=many)])
    assert sentence.endswith(" and 3 more.")
    assert "sha256" not in sentence
    assert describe_settings([DOCUMENT]) == ""


def test_which_branchs_file_decides_is_said_with_who_accepted_it() -> None:
    def sentence(**changes: str) -> str:
        (text,) = describe_gate_changes([replace(DOCUMENT, gate_changes=(replace(CHANGE, **changes),))])
        return text

    assert "the target branch's (sha256 aaaaaaaaaaaa), not this pull request's (sha256 bbbbbbbbbbbb)" in sentence()
    assert "not this pull request's (not there)" in sentence(head_sha256="")
    assert "the target branch has none" in sentence(used="head", target_sha256="")
    assert "accepted by `ada` with the label" in sentence(used="head", accepted_by="ada")
    assert describe_gate_changes([DOCUMENT]) == []
