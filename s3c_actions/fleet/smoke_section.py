"""The section `smoke` of `fleet.yaml`: whether and how a patch is started beside its original, for each image."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import read
from s3c_actions.options.smoke import MODES, SmokeOptions
from s3c_actions.policy.parts import Line

Port = Annotated[int, Meta(ge=1, le=65535)]
Words = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)]
Lines = Annotated[tuple[Line, ...], Meta(max_length=100)]
Texts = Annotated[dict[Line, Line], Meta(max_length=100)]


class SmokeSection(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """How original and patched image are started beside each other."""

    mode: Annotated[
        Literal["off", "report", "required"],
        Meta(description="`required` keeps a patch from its tag unless it works; `report` only reports it."),
    ]
    command: Annotated[
        Words | Line | None,
        Meta(description="What has to succeed in both: its words, or a line that is split as a shell does."),
    ] = None
    port: Annotated[Port | None, Meta(description="On which both have to listen.")] = None
    timeout: Annotated[Line | None, Meta(description="How long an image has to come up.", examples=["60s"])] = None
    companions: Annotated[Texts, Meta(description="Name to image, of what runs beside each.")] = field(
        default_factory=dict
    )
    env: Annotated[Texts, Meta(description="Variables of the images and their companions.")] = field(
        default_factory=dict
    )
    writable: Annotated[Lines, Meta(description="Absolute paths in the images that are writable.")] = ()
    capabilities: Annotated[Lines, Meta(description="That the images keep.", examples=[["SETUID", "SETGID"]])] = ()

    @property
    def options(self) -> SmokeOptions:
        """Return it as the inputs of the same names.

        Raises:
            InputError: a value is wrong; names the input.
        """
        return read(SmokeOptions, dict(self._texts()), {}, lambda _notice: None)

    def at_least(self, mode: str) -> SmokeOptions:
        """Return the inputs with the stricter of both modes: a fleet does not let pass what its run requires.

        Raises:
            InputError: a value is wrong; names the input.
        """
        options = self.options
        return options.replaced({SmokeOptions.smoke: max(mode, options.smoke, key=MODES.index)})

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield "smoke", self.mode
        values = {
            "command": self.command if isinstance(self.command, str) else shlex.join(self.command or ()),
            "port": str(self.port or ""),
            "timeout": self.timeout or "",
            "companions": "\n".join(f"{name}={image}" for name, image in self.companions.items()),
            "env": "\n".join(f"{name}={value}" for name, value in self.env.items()),
            "writable": "\n".join(self.writable),
            "capabilities": "\n".join(self.capabilities),
        }
        yield from ((f"smoke-{name}", text) for name, text in values.items() if text)


def problem(section: SmokeSection) -> str:
    """Return what is wrong with a section that the types do not rule out, as a sentence; empty when nothing is."""
    try:
        options = section.options
    except InputError as error:
        return error.what
    others = [option for option in SmokeOptions.own()[1:] if options.given(option)]
    return "`mode` is `off`, and other keys say how images are started." if section.mode == "off" and others else ""


def write(section: SmokeSection | None) -> str:
    """Return a section as text, with its companions in their order; empty for none."""
    return msgspec.json.encode(section).decode() if section is not None else ""


def parse(text: str) -> SmokeSection | None:
    """Return the section of a text that `write` returned."""
    return msgspec.json.decode(text, type=SmokeSection) if text else None
