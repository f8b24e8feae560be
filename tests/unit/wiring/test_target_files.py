"""On a pull request the target branch's fleet and the policies it names decide; GitHub's answers are a stand-in's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.options.declare import read
from s3c_actions.options.fleet_plan import FleetPlanInputs
from s3c_actions.wiring.settings_files import RunFiles, list_named_policies, policy_path, share_files
from s3c_actions.wiring.target_files import Checkout, NamedPolicies, apply_target_files
from tests.support.contexts import create_context

STRICT, LAX = "version: 1\n", "version: 1\nfindings: {refuse: []}\n"
FLEET = "version: 1\nimages: [{image: registry.example/app:1, policy: p.yaml}]\n"


class Branch:
    """A target branch with some files."""

    name = "main"

    def __init__(self, files: dict[str, str], *, from_fork: bool = False, accepts: str = "") -> None:
        self.files, self.from_fork, self.accepts = files, from_fork, accepts

    def content(self, path: str) -> bytes | None:
        text = self.files.get(path)
        return None if text is None else text.encode()

    def accepted(self, _label: str) -> str:
        return self.accepts


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    workspace = tmp_path / "work"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    return Checkout(workspace=workspace, repository="octo/shop", cwd=workspace)


def policies(checkout: Checkout, branch: Any, tmp_path: Path, label: str = "") -> NamedPolicies:
    return NamedPolicies(checkout, branch, label=label, temp=tmp_path / "temp")


@pytest.mark.parametrize("from_fork", [False, True])
def test_a_policy_that_a_pull_request_loosens_does_not_count(
    checkout: Checkout, tmp_path: Path, from_fork: bool
) -> None:
    (checkout.cwd / "p.yaml").write_text(LAX)
    named = policies(checkout, Branch({"p.yaml": STRICT}, from_fork=from_fork), tmp_path)
    assert named.path("p.yaml").read_text() == STRICT
    (change,) = named.changes
    assert (change.kind, change.path, change.used) == ("policy", "p.yaml", "target")


def test_one_that_is_the_same_is_used_where_it_lies(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.cwd / "p.yaml").write_text(STRICT)
    named = policies(checkout, Branch({"p.yaml": STRICT}), tmp_path)
    assert named.path("p.yaml") == checkout.cwd / "p.yaml"
    assert named.changes == []


def test_one_that_the_target_branch_does_not_have_is_used(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.cwd / "p.yaml").write_text(LAX)
    named = policies(checkout, Branch({}), tmp_path)
    assert named.path("p.yaml") == checkout.cwd / "p.yaml"
    assert [change.used for change in named.changes] == ["head"]


def test_one_that_a_pull_request_deletes_is_the_target_branchs(checkout: Checkout, tmp_path: Path) -> None:
    assert policies(checkout, Branch({"p.yaml": STRICT}), tmp_path).path("p.yaml").read_text() == STRICT


@pytest.mark.parametrize(("from_fork", "used"), [(False, LAX), (True, STRICT)])
def test_a_label_accepts_it_but_never_a_forks(checkout: Checkout, tmp_path: Path, from_fork: bool, used: str) -> None:
    (checkout.cwd / "p.yaml").write_text(LAX)
    branch = Branch({"p.yaml": STRICT}, from_fork=from_fork, accepts="maintainer")
    named = policies(checkout, branch, tmp_path, label="gate-changes-accepted")
    assert named.path("p.yaml").read_text() == used


def test_two_policies_of_one_name_in_two_folders_are_two(checkout: Checkout, tmp_path: Path) -> None:
    named = policies(checkout, Branch({"a/p.yaml": STRICT, "b/p.yaml": f"{STRICT}# b\n"}), tmp_path)
    assert [named.path(name).read_text() for name in ("a/p.yaml", "b/p.yaml")] == [STRICT, f"{STRICT}# b\n"]


def test_what_cannot_be_read_is_no_permission(checkout: Checkout, tmp_path: Path) -> None:
    class Broken(Branch):
        def content(self, path: str) -> bytes | None:
            raise OutsideError("The target branch's files could not be read.")

    (checkout.cwd / "p.yaml").write_text(LAX)
    with pytest.raises(OutsideError):
        policies(checkout, Broken({}), tmp_path).path("p.yaml")


def test_what_was_used_is_listed(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.cwd / "p.yaml").write_text(LAX)
    here = create_context(checkout.cwd)
    share_files(here, RunFiles(named_policy=policies(checkout, Branch({"p.yaml": STRICT}), tmp_path).path))
    assert policy_path(here, "p.yaml") == policy_path(here, "p.yaml")
    (listed,) = list_named_policies(here)
    assert (listed.kind, listed.path) == ("policy", "p.yaml")


@pytest.mark.parametrize("given", [{"fleet": "fleet.yaml"}, {}])
@pytest.mark.parametrize(("target", "used"), [(FLEET, "target"), (None, "head")])
def test_the_target_branchs_fleet_decides(
    checkout: Checkout, tmp_path: Path, given: dict[str, str], target: str | None, used: str
) -> None:
    own = FLEET.replace("p.yaml", "lax.yaml")
    (checkout.cwd / "fleet.yaml").write_text(own)
    options = read(FleetPlanInputs, given, {}, lambda _: None)
    branch: Any = Branch({} if target is None else {"fleet.yaml": target})
    governed = apply_target_files(options, FleetPlanInputs.inputs(), checkout, branch, label="", temp=tmp_path / "temp")
    assert [(change.kind, change.used) for change in governed.changes] == [("fleet", used)]
    fleet = governed.options.fleet if isinstance(governed.options, FleetPlanInputs) else None
    if used == "target":
        assert fleet is not None
        assert fleet.read_text() == FLEET
    else:
        assert fleet == options.fleet
