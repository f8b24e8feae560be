"""Errors of people: each can be copied, to be about another image."""

import copy

import pytest

from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.process import CompletedProgram, ProgramFailed, ProgramTimedOut
from s3c_actions.programs.notation.errors import UnlistedSignature
from s3c_actions.registry.connection import RegistryUnreachable
from s3c_actions.signing.certificates import CertificateError

COMPLETED = CompletedProgram(argv=("trivy",), code=1, stdout="", stderr="no", seconds=0.1)


def every(kind):
    for below in kind.__subclasses__():
        yield below
        yield from every(below)


@pytest.mark.parametrize(
    "error",
    [
        S3CError("a", cause="b", remedy="c", image="d", original="e"),
        InputError("field", "a", remedy="c"),
        OutsideError("a"),
        Refused("a"),
        ProgramFailed(COMPLETED),
        ProgramTimedOut(["trivy"], 3, "stderr"),
        RegistryUnreachable("a"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_is_the_same_and_about_another_image(error):
    copied = copy.copy(error)
    assert type(copied) is type(error)
    assert vars(copied) == vars(error)
    assert str(copied) == str(error)
    copied.image = "another"
    assert error.image != "another"


@pytest.mark.parametrize("kind", [UnlistedSignature, CertificateError, *every(S3CError)])
def test_no_kind_of_error_needs_its_constructor_to_be_copied(kind):
    error = kind.__new__(kind)
    error.what = error.image = "x"
    assert vars(copy.copy(error)) == {"what": "x", "image": "x"}
