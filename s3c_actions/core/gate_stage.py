"""The stage of a cluster's gate: what it does with an image that it would refuse. Each namespace is in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """A stage; the weakest first."""

    AUDIT = "audit"
    WARN = "warn"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """Return a number that is greater in a stricter stage."""
        return list(Stage).index(self)

    @property
    def action(self) -> str:
        """Return Gatekeeper's `enforcementAction`."""
        return {Stage.AUDIT: "dryrun", Stage.WARN: "warn", Stage.DENY: "deny"}[self]

    @property
    def effect(self) -> str:
        """Return a clause with the gate as its subject."""
        return {
            Stage.AUDIT: "admits every image, and only records what it would refuse",
            Stage.WARN: "admits every image, and only warns of what it would refuse",
            Stage.DENY: "refuses",
        }[self]

    @property
    def following(self) -> Stage | None:
        """Return the next stricter stage; None of the strictest."""
        stages = list(Stage)
        return stages[self.rank + 1] if self.rank + 1 < len(stages) else None


class GateStages(msgspec.Struct, frozen=True, kw_only=True):
    """The stages of one gate.

    Attributes:
        default: of every namespace that is not named.
        named: namespace → its stage, where that is another.
    """

    default: Stage = Stage.DENY
    named: Mapping[str, Stage] = msgspec.field(default_factory=dict)

    def of(self, namespace: str) -> Stage:
        """Return the stage of a namespace."""
        return self.named.get(namespace, self.default)

    def namespaces(self, stage: Stage) -> tuple[str, ...]:
        """Return the named namespaces of a stage."""
        return tuple(sorted(name for name, named in self.named.items() if named is stage))

    @property
    def stages(self) -> frozenset[Stage]:
        """Return all stages that some namespace is in."""
        return frozenset({self.default, *self.named.values()})

    def changed(self, namespaces: Iterable[str], stage: Stage) -> GateStages:
        """Return the stages with namespaces in another; without any, every namespace that is in the default stage."""
        names = tuple(namespaces)
        if not names:
            return normalized(stage, self.named)
        return normalized(self.default, {**self.named, **dict.fromkeys(names, stage)})

    def describe(self) -> str:
        """Return the stages as in the input `mode`: `deny, shop=warn`."""
        return ", ".join([str(self.default), *(f"{name}={stage}" for name, stage in sorted(self.named.items()))])

    def weakened(self, before: GateStages) -> bool:
        """Return whether some namespace is in a weaker stage than before."""
        names = {*self.named, *before.named}
        return self.default.rank < before.default.rank or any(
            self.of(name).rank < before.of(name).rank for name in names
        )


def normalized(default: Stage, named: Mapping[str, Stage]) -> GateStages:
    """Return stages in which only those namespaces are named that are in another than the default."""
    return GateStages(default=default, named={name: stage for name, stage in named.items() if stage is not default})


def parse_stage(value: str) -> Stage:
    """Parse one stage."""
    try:
        return Stage(value)
    except ValueError:
        raise ValueError(f"one of {', '.join(Stage)}") from None
