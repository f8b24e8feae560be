"""The actions that written workflows use are those that our own workflows use, and Amazon's."""

import re

from s3c_actions.scaffold import pins
from tests.support import ROOT


def test_the_commits_are_those_of_our_own_workflows():
    text = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    assert len(pins.OWN) == len(set(pins.OWN)) == 5
    for pin in pins.OWN:
        assert f"uses: {pin}\n" in text


def test_each_is_pinned_by_a_commit():
    for pin in pins.ALL:
        assert re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", pin)
    assert len({pin.partition("@")[0] for pin in pins.ALL}) == len(pins.ALL)
