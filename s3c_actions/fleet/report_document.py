"""`fleet-report.json`: what a fleet's images have come to, as `s3c fleet report` writes, stores and renders it.

schemas/fleet-report-1.json is generated from the types below (`make docs`). An earlier report comes from a registry or
another job, so they are strict: every limit of a field is declared at the field, and an unknown key is an error. Within
a version keys are only added. Text in it is untrusted data.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.findings.entry import SeverityName

SCHEMA = "fleet-report-1.json"
MAX_COUNT = 2**40
MAX_DAYS = 100_000
MAX_TREND = 400
"""Points of a trend: a year of nightly reports, and a month."""

Text = Annotated[str, Meta(max_length=1000)]
Time = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Days = Annotated[float, Meta(ge=0, le=MAX_DAYS)]
Counts = dict[SeverityName, Count]
State = Literal["current", "passed", "patched", "refused", "failed", "missing", "unplanned"]
ATTENTION: tuple[State, ...] = ("failed", "missing", "unplanned", "refused")
"""States in which a person has to decide something, the gravest first."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What every part of the report has in common: an unknown key is an error."""


class Signature(_Part, frozen=True, kw_only=True):
    """The signature over what is handed on, as the run that signed or verified it says."""

    signer: Annotated[Text, Meta(description="Empty when it is not known who, as of a current image.")]
    ends: Annotated[Text, Meta(description="RFC 3339 end of the signature or its certificate; empty when not known.")]


class Loss(_Part, frozen=True, kw_only=True):
    """A moment from which a policy refuses an image, so that a workload that is scheduled anew is lost."""

    at: Time
    now: Annotated[bool, Meta(description="Whether it is refused already, at the time of the report.")]
    reasons: Annotated[tuple[Text, ...], Meta(description="What the policy has against it from then on.")]


class ReportedImage(_Part, frozen=True, kw_only=True):
    """One image of the fleet."""

    image: Annotated[Text, Meta(description="As the plan has it; of an unplanned one, as it was selected.")]
    names: Annotated[tuple[Text, ...], Meta(description="Every reference of the fleet that has this digest.")]
    owner: Annotated[Text, Meta(description="Empty when nobody is named.")]
    state: Annotated[
        State,
        Meta(
            description="current: nothing to do, by signed evidence; passed: judged, nothing had to be patched; "
            "patched: patched in this run; refused: the policy said no; failed: something did not work; missing: its "
            "shard left no result; unplanned: it could not be planned."
        ),
    ]
    exit_code: Annotated[int, Meta(ge=0, le=4)]
    reason: Annotated[Text, Meta(description="Why it is in that state, as a sentence; empty when that says all.")]
    remedy: Text
    reference: Annotated[Text, Meta(description="registry/repository@digest to deploy; empty without a result.")]
    shard: Annotated[int, Meta(ge=0, le=256, description="0 of an image that no shard was to look at.")]
    scanned: Annotated[Text, Meta(description="RFC 3339 time of the report; empty when there is none.")]
    counts: Annotated[Counts | None, Meta(description="Findings by severity; null when they are not known.")]
    fixable: Annotated[
        Counts | None,
        Meta(description="Those with a fix; null when they are not known by severity, as of a current image."),
    ]
    findings: Annotated[tuple[Count, ...], Meta(description="Places in the report's `findings`.")]
    fixed: Annotated[Count, Meta(description="Findings that a patch of this run removed.")]
    days_to_fix: Annotated[
        Days | None,
        Meta(description="From the publication of the oldest finding fixed in this run, or its first report."),
    ]
    expiring: Annotated[tuple[Count, ...], Meta(description="Places in the report's `exceptions` that it relies on.")]
    signature: Annotated[Signature | None, Meta(description="null when no result says that it is signed.")]
    admission: Annotated[
        Literal["admitted", "denied", "unknown"],
        Meta(description="What a cluster's gate says of `reference`; unknown when none was asked."),
    ]
    losses: Annotated[
        tuple[Loss, ...] | None,
        Meta(description="What the policy will refuse it for if nothing is done; null where no policy was asked."),
    ] = None

    @property
    def needs_attention(self) -> bool:
        """Return whether a person has to decide something."""
        return self.state in ATTENTION


class ReportedFinding(_Part, frozen=True, kw_only=True, gc=False):
    """One finding in one package, in all images that have it."""

    id: Text
    severity: SeverityName
    package: Text
    fixed_version: Annotated[Text, Meta(description="Empty when no version fixes it.")]
    url: Text
    since: Annotated[Time, Meta(description="Of the first fleet report that has it, as far as the trend reaches back.")]
    images: Annotated[Count, Meta(description="How many have it.")]
    exploited_since: Annotated[
        Text,
        Meta(
            description="The day on which CISA listed it as exploited (KEV); empty where it does not, or where the run "
            "did not look it up."
        ),
    ] = ""
    exploited_due: Annotated[
        Text, Meta(description="The day by which CISA wants it fixed; empty where it names none.")
    ] = ""
    ransomware: Annotated[bool, Meta(description="Whether CISA knows of its use for ransomware.")] = False
    epss: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="FIRST's estimate that it is exploited within 30 days; null where it is none or not known."),
    ] = None


class ExpiringException(_Part, frozen=True, kw_only=True):
    """An exception of a policy that ends soon or has ended, or a break-glass exception beside an image."""

    policy: Annotated[Text, Meta(description="Path of the policy; of a break-glass exception, its digest.")]
    id: Annotated[Text, Meta(description="Of the finding; of a break-glass exception, also its end.")]
    package: Annotated[Text, Meta(description="Empty for any.")]
    until: Annotated[Day, Meta(description="The last day on which it counts.")]
    who: Text
    why: Text
    images: Annotated[Count, Meta(description="How many are known to rely on it.")]
    ends: Annotated[Text, Meta(description="RFC 3339 end of a break-glass exception; empty for one of a policy.")] = ""


class OwnerFigures(_Part, frozen=True, kw_only=True):
    """The images of one owner."""

    owner: Annotated[Text, Meta(description="Empty: nobody is named.")]
    images: Count
    attention: Annotated[Count, Meta(description="How many wait for a decision.")]
    fixable: Counts
    expiring: Annotated[Count, Meta(description="Images that rely on an exception that ends soon.")]


class TrendPoint(_Part, frozen=True, kw_only=True):
    """The figures of one report."""

    created: Time
    plan: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$", description="Of the plan's content.")]
    states: dict[State, Count]
    fixable: Annotated[Counts, Meta(description="Findings with a fix that are left.")]
    fixed: Annotated[Count, Meta(description="Findings that patches of that run removed.")]
    days_to_fix: Annotated[Days | None, Meta(description="The median over the findings that were fixed.")]
    exploited: Annotated[
        Count | None,
        Meta(description="Findings, each in one image, that are known to be exploited; null where nobody looked."),
    ] = None
    losing: Annotated[
        Count | None,
        Meta(description="Images that their policy refuses at the next start, now or soon; null where none was asked."),
    ] = None

    @property
    def images(self) -> int:
        """Return how many images the fleet has."""
        return sum(self.states.values())

    @property
    def attention(self) -> int:
        """Return how many wait for a decision."""
        return sum(self.states.get(state, 0) for state in ATTENTION)


class FleetReport(_Part, frozen=True, kw_only=True):
    """What a fleet's images have come to, by its plan and the results of the plan's shards."""

    version: Literal[1] = 1
    s3c: Annotated[Text, Meta(description="The version of s3c.")]
    created: Time
    planned: Annotated[Time, Meta(description="When the plan was made.")]
    exit_code: Annotated[int, Meta(ge=0, le=4, description="The gravest of all images.")]
    figures: TrendPoint
    owners: Annotated[tuple[OwnerFigures, ...], Meta(description="Those with most to decide first.")]
    exceptions: Annotated[tuple[ExpiringException, ...], Meta(description="Those that end first come first.")]
    findings: Annotated[
        tuple[ReportedFinding, ...],
        Meta(
            description="With a fix, or critical, high or exploited without one, of images that this run looked at: "
            "the exploited first, then by severity, those in most images first."
        ),
    ]
    images: Annotated[tuple[ReportedImage, ...], Meta(description="Those that wait for a decision first.")]
    trend: Annotated[
        tuple[TrendPoint, ...], Meta(max_length=MAX_TREND, description="Earlier reports, the oldest first.")
    ] = ()
    notes: Annotated[
        tuple[Text, ...], Meta(description="Sentences on what the report could not take into account.")
    ] = ()


def render(report: FleetReport) -> bytes:
    """Return the document in UTF-8, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def read(path: Path, *, field: str) -> FleetReport:
    """Read an earlier report.

    Args:
        path: of the file.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, or is no report.
    """
    with reading.reject_unreadable(path, field):
        content = reading.read_json_file(path, reading.MAX_DOCUMENT_BYTES)
    return parse(content, name=str(path), field=field)


def parse(content: bytes, *, name: str, field: str) -> FleetReport:
    """Parse the content of a report; arguments and error as of `read`.

    Raises:
        InputError: it is no report: a value is missing or wrong, a place points nowhere, or a time is none.
    """
    remedy = "Give the `fleet-report.json` that `s3c fleet report` wrote, or none."
    try:
        report = msgspec.json.decode(content, type=FleetReport)
        for point in (report.figures, *report.trend):
            if datetime.fromisoformat(point.created).tzinfo is None:
                raise ValueError(f"{point.created} has no time zone")
        for finding in report.findings:
            datetime.fromisoformat(finding.since)
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(field, f"{name} is no fleet report of this version: {error}.", remedy=remedy) from None
    for image in report.images:
        places = ((image.findings, report.findings), (image.expiring, report.exceptions))
        if any(place >= len(entries) for listed, entries in places for place in listed):
            raise InputError(field, f"{name}: {image.image} names a finding that is not there.", remedy=remedy)
    return report


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleet-report.json of s3c, version 1",
        **msgspec.json.schema(FleetReport),
    }
