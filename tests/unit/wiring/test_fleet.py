"""Where the input `plan` leads: to a file, or to a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.fleet import plan as plans
from s3c_actions.options.declare import read
from s3c_actions.options.policy import PolicyInputs
from s3c_actions.wiring import fleet
from tests.unit.fleet.test_plan import PLAN
from tests.unit.wiring.test_signing import context


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(plans.render(PLAN))
    options = read(PolicyInputs, {}, {}, lambda _notice: None)
    assert fleet.read_any(str(path), options, context(tmp_path)) == (PLAN, None)


@pytest.mark.parametrize("text", ["gone.json", "oci://registry.example/fleet", "oci://"])
def test_what_names_no_plan_is_rejected(tmp_path: Path, text: str) -> None:
    options = read(PolicyInputs, {}, {}, lambda _notice: None)
    with pytest.raises(InputError) as caught:
        fleet.read_any(text, options, context(tmp_path))
    assert caught.value.field == "plan"
