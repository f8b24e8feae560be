"""Render a fleet's figures for Prometheus: a file for the node exporter's textfile collector, or for a push gateway.

Text format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/; names and units by
https://prometheus.io/docs/practices/naming/. A file replaces the one before, so everything in it is a gauge. Labels
have few values: owners, severities and states, never an image's name or a finding's id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from s3c_actions.fleet.report_document import FleetReport, State
from s3c_actions.fleet.view import EXPIRY_NOTICE_DAYS, ends_soon, losing
from s3c_actions.report.render import escape

STATES: tuple[State, ...] = ("current", "passed", "patched", "refused", "failed", "missing", "unplanned")
MAX_OWNERS = 200
"""Values of the label `owner`; the owners with least to decide are counted together as `other`."""
OTHER = "other"
NOBODY = "none"
_SECONDS_A_DAY = 86_400

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]


def render(report: FleetReport) -> bytes:
    """Return the file, in UTF-8."""
    # Two names may be shown alike: their images are counted under the same label.
    names = {
        owner.owner: (escape.line(owner.owner, 200).strip() or NOBODY) if place < MAX_OWNERS else OTHER
        for place, owner in enumerate(report.owners)
    }
    images = Counter((names[image.owner], image.state) for image in report.images)
    fixable = Counter[tuple[str, str]]()
    expiring = Counter[str]()
    for owner in report.owners:
        expiring[names[owner.owner]] += owner.expiring
        for severity, count in owner.fixable.items():
            fixable[names[owner.owner], severity] += count
    owners = dict.fromkeys(names.values())
    ages = [age for image in report.images if (age := _seconds_between(image.scanned, report.created)) is not None]
    coming = [datetime.fromisoformat(loss.at).timestamp() for _, loss in losing(report) if not loss.now]
    figures = report.figures
    families = [
        _family(
            "s3c_fleet_images",
            "Images of the fleet by owner and state.",
            (({"owner": owner, "state": state}, images[owner, state]) for owner in owners for state in STATES),
        ),
        _family(
            "s3c_fleet_fixable_findings",
            "Findings with a fix that are left, by owner and severity; of images that this run looked at.",
            (
                ({"owner": owner, "severity": severity.lower()}, fixable[owner, severity])
                for owner in owners
                for severity in figures.fixable
            ),
        ),
        _family(
            "s3c_fleet_exploited_findings",
            "Findings that are known to be exploited (KEV), of images that this run looked at.",
            [({}, figures.exploited)] if figures.exploited is not None else [],
        ),
        _family("s3c_fleet_fixed_findings", "Findings that patches of this run removed.", [({}, figures.fixed)]),
        _family(
            "s3c_fleet_expiring_exception_images",
            "Images that rely on an exception of a policy that ends within 14 days or has ended, by owner.",
            (({"owner": owner}, expiring[owner]) for owner in owners),
        ),
        _family(
            "s3c_fleet_expiring_signature_images",
            f"Images whose signature ends within {EXPIRY_NOTICE_DAYS} days or has ended.",
            [({}, sum(ends_soon(image, report) for image in report.images))],
        ),
        _family(
            "s3c_fleet_losing_images",
            "Images that their policy refuses at the next start, now or soon.",
            _losing(report) if figures.losing is not None else [],
        ),
        _family(
            "s3c_fleet_next_loss_timestamp_seconds",
            "When the policy refuses the next image that it admits now, as Unix time.",
            [({}, min(coming))] if coming else [],
        ),
        _family(
            "s3c_fleet_oldest_report_age_seconds",
            "Age of the oldest scan report that an image is judged by.",
            [({}, max(ages))] if ages else [],
        ),
        _family(
            "s3c_fleet_time_to_fix_seconds",
            "Median time from publication to patch of the findings that this run removed.",
            [({}, figures.days_to_fix * _SECONDS_A_DAY)] if figures.days_to_fix is not None else [],
        ),
        _family("s3c_fleet_exit_code", "Exit code of the run: the gravest of all images.", [({}, report.exit_code)]),
        _family(
            "s3c_fleet_report_timestamp_seconds",
            "When this report was made, as Unix time.",
            [({}, datetime.fromisoformat(report.created).timestamp())],
        ),
    ]
    return "".join(families).encode()


def _losing(report: FleetReport) -> Samples:
    """Yield how many images are refused already, and how many will be."""
    firsts = [loss.now for _, loss in losing(report)]
    return [({"from": "now"}, firsts.count(True)), ({"from": "later"}, firsts.count(False))]


def _family(name: str, description: str, samples: Samples) -> str:
    """Return a metric's lines; a metric without a value is left out, since 0 would be one."""
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    return f"# HELP {name} {description}\n# TYPE {name} gauge\n{''.join(lines)}" if lines else ""


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_value(text)}"' for name, text in labels.items()) + "}" if labels else ""


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _seconds_between(time: str, now: str) -> float | None:
    try:
        return max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds())
    except (ValueError, TypeError):
        return None
