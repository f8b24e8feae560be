"""What the demo says at its start of how long it takes, and why."""

import pytest
from msgspec.structs import replace

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import locate, pins
from s3c_actions.programs.install.pins import HELM, Platform
from s3c_lab import duration, images, vulnerabilities
from s3c_lab.machine import Machine
from s3c_lab.node.image import NODE_IMAGE
from s3c_lab.node.programs import GATE, NODE
from s3c_lab.programs import TRIVY_DB


@pytest.fixture(autouse=True)
def hosts(monkeypatch):
    """What is wrong with the hosts of releases, by URL: nothing, unless a test says so."""
    wrong: dict[str, str] = {}
    monkeypatch.setattr(duration, "check_host", lambda url: wrong.get(url, ""))
    monkeypatch.setattr(locate, "_UNREACHABLE", {})
    monkeypatch.setattr(vulnerabilities, "reachable", lambda: False)
    monkeypatch.setattr(Platform, "here", classmethod(lambda _cls: pins.LINUX_AMD64))
    return wrong


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "dockerd").touch(mode=0o755)
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "S3C_STATE": str(tmp_path / "state")}
    return Machine(runner=Runner(environment=environment), progress=Silent(), cache=tmp_path / "cache")


def test_every_time_is_of_a_program_that_a_demo_needs():
    assert duration.BUILD_SECONDS.keys() <= {pin.name for pin in (*duration.CHAIN, TRIVY_DB, *NODE, *GATE)}


def test_on_a_new_machine_minutes_and_reasons_are_named(machine, hosts):
    hosts["https://github.com"] = "no connection within 3 s"
    expected = duration.expect(machine, cluster=True)
    minutes = round(sum(expected.seconds.values()) / 60)
    assert expected.sentence.startswith(f"This takes about {minutes} minutes on two idle cores. ")
    assert "Downloaded: helm. " in expected.reason
    assert "because of github.com (no connection within 3 s): trivy, notation, runc. " in expected.reason
    assert "because no checksum of a release is pinned: copa, buildkitd, trivy-db, containerd, " in expected.reason
    assert f"In the cache or on PATH: 0 of {5 + len(NODE) + len(GATE)} programs." in expected.reason
    assert "after Ctrl-C or a lost network, the same command goes on" in expected.sentence


def test_what_is_downloaded_takes_seconds_and_what_is_built_minutes(machine, hosts):
    downloaded = duration.expect(machine, cluster=True).seconds
    assert downloaded["trivy"] == downloaded["helm"] == duration.DOWNLOAD_SECONDS
    hosts["https://github.com"] = hosts["https://get.helm.sh"] = "down"
    built = duration.expect(machine, cluster=True).seconds
    assert (built["trivy"], built["helm"]) == (duration.BUILD_SECONDS["trivy"], duration.BUILD_SECONDS["helm"])
    assert built.keys() == downloaded.keys()


def test_programs_of_one_module_are_one_piece(machine):
    seconds = duration.expect(machine, cluster=True).seconds
    built = duration.BUILD_SECONDS
    daemons = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    assert seconds["kubernetes"] == sum(built[name] for name in daemons) + duration.LINK_SECONDS
    assert seconds["ratify"] == built["ratify"] + 2 * duration.LINK_SECONDS


def test_a_host_that_does_not_answer_is_not_asked_again(machine, hosts):
    hosts["https://github.com"] = "no connection within 3 s"
    duration.expect(machine, cluster=True)
    assert locate.default_sources({}).unreachable == {"github.com": "no connection within 3 s"}


def test_a_mirror_is_asked_in_place_of_the_publishers(machine, hosts):
    hosts["https://mirror.example/x"] = "down"
    environment = {**machine.environment, "S3C_PROGRAMS_MIRROR": "https://mirror.example/x"}
    mirrored = Machine(runner=Runner(environment=environment), progress=Silent(), cache=machine.cache)
    reason = duration.expect(mirrored, cluster=True).reason
    assert "because of mirror.example (down): trivy, notation, runc, helm. " in reason


def test_without_a_cluster_nothing_of_it_is_counted(machine):
    expected = duration.expect(machine, cluster=False)
    assert expected.seconds.keys() == {
        "trivy",
        "copa",
        "notation",
        "buildkitd",
        "trivy-db",
        "images",
        "database",
        "chain",
    }
    assert " of 5 programs." in expected.reason


def test_a_docker_that_has_to_be_installed_takes_time(machine, tmp_path):
    assert "docker" not in duration.expect(machine, cluster=False).seconds
    (tmp_path / "dockerd").unlink()
    assert "docker" in duration.expect(machine, cluster=False).seconds


def test_where_there_is_a_public_database_none_is_built(machine, monkeypatch):
    monkeypatch.setattr(vulnerabilities, "reachable", lambda: True)
    assert "trivy-db" not in duration.expect(machine, cluster=False).seconds


def test_what_is_there_takes_no_time(machine, monkeypatch):
    monkeypatch.setattr(duration, "missing", lambda pins, _: tuple(pin for pin in pins if pin.name == HELM.name))
    for module in (images, vulnerabilities):
        monkeypatch.setattr(module, "is_kept", lambda _: True)
    monkeypatch.setattr(type(NODE_IMAGE), "is_kept", lambda *_: True)
    expected = duration.expect(machine, cluster=True)
    assert expected.seconds.keys() == {"helm", "chain", "cluster"}
    wanted = len(duration.CHAIN) + len(NODE) + len(GATE)
    assert expected.sentence == (
        f"This takes about 2 minutes. Downloaded: helm. In the cache or on PATH: {wanted - 1} of {wanted} programs, "
        "the images, the database, the node image."
    )


def test_a_pin_without_a_checksum_for_this_platform_is_built(machine, monkeypatch):
    assert HELM.release is not None
    bare = replace(HELM, release=replace(HELM.release, checksums={}))
    monkeypatch.setattr(duration, "GATE", (bare,))
    reason = duration.expect(machine, cluster=True).reason
    assert reason.partition("pinned: copa, ")[2].partition(". ")[0].endswith(", pause, helm")
