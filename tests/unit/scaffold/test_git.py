"""What Git's files say of remote and default branch."""

from pathlib import Path

import pytest

from s3c_actions.scaffold import git
from s3c_actions.scaffold.git import Remote


@pytest.mark.parametrize(
    ("address", "host", "owner", "name"),
    [
        ("https://github.com/acme/shop.git", "github.com", "acme", "shop"),
        ("https://github.com/acme/shop", "github.com", "acme", "shop"),
        ("https://github.com/acme/shop/", "github.com", "acme", "shop"),
        ("https://user:hunter2@github.com/acme/shop.git", "github.com", "acme", "shop"),
        ("git@github.com:Acme/Shop.git", "github.com", "Acme", "Shop"),
        ("github.com:acme/shop", "github.com", "acme", "shop"),
        ("ssh://git@GitHub.com:22/acme/shop.git", "github.com", "acme", "shop"),
        ("ssh://git@git.example:2222/platform/group/shop.git", "git.example", "platform/group", "shop"),
        ("git://git.example/acme/shop.name", "git.example", "acme", "shop.name"),
    ],
)
def test_an_address_names_host_owner_and_repository(address, host, owner, name):
    assert git.parse_address(address) == Remote(host=host, owner=owner, name=name)


@pytest.mark.parametrize(
    "address",
    ["", "/srv/git/shop.git", "../shop", "file:///srv/shop.git", "https://github.com/shop", "${{ secrets.X }}",
     "https://github.com/acme/sh op", "https://github.com/acme/..", "https://github.com/a$b/shop", "ext::sh -c x"],
)  # fmt: skip
def test_what_is_no_hosted_repository_is_none(address):
    assert git.parse_address(address) is None


def checkout(root: Path, **files: str) -> Path:
    for name, text in {"config": "", "HEAD": "ref: refs/heads/main\n", **files}.items():
        path = root / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_origin_comes_before_other_remotes(tmp_path):
    fork, own = "git@github.com:mallory/shop", "git@github.com:acme/shop"
    config = f'[remote "fork"]\n\turl = {fork}\n[REMOTE "origin"] # ours\n url={own}\n'
    assert git.read_checkout(checkout(tmp_path, config=config)).remote == Remote(
        host="github.com", owner="acme", name="shop"
    )


def test_of_several_remotes_without_origin_none_is_chosen(tmp_path):
    config = '[remote "a"]\n\turl = git@github.com:a/shop\n[remote "b"]\n\turl = git@github.com:b/shop\n'
    assert git.read_checkout(checkout(tmp_path, config=config)).remote is None


def test_the_url_of_another_section_is_no_remote(tmp_path):
    config = '[remote "origin"]\n[submodule "x"]\n\turl = git@github.com:mallory/shop\n'
    assert git.read_checkout(checkout(tmp_path, config=config)).remote is None


ORIGIN = '[remote "origin"]\n\turl = git@github.com:acme/shop\n'
HASH = "1" * 40 + "\n"


@pytest.mark.parametrize(
    ("files", "branch", "known"),
    [
        ({"refs/remotes/origin/HEAD": "ref: refs/remotes/origin/develop\n"}, "develop", True),
        ({"refs/remotes/origin/HEAD": "ref: refs/remotes/origin/release/1.x\n"}, "release/1.x", True),
        ({"refs/remotes/origin/HEAD": "ref: refs/remotes/origin/${{ x }}\n"}, "main", True),
        ({"refs/remotes/origin/HEAD": "ref: refs/remotes/origin/a\n  - b\n"}, "main", True),
        ({"HEAD": "ref: refs/heads/trunk\n"}, "trunk", True),
        ({"HEAD": "ref: refs/heads/x\n", "refs/heads/x": HASH, "refs/heads/master": HASH}, "master", False),
        ({"HEAD": "ref: refs/heads/x\n", "refs/heads/x": HASH, "refs/heads/y": HASH}, "x", False),
        ({"HEAD": HASH, "packed-refs": f"# pack-refs\n{'1' * 40} refs/remotes/origin/stable\n"}, "stable", True),
        ({"HEAD": HASH}, "main", False),
    ],
)
def test_the_default_branch(tmp_path, files, branch, known):
    read = git.read_checkout(checkout(tmp_path, config=ORIGIN, **files))
    assert (read.branch, read.branch_known) == (branch, known)


def test_a_work_tree_has_the_remote_of_its_repository(tmp_path):
    checkout(tmp_path / "main", config=ORIGIN)
    own = tmp_path / "main" / ".git" / "worktrees" / "tree"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {own}\n")
    assert git.read_checkout(tree).remote == Remote(host="github.com", owner="acme", name="shop")


@pytest.mark.parametrize("content", ["", "gitdir: \0", "gitdir: nowhere", "not a git file"])
def test_without_a_readable_repository_the_branch_is_assumed(tmp_path, content):
    (tmp_path / ".git").write_text(content)
    assert git.read_checkout(tmp_path) == git.Checkout(remote=None, branch="main", branch_known=False)
