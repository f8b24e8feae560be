"""Files that `s3c init` wrote, changed ones, and those of others."""

import pytest

from s3c_actions.scaffold import ownership
from s3c_actions.scaffold.ownership import State

OLD, NEW = ownership.mark("a: 1\n"), ownership.mark("a: 2\n")


@pytest.mark.parametrize(
    ("present", "state"),
    [
        (None, State.MISSING),
        (NEW.encode(), State.CURRENT),
        (NEW.replace("\n", "\r\n").encode(), State.CURRENT),
        (OLD.encode(), State.OWN),
        (OLD.replace("\n", "\r\n").encode(), State.OWN),
        (OLD.rstrip("\n").encode(), State.OWN),
        (OLD.replace("a: 1", "a: 3").encode(), State.CHANGED),
        (f"{OLD}b: 1\n".encode(), State.CHANGED),
        (f"# mine\n{OLD}".encode(), State.CHANGED),
        (f"{OLD}{NEW}".encode(), State.CHANGED),
        (b"a: 1\n", State.FOREIGN),
        (b"", State.FOREIGN),
        (b"\xff\xfe", State.FOREIGN),
    ],
)
def test_what_a_file_is(present, state):
    assert ownership.classify(present, NEW) is state
