"""The commit of a tag, as GitHub's answers have it."""

import json

import pytest
import requests

from s3c_actions.core.errors import OutsideError
from s3c_actions.github import commits


class Answer:
    def __init__(self, status, text):
        self.status_code, self.content = status, text.encode()


@pytest.fixture
def answers(monkeypatch):
    """Has the session give an answer, or fail; the requests are in the list returned."""

    def give(answer):
        asked = []

        def get(_session, url, **more):
            asked.append((url, more["headers"]))
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(requests.Session, "get", get)
        return asked

    return give


def test_the_commit_is_what_github_answers(answers):
    asked = answers(Answer(200, json.dumps({"sha": "a" * 40})))
    assert commits.find_commit("org/s3c", "v1.0.0") == "a" * 40
    ((url, headers),) = asked
    assert url == "https://api.github.com/repos/org/s3c/commits/v1.0.0"
    assert headers["Accept"] == "application/vnd.github+json"
    assert "Authorization" not in headers


def test_a_token_and_a_server_are_used(answers):
    asked = answers(Answer(200, json.dumps({"sha": "a" * 40})))
    commits.find_commit("org/s3c", "v1", "secret", {"GITHUB_API_URL": "https://ghe.example/api/v3/"})
    ((url, headers),) = asked
    assert url == "https://ghe.example/api/v3/repos/org/s3c/commits/v1"
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, '{"message": "Not Found"}'),
        Answer(403, "rate limit"),
        Answer(200, "<html>a proxy</html>"),
        Answer(200, json.dumps({"sha": "a" * 41})),
        Answer(200, json.dumps({"sha": None})),
        Answer(200, "[]"),
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ReadTimeout("slow"),
    ],
)
def test_any_other_answer_is_an_error(answers, answer):
    answers(answer)
    with pytest.raises(OutsideError, match=r"org/s3c v1"):
        commits.find_commit("org/s3c", "v1")
