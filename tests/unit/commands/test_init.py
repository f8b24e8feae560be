"""`s3c init` from its arguments to the files it leaves."""

import io
import json
import re
import sys

import pytest

from s3c_actions.cli import run
from s3c_actions.commands import init
from s3c_actions.core.errors import OutsideError
from s3c_actions.github import commits
from s3c_actions.signing import certificate_rules, certificates, key_files
from tests.support import repositories
from tests.support.sources import parse_yaml

PIN = ("--pin", "1" * 40)
IMAGES, COMMENT = ".github/workflows/s3c-images.yml", ".github/workflows/s3c-comment.yml"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def sample(tmp_path, monkeypatch):
    def enter(name):
        folder = repositories.write(name, tmp_path / name)
        monkeypatch.chdir(folder)
        return folder

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return enter


def ended(*arguments):
    stdout, stderr = io.StringIO(), io.StringIO()
    code = run.run("init", [*PIN, *arguments], {}, stdout, stderr)
    return code, stdout.getvalue(), stderr.getvalue()


def words(text):
    return {path: word for word, path in re.findall(r"(?m)^(new|same|update|keep|replace) +(\S+)", text)}


@pytest.mark.parametrize("name", repositories.SAMPLES)
def test_a_second_run_changes_nothing(name, sample):
    folder = sample(name)
    assert ended()[0] == 0
    once = repositories.contents(folder)
    code, output, _ = ended()
    assert (code, repositories.contents(folder)) == (0, once)
    assert set(words(output).values()) <= {"same", "keep"}


@pytest.mark.parametrize("name", repositories.SAMPLES)
def test_a_dry_run_shows_what_a_run_writes_and_writes_nothing(name, sample):
    folder = sample(name)
    before = repositories.contents(folder)
    code, output, _ = ended("--dry-run")
    assert (code, repositories.contents(folder)) == (0, before)
    assert "Nothing was written." in output
    assert ended()[0] == 0
    after = repositories.contents(folder)
    changed = {path for path in after if after[path] != before.get(path)}
    assert (
        {line.removeprefix("+++ b/") for line in output.splitlines() if line.startswith("+++ b/")} == changed != set()
    )


def test_own_files_are_updated_and_changed_ones_are_kept(sample):
    folder = sample("initialised")
    before = repositories.contents(folder)
    code, output, _ = ended()
    after = repositories.contents(folder)
    assert code == 0
    assert words(output) == {
        IMAGES: "update",
        COMMENT: "keep",
        "s3c-policy.yaml": "same",
        ".trivyignore.yaml": "same",
    }
    assert {path for path in after if after[path] != before.get(path)} == {IMAGES}
    assert "timeout-minutes: 60" in after[IMAGES].decode()


def test_a_file_of_somebody_else_is_not_overwritten_without_a_terminal(sample):
    folder = sample("plain")
    (folder / "s3c-policy.yaml").write_text("version: 1\n")
    before = repositories.contents(folder)
    code, _, errors = ended()
    assert (code, repositories.contents(folder)) == (2, before)
    assert "yes: somebody else wrote s3c-policy.yaml, and there is no terminal to ask at" in errors


def test_with_yes_it_is_replaced_and_with_keep_it_is_left(sample):
    folder = sample("plain")
    (folder / "s3c-policy.yaml").write_text("version: 1\n")
    code, output, _ = ended("--keep")
    assert (code, words(output)["s3c-policy.yaml"]) == (0, "keep")
    assert (folder / "s3c-policy.yaml").read_text() == "version: 1\n"
    code, output, _ = ended("--yes")
    assert (code, words(output)["s3c-policy.yaml"]) == (0, "replace")
    assert "refuse: [CRITICAL]" in (folder / "s3c-policy.yaml").read_text()
    assert ended("--yes", "--keep")[0] == 2


def test_yes_replaces_no_file_of_ours_that_was_changed(sample):
    folder = sample("initialised")
    assert ended("--yes")[0] == 0
    assert "# ours" in (folder / COMMENT).read_text()


@pytest.mark.parametrize(
    ("answer", "replaced"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_at_a_terminal_it_asks_and_shows_the_difference(sample, monkeypatch, capsys, answer, replaced):
    folder = sample("plain")
    (folder / "s3c-policy.yaml").write_text("version: 1 # \x1b[31mred\n")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert ended()[0] == 0
    asked = capsys.readouterr().err
    assert "-version: 1 # " in asked
    assert "\x1b" not in asked
    assert "Replace s3c-policy.yaml, which `s3c init` did not write? [y/N]" in asked
    assert ("CRITICAL" in (folder / "s3c-policy.yaml").read_text()) is replaced
    assert (folder / IMAGES).exists()


def test_an_ignore_file_of_the_repository_is_used(sample):
    folder = sample("plain")
    (folder / ".trivyignore").write_text("CVE-2023-45853\n")
    assert ended()[0] == 0
    assert not (folder / ".trivyignore.yaml").exists()
    assert "ignore-files: .trivyignore\n" in (folder / IMAGES).read_text()


def test_it_works_from_a_folder_below_the_top(sample, monkeypatch):
    folder = sample("ghcr")
    monkeypatch.chdir(folder / "build")
    assert ended()[0] == 0
    assert (folder / IMAGES).exists()
    assert not (folder / "build" / ".github").exists()


def test_where_nothing_fits_that_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, errors = ended()
    assert (code, [*tmp_path.iterdir()]) == (2, [])
    assert "there is no Dockerfile, and no manifest with an image" in errors


@pytest.mark.parametrize("link", [".github", ".github/workflows", IMAGES, "s3c-policy.yaml"])
def test_a_link_in_the_way_ends_it_with_nothing_written(sample, tmp_path, link):
    folder = sample("plain")
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / link).parent.mkdir(parents=True, exist_ok=True)
    (folder / link).symlink_to(outside)
    before = repositories.contents(folder)
    code, _, errors = ended("--yes")
    assert (code, repositories.contents(folder), [*outside.iterdir()]) == (2, before, [])
    assert f"{link} is a link" in errors


def test_a_key_is_created_for_its_owner_alone_and_kept_out_of_git_and_images(sample):
    folder = sample("plain")
    (folder / ".gitignore").write_text("dist")
    code, output, _ = ended("--key", "--subject", "C=US, ST=WA, O=example, CN=release", "--valid-for", "30d")
    assert code == 0
    key, certificate = folder / "keys/signing.key", folder / "keys/signing.crt"
    assert key.stat().st_mode & 0o777 == 0o600
    chain = key_files.read_signing_chain(certificate.read_bytes())
    certificate_rules.check(chain, None, key_files.read_key(key.read_bytes()))
    assert certificates.subject(chain[0]) == "CN=release,O=example,ST=WA,C=US"
    assert (folder / ".gitignore").read_text() == "dist\n/keys/signing.key\n"
    assert (folder / ".dockerignore").read_text() == "keys/signing.key\n"
    assert "gh secret set SIGNING_KEY --env signing --repo acme/shop < keys/signing.key" in output
    assert not any(line in output for line in key.read_text().splitlines())
    assert (folder / ".github/workflows/s3c-release.yml").exists()
    assert "certificate: keys/signing.crt" in (folder / "s3c-policy.yaml").read_text()


def workflows(folder):
    return {path: text for path, text in repositories.contents(folder).items() if path.startswith(".github/")}


def test_a_certificate_that_was_there_makes_the_workflows_of_one_that_is_created(sample, tmp_path, monkeypatch):
    """Which tests/e2e/test_hosted_workflows.py runs up to the signature."""
    created = sample("plain")
    assert ended("--key")[0] == 0
    existing = repositories.write("plain", tmp_path / "existing")
    (existing / "keys").mkdir()
    (existing / "keys" / "signing.crt").write_bytes((created / "keys" / "signing.crt").read_bytes())
    monkeypatch.chdir(existing)
    assert ended()[0] == 0
    assert workflows(existing) == workflows(created)
    assert ".github/workflows/s3c-release.yml" in workflows(existing)


def test_what_is_left_to_do_outside_of_the_repository_is_a_step(sample):
    sample("ecr")
    _, output, _ = ended("--key")
    steps = output.partition("Next:")[2]
    assert "repo:acme/shop:environment:signing" in steps
    assert "AWS_ROLE" in steps
    assert "Next:" not in ended()[1]


@pytest.mark.parametrize("present", ["keys/signing.key", "keys/signing.crt"])
def test_a_key_is_never_overwritten(sample, present):
    folder = sample("plain")
    (folder / "keys").mkdir()
    (folder / present).write_text("mine\n")
    before = repositories.contents(folder)
    code, _, errors = ended("--key", "--yes")
    assert (code, repositories.contents(folder)) == (2, before)
    assert f"key: {present} is there already, and is not overwritten." in errors


def test_a_key_alone_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ended("--key")[0] == 0
    assert repositories.contents(tmp_path).keys() == {".gitignore", "keys/signing.crt", "keys/signing.key"}


def test_a_dry_run_creates_no_key(sample):
    folder = sample("plain")
    before = repositories.contents(folder)
    code, output, _ = ended("--key", "--dry-run")
    assert (code, repositories.contents(folder)) == (0, before)
    assert words(output)["keys/signing.key"] == "new"
    assert "PRIVATE KEY" not in output


def test_with_a_vault_it_prints_the_command_and_creates_no_key(sample):
    folder = sample("plain")
    code, output, _ = ended("--key", "--vault", "kv-shop", "--vault-certificate", "signing")
    assert code == 0
    assert not (folder / "keys").exists()
    (line,) = [line.strip() for line in output.splitlines() if "az keyvault" in line]
    head, _, policy = line.partition(" --policy ")
    assert head == "az keyvault certificate create --vault-name kv-shop --name signing"
    properties = json.loads(policy.strip("'"))["x509CertificateProperties"]
    assert properties["keyUsage"] == ["digitalSignature"]
    assert properties["subject"] == "C=XX, ST=Unspecified, O=acme, CN=shop"
    assert properties["validityInMonths"] == 12


def test_a_vault_needs_its_certificate(sample):
    sample("plain")
    code, _, errors = ended("--vault", "kv-shop")
    assert (code, "vault-certificate: it is missing" in errors) == (2, True)


SCAN = ".github/workflows/scan.yml"


def test_a_workflow_is_migrated_where_it_is_confirmed(sample):
    folder = sample("trivy-action")
    before = repositories.contents(folder)
    code, output, _ = ended("--from-trivy-action", SCAN, "--dry-run")
    assert (code, repositories.contents(folder)) == (0, before)
    assert "+          fail-on: HIGH" in output
    code, _, _ = ended("--from-trivy-action", SCAN)
    assert (code, repositories.contents(folder)) == (2, before)
    code, output, _ = ended("--from-trivy-action", SCAN, "--yes")
    assert code == 0
    assert "changed  line 15: `exit-code: 1` is `fail-on: HIGH`." in output
    assert "by hand  line 30: scan-type is fs" in output
    after = repositories.contents(folder)
    assert {path for path in after if after[path] != before.get(path)} == {SCAN}
    assert parse_yaml(after[SCAN].decode())["jobs"]["scan"]["steps"][2]["with"]["fail-on"] == "HIGH"


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("missing.yml", "is not there"),
        ("../outside.yml", "is no file of the repository"),
        ("Dockerfile", "no step in Dockerfile uses"),
        ("broken.yml", "broken.yml: line 2: "),
        ("binary.yml", "it is not UTF-8"),
        ("link.yml", "link.yml is a link"),
        ("folder", "it cannot be read"),
    ],
)
def test_a_file_that_cannot_be_migrated_is_named(sample, file, problem):
    folder = sample("plain")
    (folder / "Dockerfile").write_text("on: push\n")
    (folder / "broken.yml").write_text("a: [\n")
    (folder / "binary.yml").write_bytes(b"\xff")
    (folder / "link.yml").symlink_to("/etc/passwd")
    (folder / "folder").mkdir()
    code, _, errors = ended("--from-trivy-action", file, "--yes")
    assert code == 2
    assert problem in errors


@pytest.fixture
def github(monkeypatch):
    """Has GitHub answer with a commit, or not at all."""

    def give(commit=""):
        def find(*_arguments):
            if not commit:
                raise OutsideError("GitHub could not be asked.")
            return commit

        monkeypatch.setattr(commits, "find_commit", find)

    return give


def unpinned():
    stderr = io.StringIO()
    assert run.run("init", [], {}, io.StringIO(), stderr) == 0
    return stderr.getvalue()


def test_the_commit_is_the_one_that_github_names(sample, github):
    folder = sample("initialised")
    github("2" * 40)
    assert "commit" not in unpinned()
    assert f"@{'2' * 40} # v" in (folder / IMAGES).read_text()


def test_where_github_does_not_answer_the_commit_of_the_workflows_is_kept_and_that_is_shown(sample, github):
    folder = sample("initialised")
    github()
    assert f"The workflows keep the commit {'1' * 40}, which was not checked; --pin COMMIT names another." in unpinned()
    assert f"@{'1' * 40} # v" in (folder / IMAGES).read_text()


def test_where_github_does_not_answer_the_tag_is_named(sample, github):
    folder = sample("plain")
    github()
    assert "GitHub could not be asked. The workflows name the tag; --pin COMMIT names another." in unpinned()
    assert "@v1 # zizmor: ignore[unpinned-uses]" in (folder / IMAGES).read_text()


@pytest.mark.parametrize(
    "arguments",
    [("--pin", "v1"), ("--pin", "1" * 39), ("--image-prefix", "ghcr.io/Acme/x"), ("--image-prefix", "ghcr.io/a:1"),
     ("--image-prefix", "app"), ("--image-prefix", "ghcr.io/${{ x }}"), ("--subject", "CN=x"), ("--valid-for", "0s"),
     ("--from-trivy-action", "x", "--key")],
)  # fmt: skip
def test_a_malformed_input_is_named_and_nothing_is_written(sample, arguments):
    folder = sample("plain")
    before = repositories.contents(folder)
    stderr = io.StringIO()
    code = run.run("init", list(arguments), {}, io.StringIO(), stderr)
    assert (code, repositories.contents(folder)) == (2, before)
    assert f"{arguments[0][2:]}: " in stderr.getvalue()


def test_the_root_is_that_of_the_checkout(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert init.find_root(tmp_path / "a" / "b") == tmp_path.resolve()


def test_no_credentials_of_a_remote_are_shown_or_written(sample):
    folder = sample("hostile")
    code, output, errors = ended("--key")
    assert code == 0
    written = repositories.contents(folder)
    assert "hunter2" not in output + errors
    assert not [path for path in words(output) if b"hunter2" in written[path]]
