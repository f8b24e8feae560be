"""What other tags of a base image would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from s3c_actions.findings.model import Severity


class BaseOption(msgspec.Struct, frozen=True, kw_only=True):
    """A base image that was scanned: the one in use, or another tag.

    Attributes:
        tag: untrusted, as is `os`.
        change: of `registry.base_tags.TagChange`; empty for the base in use.
        reference: pinned, of the image of the platform; empty when it was not found.
        created: RFC 3339 time at which it says that it was built; empty when it does not.
        days: since then; None when it is not known.
        counts: findings by severity; None when it could not be checked.
        fixed: findings of the base in use that it does not have; `new` those that it has in addition.
        size: bytes of its compressed layers; None when they are not stated.
        os_end_of_life: its distributor publishes no fixes any more.
        same_as: the tag of an earlier option that means the same image, or that of the base in use.
        problem: why it could not be compared; empty when it was.
    """

    tag: str
    change: str
    reference: str = ""
    created: str = ""
    days: int | None = None
    counts: Mapping[Severity, int] | None = None
    fixed: int | None = None
    new: int | None = None
    size: int | None = None
    os: str = ""
    os_end_of_life: bool = False
    same_as: str = ""
    problem: str = ""


class BaseAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """The base of an image beside other tags of its repository.

    Attributes:
        repository: `registry/repository` of the base.
        platform: that was compared.
        current: the base as the image has it.
        options: the smallest change first.
        notices: sentences on what could not be looked at.
    """

    repository: str
    platform: str
    current: BaseOption
    options: tuple[BaseOption, ...]
    notices: tuple[str, ...] = ()
