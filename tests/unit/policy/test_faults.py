"""A fault in a policy: its line, the key or value that was meant, and what there is to choose from."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.policy import faults, model

POLICY = """\
version: 1
signers:
  - name: release
    certificate: keys/release.crt
findings:
  refuse: [CRITICAL]
exceptions:
  - id: CVE-2026-1
    until: 2027-01-31
    why: not reachable
    who: octocat
"""


@pytest.mark.parametrize(
    ("old", "new", "where", "remedy"),
    [
        ("signers:", "signrs:", "line 2: at the top: there is no key 'signrs' here", "Did you mean signers?"),
        ("certificate:", "certificat:", "line 4: at signers[0]: there is no key", "Did you mean certificate?"),
        ("refuse:", "refusing:", "line 6: at findings: there is no key", "Did you mean refuse?"),
        ("refuse:", "qqqqq:", "line 6: at findings: there is no key", "Choose from refuse"),
        ("[CRITICAL]", "[HIGH, CRITCAL]", "line 6: at findings.refuse[1]: 'CRITCAL'", "Did you mean CRITICAL?"),
        ("until:", "untill:", "line 11: at exceptions[0]: there is no key", "Did you mean until?"),
        ("2027-01-31", "tomorrow", "line 9: at exceptions[0].until: this is no date such as", "docs/policy.md"),
        ("2027-01-31", "2027-02-30", "line 9: a value cannot be read", "Look at that line"),
        ("version: 1", "version: 2", "line 1: at version: this is not 1", "docs/policy.md"),
        ("  refuse: [CRITICAL]", "  - x", "line 5: at findings: ", "docs/policy.md"),
    ],
)
def test_the_line_and_what_was_meant(old, new, where, remedy) -> None:
    text = POLICY.replace(old, new, 1)
    if new == "untill:":  # what misspells a key that is needed has two faults; the unknown one is named
        text = text.replace("    who: octocat\n", "    who: octocat\n    until: 2027-01-31\n")
        where = "line 9: at exceptions[0]: there is no key"
    with pytest.raises(InputError) as caught:
        model.parse(text)
    assert where in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("findings: {fail-on: HIGH}", "Here that is the key `refuse`, which belongs in the section `findings`."),
        ("findings.fail-on: HIGH", "Here that is the key `refuse`, which belongs in the section `findings`."),
        ("fail-on: HIGH", "Here that is the key `refuse`, which belongs in the section `findings`."),
        ("findings: {ignore-unfixed: true}", "Here that is the key `fixable-only`, which belongs in the section"),
        ("findings.refuse: [HIGH]", "Write `refuse` in the section `findings`, below it and without a dot."),
        ("findings.refused: [HIGH]", "Did you mean refuse? Choose in the section `findings` from refuse, "),
        ("require-covered-sources: true", "`require-covered-sources` belongs in the section `report`."),
        ("until: 2027-01-31", "`until` belongs in each entry of `exceptions`."),
        ("findings: {exceptions: []}", "`exceptions` belongs at the top."),
        ("refuse: [HIGH]", "`refuse` belongs in the section `findings` or in the section `packages` or "),
        ("a.b: 1", "Choose from version, signers, findings, "),
    ],
)
def test_a_key_in_the_wrong_place_is_told_where_it_belongs(line, remedy) -> None:
    with pytest.raises(InputError) as caught:
        model.parse(f"version: 1\nsigners: [{{name: a, certificate: x}}]\n{line}\n")
    assert remedy in caught.value.remedy
    assert "Did you mean fixable-only" not in caught.value.remedy


def test_a_schema_that_refers_to_itself_is_searched_to_an_end() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"below": {"$ref": "#/$defs/a"}}}}}
    fault = faults.locate("x: 1", "", "unknown field `x`", schema)
    assert fault.remedy == "Choose from below."


def test_a_place_that_is_not_there_has_no_line() -> None:
    assert faults.locate("[", "a.b", "wrong", model.schema()) == faults.Fault(0, "wrong", "")
    assert faults.locate("a: 1\n", "a.b[3].c", "wrong", {}).line == 1
