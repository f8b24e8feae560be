"""The repositories of a registry: pages, prefixes, and names that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.registry import Registry
from s3c_actions.registry.catalog import MAX_PAGES, list_repositories
from s3c_actions.registry.credentials import Logins


class Answer:
    """An answer of the HTTP client, as far as it is read."""

    def __init__(self, body: Any, *, status: int = 200, following: str = "") -> None:
        self.status_code = status
        self.content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.links = {"next": {"url": following}} if following else {}
        self.url = "https://r.example/v2/_catalog"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client, and the answers that its connection gives, in order."""
    client = Registry(Logins(environment={}))
    answers: list[Answer] = []
    asked: list[str] = []

    def request(_method: str, _reference: Any, path: str, **_more: Any) -> Answer:
        asked.append(path)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(client.connection, "request", request)
    monkeypatch.setattr(client.connection, "body", lambda answer, _reference, _limit: answer.content)
    monkeypatch.setattr(client.connection, "dismiss", lambda _answer, _reference: None)
    return client, answers, asked


def test_pages_are_followed_and_names_filtered(registry: Any) -> None:
    client, answers, asked = registry
    answers += [
        Answer({"repositories": ["team/b", "other", "team/a"]}, following="/v2/_catalog?last=x&n=1000"),
        Answer({"repositories": ["team/c", "team/b", "Team/../x", "team/UPPER", 7, None]}),
    ]
    assert list_repositories(client, "r.example", "team/", field="fleet") == ("team/a", "team/b", "team/c")
    assert asked == ["/v2/_catalog?n=1000", "https://r.example/v2/_catalog?last=x&n=1000"]


def test_a_page_without_names_is_none(registry: Any) -> None:
    client, answers, _ = registry
    answers += [Answer({"repositories": None}, following="/v2/_catalog?last=x"), Answer({"repositories": ["a"]})]
    assert list_repositories(client, "r.example", "", field="fleet") == ("a",)


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_registry_without_a_catalog_is_a_wrong_input(registry: Any, status: int) -> None:
    client, answers, _ = registry
    answers.append(Answer(b"", status=status))
    with pytest.raises(InputError, match="lists no repositories") as caught:
        list_repositories(client, "r.example", "", field="fleet")
    assert caught.value.field == "fleet"


def test_no_repository_is_an_error(registry: Any) -> None:
    client, answers, _ = registry
    answers.append(Answer({"repositories": ["other"]}))
    with pytest.raises(InputError, match="begins with team/"):
        list_repositories(client, "r.example", "team/", field="fleet")


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"repositories": {}}, {"repositories": "a"}])
def test_what_is_no_catalog_is_not_believed(registry: Any, body: Any) -> None:
    client, answers, _ = registry
    answers.append(Answer(body))
    with pytest.raises(OutsideError, match="cannot be believed"):
        list_repositories(client, "r.example", "", field="fleet")


def test_a_registry_whose_pages_never_end(registry: Any) -> None:
    client, answers, asked = registry
    for number in range(MAX_PAGES + 1):
        answers.append(Answer({"repositories": [f"a{number}"]}, following=f"/v2/_catalog?last={number}"))
    with pytest.raises(OutsideError, match="more than 500 pages"):
        list_repositories(client, "r.example", "", field="fleet")
    assert len(asked) == MAX_PAGES
