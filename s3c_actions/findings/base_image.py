"""Which findings of an image came with its base image.

A scan says of each finding which layer brought it: the lowest one that has the package in this version, or the file.
The layers of the base are the lowest of the image, checked one by one by their diff ids (OCI image specification,
config.md): a name alone, such as an annotation's or a Dockerfile's, proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from s3c_actions.findings.headline import list_counts
from s3c_actions.findings.model import BaseImage, Finding, ScanReport, Severity


def starts_with(layers: Sequence[str], base: Sequence[str]) -> bool:
    """Return whether an image's diff ids begin with those of a base image, which has at least one layer."""
    return bool(base) and tuple(layers[: len(base)]) == tuple(base)


def attribute(report: ScanReport, base: BaseImage) -> ScanReport:
    """Return a report whose findings say whether they came with the base image.

    Args:
        report: of one image on one platform, with its diff ids.
        base: whose layers the image begins with.

    Raises:
        ValueError: the image does not begin with the base's layers.
    """
    if not starts_with(report.diff_ids, base.layers):
        raise ValueError(f"{report.image} does not begin with the layers of {base.name}")
    # A layer of the base that comes once more above it may undo what the base repaired in between.
    above = report.diff_ids[len(base.layers) :]
    inherited = frozenset(base.layers).difference(above)

    def attributed(finding: Finding) -> Finding:
        return replace(finding, from_base=finding.layer in inherited)

    return replace(
        report,
        base_image=base,
        findings=tuple(map(attributed, report.findings)),
        suppressed=tuple(map(attributed, report.suppressed)),
    )


def describe_origin(own: Mapping[Severity, int], inherited: Mapping[Severity, int]) -> tuple[str, str]:
    """Describe whose the findings of an image are in two clauses: `3 of its own (1 high)`, `32 of its base (2 low)`.

    Args:
        own: findings by severity that did not come with the base.
        inherited: those that did.
    """
    return _count(own, "its own"), _count(inherited, "its base")


def _count(counts: Mapping[Severity, int], whose: str) -> str:
    listed = list_counts(counts)
    return f"{sum(counts.values()):,} of {whose}" + (f" ({listed})" if listed else "")
