"""`s3c propose` by PyGithub, against GitHub's stand-in: one pull request, whatever was there before."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.cli import run as shell
from s3c_actions.result import document as result
from s3c_actions.result.model import Outcome
from tests.support import outcomes
from tests.support.github.git import Executable, Link
from tests.support.github.server import GitHub
from tests.support.github.state import FULL, READ_ONLY, Token

OLD, NEW, OTHER = (f"sha256:{digit * 64}" for digit in "123")
APP = "registry.example/shop/app"
MANIFEST = f"""\
# What runs in the shop
kind: Deployment
apiVersion: apps/v1
metadata: {{name: shop}}
spec:
  template:
    spec:
      containers:
        - {{name: app, image: "{APP}:1.4"}} # ours
        - {{name: proxy, image: registry.example/proxy:2}}
"""
NAMESPACE = "kind: Namespace\napiVersion: v1\nmetadata: {name: shop}\n"
WRITER = FULL | {"contents:write"}


@dataclass
class Ran:
    code: int
    out: str
    err: str
    outputs: str


@pytest.fixture
def propose(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    checkout = tmp_path / "checkout"
    (checkout / "k8s").mkdir(parents=True)
    (checkout / "k8s" / "app.yaml").write_text(MANIFEST)
    (checkout / "k8s" / "other.yaml").write_text(NAMESPACE)
    github.state.git.commit("main", {"k8s/app.yaml": MANIFEST, "k8s/other.yaml": NAMESPACE, "README.md": "# Shop\n"})
    github.state.tokens["run-token"] = Token(permissions=WRITER)
    github.state.pulls.clear()
    monkeypatch.chdir(checkout)

    def run(*argv: str, **environment: str) -> Ran:
        out, err, outputs = io.StringIO(), io.StringIO(), tmp_path / "outputs"
        outputs.write_text("")
        variables = {
            "HOME": str(tmp_path),
            **github.variables(),
            "GITHUB_OUTPUT": str(outputs),
            **environment,
        }
        code = shell.run("propose", argv or ("k8s", "--image", f"{APP}@{NEW}"), variables, out, err)
        return Ran(code, out.getvalue(), err.getvalue(), outputs.read_text())

    return run


def test_a_pull_request_with_the_digests_and_nothing_else(github: GitHub, propose: Callable[..., Ran]) -> None:
    ran = propose(GITHUB_ACTIONS="true")
    assert ran.code == 0, ran.err
    (pull,) = github.state.pulls.values()
    assert (pull.branch, pull.base, pull.title) == ("s3c/images", "main", "Deploy patched images")
    assert f"{github.url}/octo/shop/pull/{pull.number}" in ran.outputs
    expected = MANIFEST.replace(f"{APP}:1.4", f"{APP}@{NEW}")
    assert github.state.git.files("s3c/images") == {
        "k8s/app.yaml": expected,
        "k8s/other.yaml": NAMESPACE,
        "README.md": "# Shop\n",
    }
    commit = github.state.git.commits[github.state.git.branches["s3c/images"]]
    assert commit.parents == (github.state.git.branches["main"],)
    assert NEW in pull.body


@pytest.mark.parametrize("path", ["k8s/app.yaml", "app.yaml"])
def test_a_file_that_may_be_run_stays_one(github: GitHub, propose: Callable[..., Ran], path: str) -> None:
    Path(path).write_text(MANIFEST)
    github.state.git.commit("main", {path: Executable(MANIFEST.encode())})
    ran = propose(path, "--image", f"{APP}@{NEW}")
    assert ran.code == 0, ran.err
    git = github.state.git
    files = git.trees[git.commits[git.branches["s3c/images"]].tree]
    assert files[path] == MANIFEST.replace(f"{APP}:1.4", f"{APP}@{NEW}").encode()
    assert type(files[path]) is Executable
    assert {type(content) for other, content in files.items() if other != path} == {bytes}


def test_a_link_is_not_written_over(github: GitHub, propose: Callable[..., Ran]) -> None:
    github.state.git.commit("main", {"base.yaml": MANIFEST, "k8s/app.yaml": Link(b"../base.yaml")})
    ran = propose()
    assert ran.code == 2
    assert "k8s/app.yaml is a link on main" in ran.err
    assert set(github.state.git.branches) == {"main"}


def test_a_place_that_is_given_is_replaced_and_one_that_is_excluded_stays(
    github: GitHub, propose: Callable[..., Ran]
) -> None:
    text = "apiVersion: data.example.test/v1\nkind: Database\nmetadata: {name: x}\n"
    text += f"spec: {{runner: {APP}:1.4, image: {APP}:1.5}}\n"
    Path("k8s/app.yaml").write_text(text)
    github.state.git.commit("main", {"k8s/app.yaml": text, "k8s/other.yaml": NAMESPACE})
    paths = "Database.data.example.test=spec.runner,!Database.data.example.test=spec.image"
    ran = propose("k8s", "--image", f"{APP}@{NEW}", "--image-paths", paths)
    assert ran.code == 0, ran.err
    assert github.state.git.files("s3c/images")["k8s/app.yaml"] == text.replace(f"{APP}:1.4", f"{APP}@{NEW}")
    ran = propose("k8s", "--image", f"{APP}@{NEW}", "--image-paths", "spec.runner")
    assert ran.code == 2
    assert "image-paths" in ran.err


def test_the_same_again_writes_nothing(github: GitHub, propose: Callable[..., Ran]) -> None:
    propose()
    before = dict(github.state.git.branches)
    github.calls.clear()
    ran = propose()
    assert ran.code == 0
    assert "says so already" in ran.err
    assert github.state.git.branches == before
    assert len(github.state.pulls) == 1
    assert not github.call_lines("^(PATCH|PUT|DELETE) ")
    assert github.call_lines("^POST ") == ["POST /repos/octo/shop/git/trees → 201"]


def test_other_images_replace_what_the_branch_held(github: GitHub, propose: Callable[..., Ran]) -> None:
    propose()
    ran = propose("k8s", "--image", f"{APP}@{OTHER}", "--title", "Newer images")
    assert "brought up to date" in ran.err
    (pull,) = github.state.pulls.values()
    assert pull.title == "Newer images"
    assert f"{APP}@{OTHER}" in github.state.git.files("s3c/images")["k8s/app.yaml"]
    commit = github.state.git.commits[github.state.git.branches["s3c/images"]]
    assert commit.parents == (github.state.git.branches["main"],)


def test_what_changed_on_the_base_branch_meanwhile_is_kept(github: GitHub, propose: Callable[..., Ran]) -> None:
    newer = MANIFEST.replace("name: proxy", "name: gateway")
    github.state.git.commit("main", {"k8s/app.yaml": newer, "docs.md": "new\n"})
    assert propose().code == 0
    assert github.state.git.files("s3c/images")["k8s/app.yaml"] == newer.replace(f"{APP}:1.4", f"{APP}@{NEW}")
    assert github.state.git.files("s3c/images")["docs.md"] == "new\n"


def test_nothing_to_propose(github: GitHub, propose: Callable[..., Ran]) -> None:
    github.state.git.commit("main", {"k8s/app.yaml": MANIFEST.replace(f"{APP}:1.4", f"{APP}@{NEW}")})
    ran = propose(GITHUB_ACTIONS="true")
    assert ran.code == 0
    assert "nothing to propose" in ran.out
    assert github.state.pulls == {}
    assert set(github.state.git.branches) == {"main"}


def test_from_results_the_pull_request_tells_what_was_fixed(
    github: GitHub, propose: Callable[..., Ran], tmp_path: Path
) -> None:
    image = replace(outcomes.chain(), reference=f"{APP}@{NEW}")
    document = outcomes.document(Outcome(command="chain", images=(image,)))
    (tmp_path / "results" / "0").mkdir(parents=True)
    (tmp_path / "results" / "0" / "result.json").write_text(result.render_document(document))
    ran = propose("k8s", "--results", str(tmp_path / "results"))
    assert ran.code == 0, ran.err
    (pull,) = github.state.pulls.values()
    assert "before" in pull.body
    assert "after" in pull.body
    assert f"{APP}@{NEW}" in github.state.git.files("s3c/images")["k8s/app.yaml"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("k8s",), "image: this input is required"),
        (("k8s", "--image", f"{APP}:1.5"), "has no digest"),
        (("k8s", "--image", f"{APP}@{NEW}", "--base", "release"), "octo/shop has no branch release"),
        (("k8s", "--image", f"{APP}@{NEW}", "--branch", "main"), "main is the branch that the pull request is for"),
        (("k8s", "--image", f"{APP}@{NEW}", "--branch", "a..b"), "branch"),
        (("../outside.yaml", "--image", f"{APP}@{NEW}"), "no file of the checkout"),
        (("-", "--image", f"{APP}@{NEW}"), "standard input is no file of the checkout"),
        (("k8s/new.yaml", "--image", f"{APP}@{NEW}"), "k8s/new.yaml is no file on main"),
    ],
)
def test_bad_input_changes_nothing(
    github: GitHub, propose: Callable[..., Ran], argv: tuple[str, ...], message: str
) -> None:
    Path("../outside.yaml").write_text(MANIFEST)
    Path("k8s/new.yaml").write_text(MANIFEST)
    if argv[0] == "k8s":
        Path("k8s/new.yaml").unlink()
    ran = propose(*argv)
    assert ran.code == 2
    assert message in ran.err
    assert set(github.state.git.branches) == {"main"}
    assert github.state.pulls == {}


def test_the_error_names_what_a_token_that_may_only_read_needs(github: GitHub, propose: Callable[..., Ran]) -> None:
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
    ran = propose()
    assert ran.code == 3
    assert "contents: write" in ran.err
    assert "pull-requests: write" in ran.err
    assert set(github.state.git.branches) == {"main"}


def test_what_was_half_done_is_finished_by_a_second_run(github: GitHub, propose: Callable[..., Ran]) -> None:
    github.fail(r"POST .*/pulls$", 500, times=20)
    assert propose().code == 3
    assert "s3c/images" in github.state.git.branches
    github.faults.clear()
    assert propose().code == 0
    assert len(github.state.pulls) == 1
