"""Keep a pull request with new content of files, opened once and updated through the API without a checkout.

https://docs.github.com/rest/git/trees, /rest/git/commits, /rest/git/refs, /rest/pulls/pulls
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.github import errors
from s3c_actions.github.libraries import pygithub

if TYPE_CHECKING:
    from github import Github
    from github.GitRef import GitRef
    from github.GitTreeElement import GitTreeElement
    from github.Repository import Repository

PERMISSION = "contents: write and pull-requests: write"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """The proposed changes.

    Attributes:
        changes: path in the repository → function from old to new content; the old content is that of the base branch,
            which may be newer than the checkout.
        branch: of the pull request; it belongs to this tool, and its previous content is replaced.
        base: the target branch; empty: the repository's default branch.
        title, body: of the pull request; the body in Markdown, escaped already.
    """

    changes: Mapping[str, Callable[[str], str]]
    branch: str
    base: str
    title: str
    body: str


class _File(msgspec.Struct, frozen=True):
    """A changed file: its new content, and its mode in git."""

    text: str
    mode: str


class ProposalOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a proposal.

    Attributes:
        action: `opened`, `updated`, `unchanged` (it has this content already) or `nothing` (the base branch has it).
        number, url: of the pull request; 0 and empty when there is none.
        files: the paths that it changes.
    """

    action: str
    number: int = 0
    url: str = ""
    files: tuple[str, ...] = ()


def propose(client: Github, repository: str, proposal: Proposal) -> ProposalOutcome:
    """Open the pull request, or update the open one.

    Raises:
        InputError: the base branch or a file of it does not exist.
        GitHubError: GitHub failed; a second run continues from what was done before.
    """
    with errors.translate_errors("The pull request could not be made", permission=PERMISSION):
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
        files = _changed_files(repo, head.object.sha, proposal, base)
        pull = next(iter(repo.get_pulls(state="open", head=f"{repo.owner.login}:{proposal.branch}", base=base)), None)
        if not files:
            return ProposalOutcome(
                action="nothing", number=pull.number if pull else 0, url=pull.html_url if pull else ""
            )
        pushed = _push(repo, head.object.sha, files, proposal)
        if pull is None:
            pull = repo.create_pull(base=base, head=proposal.branch, title=proposal.title, body=proposal.body)
            return ProposalOutcome(action="opened", number=pull.number, url=pull.html_url, files=tuple(files))
        same = (pull.title, (pull.body or "").strip()) == (proposal.title, proposal.body.strip())
        if not same:
            pull.edit(title=proposal.title, body=proposal.body)
        action = "updated" if pushed or not same else "unchanged"
        return ProposalOutcome(action=action, number=pull.number, url=pull.html_url, files=tuple(files))


def _branch(repo: Repository, name: str) -> GitRef | None:
    """Return a branch; None when it does not exist."""
    branch = repo.get_git_ref(f"heads/{name}")
    try:
        # Completed now: until then its address in PyGithub does not support edits.
        branch.complete()
    except pygithub.UnknownObjectException:
        return None
    return branch


def _changed_files(repo: Repository, commit: str, proposal: Proposal, base: str) -> dict[str, _File]:
    files = {}
    modes = _Modes(repo, commit)
    for path, change in sorted(proposal.changes.items()):
        try:
            file = repo.get_contents(path, ref=commit)
        except pygithub.UnknownObjectException:
            file = []
        if isinstance(file, list):
            raise InputError("manifests", f"{path} is no file on {base}.", remedy="Push it first, or leave it out.")
        # The API omits the content of files over 1 MB.
        content = file.decoded_content if file.content else base64.b64decode(repo.get_git_blob(file.sha).content)
        old = content.decode("utf-8")
        new = change(old)
        if new != old:
            mode = modes.of(path)
            if mode not in _FILE_MODES:
                raise InputError(
                    "manifests",
                    f"{path} is a link on {base}.",
                    cause="Whatever is written there takes the link's place.",
                    remedy="Give the file that it leads to.",
                )
            files[path] = _File(new, mode)
    return files


_FILE_MODES = ("100644", "100755")


class _Modes:
    """The modes of a commit's files, which the API tells in the lists of folders alone."""

    def __init__(self, repo: Repository, commit: str) -> None:
        self._repo, self._commit = repo, commit
        self._folders: dict[str, Mapping[str, GitTreeElement]] = {}

    def of(self, path: str) -> str:
        """Return the mode of a path; empty where a part of it leads elsewhere."""
        folder, _, name = path.rpartition("/")
        entry = self._folder(folder).get(name)
        return entry.mode if entry is not None else ""

    def _folder(self, path: str) -> Mapping[str, GitTreeElement]:
        if path not in self._folders:
            if path:
                above, _, name = path.rpartition("/")
                entry = self._folder(above).get(name)
                sha = entry.sha if entry is not None and entry.type == "tree" else ""
            else:
                sha = self._repo.get_git_commit(self._commit).tree.sha
            listed = self._repo.get_git_tree(sha).tree if sha else []
            self._folders[path] = {entry.path: entry for entry in listed}
        return self._folders[path]


def _push(repo: Repository, parent: str, files: Mapping[str, _File], proposal: Proposal) -> bool:
    """Push one commit with the files to the branch, on top of the base; return whether the branch changed."""
    elements = [
        pygithub.InputGitTreeElement(path, file.mode, "blob", content=file.text) for path, file in files.items()
    ]
    old = repo.get_git_commit(parent)
    tree = repo.create_git_tree(elements, base_tree=old.tree)
    existing = _branch(repo, proposal.branch)
    if existing is not None:
        last = repo.get_git_commit(existing.object.sha)
        if last.tree.sha == tree.sha and [parent_commit.sha for parent_commit in last.parents] == [parent]:
            return False
    commit = repo.create_git_commit(proposal.title, tree, [old])
    if existing is None:
        repo.create_git_ref(f"refs/heads/{proposal.branch}", commit.sha)
    else:
        existing.edit(commit.sha, force=True)
    return True
