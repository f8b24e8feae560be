"""A command is declared apart from its implementation, which is imported when it runs."""

from __future__ import annotations

import importlib
import inspect

import pytest

from s3c_actions.options.command import COMMANDS, load


@pytest.mark.parametrize("name", COMMANDS)
def test_the_implementation_takes_the_inputs_declared(name: str) -> None:
    command = load(name)
    assert command.name == name
    module, _, function = command.implementation.partition(":")
    implementation = getattr(importlib.import_module(module), function)
    first, *_ = inspect.get_annotations(implementation, eval_str=True).values()
    assert first is command.options
