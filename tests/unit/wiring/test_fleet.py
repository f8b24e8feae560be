"""Where the input `plan` leads: to a file, or to a registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.planning import DigestGroup
from s3c_actions.fleet.selecting import SelectedImage
from s3c_actions.options.declare import read
from s3c_actions.options.policy import PolicyInputs
from s3c_actions.policy.model import Policy
from s3c_actions.registry import Descriptor
from s3c_actions.steps.judge import PolicyJudge
from s3c_actions.wiring import fleet
from tests.unit.fleet.test_plan import PLAN
from tests.unit.wiring.test_signing import context

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


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


class Flooded:
    """A registry that lists many reports beside an image."""

    def __init__(self, count: int) -> None:
        self.count = count

    def referrers(self, _reference: Reference, _wanted: str = "") -> tuple[Descriptor, ...]:
        kind = artifact_types.SARIF
        return tuple(
            Descriptor(digest=f"sha256:{n:064x}", media_type="", size=1, artifact_type=kind) for n in range(self.count)
        )


def test_an_image_beside_which_somebody_pushes_reports_is_not_read_for_ever(tmp_path: Path) -> None:
    registry: Any = Flooded(fleet.MAX_REPORTS + 1)
    judge = PolicyJudge(policy=Policy(version=1), registry=registry, notation=registry, homes=(), now=NOW)
    ready = fleet.CurrencyJudge({"": judge}, TagTemplate.parse("{tag}-{n}"), context(tmp_path), timedelta(hours=24))
    name = f"r.example/app:1@sha256:{1:064x}"
    group = DigestGroup(image=name, names=(name,), selected=SelectedImage(name=name))
    with pytest.raises(OutsideError, match="has 101 reports, and at most 100 are read"):
        ready(group)
