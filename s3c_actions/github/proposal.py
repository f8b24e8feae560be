"""A pull request with new content of files, opened once and kept up to date, made through the API without a checkout.

https://docs.github.com/rest/git/trees, /rest/git/commits, /rest/git/refs, /rest/pulls/pulls
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.github import errors

if TYPE_CHECKING:
    from github import Github
    from github.GitRef import GitRef
    from github.Repository import Repository

PERMISSION = "contents: write and pull-requests: write"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed.

    Attributes:
        changes: path in the repository → what makes the new content of the old; the old is that of the base branch,
            which may be newer than the checkout.
        branch: of the pull request; it is this tool's own, and what it held before is replaced.
        base: the branch it is for; empty: the repository's default branch.
        title, body: of the pull request; the body in Markdown, escaped already.
    """

    changes: Mapping[str, Callable[[str], str]]
    branch: str
    base: str
    title: str
    body: str


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it.

    Attributes:
        action: `opened`, `updated`, `unchanged` (it says the same already) or `nothing` (the base branch has it).
        number, url: of the pull request; 0 and empty when there is none.
        files: the paths that it changes.
    """

    action: str
    number: int = 0
    url: str = ""
    files: tuple[str, ...] = ()


def propose(client: Github, repository: str, proposal: Proposal) -> Proposed:
    """Open the pull request, or bring the open one up to date.

    Raises:
        InputError: the base branch or a file of it is not there.
        GitHubError: GitHub did not do it; what it did before that a second run finds again.
    """
    with errors.told("The pull request could not be made", permission=PERMISSION):
        repo = client.get_repo(repository)
        base = proposal.base or repo.default_branch
        if proposal.branch == base:
            raise InputError(
                "branch",
                f"{proposal.branch} is the branch that the pull request is for.",
                remedy="Name a branch that only s3c writes to.",
            )
        head = _branch(repo, base)
        if head is None:
            raise InputError("base", f"{repository} has no branch {base}.", remedy="Name a branch that is there.")
        files = _changed(repo, head.object.sha, proposal, base)
        pull = next(iter(repo.get_pulls(state="open", head=f"{repo.owner.login}:{proposal.branch}", base=base)), None)
        if not files:
            return Proposed(action="nothing", number=pull.number if pull else 0, url=pull.html_url if pull else "")
        pushed = _push(repo, head.object.sha, files, proposal)
        if pull is None:
            pull = repo.create_pull(base=base, head=proposal.branch, title=proposal.title, body=proposal.body)
            return Proposed(action="opened", number=pull.number, url=pull.html_url, files=tuple(files))
        same = (pull.title, (pull.body or "").strip()) == (proposal.title, proposal.body.strip())
        if not same:
            pull.edit(title=proposal.title, body=proposal.body)
        action = "updated" if pushed or not same else "unchanged"
        return Proposed(action=action, number=pull.number, url=pull.html_url, files=tuple(files))


def _branch(repo: Repository, name: str) -> GitRef | None:
    """A branch; None when it is not there."""
    from github import UnknownObjectException

    found = repo.get_git_ref(f"heads/{name}")
    try:
        # Looked up now: until then PyGithub has an address for it that takes no edit.
        found.complete()
    except UnknownObjectException:
        return None
    return found


def _changed(repo: Repository, commit: str, proposal: Proposal, base: str) -> dict[str, str]:
    from github import UnknownObjectException

    files = {}
    for path, change in sorted(proposal.changes.items()):
        try:
            found = repo.get_contents(path, ref=commit)
        except UnknownObjectException:
            found = []
        if isinstance(found, list):
            raise InputError("manifests", f"{path} is no file on {base}.", remedy="Push it first, or leave it out.")
        # A file of more than 1 MB comes without its content.
        content = found.decoded_content if found.content else base64.b64decode(repo.get_git_blob(found.sha).content)
        old = content.decode("utf-8")
        new = change(old)
        if new != old:
            files[path] = new
    return files


def _push(repo: Repository, parent: str, files: Mapping[str, str], proposal: Proposal) -> bool:
    """One commit with the files on the branch, whose only parent is the base's; whether the branch changed."""
    from github import InputGitTreeElement

    elements = [InputGitTreeElement(path, "100644", "blob", content=text) for path, text in files.items()]
    old = repo.get_git_commit(parent)
    tree = repo.create_git_tree(elements, base_tree=old.tree)
    there = _branch(repo, proposal.branch)
    if there is not None:
        last = repo.get_git_commit(there.object.sha)
        if last.tree.sha == tree.sha and [one.sha for one in last.parents] == [parent]:
            return False
    made = repo.create_git_commit(proposal.title, tree, [old])
    if there is None:
        repo.create_git_ref(f"refs/heads/{proposal.branch}", made.sha)
    else:
        there.edit(made.sha, force=True)
    return True
