"""What is said of an identity that other jobs can be as well."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.azure import clouds
from s3c_actions.azure.identity import Identity
from s3c_actions.wiring.vault import shared_subject

CREDENTIAL: Any = None


@pytest.mark.parametrize(
    ("subject", "shared"),
    [
        ("repo:org@9919/app@1296269:ref:refs/heads/main", True),
        ("repo:org/app:ref:refs/heads/main", True),
        ("repo:org/app:pull_request", True),
        ("repo:org/app:ref:refs/tags/environment", True),
        ("repo:org@9919/app@1296269:environment:signing", False),
        # An organization's own template.
        ("environment:signing:repository_owner_id:9919", False),
        ("job_workflow_ref:org/s3c/.github/workflows/secure-image.yml@refs/heads/main", False),
        ("", False),
    ],
)
def test_a_subject_that_is_not_one_jobs_alone_is_told(subject: str, shared: bool) -> None:
    claims = {"sub": subject} if subject else {}
    own = Identity(credential=CREDENTIAL, source="github-oidc", description="", cloud=clouds.PUBLIC, claims=claims)
    assert (f"`{subject}`" in shared_subject(own)) is shared
    other = Identity(
        credential=CREDENTIAL, source="workload-identity", description="", cloud=clouds.PUBLIC, claims=claims
    )
    assert shared_subject(other) == ""
