"""Programs of one module are built by one command, and each is installed when it is asked for."""

from pathlib import Path

import pytest

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import RUNC
from s3c_lab import together
from s3c_lab.machine import Machine
from s3c_lab.node.programs import ETCD, NODE, PAUSE
from s3c_lab.together import Builder

KUBERNETES = tuple(pin for pin in NODE if pin.shared == "kubernetes")


@pytest.fixture
def commands(monkeypatch):
    """The programs of each build, in order."""
    built = []

    def build(pin, into, **_):
        built.append([pin.name])
        Path(into).write_text(pin.name)

    def build_together(pins, folder, **_):
        built.append([pin.name for pin in pins])
        for pin in pins:
            (folder / pin.name).write_text(pin.name)

    monkeypatch.setattr(gobuild, "build", build)
    monkeypatch.setattr(gobuild, "build_together", build_together)
    return built


def test_a_compiler_of_c_is_installed_for_what_needs_it_alone(tmp_path, commands):
    built_before = []
    tools = {"cache": tmp_path, "runner": Runner({}), "progress": Silent()}
    builder = Builder(NODE, tmp_path, lambda _: False, lambda: built_before.append(list(commands)))
    for pin in (ETCD, RUNC, PAUSE):
        builder.build(pin, tmp_path / "into", **tools)
    assert built_before == [[["etcd"]]]


@pytest.mark.parametrize("builds_follow", [True, False])
def test_gos_caches_are_left_to_the_builds_that_follow(tmp_path, monkeypatch, builds_follow):
    discarded: list[Path] = []

    def locate_all(_requests, *, source, cache, **_):
        source.discard(cache)
        return ()

    monkeypatch.setattr(together, "locate_all", locate_all)
    monkeypatch.setattr(gobuild, "discard_caches", discarded.append)
    machine = Machine(runner=Runner({}), progress=Silent(), cache=tmp_path)
    assert together.locate_together(NODE, machine, builds_follow=builds_follow) == {}
    assert discarded == ([] if builds_follow else [tmp_path])


def builds(folder, wanted, missing):
    tools = {"cache": folder, "runner": Runner({}), "progress": Silent()}
    (folder / "kept").mkdir()
    builder = Builder(wanted, folder / "kept", lambda pin: pin in missing)
    for pin in missing:
        builder.build(pin, folder / "into", **tools)
        assert (folder / "into").read_text() == pin.name
    assert list((folder / "kept").iterdir()) == []


def test_programs_of_one_recipe_are_built_at_once(tmp_path, commands):
    builds(tmp_path, (*KUBERNETES, ETCD), (*KUBERNETES, ETCD))
    assert commands == [[pin.name for pin in KUBERNETES], ["etcd"]]


def test_what_is_there_is_not_built_again(tmp_path, commands):
    builds(tmp_path, KUBERNETES, KUBERNETES[2:4])
    assert commands == [[pin.name for pin in KUBERNETES[2:4]]]


def test_another_recipe_is_another_command(tmp_path, commands):
    builds(tmp_path, NODE, NODE)
    assert sorted(name for names in commands for name in names) == sorted(pin.name for pin in NODE)
    for names in commands:
        recipes = {(pin.recipe, pin.ldflags, pin.tags, pin.cgo) for pin in NODE if pin.name in names}
        assert len(recipes) == 1
