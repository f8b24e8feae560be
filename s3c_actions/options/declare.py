"""Inputs: one declaration serves flag, action input, environment variable and README row.

An `Input` named `fail-on` is the flag `--fail-on`, the action input `fail-on`, the environment variable
`S3C_FAIL_ON`, and a row in every README of a command that takes it. A flag wins over the environment, the environment
over the default; an empty environment variable counts as not given, because a composite action passes one for an input
that was not set. One name means one thing in every command.

Inputs are the attributes of groups (`Group`): a function takes the group it reads, a command's inputs are the group
that inherits from all groups its functions take. See docs/decisions/0013-typed-option-groups.md.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, cast, overload

import msgspec

from s3c_actions.core import pasted_content, suggest
from s3c_actions.core.errors import InputError
from s3c_actions.options import parse

T = TypeVar("T")
Keep = Callable[[str, str], Path]
"""Writes the content given for an input of that name to a file that only this user may read."""


class Input(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One input.

    Attributes:
        name: kebab-case.
        help: one or two sentences for people; Markdown code spans are allowed.
        parse: text → value; raises ValueError with a clause that completes "NAME: 'TEXT' is not …".
        default: as text, the way it stands in action.yml; None means not given, and then the value is `absent`.
        absent: the value when neither given nor defaulted.
        choices: the values allowed, for help texts; `parse` enforces them.
        example: a value for the README.
        aliases: names of other tools that are accepted with a notice: name → whose it is, empty for
            a second name of ours.
        required: a command that takes it refuses to start without it.
        secret: masked before first use, never a flag: it comes from the environment or a file.
        positional: the command's bare argument as well as the flag.
        many: takes several values (repeatable flag; commas or lines in the environment). `parse` sees them joined by
            newlines.
        metavar: what a value is, for help texts: `SEVERITY`; by default what `parse` reads.
        short: the letter of a short flag: `o` for `-o`. Of one letter, all commands have one meaning.
        basic: the commands whose short help text (`-h`) lists it.
        switch: a bare flag means true.
        expression: the default in action.yml alone, for what only a workflow knows.
        takes: kinds of content (`pasted.CERTIFICATE`, …) that may be given in place of a path.
        instead: what to do with content that is given here and not accepted, as a sentence.
        variables: its lines are `NAME=value`, the environment of something else: such a value may be secret.
        of_runner: whoever runs the machine may set the variable for every job: an action's empty input leaves it. The
            other variables do not count in actions, since any earlier step of the job can set them.
    """

    name: str
    help: str
    parse: Callable[[str], T]
    default: str | None = None
    absent: T = None  # type: ignore[assignment]
    choices: tuple[str, ...] = ()
    example: str = ""
    aliases: Mapping[str, str] = {}
    required: bool = False
    secret: bool = False
    positional: bool = False
    many: bool = False
    metavar: str = ""
    short: str = ""
    basic: tuple[str, ...] = ()
    switch: bool = False
    expression: str = ""
    takes: tuple[str, ...] = ()
    instead: str = "Write it to a file, and give the file's path."
    variables: bool = False
    of_runner: bool = False

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Input[T]: ...

    @overload
    def __get__(self, instance: Group, owner: type[Any]) -> T: ...

    def __get__(self, instance: Group | None, owner: type[Any]) -> Input[T] | T:
        """Return the declaration for a group's class, the value for an instance."""
        return self if instance is None else cast(T, instance._values[self.name])

    def __hash__(self) -> int:
        """Return a hash of the name, for `aliases` has none."""
        return hash(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    @property
    def attribute(self) -> str:
        """The name in a group: `fail_on`; a word of Python's, such as `for`, gets an underscore."""
        name = self.name.replace("-", "_")
        return f"{name}_" if keyword.iskeyword(name) else name

    @property
    def is_path(self) -> bool:
        """Whether the input names files."""
        return not self.secret and self.content("[[]]") == "JSON"

    @property
    def variable(self) -> str:
        """The environment variable: `S3C_FAIL_ON`."""
        return variable(self.name)

    @property
    def flag(self) -> str:
        """The flag: `--fail-on`; for a secret, the flag that names a file: `--registry-password-file`."""
        return f"--{self.name}-file" if self.secret else f"--{self.name}"

    def value(self, text: str | None) -> T:
        """Return the value of a text given (None: not given).

        Raises:
            InputError: naming this input.
        """
        if text is None or text == "":
            if self.required:
                raise InputError(
                    self.name,
                    "this input is required.",
                    remedy=f"Give `{self.name}`" + (f", for example {self.example}." if self.example else "."),
                )
            if not self.default:
                return self.absent
            text = self.default
        # No error has the parser's error as its cause: no part of the value goes into a traceback.
        kind = "" if self.secret else pasted_content.recognize(text)
        try:
            parsed = self.parse(text)
        except pasted_content.PastedContent as error:
            raise InputError(self.name, f"it holds {error.kind}, not a path.", remedy=self.instead) from None
        except ValueError as error:
            if not kind:
                shown = "***" if self.secret else pasted_content.quote_value(text)
                raise InputError(self.name, f"{shown} is not {error}.", remedy=self._describe_choices(text)) from None
        else:
            if not kind:
                return parsed
        raise self.content_error(kind)

    def content_error(self, kind: str) -> InputError:
        """Return the error of a value that holds content of this kind, see `content`."""
        return InputError(
            self.name, f"it holds {kind}, which does not belong here.", remedy="Give it where it belongs."
        )

    def content(self, text: str) -> str:
        """Return the kind of content that a value holds instead of a path, a name or a setting; empty for none.

        Args:
            text: as given. A secret input consists of content only, and never holds any in this sense.
        """
        if self.secret:
            return ""
        if pasted_content.POLICY in self.takes and pasted_content.is_policy(text):
            return pasted_content.POLICY
        kind = pasted_content.recognize(text)
        try:
            if not kind:
                self.parse(text)
        except pasted_content.PastedContent as error:
            return error.kind
        except ValueError:
            pass
        return kind

    def cuts(self, text: str) -> dict[str, str]:
        """Return replacements for the values that are too long for messages: long value → cut value.

        Args:
            text: as given. A value that identifies something, such as a reference or a digest, is shown whole.
        """
        if self.secret:
            return {}
        if not self.is_path and self.parse is not parse.text:
            return {}
        parts = {text, *parse.lines(text), *parse.items(text)}
        parts |= {str(Path(part).expanduser()) for part in parts if self.is_path and "\0" not in part}
        cut = pasted_content.shorten_path if self.is_path else pasted_content.shorten
        return {part: cut(part) for part in parts if len(part) > pasted_content.MAX_SHOWN and "@sha256:" not in part}

    def kept(self, text: str, keep: Keep) -> str:
        """Return the value with a file's path in place of content that this input accepts.

        Args:
            text: as given.
            keep: writes that file.
        """
        kind = self.content(text)
        if kind not in self.takes:
            return text
        if kind != pasted_content.CERTIFICATE:
            return str(
                keep(
                    self.name, pasted_content.normalize_kubeconfig(text) if kind == pasted_content.KUBECONFIG else text
                )
            )
        certificates, remainder = pasted_content.normalize_certificates(text)
        if not certificates:
            return text
        return (
            f"{keep(self.name, certificates)}\n{remainder}".strip() if self.many else str(keep(self.name, certificates))
        )

    def _describe_choices(self, text: str) -> str:
        if not self.choices:
            return f"Example: {self.example}" if self.example else ""
        misspelt = [item for item in parse.items(text) if item.lower() not in map(str.lower, self.choices)]
        near = next(filter(None, (suggest.closest(item, self.choices) for item in misspelt)), "")
        return (f"Did you mean {near}? " if near else "") + f"Choose from {', '.join(self.choices)}."


def variable(name: str) -> str:
    """Return the environment variable of an input's name; `plugin_url` has another than `plugin-url`."""
    return "S3C_" + name.upper().replace("_", "__").replace("-", "_")


Order: TypeAlias = "tuple[type[Group] | Input[Any], ...]"
"""Order of the inputs in a README: inputs, and groups, which represent all of their inputs."""


class Group:
    """Inputs that belong together, as attributes: the class has the declarations, an instance the values.

    A group inherits the inputs of its bases; an input that is assigned again in its body replaces the inherited one.

    Attributes:
        order: of groups and inputs in the README, when it differs from that of the bases and the body. It has to name
            every input; for an input that is assigned again, the inherited one is accepted.
    """

    order: ClassVar[Order] = ()
    _declared: ClassVar[tuple[Input[Any], ...]] = ()

    def __init__(self, values: Mapping[str, object], given: Collection[str]) -> None:
        """Hold values.

        Args:
            values: name of an input → its value, for every input.
            given: the names of the inputs that were given, not defaulted.
        """
        self._values = {option.name: values[option.name] for option in self.inputs()}
        self._given = frozenset(given)

    def __init_subclass__(cls) -> None:
        names = {
            option.attribute: None for base in cls.__bases__ if issubclass(base, Group) for option in base.inputs()
        }
        for name, value in vars(cls).items():
            if isinstance(value, Input):
                if value.attribute != name:
                    raise TypeError(f"{cls.__name__}.{name} is the input {value.name}: call it {value.attribute}")
                names[name] = None
        listed: dict[str, None] = {}
        for part in vars(cls).get("order", ()):
            listed |= dict.fromkeys(
                option.attribute for option in ((part,) if isinstance(part, Input) else part.inputs())
            )
        if listed and listed.keys() != names.keys():
            differing = ", ".join(sorted(listed.keys() ^ names.keys()))
            raise TypeError(f"{cls.__name__} and its order do not have the same inputs: {differing}")
        cls._declared = tuple(getattr(cls, name) for name in listed or names)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"{name} of a group is not set; see `replaced`")
        super().__setattr__(name, value)

    @classmethod
    def inputs(cls) -> tuple[Input[Any], ...]:
        """Return the group's inputs, in README order."""
        return cls._declared

    @classmethod
    def own(cls) -> tuple[Input[Any], ...]:
        """Return the inputs that the group's body declares, without those of its bases."""
        return tuple(value for value in vars(cls).values() if isinstance(value, Input))

    def given(self, option: Input[Any]) -> bool:
        """Return whether an input was given, not defaulted.

        Raises:
            KeyError: the input is not in this group.
        """
        if option.name not in self._values:
            raise KeyError(option.name)
        return option.name in self._given

    def replaced(self, values: Mapping[Input[Any], object]) -> Self:
        """Return a copy with other values of some inputs, which count as given."""
        by_name = {option.name: value for option, value in values.items()}
        return type(self)({**self._values, **by_name}, {*self._given, *by_name})


G = TypeVar("G", bound=Group)


def read(
    group: type[G],
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    notice: Callable[[str], None],
    keep: Keep | None = None,
) -> G:
    """Parse every input of a group.

    Args:
        group: a command's inputs, or some of them.
        flags: name (or alias) → text, for the flags given.
        environment: where the variables are looked up.
        notice: called with a sentence when another tool's name is used.
        keep: writes content that an input accepts in place of a path; without it, none is accepted.

    Raises:
        InputError: the first input that is missing or malformed, or given under two of its names.
    """
    parsed: dict[str, object] = {}
    given: set[str] = set()
    for option in group.inputs():
        text, used_name = None, ""
        for name in (option.name, *option.aliases):
            raw = flags.get(name)
            if raw is None:
                continue
            if used_name:
                raise InputError(
                    option.name, f"given twice, as `{used_name}` and as `{name}`.", remedy=f"Keep `{option.name}`."
                )
            text, used_name = raw, name
        if text is None:
            for name in (option.name, *option.aliases):
                raw = environment.get(variable(name))
                if not raw:
                    continue
                if used_name:
                    raise InputError(
                        option.name, f"given twice, as `{used_name}` and as `{name}`.", remedy=f"Keep `{option.name}`."
                    )
                text, used_name = raw, name
        if used_name and used_name != option.name:
            whose = option.aliases[used_name]
            name = f"{whose}'s name" if whose else "another name"
            notice(f"`{used_name}` is {name} of `{option.name}`.")
        if text is not None and text != "":
            given.add(option.name)
            if keep is not None and option.takes:
                text = option.kept(text, keep)
        parsed[option.name] = option.value(text)
    return group(parsed, given)


def texts(
    declared: Iterable[Input[Any]], flags: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[tuple[Input[Any], str]]:
    """Yield each text given for an input, under any of its names, unchanged."""
    for option in declared:
        for name in (option.name, *option.aliases):
            for text in (flags.get(name), environment.get(variable(name))):
                if text:
                    yield option, text
