"""`exception grant`: nothing of an exception is assumed."""

from __future__ import annotations

from s3c_actions.options.exception_grant import COMMAND


def test_what_who_why_and_until_have_to_be_given() -> None:
    required = {option.name for option in COMMAND.inputs if option.required}
    assert required == {"image", "findings", "until", "why", "who"}
    assert not {option.name for option in COMMAND.inputs if option.required and option.default}
