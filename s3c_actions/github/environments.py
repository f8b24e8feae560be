"""Whether an environment holds anybody back: the branches that may deploy to it, and who has to review that.

GitHub makes an environment that a job names and nobody created, without any rule.
https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments
https://docs.github.com/rest/deployments/environments, https://docs.github.com/rest/deployments/branch-policies
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from s3c_actions.github import errors

if TYPE_CHECKING:
    from github import Github

PERMISSION = "actions: read"
_EVERY_BRANCH = frozenset({"*", "**", "**/*", "*/*", "*/**"})
_BRANCH = "refs/heads/"


def describe_open_environment(client: Github, repository: str, environment: str, ref: str) -> str:
    """Return why a job of any branch may run in an environment, as a clause; empty where a rule holds some back.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        environment: its name.
        ref: the full ref of a job that runs in it.

    Raises:
        GitHubError: that could not be looked up.
    """
    with errors.translate_errors("The environment's rules could not be read", permission=PERMISSION):
        rules = _get(client, repository, "environments", environment)
        if any(rule["type"] == "required_reviewers" for rule in rules.get("protection_rules") or ()):
            return ""
        policy = rules["deployment_branch_policy"]
        if policy is None:
            return "it has neither a rule on branches nor reviewers"
        if policy["protected_branches"]:
            # Where a repository protects no branch at all, every branch counts.
            name = ref.removeprefix(_BRANCH)
            if not ref.startswith(_BRANCH) or _get(client, repository, "branches", name)["protected"]:
                return ""
            return f"it lets protected branches in, and {name}, which is none, got in"
        listed = _get(client, repository, "environments", environment, "deployment-branch-policies")["branch_policies"]
        wide = [entry["name"] for entry in listed if entry["name"] in _EVERY_BRANCH]
        return f"its rule on branches is `{wide[0]}`" if wide else ""


def _get(client: Github, repository: str, *parts: str) -> dict[str, Any]:
    """Return what a path of a repository holds; each part is one segment, though a branch's name may have slashes."""
    path = "/".join(quote(part, safe="") for part in parts)
    answer: dict[str, Any] = client.requester.requestJsonAndCheck("GET", f"/repos/{repository}/{path}")[1]
    return answer
