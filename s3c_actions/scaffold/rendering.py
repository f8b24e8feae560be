"""Render the files that `s3c init` writes.

Names of folders, branches and images come from the repository, which may be anybody's. Each value is rendered as one
YAML scalar; one that GitHub could take for an expression (`${{ … }}`), or that is not printable, is rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from s3c_actions import REPOSITORY, __version__
from s3c_actions.scaffold import pins

TAG = f"v{__version__.partition('.')[0]}"
"""The tag that a release moves, as the documentation names it."""
_UNPINNED = " # zizmor: ignore[unpinned-uses] moved by a release alone"
_PLAIN = re.compile(r"[A-Za-z./][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan"})
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,500}")
MAX_NAME = 255


class Verbatim(str):
    """A text that is rendered as it is: a constant of ours."""

    __slots__ = ()


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """The version of s3c that workflows name.

    Attributes:
        commit: 40 hexadecimal digits; empty: the tag.
    """

    commit: str = ""

    def uses(self, path: str) -> Verbatim:
        """Return what stands behind `uses:` for an action or workflow of ours, such as `actions/scan`."""
        name = f"{REPOSITORY}/{path}" if path else REPOSITORY
        version = f"{self.commit} # v{__version__}" if self.commit else f"{TAG}{_UNPINNED}"
        return Verbatim(f"{name}@{version}")


def is_expressible(name: str) -> bool:
    """Return whether a name can be written into a workflow and read by every action in it as one value."""
    return 0 < len(name) <= MAX_NAME and name.isprintable() and name == name.strip() and not re.search(r"[$,\\]", name)


def scalar(value: object) -> str:
    """Return a value as one YAML scalar on one line.

    Raises:
        ValueError: it is not printable, or holds the beginning of an expression.
    """
    text = str(value)
    if isinstance(value, Verbatim):
        return text
    if not text.isprintable() or "${{" in text:
        raise ValueError(f"{text!r} cannot be written into a workflow")
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def reference(value: str) -> Verbatim:
    """Return an image's name, for a line of a block scalar; raise ValueError when it holds other characters."""
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"{value!r} is not an image's name")
    return Verbatim(value)


def render(template: str, pin: Pin, values: Mapping[str, Any]) -> str:
    """Return the text of a file.

    Args:
        template: its name.
        pin: of our own actions.
        values: of the template, besides `actions`.

    Raises:
        ValueError: as `scalar` does.
    """
    actions = {
        "checkout": Verbatim(pins.CHECKOUT),
        "upload": Verbatim(pins.UPLOAD_ARTIFACT),
        "download": Verbatim(pins.DOWNLOAD_ARTIFACT),
        "buildx": Verbatim(pins.SETUP_BUILDX),
        "build": Verbatim(pins.BUILD_PUSH),
        "aws_credentials": Verbatim(pins.AWS_CREDENTIALS),
        "ecr_login": Verbatim(pins.ECR_LOGIN),
        "chain": pin.uses(""),
        "mirror": pin.uses("actions/mirror"),
        "scan": pin.uses("actions/scan"),
        "comment": pin.uses(".github/workflows/comment.yml"),
        "refresh": pin.uses(".github/workflows/refresh.yml"),
        "secure_image": pin.uses(".github/workflows/secure-image.yml"),
    }
    return _environment().get_template(f"{template}.j2").render(**values, actions=actions)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - `finalize` writes each value as a YAML scalar
        finalize=scalar,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # GitHub's expressions have Jinja's own delimiters.
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    environment.filters["reference"] = reference
    return environment
