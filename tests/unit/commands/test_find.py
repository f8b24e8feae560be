import io
import json

import pytest

from s3c_actions.commands import find
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.find.answer import Answer, Match
from s3c_actions.steps.find import ImageAnswer, Subject
from tests.support import bare
from tests.support.bare import IMAGE, PINNED

POLICY = ("--policy", "policy.yaml")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--image", IMAGE, *POLICY), "it is empty"),
        (("openssl 3.0.13", "--image", IMAGE, *POLICY), "Write `openssl=3.0.13`"),
        (("openssl", "--image", PINNED), "nobody is trusted"),
        (("openssl", "--image", PINNED, *POLICY, "--publish-index"), "`--publish-index` is given"),
        (("openssl", "--image", PINNED, *POLICY, "--plan", "none.json"), "none.json"),
        (("openssl", "--image", "Registry/App@1", *POLICY), "not an image reference"),
    ],
)
@pytest.mark.usefixtures("programs")
def test_wrong_input_is_named_before_anything_is_asked(argv, words, alone):
    code, output = bare.ended(("find", *argv), alone)
    assert (code, words in output) == (2, True), output


@pytest.mark.usefixtures("programs")
def test_a_registry_that_is_down_leaves_its_images_open_and_is_no_answer(alone):
    code, printed = bare.ended(("find", "openssl", "--image", PINNED, *POLICY, "--json"), alone, io.StringIO())
    document = json.loads(printed)
    assert (code, document["find"]["complete"], document["find"]["matches"]) == (3, False, [])
    (image,) = document["find"]["unanswered"]
    assert image["reference"] == PINNED
    assert "refused the connection" in image["reasons"][0]


def answered(*matches, left=(), failure=None):
    subject = Subject(image="app:1", reference=Reference.parse(PINNED))
    return ImageAnswer(subject=subject, answer=Answer(matches=matches, open=left), failure=failure)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (answered(), False),
        (answered(left=("no report",)), True),
        (answered(Match(package="a", installed="1"), left=("no report",)), False),
        (answered(Match(package="a", installed="1", problem="?"), left=("no report",)), True),
        (answered(Match(package="a", installed="1", problem="?")), False),
        (answered(failure=OutsideError("down")), True),
    ],
)
def test_an_image_is_open_unless_something_was_found_in_it(image, expected):
    assert find._is_open(image) is expected
