"""What is tried again later, and what is not."""

import pytest
import requests

from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.process import ProgramTimedOut
from s3c_actions.core.transience import is_transient
from s3c_actions.registry.connection import unreachable_error


@pytest.mark.parametrize(
    "error",
    [
        OutsideError("r.example answered HTTP 429 for app."),
        OutsideError("r.example answered HTTP 503 for app."),
        OutsideError("r.example: it did not answer within 30 s."),
        OutsideError("r.example: it refused the connection."),
        OutsideError("r.example: its answer was cut off."),
        OutsideError("The vault kv limits requests (HTTP 429)."),
        OutsideError("Copa failed.", original="rpc error: code = Unavailable desc = connection refused"),
        OutsideError("Copa failed.", original="failed to solve: unexpected status code: 502 Bad Gateway"),
        OutsideError("Notation failed.", original="TOOMANYREQUESTS: retry-after: 1ms, allowed: 44000/minute"),
        OutsideError("Trivy failed.", original="context deadline exceeded"),
        OutsideError("BuildKit went away.", original="failed to solve: Unavailable: error reading from server: EOF"),
        OutsideError("BuildKit at unix:///run/bk.sock did not answer.", original="No such file or directory"),
        OutsideError("None of the 2 BuildKits answered."),
        OutsideError("The vault kv turned the request away: there are too many. It was tried 6 times."),
        OutsideError("Trivy failed.", original="dial tcp: lookup r.example: i/o timeout"),
        OutsideError("The signature was pushed, but the registry does not list it."),
        OutsideError("sha256:1 was pushed, and could not be listed as a referrer of r.example/app."),
        OutsideError("Tag 1-1 of r.example/app was moved to sha256:2 while the image was patched."),
        ProgramTimedOut(["trivy"], 60, ""),
    ],
    ids=lambda error: error.original or error.what,
)
def test_what_may_pass_is_tried_again(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        InputError("image", "tag 429 does not exist; the connection refused it."),
        Refused("5 findings of HIGH and over: timeout."),
        S3CError("A bug: timed out."),
        OutsideError("The patch of app did not work: libssl3 3.0 is left."),
        OutsideError("r.example did not let us read app (HTTP 403)."),
        OutsideError("r.example answered HTTP 404 for app."),
        OutsideError("The disk is full: timed out."),
        OutsideError("Copa failed.", original="E: Unable to locate package app-500"),
    ],
    ids=lambda error: error.original or error.what,
)
def test_what_stays_as_it_is_is_not(error):
    assert not is_transient(error)


def test_an_untrusted_certificate_stays_untrusted():

    assert not is_transient(unreachable_error("r.example", requests.exceptions.SSLError("certificate"), 3))
    assert is_transient(unreachable_error("r.example", requests.Timeout("timed out"), 3))
    assert is_transient(unreachable_error("r.example", requests.ConnectionError("reset"), 3))
