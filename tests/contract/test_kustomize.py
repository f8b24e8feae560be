"""Images are replaced where and as kustomize replaces them: against its own module, over its test data and our own."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from s3c_actions.cluster import manifests
from s3c_actions.cluster.images import Replacement
from s3c_actions.commands.propose import create_rewriter
from s3c_actions.core.errors import InputError
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import HELM
from tests.support import go_judges

NEW, DIGEST = "registry.test/new/app", "sha256:" + "ab" * 32
Judge = Callable[[Sequence[tuple[str, str]]], list[list[dict[str, Any]] | None]]
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """kustomize: of manifests and the name of an image, the objects with the new image; None: it refuses them."""
    program = go_judges.build(
        Path(__file__).parent / "kustomize" / "main.go", HELM, tmp_path_factory.mktemp("kustomize")
    )

    def answers(cases: Sequence[tuple[str, str]]) -> list[list[dict[str, Any]] | None]:
        questions = [{"Manifest": text, "Name": name, "NewName": NEW, "Digest": DIGEST} for text, name in cases]
        return [
            None if answer["Refused"] else list(manifests.parse_objects(answer["Manifest"], "kustomize"))
            for answer in go_judges.ask(program, questions)
        ]

    return answers


def ours(text: str, name: str) -> list[dict[str, Any]] | None:
    try:
        rewrite = create_rewriter("all.yaml", (Replacement.parse(f"{name}={NEW}@{DIGEST}"),))
        return list(manifests.parse_objects(rewrite(text), "all.yaml"))
    except InputError:
        return None


def values(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from values(value, (*place, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from values(value, (*place, number))
    else:
        yield place, node


def changes(before: Sequence[Any], after: Sequence[Any]) -> dict[Place, Any]:
    """The values that an edit changed, by object and place."""
    named = {_identity(document): dict(values(document)) for document in before}
    return {
        (*_identity(document), *place): value
        for document in after
        for place, value in values(document)
        if named[_identity(document)].get(place) != value
    }


def _identity(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def compare(judge: Judge, cases: Sequence[tuple[str, str]]) -> tuple[int, list[Place]]:
    """How many places kustomize replaced; those of them that s3c left or replaced otherwise are the second."""
    replaced, wrong = 0, []
    for (text, name), theirs in zip(cases, judge(cases), strict=True):
        mine = ours(text, name)
        if theirs is None or mine is None:
            continue
        before = list(manifests.parse_objects(text, "all.yaml"))
        expected, actual = changes(before, theirs), changes(before, mine)
        replaced += len(expected)
        wrong += [place for place, value in expected.items() if actual.get(place) != value]
        # More is replaced where kustomize needs the place configured, or the name is written in full.
        assert set(actual.values()) <= {f"{NEW}@{DIGEST}"}
    return replaced, wrong


def test_its_own_test_data_is_replaced_alike(judge: Judge, tmp_path: Path) -> None:
    module = msgspec.structs.replace(HELM, module="sigs.k8s.io/kustomize/api")
    gobuild.copy_folder(module, "filters/imagetag", tmp_path / "data", **go_judges.TOOLS)
    source = "".join(file.read_text() for file in sorted((tmp_path / "data").glob("*_test.go")))
    texts = {text for text in re.findall(r"`([^`]+)`", source) if "kind:" in text and "metadata:" in text}
    names = sorted(set(re.findall(r'Name: +"([^"]+)"', source)))
    cases = [(text, name) for text in sorted(texts) for name in names]
    replaced, wrong = compare(judge, cases)
    assert (len(texts) > 10, replaced > 20, wrong) == (True, True, [])


TAGS = ("", ":1", ":latest", ":${TAG}", ":{GENERATED}", f"@sha256:{'0' * 64}", f":1@sha256:{'0' * 64}", ":1.2-x_y")
NAMES = ("nginx", "app", "registry.test/app", "registry.test/app/x", "registry.test:5000/app", "a.test/b-c/d_e")
PODS = (
    ("v1", "Pod", ("spec",)),
    ("v1", "PodTemplate", ("template", "spec")),
    *(("apps/v1", kind, ("spec", "template", "spec")) for kind in ("Deployment", "StatefulSet", "DaemonSet")),
    ("batch/v1", "Job", ("spec", "template", "spec")),
    ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
    ("argoproj.io/v1alpha1", "Rollout", ("spec", "template", "spec")),
    ("data.example.test/v1", "Database", ("spec", "backup", "pods")),
    ("data.example.test/v1", "Database", ("spec",)),
)


def some_containers(dice: random.Random) -> Iterator[str]:
    for number in range(dice.randint(1, 3)):
        image = dice.choice(NAMES) + dice.choice(TAGS)
        yield f'{{name: c{number}, image: "{image}", env: [{{name: I, value: "nginx:1"}}]}}'


def some_manifests(dice: random.Random) -> str:
    texts = []
    for number in range(dice.randint(1, 3)):
        version, kind, path = dice.choice(PODS)
        fields = dice.sample(("containers", "initContainers", "ephemeralContainers"), dice.randint(1, 3))
        pod = ", ".join(f"{field}: [{', '.join(some_containers(dice))}]" for field in fields)
        text = f"{{{pod}}}"
        for step in reversed(path):
            text = f"{{{step}: {text}}}"
        texts.append(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: o{number}}}\n{text[1:-1]}\n")
    return "---\n".join(texts)


def test_made_up_manifests_are_replaced_alike(judge: Judge) -> None:
    dice = random.Random(23)
    cases = [(some_manifests(dice), dice.choice(NAMES)) for _ in range(300)]
    replaced, wrong = compare(judge, cases)
    assert (replaced > 150, wrong[:3]) == (True, [])
