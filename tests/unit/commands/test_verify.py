"""`s3c verify` of several images: each has its verdict, whatever becomes of the others."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from s3c_actions.commands import verify as command
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.options import declare
from s3c_actions.options.verify import VerifyInputs
from s3c_actions.result.model import Outcome, VerifyResult
from s3c_actions.result.outputs import exit_code, passed_references
from s3c_actions.steps import verify as step
from tests.support import contexts

IMAGES = {name: f"r.test/{name}@sha256:{digit * 64}" for name, digit in (("a", "1"), ("b", "2"), ("c", "3"))}


def verified(monkeypatch: pytest.MonkeyPatch, folder: Path, errors: dict[str, S3CError]) -> Outcome:
    """The outcome of a run in which the verification of some images ends with an error."""

    def run(_settings: object, _program: object, _home: object, reference: str, _progress: object) -> VerifyResult:
        if error := errors.get(reference.partition("/")[2][0]):
            raise error
        return VerifyResult(reference=reference, policy="p", signature_digest="", signer="CN=x", metadata={}, seconds=0)

    monkeypatch.setattr(step, "run", run)
    monkeypatch.setattr(step, "prepare", lambda *_: nullcontext())
    monkeypatch.setattr(command, "create_notation", lambda *_: None)
    monkeypatch.setattr(command, "resolve_images", lambda *_: IMAGES)
    (folder / "s.crt").touch()
    flags = {"image": ",".join(IMAGES), "trust-store": str(folder / "s.crt"), "jobs": "1"}
    options = declare.read(VerifyInputs, flags, {}, lambda _: None)
    return command.run(options, contexts.create_context(folder))


def test_a_registry_that_fails_for_one_image_takes_no_verdict_of_another(tmp_path, monkeypatch):
    errors: dict[str, S3CError] = {"a": Refused("Nobody signed it."), "b": OutsideError("The registry failed.")}
    outcome = verified(monkeypatch, tmp_path, errors)
    assert [type(image.failure) for image in outcome.images] == [Refused, OutsideError, type(None)]
    assert [image.failure.image for image in outcome.images if image.failure] == [IMAGES["a"], IMAGES["b"]]
    assert passed_references(outcome) == (IMAGES["c"],)
    assert (exit_code(outcome), outcome.exit_code, outcome.error) == (3, 3, "Nobody signed it.")


def test_a_refusal_alone_is_what_the_policy_said(tmp_path, monkeypatch):
    outcome = verified(monkeypatch, tmp_path, {"b": Refused("Nobody signed it.")})
    assert exit_code(outcome) == 1
    assert passed_references(outcome) == (IMAGES["a"], IMAGES["c"])


def test_a_trust_policy_that_cannot_be_used_ends_the_run(tmp_path, monkeypatch):
    with pytest.raises(InputError):
        verified(monkeypatch, tmp_path, {"a": InputError("trust-policy", "it is wrong.")})
