"""Which findings a policy refuses: by severity, at once or after a grace, by likelihood, or as exploited ones."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from s3c_actions.policy.parts import Duration, Line, Part

SeverityName = Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
EpssThreshold = Annotated[
    str,
    Meta(
        pattern=r"^>= ?(0\.[0-9]{1,5}|1(\.0{1,5})?)$",
        description="From which likelihood on, from 0 to 1 with at most five decimals.",
        examples=[">=0.1"],
    ),
]


class Grace(Part, frozen=True, kw_only=True):
    """How long findings of a severity pass once there is a fix."""

    grace: Annotated[
        Duration,
        Meta(
            description="Counted from when signed reports in the repository show a fix, and without such reports from "
            "the publication of the CVE.",
            examples=["14d"],
        ),
    ]


class RefusedFindings(Part, frozen=True, kw_only=True):
    """Findings of a severity after a grace, or those that are likely to be exploited. Exactly one key is given."""

    critical: Annotated[Grace | None, Meta(description="CRITICAL ones, after a grace.")] = field(
        name="CRITICAL", default=None
    )
    high: Annotated[Grace | None, Meta(description="HIGH ones, after a grace.")] = field(name="HIGH", default=None)
    medium: Annotated[Grace | None, Meta(description="MEDIUM ones, after a grace.")] = field(
        name="MEDIUM", default=None
    )
    low: Annotated[Grace | None, Meta(description="LOW ones, after a grace.")] = field(name="LOW", default=None)
    unknown: Annotated[Grace | None, Meta(description="Those of unknown severity, after a grace.")] = field(
        name="UNKNOWN", default=None
    )
    epss: Annotated[
        EpssThreshold | None,
        Meta(
            description="Vulnerabilities of any severity that FIRST estimates to be exploited within 30 days with at "
            "least this likelihood (EPSS)."
        ),
    ] = None

    @property
    def graces(self) -> dict[SeverityName, str]:
        """Return severity → grace, as written."""
        written: tuple[tuple[SeverityName, Grace | None], ...] = (
            ("CRITICAL", self.critical),
            ("HIGH", self.high),
            ("MEDIUM", self.medium),
            ("LOW", self.low),
            ("UNKNOWN", self.unknown),
        )
        return {name: grace.grace for name, grace in written if grace is not None}

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys given."""
        return (*self.graces, *(["epss"] if self.epss is not None else []))


class FindingRules(Part, frozen=True, kw_only=True):
    """Which findings of a scan are refused."""

    refuse: Annotated[
        tuple[SeverityName | RefusedFindings, ...],
        Meta(
            description="What is refused: a severity, a severity after a grace, or a likelihood.",
            examples=[["HIGH", "CRITICAL"], ["CRITICAL", {"HIGH": {"grace": "14d"}}, {"epss": ">=0.1"}]],
        ),
    ] = ("HIGH", "CRITICAL")
    deny_exploited: Annotated[
        bool,
        Meta(
            description="Vulnerabilities that CISA's catalogue lists as known to be exploited (KEV) are refused "
            "whatever their severity, and whether or not they have a fix. No exception of this file excuses them."
        ),
    ] = False
    fixable_only: Annotated[bool, Meta(description="Findings that have no fix pass.")] = False
    deny: Annotated[
        tuple[Line, ...],
        Meta(
            description="Findings that are refused whatever their severity, and whether or not they have a fix. No "
            "exception excuses them.",
            examples=[["CVE-2021-44228"]],
        ),
    ] = ()
    scope: Annotated[
        Literal["all", "own"],
        Meta(
            description="Whose findings are refused: all, or only those that did not come with the base image. Where "
            "the base is not known, every finding is the image's own. What is denied is refused in both."
        ),
    ] = "all"
    bases: Annotated[
        tuple[Line, ...],
        Meta(
            description="Images that count as a base: references, or patterns for what annotations, the build's "
            "provenance or the Dockerfile name. Only its owners may push to such a repository.",
            examples=[["docker.io/library/*", "registry.example/base/python:3.12"]],
        ),
    ] = ()

    @property
    def severities(self) -> tuple[SeverityName, ...]:
        """Return the severities that are refused at once."""
        return tuple(entry for entry in self.refuse if isinstance(entry, str))

    @property
    def graces(self) -> dict[SeverityName, str]:
        """Return severity → grace, as written, of those that are refused after one."""
        return {
            name: grace
            for entry in self.refuse
            if isinstance(entry, RefusedFindings)
            for name, grace in entry.graces.items()
        }

    @property
    def epss(self) -> str:
        """Return from which likelihood on vulnerabilities are refused, as `exploit_facts.epss_text`; empty: none."""
        written = [entry.epss for entry in self.refuse if isinstance(entry, RefusedFindings) and entry.epss]
        return min((f"{float(text.removeprefix('>=')):.5f}" for text in written), default="")

    def without_graces(self) -> FindingRules:
        """Return the same rules with every severity refused at once: what is to be fixed, and not only what is late."""
        severities = dict.fromkeys((*self.severities, *self.graces))
        likely = [entry for entry in self.refuse if isinstance(entry, RefusedFindings) and entry.epss]
        return replace(self, refuse=(*severities, *likely))

    @property
    def asks_exploitation(self) -> tuple[bool, bool]:
        """Return whether findings are refused by CISA's catalogue, and by FIRST's scores."""
        return self.deny_exploited, bool(self.epss)

    def fault(self) -> tuple[str, str] | None:
        """Return the place and a description of what `refuse` may not say; None when nothing is wrong."""
        for number, entry in enumerate(self.refuse):
            if isinstance(entry, RefusedFindings) and len(entry.keys) != 1:
                given = " and ".join(entry.keys) or "nothing"
                return f"refuse[{number}]", f"{given} is given, and exactly one of a severity and epss belongs here"
        names = [name for entry in self.refuse for name in ([entry] if isinstance(entry, str) else entry.keys)]
        for number, name in enumerate(names):
            if name in names[:number] and (name == "epss" or names.count(name) != self.refuse.count(name)):
                return f"refuse[{number}]", f"{name} is there twice, and one of the two would have no effect"
        if "epss" in names and float(self.epss) == 0:
            return f"refuse[{names.index('epss')}]", "a likelihood of 0 refuses everything that has one"
        return None
