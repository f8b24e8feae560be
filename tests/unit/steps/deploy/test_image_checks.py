"""An image is verified, and fits the nodes, before anything is applied."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.core.errors import InputError, Refused
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import Admission, DeployResult
from s3c_actions.steps.deploy.image_checks import check_platforms, verify_images
from s3c_actions.steps.deploy.settings import DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState
from tests.support.samples import chained

GOOD, BAD, OPEN = (f"r.test/{name}@sha256:{digit * 64}" for name, digit in (("good", "a"), ("bad", "b"), ("open", "c")))
SIGNED = chained().verify


class Nodes(Cluster):
    """A cluster of these platforms; of one that starts with `-`, the node takes no Pods."""

    def __init__(self, *platforms: str) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.platforms = platforms

    def list(self, resource: Resource, namespace: str = "", **more: Any) -> list[dict[str, Any]]:
        assert (resource.plural, namespace, more) == ("nodes", "", {})
        nodes = []
        for platform in self.platforms:
            system, architecture = platform.removeprefix("-").split("/")
            info = {"operatingSystem": system, "architecture": architecture}
            nodes.append({"spec": {"unschedulable": platform.startswith("-")}, "status": {"nodeInfo": info}})
        return nodes


def image(text: str, *platforms: str) -> DeployedImage:
    return DeployedImage(text=text, reference=Reference.parse(text), platforms=platforms, places=("m.yaml, line 1",))


def verified(*images: str, trust: bool = True) -> tuple[DeployState, Refused | None]:
    def verify(pinned: str) -> Any:
        if pinned == BAD:
            raise Refused("Nobody signed it.", remedy="Sign it.")
        return None if pinned == OPEN else SIGNED

    state = DeployState(
        DeployResult(
            admissions=tuple(Admission(image=text, reference=text, verdict="unknown") for text in images),
        )
    )
    tools = DeployTools(
        resolve=None, verify=verify if trust else None, signatures=lambda _: (), cluster=None, progress=Silent()
    )
    try:
        verify_images([image(text) for text in images], tools, state)
    except Refused as error:
        return state, error
    return state, None


def test_all_images_are_verified_before_the_first_refusal_is_raised():
    state, error = verified(BAD, GOOD)
    assert error is not None
    assert error.image == BAD
    assert state.verified == {GOOD: SIGNED}
    denied, open_yet = state.result.admissions
    assert (denied.verdict, denied.reason, denied.remedy) == ("denied", "Nobody signed it.", "Sign it.")
    assert open_yet.verdict == "unknown"


def test_what_is_left_to_the_gate_is_said():
    state, error = verified(OPEN, GOOD)
    assert (error, list(state.verified)) == (None, [GOOD])
    assert state.warnings == [f"Whose signature counts is left to the cluster's gate for {OPEN}."]
    state, error = verified(BAD, trust=False)
    assert (error, state.verified) == (None, {})
    assert "`trust-store`" in state.warnings[0]


@pytest.mark.parametrize(
    ("platforms", "nodes", "warned"),
    [
        (("linux/amd64",), ("linux/amd64", "-linux/arm64"), False),
        (("linux/arm64/v8", "linux/amd64"), ("linux/amd64", "linux/arm64"), False),
        (("linux/amd64",), ("linux/amd64", "linux/arm64"), True),
        ((), ("linux/arm64",), False),
        (("linux/amd64",), (), False),
    ],
)
def test_an_image_runs_on_nodes_that_take_pods(platforms, nodes, warned):
    state = DeployState(DeployResult())
    check_platforms([image(GOOD, *platforms)], Nodes(*nodes), state)
    assert [warning.endswith("does not run on the nodes of linux/arm64.") for warning in state.warnings] == [
        True
    ] * warned


def test_an_image_for_no_node_is_refused():
    with pytest.raises(InputError, match=r"is for linux/s390x, and the nodes are linux/amd64\.") as error:
        check_platforms([image(GOOD, "linux/s390x")], Nodes("linux/amd64"), DeployState(DeployResult()))
    assert error.value.image == GOOD
