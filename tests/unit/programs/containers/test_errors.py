"""What a runtime printed becomes an error that says what to do; that each row is hit is in test_error_tables.py."""

import pytest

from s3c_actions.programs.containers import errors


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Cannot connect to the Docker daemon at unix:///x", "runc stopped answering."),
        ("unable to apply cgroup configuration: mkdir: read-only", "runc cannot limit a container here."),
        ("nsexec: failed to unshare user namespaces: Operation not permitted", "runc cannot isolate a container here."),
        ("the image has no user 'x'", "runc could not create a container."),
    ],
)
def test_names_what_happened_and_keeps_the_original(text: str, what: str) -> None:
    error = errors.not_run(text, "runc")
    assert (error.what, error.original) == (what, text) and error.remedy
