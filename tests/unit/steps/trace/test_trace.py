"""A whole trace of a registry in memory, and who judges it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.steps.trace import trace
from s3c_actions.steps.trace.tools import SignatureChecker, TraceTools
from s3c_actions.trace.model import AdmissionVerdict, TraceJudgement
from tests.support.held_registry import HOST, HeldRegistry
from tests.support.samples import NOW


class Refusing:
    def verify_layout(self, *_: Any) -> None:
        raise Refused("It is signed by a stranger.")


class Accepting:
    def verify_layout(self, *_: Any) -> None:
        pass


def checker(notation: Any, folder: Path) -> SignatureChecker:
    return SignatureChecker(notation=notation, homes=(NotationHome(folder),), temp=folder)


def test_every_platform_is_read_up_to_a_limit_and_by_the_digest_of_the_tag():
    registry = HeldRegistry()
    images = [registry.image(f"sha256:{number}") for number in range(trace.MAX_PLATFORMS + 2)]
    index = registry.index(images, tag="1.4")
    registry.broken.add(images[1].digest)
    story = trace.run(f"{HOST}/app:1.4", TraceTools(registry=registry, now=NOW))
    assert (story.reference, story.tag) == (index.pinned, "1.4")
    assert [platform.digest for platform in story.platforms] == [
        image.digest for image in images[: trace.MAX_PLATFORMS]
    ]
    assert [platform.problem for platform in story.platforms[:3]] == ["", "it is broken", ""]
    assert story.subject.problem == "2 more platforms were not looked at"


def test_an_image_that_is_not_there_is_wrong_input():
    with pytest.raises(InputError):
        trace.run(f"{HOST}/app:gone", TraceTools(registry=HeldRegistry(), now=NOW))


def test_the_verdict_is_the_policys_else_that_of_the_signature(tmp_path):
    registry = HeldRegistry()
    image = registry.image()
    tools: dict[str, Any] = {"registry": registry, "now": NOW}

    def judged(**more: Any) -> TraceJudgement:
        return trace.run(image.pinned, TraceTools(**tools | more)).judgement

    nobody = judged()
    assert nobody.verdict is AdmissionVerdict.UNKNOWN
    assert nobody.remedy == f"s3c trace {image.pinned} --trust-store CERTIFICATE"
    unsigned = judged(checker=checker(Accepting(), tmp_path))
    assert (unsigned.verdict, unsigned.reasons) == (AdmissionVerdict.DENIED, ("it has no signature",))
    registry.sign(image.digest)
    strange = judged(checker=checker(Refusing(), tmp_path))
    assert (strange.verdict, strange.reasons) == (AdmissionVerdict.DENIED, ("It is signed by a stranger.",))
    assert strange.remedy == f"s3c sign {image.pinned}"
    assert judged(checker=checker(Accepting(), tmp_path)).verdict is AdmissionVerdict.ADMITTED
    policys = TraceJudgement(verdict=AdmissionVerdict.DENIED, by="the policy")
    assert judged(checker=checker(Accepting(), tmp_path), judge=lambda _: policys) == policys
