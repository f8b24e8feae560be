"""A command whose work is a function of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from s3c_actions.options.command import Command
from s3c_actions.options.declare import G
from s3c_actions.result.model import Outcome
from s3c_actions.wiring.context import Context


class FunctionCommand(Command[G], frozen=True, kw_only=True):
    """A command that calls a function instead of importing one.

    Attributes:
        function: called with the values of the inputs and the context.
    """

    implementation: str = ""
    function: Callable[[G, Context], Outcome]

    def run(self, options: G, context: Context) -> Outcome:
        """Call the function."""
        return self.function(options, context)


def with_function(command: Command[Any], function: Callable[[Any, Context], Outcome]) -> FunctionCommand[Any]:
    """The command as declared, with a function in place of its implementation."""
    return FunctionCommand(**msgspec.structs.asdict(command), function=function)
