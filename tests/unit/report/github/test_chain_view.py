"""The picture of the steps, and the commands that check them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.report.document import ImageResult
from s3c_actions.report.github.chain_view import check_commands, flow_chart
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes

CHAIN = outcomes.chain()


def shown(image: ImageOutcome) -> ImageResult:
    return outcomes.document(Outcome(command="chain", images=(image,))).images[0]


def test_the_steps_stand_in_their_order_and_one_that_failed_ends_them() -> None:
    chart = flow_chart(shown(CHAIN))
    assert [title for title in ("scan", "patch", "rescan", "sign", "verify") if f"<b>{title}</b>" in chart] == [
        "scan", "patch", "rescan", "sign", "verify"
    ]  # fmt: skip
    assert "s0 --> s1 --> s2 --> s3 --> s4" in chart
    stopped = flow_chart(shown(replace(CHAIN, failure=OutsideError("The cluster did not answer."))))
    assert "s4 --> s5" in stopped
    assert 's5["<b>stopped</b>"]:::stopped' in stopped


def test_one_step_is_no_chain() -> None:
    assert flow_chart(shown(ImageOutcome(image=CHAIN.image, scan=CHAIN.scan))) == ""


def test_who_is_to_be_trusted_is_left_to_the_reader() -> None:
    commands = check_commands(shown(CHAIN))
    assert f"notation inspect {CHAIN.reference}" in commands
    assert f"s3c verify {CHAIN.reference} --trust-store CERTIFICATE" in commands
    assert f"trivy image {CHAIN.reference}" in commands


@pytest.mark.parametrize("reference", ["", "app:1", f"a;b@{outcomes.AFTER}", f"{600 * 'a'}@{outcomes.AFTER}"])
def test_a_reference_that_a_shell_could_misread_gets_no_commands(reference: str) -> None:
    image = replace(shown(CHAIN), reference=reference)
    assert check_commands(image) == []
