"""`fleet.prom`, read by Prometheus' own client."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from s3c_actions.fleet import prometheus
from s3c_actions.fleet.report_document import FleetReport, Loss
from tests.support import ROOT, fleets
from tests.support.hostile import TEXTS

REPORT = fleets.report(60, working=40)
UNITS = ("_seconds", "_images", "_findings", "_code")


def samples(report: FleetReport) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric → values of its labels → value; a metric or a set of labels that occurs twice is an error."""
    families: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(prometheus.render(report).decode()):
        assert family.type == "gauge"
        assert family.documentation
        assert family.name not in families
        values = families.setdefault(family.name, {})
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            assert labels not in values
            values[labels] = sample.value
    return families


def test_every_image_is_counted_once() -> None:
    families = samples(REPORT)
    assert sum(families["s3c_fleet_images"].values()) == 60
    assert families["s3c_fleet_images"]["team-payments", "failed"] == sum(
        image.owner == "team-payments" and image.state == "failed" for image in REPORT.images
    )
    left = sum(REPORT.figures.fixable.values())
    assert sum(families["s3c_fleet_fixable_findings"].values()) == left
    assert families["s3c_fleet_exit_code"][()] == 3
    assert families["s3c_fleet_report_timestamp_seconds"][()] == 1795417200


def test_names_are_as_prometheus_wants_them() -> None:
    for name in samples(REPORT):
        assert re.fullmatch(r"s3c_fleet_[a-z_]+", name)
        assert name.endswith(UNITS), name
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), name


def test_the_guide_lists_every_metric_with_its_labels() -> None:
    loss = Loss(at="2026-12-01T00:00:00Z", now=False, reasons=("its report is too old",))
    known = replace(
        REPORT,
        figures=replace(REPORT.figures, exploited=2, days_to_fix=3.5, losing=1),
        images=(replace(REPORT.images[0], losses=(loss,)), *REPORT.images[1:]),
    )
    families = text_string_to_metric_families(prometheus.render(known).decode())
    written = {family.name: sorted(family.samples[0].labels) for family in families}
    rows = re.findall(r"^\| `(s3c_fleet_\w+)` \| ([^|]*)\|", (ROOT / "docs" / "fleet.md").read_text(), re.MULTILINE)
    assert {name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == written


def test_the_openmetrics_parser_reads_it_too() -> None:
    """Which is stricter: a name, a label or a value out of place is an error."""
    text = prometheus.render(REPORT).decode()
    assert [family.name for family in openmetrics(text + "# EOF\n")] == [*samples(REPORT)]


def test_the_file_ends_with_a_line_end_and_has_no_other_bytes_than_its_lines() -> None:
    text = prometheus.render(REPORT).decode()
    assert text.endswith("\n")
    assert all(re.match(r"(# (HELP|TYPE) )?s3c_fleet_", line) for line in text.splitlines())


@TEXTS
def test_an_owner_is_the_value_of_a_label_whatever_its_name(text: str) -> None:
    images = tuple(replace(image, owner=text) if image.owner == "team-web" else image for image in REPORT.images)
    owners = tuple(replace(owner, owner=text) if owner.owner == "team-web" else owner for owner in REPORT.owners)
    report = replace(REPORT, images=images, owners=owners)
    assert sum(samples(report)["s3c_fleet_images"].values()) == len(report.images)


def test_owners_without_end_are_counted_together() -> None:
    owners = tuple(replace(REPORT.owners[0], owner=f"team-{number}") for number in range(1000))
    images = tuple(replace(REPORT.images[0], image=f"a:{number}", owner=f"team-{number}") for number in range(1000))
    counted = samples(replace(REPORT, owners=owners, images=images))["s3c_fleet_images"]
    assert len({labels[0] for labels in counted}) == prometheus.MAX_OWNERS + 1
    assert sum(counted.values()) == 1000


@pytest.mark.parametrize("owner", ["other", "team-web\u200b"])
def test_two_owners_that_look_alike_are_one_label(owner: str) -> None:
    twice = [replace(REPORT.owners[0], owner=name) for name in ("other", "team-web\u200b", "team-web\ufeff", owner)]
    owners = tuple({figures.owner: figures for figures in twice}.values())
    images = tuple(replace(REPORT.images[0], image=f"a:{figures.owner}", owner=figures.owner) for figures in owners)
    assert sum(samples(replace(REPORT, owners=owners, images=images))["s3c_fleet_images"].values()) == len(owners)


def test_what_is_not_known_is_no_zero() -> None:
    blank = tuple(replace(image, scanned="") for image in REPORT.images)
    report = replace(REPORT, images=blank, figures=replace(REPORT.figures, days_to_fix=None))
    assert not {"s3c_fleet_oldest_report_age_seconds", "s3c_fleet_time_to_fix_seconds"} & samples(report).keys()
