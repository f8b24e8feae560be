"""What the stand-in for GitHub knows of git: branches, commits and trees, as the Git database of its REST API has them.

https://docs.github.com/rest/git, https://docs.github.com/rest/repos/contents
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from tests.support.github.routes import Request

REPO = "/repos/{owner}/{repo}"
GET_REF, REFS, EDIT_REF = f"{REPO}/git/ref/{{ref}}", f"{REPO}/git/refs", f"{REPO}/git/refs/{{ref}}"
COMMITS, COMMIT = f"{REPO}/git/commits", f"{REPO}/git/commits/{{commit_sha}}"
TREES, TREE = f"{REPO}/git/trees", f"{REPO}/git/trees/{{tree_sha}}"
CONTENTS = f"{REPO}/contents/{{path}}"
BLOB = f"{REPO}/git/blobs/{{file_sha}}"
INLINE = 1_000_000
"""Bytes of a file that the contents API gives; a larger one has to be asked for as a blob."""


class Link(bytes):
    """A symbolic link: its target."""


class Executable(bytes):
    """A file that may be run: its content."""


class Submodule(bytes):
    """Another repository: its commit."""


@dataclass(frozen=True)
class Commit:
    """A commit: its tree, its parents and its message."""

    tree: str
    parents: tuple[str, ...]
    message: str


@dataclass
class Git:
    """The repository's branches, commits and trees; a tree is flat, path → content."""

    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    trees: dict[str, Mapping[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: Mapping[str, str | bytes], message: str = "Begin") -> str:
        """Put files on a branch, on top of what it has; returns the commit."""
        parent = self.branches.get(branch)
        before = self.trees[self.commits[parent].tree] if parent else {}
        new = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        tree = self.tree({**before, **new})
        self.branches[branch] = sha = self.make(Commit(tree, (parent,) if parent else (), message))
        return sha

    def files(self, branch: str) -> dict[str, str]:
        """What a branch has."""
        return {path: text.decode() for path, text in self.trees[self.commits[self.branches[branch]].tree].items()}

    def tree(self, files: Mapping[str, bytes]) -> str:
        """Keep a tree; returns its name."""
        name = _name(repr([(path, type(content).__name__, content) for path, content in sorted(files.items())]))
        self.trees[name] = dict(files)
        return name

    def folder(self, name: str) -> Mapping[str, bytes]:
        """The files of a tree, or of a folder in one by the name that `folder_name` gives it."""
        if name in self.trees:
            return self.trees[name]
        for whole, files in self.trees.items():
            for path in files:
                for parent in _parents(path):
                    if folder_name(whole, parent) == name:
                        return {key[len(parent) + 1 :]: files[key] for key in files if key.startswith(f"{parent}/")}
        raise KeyError(name)

    def make(self, commit: Commit) -> str:
        """Keep a commit; returns its name, another one each time, as with the time that git writes into it."""
        name = _name(f"{len(self.commits)} {commit}")
        self.commits[name] = commit
        return name


def folder_name(tree: str, folder: str) -> str:
    """The name of a folder of a kept tree."""
    return _name(f"{tree} {folder}")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _get_ref(request: Request) -> Any:
    branch = request.path["ref"].removeprefix("heads/")
    return _ref(request, branch, GET_REF, "get", 200)


def _create_ref(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("contents:write")
    branch = request.body["ref"].removeprefix("refs/heads/")
    if branch in request.state.git.branches:
        request.ends(422, "Reference already exists")
    request.state.git.branches[branch] = request.body["sha"]
    return Answered(201, _ref(request, branch, REFS, "post", 201))


def _edit_ref(request: Request) -> Any:
    request.needs("contents:write")
    git, branch = request.state.git, request.path["ref"].removeprefix("heads/")
    if branch not in git.branches:
        request.ends(422, "Reference does not exist")
    if not request.body.get("force") and git.branches[branch] not in git.commits[request.body["sha"]].parents:
        request.ends(422, "Update is not a fast forward")
    git.branches[branch] = request.body["sha"]
    return _ref(request, branch, EDIT_REF, "patch", 200)


def _ref(request: Request, branch: str, template: str, method: str, status: int) -> dict[str, Any]:
    sha = request.state.git.branches.get(branch) or request.ends(404, "Not Found")
    example: dict[str, Any] = request.github.described.example(template, method, status)
    api = f"{request.github.api}/repos/{request.state.repository}"
    at = {**example["object"], "sha": sha, "type": "commit", "url": f"{api}/git/commits/{sha}"}
    return {**example, "ref": f"refs/heads/{branch}", "url": f"{api}/git/refs/heads/{branch}", "object": at}


def _get_commit(request: Request) -> Any:
    return _commit(request, request.path["commit_sha"], COMMIT, "get", 200)


def _create_commit(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("contents:write")
    body = request.body
    if body["tree"] not in request.state.git.trees:
        request.ends(422, "Tree SHA does not exist")
    sha = request.state.git.make(Commit(body["tree"], tuple(body.get("parents") or ()), body["message"]))
    return Answered(201, _commit(request, sha, COMMITS, "post", 201))


def _commit(request: Request, sha: str, template: str, method: str, status: int) -> dict[str, Any]:
    commit = request.state.git.commits.get(sha) or request.ends(404, "Not Found")
    example: dict[str, Any] = request.github.described.example(template, method, status)
    api = f"{request.github.api}/repos/{request.state.repository}/git"
    parents = [
        {"sha": parent, "url": f"{api}/commits/{parent}", "html_url": request.github.url} for parent in commit.parents
    ]
    tree = {"sha": commit.tree, "url": f"{api}/trees/{commit.tree}"}
    return {
        **example,
        "sha": sha,
        "url": f"{api}/commits/{sha}",
        "message": commit.message,
        "tree": tree,
        "parents": parents,
    }


def _create_tree(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("contents:write")
    git, body = request.state.git, request.body
    base = git.trees.get(body["base_tree"]) or request.ends(422, "base_tree is not a valid tree oid")
    name = git.tree({**base, **{entry["path"]: _written(entry) for entry in body["tree"]}})
    example: dict[str, Any] = request.github.described.example(TREES, "post", 201)
    return Answered(201, {**example, "sha": name})


def _written(entry: Mapping[str, Any]) -> bytes:
    kinds: dict[str, type[bytes]] = {"100644": bytes, "100755": Executable, "120000": Link}
    return kinds[entry["mode"]](entry["content"].encode())


def _get_tree(request: Request) -> Any:
    request.needs("contents:read")
    name = request.path["tree_sha"]
    try:
        files = request.state.git.folder(name)
    except KeyError:
        request.ends(404, "Not Found")
    api = f"{request.github.api}/repos/{request.state.repository}/git"
    entries = []
    for child in sorted({path.split("/")[0] for path in files}):
        content = files.get(child)
        if content is None:
            sha = folder_name(name, child)
            entries.append({"path": child, "mode": "040000", "type": "tree", "sha": sha, "url": f"{api}/trees/{sha}"})
            continue
        mode = {Executable: "100755", Link: "120000", Submodule: "160000"}.get(type(content), "100644")
        kind = "commit" if mode == "160000" else "blob"
        sha = _blob(content)
        entries.append({"path": child, "mode": mode, "type": kind, "sha": sha, "url": f"{api}/blobs/{sha}"})
    return {"sha": name, "url": f"{api}/trees/{name}", "tree": entries, "truncated": False}


def _get_contents(request: Request) -> Any:
    request.needs("contents:read")
    git = request.state.git
    reference = request.query.get("ref", ["main"])[0]
    commit = git.commits.get(git.branches.get(reference, reference)) or request.ends(404, "No commit found for the ref")
    tree, path = git.trees[commit.tree], unquote(request.path["path"])
    if path in tree:
        content = tree[path]
        if isinstance(content, Link):
            content = tree.get(posixpath.normpath(posixpath.join(posixpath.dirname(path), content.decode())), content)
        return _content(request, path, content)
    below = sorted({entry[len(path) + 1 :].split("/")[0] for entry in tree if entry.startswith(f"{path}/")})
    if not below:
        request.ends(404, "Not Found")
    inside = [(f"{path}/{name}", tree.get(f"{path}/{name}")) for name in below]
    return [_content(request, child, child_content, listed=True) for child, child_content in inside]


def _content(request: Request, path: str, content: bytes | None, *, listed: bool = False) -> dict[str, Any]:
    """What the API tells of a file, a link, a submodule or (None) a folder; GitHub's example shows a file."""
    address = f"{request.github.api}/repos/{request.state.repository}/contents/{quote(path)}"
    entry: dict[str, Any] = {
        "size": len(content or b""),
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": _blob(content or b""),
        "url": address,
        "git_url": address,
        "html_url": f"{request.github.url}/{request.state.repository}/blob/main/{quote(path)}",
        "download_url": f"{request.github.url}/raw/{quote(path)}",
        "_links": {"self": address, "git": address, "html": address},
    }
    if content is None:
        return {**entry, "type": "dir", "download_url": None}
    if isinstance(content, Link):
        return {**entry, "type": "symlink", "target": content.decode()}
    if isinstance(content, Submodule):
        # A list calls them files, as it did before there was a type: https://docs.github.com/rest/repos/contents
        return {**entry, "type": "file" if listed else "submodule", "submodule_git_url": address, "download_url": None}
    if listed:
        return {**entry, "type": "file"}
    if len(content) > INLINE:
        return {**entry, "type": "file", "encoding": "none", "content": ""}
    return {**entry, "type": "file", "encoding": "base64", "content": base64.encodebytes(content).decode()}


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _get_blob(request: Request) -> Any:
    request.needs("contents:read")
    sha = request.path["file_sha"]
    every = (content for tree in request.state.git.trees.values() for content in tree.values())
    blob = next((content for content in every if _blob(content) == sha), None)
    if blob is None:
        request.ends(404, "Not Found")
    example: dict[str, Any] = request.github.described.example(BLOB)
    content = base64.encodebytes(blob).decode()
    return {**example, "sha": sha, "size": len(blob), "content": content, "encoding": "base64"}


ROUTES: tuple[tuple[str, str, Callable[[Request], Any]], ...] = (
    ("get", GET_REF, _get_ref),
    ("post", REFS, _create_ref),
    ("patch", EDIT_REF, _edit_ref),
    ("get", COMMIT, _get_commit),
    ("post", COMMITS, _create_commit),
    ("post", TREES, _create_tree),
    ("get", TREE, _get_tree),
    ("get", CONTENTS, _get_contents),
    ("get", BLOB, _get_blob),
)
