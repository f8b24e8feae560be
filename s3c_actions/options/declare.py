"""Inputs: one declaration serves flag, action input, environment variable and README row.

An `Input` named `fail-on` is the flag `--fail-on`, the action input `fail-on`, the environment variable
`S3C_FAIL_ON`, and a row in every README of a command that takes it. A flag wins over the environment, the environment
over the default; an empty environment variable is one not given, because that is what a composite action passes for an
input nobody set. One name means one thing in every command.

Inputs are the attributes of groups (`Group`): a function takes the group it reads, a command's inputs are the group
that inherits from all groups its functions take. See docs/decisions/0013-typed-option-groups.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, cast, overload

import msgspec

from s3c_actions.core import pasted_content
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
        choices: the words allowed, for help texts; `parse` enforces them.
        example: a value for the README.
        aliases: peers' and old names, understood with a notice.
        required: a command that takes it refuses to start without it.
        secret: masked before first use, never a flag: it comes from the environment or a file.
        positional: the command's bare argument as well as the flag.
        many: takes several values (repeatable flag; commas or lines in the environment). `parse` sees them joined by
            newlines.
        switch: a bare flag means true.
        expression: the default in action.yml alone, for what only a workflow knows.
        takes: kinds of content (`pasted.CERTIFICATE`, …) that may be given in place of a path.
        instead: what to do with content that is given here and not taken, as a sentence.
    """

    name: str
    help: str
    parse: Callable[[str], T]
    default: str | None = None
    absent: T = None  # type: ignore[assignment]
    choices: tuple[str, ...] = ()
    example: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False
    positional: bool = False
    many: bool = False
    switch: bool = False
    expression: str = ""
    takes: tuple[str, ...] = ()
    instead: str = "Write it to a file, and give the file's path."

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Input[T]: ...

    @overload
    def __get__(self, instance: Group, owner: type[Any]) -> T: ...

    def __get__(self, instance: Group | None, owner: type[Any]) -> Input[T] | T:
        """Of a group's class the declaration, of a group the value."""
        return self if instance is None else cast(T, instance._values[self.name])

    @property
    def attribute(self) -> str:
        """Its name in a group: `fail_on`."""
        return self.name.replace("-", "_")

    @property
    def is_path(self) -> bool:
        """Whether it names files."""
        return not self.secret and self.content("[[]]") == "JSON"

    @property
    def variable(self) -> str:
        """The environment variable: `S3C_FAIL_ON`."""
        return variable(self.name)

    @property
    def flag(self) -> str:
        """The flag: `--fail-on`; of a secret, the one that names a file: `--registry-password-file`."""
        return f"--{self.name}-file" if self.secret else f"--{self.name}"

    def value(self, text: str | None) -> T:
        """The value of a text given (None: not given).

        Raises:
            InputError: naming this input.
        """
        if text is None or text == "":
            if self.required:
                raise InputError(
                    self.name,
                    "this input is required.",
                    remedy=f"Give {self.flag}, or `{self.name}:` under `with:` in a workflow"
                    + (f", for example {self.example}." if self.example else "."),
                )
            if not self.default:
                return self.absent
            text = self.default
        # No error has the parser's as its cause: nothing of the value goes into a traceback.
        kind = "" if self.secret else pasted_content.recognize(text)
        try:
            parsed = self.parse(text)
        except pasted_content.PastedContent as error:
            raise InputError(self.name, f"it holds {error.kind}, not a path.", remedy=self.instead) from None
        except ValueError as error:
            if not kind:
                shown = "***" if self.secret else pasted_content.quote_value(text)
                raise InputError(self.name, f"{shown} is not {error}.", remedy=self._remedy(text)) from None
        else:
            if not kind:
                return parsed
        raise InputError(self.name, f"it holds {kind}, which does not belong here.", remedy="Give it where it belongs.")

    def content(self, text: str) -> str:
        """What content a value holds instead of a path, a name or a setting, in words; empty when it is none.

        Args:
            text: as given. A secret input is nothing but content, and holds none in this sense.
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
        """What messages show in place of the values given that are longer than they show: long value → cut value.

        Args:
            text: as given. A value that stands for itself, such as a reference, an address or a digest, is shown whole.
        """
        if self.secret:
            return {}
        if not self.is_path and self.parse is not parse.text:
            return {}
        parts = {text, *parse.lines(text), *parse.items(text)}
        parts |= {str(Path(one).expanduser()) for one in parts if self.is_path and "\0" not in one}
        cut = pasted_content.shorten_path if self.is_path else pasted_content.shorten
        return {one: cut(one) for one in parts if len(one) > pasted_content.MAX_SHOWN and "@sha256:" not in one}

    def kept(self, text: str, keep: Keep) -> str:
        """The value with a file's path in place of content that this input takes.

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
        found, beside = pasted_content.normalize_certificates(text)
        if not found:
            return text
        return f"{keep(self.name, found)}\n{beside}".strip() if self.many else str(keep(self.name, found))

    def _remedy(self, text: str) -> str:
        if not self.choices:
            return f"Example: {self.example}" if self.example else ""
        import difflib

        words = {one.lower(): one for one in self.choices}
        meant = [
            difflib.get_close_matches(one.lower(), words, n=1) for one in parse.items(text) if one.lower() not in words
        ]
        near = [words[one[0]] for one in meant if one]
        return (f"Did you mean {near[0]}? " if near else "") + f"Choose from {', '.join(self.choices)}."


def variable(name: str) -> str:
    """The environment variable of an input's name."""
    return "S3C_" + name.upper().replace("-", "_")


Order: TypeAlias = "tuple[type[Group] | Input[Any], ...]"
"""Of the inputs in a README: groups, which stand for all of theirs, and inputs."""


class Group:
    """Inputs that belong together, as attributes: of the class the declaration, of an instance the value.

    A group inherits the inputs of its bases; one that is assigned anew in its body takes the inherited one's place.

    Attributes:
        order: of its README, of groups and inputs, when it is another than that of the bases and the body. It has to
            name every input; of one that is assigned anew, the inherited one will do.
    """

    order: ClassVar[Order] = ()
    _declared: ClassVar[tuple[Input[Any], ...]] = ()

    def __init__(self, values: Mapping[str, object], given: Collection[str]) -> None:
        """Hold values.

        Args:
            values: name of an input → its value; of every input.
            given: the names of those that a person gave, rather than their defaults.
        """
        self._values = {one.name: values[one.name] for one in self.inputs()}
        self._given = frozenset(given)

    def __init_subclass__(cls) -> None:
        names = {one.attribute: None for base in cls.__bases__ if issubclass(base, Group) for one in base.inputs()}
        for name, value in vars(cls).items():
            if isinstance(value, Input):
                if value.attribute != name:
                    raise TypeError(f"{cls.__name__}.{name} is the input {value.name}: call it {value.attribute}")
                names[name] = None
        listed: dict[str, None] = {}
        for part in vars(cls).get("order", ()):
            listed |= dict.fromkeys(one.attribute for one in ((part,) if isinstance(part, Input) else part.inputs()))
        if listed and listed.keys() != names.keys():
            odd = ", ".join(sorted(listed.keys() ^ names.keys()))
            raise TypeError(f"{cls.__name__} and its order do not have the same inputs: {odd}")
        cls._declared = tuple(getattr(cls, name) for name in listed or names)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"{name} of a group is not set; see `replaced`")
        super().__setattr__(name, value)

    @classmethod
    def inputs(cls) -> tuple[Input[Any], ...]:
        """Its inputs, in README order."""
        return cls._declared

    @classmethod
    def own(cls) -> tuple[Input[Any], ...]:
        """The inputs that its body declares, without those of its bases."""
        return tuple(value for value in vars(cls).values() if isinstance(value, Input))

    def given(self, one: Input[Any]) -> bool:
        """Whether a person gave it, rather than its default.

        Raises:
            KeyError: it is not one of this group's inputs.
        """
        if one.name not in self._values:
            raise KeyError(one.name)
        return one.name in self._given

    def replaced(self, others: Mapping[Input[Any], object]) -> Self:
        """The same, with other values of some inputs, which count as given."""
        named = {one.name: value for one, value in others.items()}
        return type(self)({**self._values, **named}, {*self._given, *named})


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
        notice: told when an old name is used.
        keep: where content goes that an input takes in place of a path; without it, none is taken.

    Raises:
        InputError: the first input that is missing or malformed, or given under two of its names.
    """
    parsed: dict[str, object] = {}
    given: set[str] = set()
    for one in group.inputs():
        text, by = None, ""
        for name in (one.name, *one.aliases):
            said = flags.get(name)
            if said is None:
                continue
            if by:
                raise InputError(one.name, f"given twice, as `{by}` and as `{name}`.", remedy=f"Keep `{one.name}`.")
            text, by = said, name
        if text is None:
            for name in (one.name, *one.aliases):
                said = environment.get(variable(name))
                if not said:
                    continue
                if by:
                    raise InputError(one.name, f"given twice, as `{by}` and as `{name}`.", remedy=f"Keep `{one.name}`.")
                text, by = said, name
        if by and by != one.name:
            notice(f"`{by}` is an old name: it is understood as `{one.name}`.")
        if text is not None and text != "":
            given.add(one.name)
            if keep is not None and one.takes:
                text = one.kept(text, keep)
        parsed[one.name] = one.value(text)
    return group(parsed, given)


def texts(
    declared: Iterable[Input[Any]], flags: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[tuple[Input[Any], str]]:
    """What was given for each input, under any of its names, as it was given."""
    for one in declared:
        for name in (one.name, *one.aliases):
            for given in (flags.get(name), environment.get(variable(name))):
                if given:
                    yield one, given
