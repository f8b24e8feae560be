"""The model of a night: a calculation, whose parts add up and whose limits are those that bind."""

import msgspec
import pytest
from msgspec.structs import replace

from tests.support import ROOT
from tools import fleet_model
from tools.fleet_model import Fleet, Measured, model, render

MEASURED = Measured(
    source="by hand",
    plan_image=0.05,
    job_start=60,
    database=10,
    scan=5,
    patch=60,
    rescan=5,
    sign=2,
    longest=100,
    parallel=1,
    requests_current=8,
    requests_patched=50,
    signatures=5,
)


def test_one_runner_does_one_image_after_another() -> None:
    night = model(MEASURED, Fleet(images=100, share=0.1), 1)
    # plan 60 + 100 × 0.05; patching 70 + 10 × 70; signing 70 + 10 × 7; report 60
    assert night.seconds == pytest.approx(65 + 770 + 140 + 60)
    assert (night.shards, night.databases, night.requests) == (1, 3, 100 * 8 + 10 * 50)
    assert night.limits[0] == ("patching on the runners", 700)


def test_more_runners_never_take_longer_and_an_image_is_never_split() -> None:
    nights = [model(MEASURED, Fleet(), runners) for runners in (1, 2, 20, 60, 150, 256, 500)]
    times = [night.seconds for night in nights]
    assert times == sorted(times, reverse=True)
    assert nights[-1].shards == 150  # an image a shard: 5 % of 3,000
    assert times[-1] >= MEASURED.longest
    assert model(MEASURED, Fleet(share=1), 500).shards == 256


def test_a_slow_registry_or_vault_binds() -> None:
    slow = model(MEASURED, Fleet(registry_rate=0.1), 500)
    assert slow.limits[0][0] == "the registry's rate"
    assert slow.seconds == pytest.approx(slow.requests / 0.1)
    assert model(replace(MEASURED, signatures=1e6), Fleet(), 500).limits[0][0] == "the vault's rate"


def test_the_table_names_two_limits_of_each() -> None:
    rows = render(model(MEASURED, Fleet(), runners) for runners in fleet_model.RUNNERS).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 20", "| 60", "| 500"]
    assert all(row.rpartition(" | ")[2].count("(") == 2 for row in rows)


def test_the_page_has_the_table_that_the_committed_figures_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleet_model.main([]) == 0
    table = capsys.readouterr().out
    assert table in (ROOT / "docs" / "fleet-engines.md").read_text()


def test_a_figure_that_is_missing_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="plan-image"):
        msgspec.json.decode(b'{"source": "nothing"}', type=Measured)
