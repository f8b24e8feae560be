"""The checks that inputs and environment ask for, on a machine where nothing answers."""

import json

import pytest

from tests.support.bare import GITHUB, IMAGE, ended


@pytest.fixture
def results(alone, monkeypatch):
    """A function that runs `s3c doctor --json`, and returns exit code and name → result."""
    monkeypatch.setenv("HOME", str(alone))

    def run(*argv, **environment):
        code, said = ended(("doctor", "--json", *argv), alone, **environment)
        start, end = said.index("{"), said.rindex("}") + 1
        return code, {one["name"]: one for one in json.loads(said[start:end])["checks"]}

    return run


def test_what_is_not_configured_is_no_failure(results):
    _, found = results(KUBECONFIG="")
    assert {name for name, one in found.items() if one["status"] == "not-configured"} >= {
        "trivy",
        "registry",
        "oidc",
        "azure",
        "vault",
        "clock",
        "proxy",
    }


def test_a_registry_that_does_not_answer_fails_and_the_others_are_told(results):
    code, found = results(IMAGE)
    assert code == 3
    for name in ("pull", "push"):
        one = found[f"{name} registry.example/voting-app"]
        assert one["status"] == "failed"
        assert "registry.example" in one["text"]
        assert one["remedy"]
    assert found["disk"]["status"] in {"passed", "failed"}


def test_push_is_not_asked_where_it_is_not_wanted(results):
    _, found = results(IMAGE, "--no-push")
    assert "pull registry.example/voting-app" in found
    assert not any(name.startswith("push ") for name in found)


def test_a_token_is_tried_and_never_shown(results):
    code, found = results(**GITHUB)
    assert (code, found["github"]["status"]) == (3, "failed")
    assert "abcdef" not in json.dumps(found)


def test_a_job_without_the_permission_is_told_so(results):
    _, found = results(ACTIONS_ID_TOKEN_REQUEST_URL="", CI="true")
    assert found["oidc"]["status"] == "not-configured"


def test_a_cluster_that_does_not_answer_fails(results):
    code, found = results("--kubeconfig", "kubeconfig")
    assert code == 3
    for name in ("cluster", "gate"):
        assert found[name]["status"] == "failed"
        assert "abcdef" not in found[name]["text"]


def test_a_program_at_a_path_that_is_none_fails(results):
    code, found = results("--trivy-path", "no-such-file")
    assert code == 3
    assert "no-such-file is not a file that may be executed" in found["trivy"]["text"]


@pytest.mark.parametrize("argv", [("--vault", "kv"), ("HTTP://x",), ("--registry-username", "u", IMAGE)])
def test_a_wrong_input_is_one_before_anything_is_checked(alone, argv):
    code, said = ended(("doctor", *argv), alone)
    assert code == 2
    assert "✔" not in said
