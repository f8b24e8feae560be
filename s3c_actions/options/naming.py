"""How an input is named in a message: as whoever gave it, or has to give it, writes it.

In the text of an error, a notice or a help text, a code span that is an input's name stands for the input: `fail-on`.
An action's users know that name. On a command line it is shown as the flag, `--fail-on`, and an input that came from
an environment variable as that variable; a bare argument is shown as in the usage line, `IMAGE`. With a value it is
written as in a workflow, `fail-on: none`, and shown as `--fail-on=none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.progress import Progress, StepContext
from s3c_actions.options.declare import Input, variable

_SPAN = re.compile(r"`([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?:: ([\w.,=-]+))?`")


class InputNames(msgspec.Struct, frozen=True):
    """The names of inputs in messages.

    Attributes:
        spans: name of an input → what stands for it in a code span. Other code spans stay as they are.
        fields: name of an input → what stands for it before the message about its value.
    """

    spans: Mapping[str, str] = {}
    fields: Mapping[str, str] = {}

    def render(self, text: str) -> str:
        """Return a text with the inputs in its code spans named."""
        return _SPAN.sub(self._render_span, text) if self.spans else text

    def _render_span(self, span: re.Match[str]) -> str:
        name, value = self.spans.get(span[1], ""), span[2]
        if not name or (value and name.isupper() and not name.startswith("S3C_")):
            return span[0]
        return f"`{name}={value}`" if value else f"`{name}`"

    def name_inputs(self, error: S3CError) -> None:
        """Name the inputs in an error's texts; the original message of a program or service stays as it is."""
        error.what, error.cause, error.remedy = map(self.render, (error.what, error.cause, error.remedy))
        if isinstance(error, InputError) and error.what.startswith(f"{error.field}: "):
            error.what = self.fields.get(error.field, error.field) + error.what[len(error.field) :]
        error.args = (error.what,)


def flag_names(inputs: Iterable[Input[Any]]) -> dict[str, str]:
    """Return the flag of each input, by its name."""
    return {option.name: option.flag for option in inputs}


def name_on_command_line(
    inputs: Iterable[Input[Any]], others: Iterable[Input[Any]], flags: Mapping[str, str], environment: Mapping[str, str]
) -> InputNames:
    """Return the names for a command line: flags, and variables of what came from the environment.

    Args:
        inputs: of the command.
        others: inputs that have a variable and no flag.
        flags: name or alias of an input → text, of the flags and arguments given.
        environment: of the process.
    """
    spans: dict[str, str] = {option.name: option.variable for option in others}
    fields = dict(spans)
    for option in inputs:
        spans |= {alias: f"--{alias}" for alias in option.aliases}
        variables = [variable(name) for name in option.names]
        # A secret's variable that is there and empty is what its user has to look at.
        given = next(
            (name for name in variables if environment.get(name) or (option.secret and name in environment)), ""
        )
        if given and not any(name in flags for name in option.names):
            spans[option.name] = fields[option.name] = given
        else:
            spans[option.name] = option.name.upper() if option.positional else option.flag
            fields[option.name] = option.name if option.positional else option.flag
    return InputNames(spans, fields)


class NamingProgress:
    """Progress in whose sentences the inputs are named.

    Args:
        progress: that shows them.
        names: of the inputs.
    """

    def __init__(self, progress: Progress, names: InputNames) -> None:
        self._progress, self._names = progress, names
        self.show_heading, self.note, self.line = progress.show_heading, progress.note, progress.line

    def step(self, name: str) -> StepContext:
        """Begin a step."""
        return _NamingStep(self._progress.step(name), self._names)

    def for_image(self, image: str) -> Progress:
        """Return the progress of one of several images at once."""
        return NamingProgress(self._progress.for_image(image), self._names)

    def notice(self, text: str) -> None:
        """Show a notice."""
        self._progress.notice(self._names.render(text))

    def warning(self, text: str) -> None:
        """Show a warning."""
        self._progress.warning(self._names.render(text))


class _NamingStep:
    def __init__(self, step: StepContext, names: InputNames) -> None:
        self._step, self._names = step, names

    def __enter__(self) -> _NamingStep:
        self._step.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._step.__exit__(*error)

    def done(self, sentence: str) -> None:
        """Set the sentence that describes the outcome."""
        self._step.done(self._names.render(sentence))
