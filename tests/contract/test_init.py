"""What `s3c init` writes for the sample repositories passes actionlint and zizmor, and GitHub would start it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3c_actions import REPOSITORY, __version__
from s3c_actions.cli import run
from s3c_actions.policy import model
from s3c_actions.programs.trivy import ignore
from tests.support import ROOT, repositories, workflow_rules
from tests.support.sources import parse_yaml
from tools import lint

ZIZMOR = (
    str(Path(sys.executable).parent / "zizmor"),
    "--pedantic",
    "--offline",
    "--no-progress",
    "--quiet",
    "--color",
    "never",
)
SIGNERS: dict[str, tuple[str, ...]] = {
    "file": (),
    "key": ("--key", "--image-prefix", "ghcr.io/acme/shop"),
    "ecr": ("--key", "--image-prefix", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop"),
    "vault": ("--vault", "kv-shop", "--vault-certificate", "signing", "--image-prefix", "shop.azurecr.io/shop"),
}
PINS = {"commit": "1" * 40, "tag": "tag"}
_COMMIT = f"@{'1' * 40} # v{__version__}"
_TAG = "@v1 # zizmor: ignore[unpinned-uses] moved by a release alone"


@pytest.fixture(scope="module", params=SIGNERS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with every sample repository, initialised in place; by a commit, or by the tag in those with a vault."""
    folder = tmp_path_factory.mktemp("samples")
    pin = PINS["tag" if request.param == "vault" else "commit"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO())
        for name in repositories.SAMPLES:
            patch.chdir(repositories.write(name, folder / name))
            stderr = io.StringIO()
            arguments = [*SIGNERS[request.param], "--pin", pin]
            if "--key" in arguments and (folder / name / "keys").exists():
                arguments.remove("--key")
            assert run.run("init", arguments, {}, io.StringIO(), stderr) == 0, stderr.getvalue()
    yield folder


def ours(folder: Path) -> list[Path]:
    """The workflows that were written: those of `initialised` that somebody changed are theirs."""
    paths = [path for path in sorted(folder.glob("*/.github/workflows/s3c-*.yml")) if "# ours" not in path.read_text()]
    assert len({path.parts[-4] for path in paths}) == len(repositories.SAMPLES) >= 12
    return paths


def own_uses(path: Path) -> dict[str, Any]:
    """A workflow, parsed, with our own actions as `@v1`."""
    workflow: dict[str, Any] = parse_yaml(path.read_text().replace(_COMMIT, "@v1").replace(_TAG, "@v1"))
    return workflow


def test_zizmor_has_nothing_to_say(written: Path) -> None:
    ended = subprocess.run(
        [*ZIZMOR, *map(str, ours(written))], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.startswith("No findings to report"), ended.stdout


def test_actionlint_has_nothing_to_say(written: Path, tmp_path: Path) -> None:
    argv = lint.actionlint_in(tmp_path)
    copies = []
    for number, path in enumerate(ours(written)):
        text = path.read_text().replace(_COMMIT, "@v1").replace(_TAG, "@v1")
        copies.append(tmp_path / ".github" / "workflows" / f"{number}.yml")
        # Of local actions and workflows actionlint knows inputs, secrets and outputs.
        copies[-1].write_text(re.sub(rf"uses: {REPOSITORY}/(\S+)@v1", r"uses: ./\1", text))
    ended = subprocess.run(
        [*argv, *map(str, copies)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout


def test_github_starts_them_and_each_permission_is_needed(written: Path) -> None:
    calls = 0
    for path in ours(written):
        workflow = own_uses(path)
        assert workflow["permissions"] == {}
        assert workflow_rules.refusals(workflow) == [], path
        for job in workflow["jobs"].values():
            if "uses" not in job:
                continue
            calls += 1
            called = parse_yaml((ROOT / job["uses"].removeprefix(f"{REPOSITORY}/").removesuffix("@v1")).read_text())
            wanted: dict[str, str] = {}
            for inner in called["jobs"].values():
                for scope, level in inner["permissions"].items():
                    wanted[scope] = max(level, wanted.get(scope, ""))
            assert job["permissions"] == wanted, path
            declared = called["on"]["workflow_call"]
            assert set(job.get("with", {})) <= set(declared.get("inputs", {}))
    assert calls >= 10


def test_inputs_of_our_actions_are_their_own(written: Path) -> None:
    for path in ours(written):
        for job in own_uses(path)["jobs"].values():
            for step in job.get("steps", ()):
                if step["uses"].startswith(REPOSITORY):
                    folder = ROOT / step["uses"].removeprefix(REPOSITORY).removesuffix("@v1").lstrip("/")
                    assert set(step["with"]) <= set(parse_yaml((folder / "action.yml").read_text())["inputs"])


def test_what_builds_a_strangers_dockerfile_may_read_alone(written: Path) -> None:
    for path in written.glob("*/.github/workflows/s3c-images.yml"):
        jobs = own_uses(path)["jobs"]
        assert jobs["build"]["permissions"] == {"contents": "read"}
        assert not any("build-push-action" in str(step) for step in jobs["scan"]["steps"])


def test_policies_and_ignore_files_are_read(written: Path) -> None:
    for path in written.glob("*/s3c-policy.yaml"):
        assert model.parse(path.read_text()).findings.refuse == ("CRITICAL",)
    for path in written.glob("*/.trivyignore.yaml"):
        assert tuple(ignore.read(path)) == ()


def test_no_name_of_a_stranger_is_an_expression(written: Path) -> None:
    known = r"matrix\.[a-z]+|vars\.(AZURE_\w+|AWS_ROLE)|steps\.push\.outputs\.digest"
    known += r"|runner\.temp|secrets\.(GITHUB_TOKEN|SIGNING_KEY)"
    known += r"|github\.(ref|sha|actor|event_name == 'pull_request'|event\.workflow_run\.id)"
    for path in ours(written):
        for expression in re.findall(r"\$\{\{(.*?)\}\}", path.read_text()):
            assert re.fullmatch(known, expression.strip()), (path, expression)


def test_a_migrated_step_has_inputs_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repositories.write("trivy-action", tmp_path / "sample")
    monkeypatch.chdir(folder)
    file = Path(".github/workflows/scan.yml")
    arguments = ["--from-trivy-action", str(file), "--yes", "--pin", "1" * 40]
    assert run.run("init", arguments, {}, io.StringIO(), io.StringIO()) == 0
    project = tmp_path / "project"
    project.mkdir()
    argv = lint.actionlint_in(project)
    copy = project / ".github" / "workflows" / "example.yml"
    copy.write_text(file.read_text().replace(_COMMIT, "@v1").replace(f"{REPOSITORY}/actions/scan@v1", "./actions/scan"))
    ended = subprocess.run([*argv, str(copy)], cwd=project, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
