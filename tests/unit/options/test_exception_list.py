"""`exception list` reads, and takes no key."""

from __future__ import annotations

from s3c_actions.options.exception_list import COMMAND
from s3c_actions.options.sign import KEY_INPUTS


def test_it_takes_images_and_the_policy_and_no_key() -> None:
    names = {option.name for option in COMMAND.inputs}
    assert {"image", "policy"} <= names
    assert not names & {option.name for option in KEY_INPUTS}
