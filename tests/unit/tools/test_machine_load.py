"""What a machine did, computed from its kernel's counters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.machine_load import Load, Sample, between, sample

TICKS = os.sysconf("SC_CLK_TCK")


def load(**changes: float) -> Load:
    return Load(**{"processors": 2, "busy": 1.0, "waiting": 0.0, "stolen": 0.0, "parts": {"BuildKit": 0.8}} | changes)  # type: ignore[arg-type]


def test_a_sample_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(
        f"cpu  {3 * TICKS} {TICKS} {2 * TICKS} 9 {5 * TICKS} 0 {TICKS} {4 * TICKS} 0 0\ncpu0 1\n"
    )
    (tmp_path / "7").mkdir()
    times = f"{TICKS} {2 * TICKS} {3 * TICKS} {4 * TICKS}"
    (tmp_path / "7" / "stat").write_text(f"7 (a ) name) S 1 7 7 0 -1 4194304 64 0 0 0 {times} -20 1 0\n")
    taken = sample({"BuildKit": 7}, tmp_path)
    assert (taken.busy, taken.waiting, taken.stolen) == (7.0, 5.0, 4.0)
    assert taken.processes == {"BuildKit": 10.0}


def test_its_own_kernel_counts_what_this_process_does() -> None:
    before = sample({"this": os.getpid()})
    while (after := sample({"this": os.getpid()})).processes["this"] < before.processes["this"] + 0.05:
        pass
    assert between(before, after).parts["this"] > 0


def test_what_happened_between_two_samples_is_stated_as_processors() -> None:
    first = Sample(moment=10, busy=100, waiting=1, stolen=0, processes={"BuildKit": 50})
    second = Sample(moment=20, busy=118, waiting=2, stolen=1, processes={"BuildKit": 59})
    load = between(first, second, {"s3c": 6.0})
    assert (load.busy, load.waiting, load.stolen) == (1.8, 0.1, 0.1)
    assert load.parts == {"BuildKit": 0.9, "s3c": 0.6}


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"busy": 1.9}, "the processors, most of all for others"),
        ({"busy": 1.9, "parts": {"BuildKit": 1.2, "s3c": 0.5}}, "the processors, most of all for BuildKit"),
        ({"waiting": 0.5}, "the disk"),
        ({"busy": 1.9, "stolen": 0.6}, "the host of this machine"),
        ({}, "nothing of this machine"),
    ],
)
def test_the_limit_is_what_was_measured(changes: dict[str, float], limit: str) -> None:
    assert load(**changes).limit.startswith(limit)


def test_a_line_has_all_of_it() -> None:
    assert str(load(busy=1.9, waiting=0.04)) == (
        "1.90 of 2 processors busy (BuildKit 0.80, others 1.10), 0.04 wait for the disk, 0.00 taken by the host; "
        "limit: the processors, most of all for others"
    )
