"""Whatever notation says of a trust policy is translated: its messages are taken from its own sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from s3c_actions.core.explain import explain
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import NOTATION
from s3c_actions.programs.notation.errors import TRUST
from tests.support import go_judges

LIBRARY = msgspec.structs.replace(NOTATION, module="github.com/notaryproject/notation-go")
OF_OURS = (
    "trust policy document cannot be nil",  # of a caller in Go alone
    "artifact URI ",  # of the image, which is given by digest
)


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("policies") / "trustpolicy"
    gobuild.copy_folder(LIBRARY, "verifier/trustpolicy", folder, **go_judges.TOOLS)
    sources = [path.read_text() for path in sorted(Path(folder).glob("*.go")) if not path.name.endswith("_test.go")]
    literal = r'"(?:[^"\\]|\\.)*"'
    assignment = rf"errorW?\w*Message := ({literal})"
    messages = [json.loads(text) for source in sources for text in re.findall(rf"(?:Errorf|New)\(({literal})", source)]
    messages += [json.loads(text) for source in sources for text in re.findall(assignment, source)]
    return [re.sub(r"%[qvw]", '"given"', text) for text in messages]


def test_each_is_wrong_input_that_names_the_trust_policy(messages: list[str]) -> None:
    assert len(messages) > 25
    assert any(text.startswith("registry scope") and "not valid" in text for text in messages)
    foreign = [message for message in messages if not message.startswith(OF_OURS)]
    assert [message for message in foreign if not _is_translated(message)] == []


def _is_translated(message: str) -> bool:
    error = explain(f"Error: {message}", TRUST)
    return error is not None and error.exit_code == 2 and error.what.startswith("trust-policy: ")
