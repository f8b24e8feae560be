"""`s3c diff` of layouts on disk: what is printed, and which input is at fault."""

import io
import json

import pytest

from tests.support import bare
from tests.support.made_images import STATUS, Layer, MadeImage, deb_status, write_layout

OLD = Layer().file(STATUS, deb_status(("openssl", "3.0.11-1"))).raw()
NEW = Layer().file(STATUS, deb_status(("openssl", "3.0.13-1"))).file("evil|`x`\x1b[2J", "x").raw()


@pytest.fixture
def layouts(alone):
    write_layout(MadeImage([OLD]), alone / "before")
    write_layout(MadeImage([OLD, NEW], {"User": "0"}), alone / "after", tag="2")
    return alone


def printed(folder, *argv):
    text = io.StringIO()
    code, output = bare.ended(("diff", *argv), folder, text)
    return code, output


def test_a_table(layouts):
    code, text = printed(layouts, "./before", "./after:2")
    assert code == 0
    assert "linux/amd64: 1 package changed, and 2 changes not accounted for by an upgrade." in text
    assert "upgraded  deb:openssl  3.0.11-1 → 3.0.13-1" in text
    assert "no package owns it" in text
    assert "\x1b" not in text


def test_markdown(layouts):
    code, text = printed(layouts, "before", "after", "--format", "markdown")
    assert code == 0
    assert "| upgraded | `deb:openssl` | 3.0.11-1 → 3.0.13-1 |" in text
    assert "| user |  | `0` |" in text
    assert "\x1b" not in text


def test_json(layouts):
    code, text = printed(layouts, "./before", "./after", "--json")
    document = json.loads(text[text.index("{") :])
    assert (code, document["command"], document["diff"]["same"], document["diff"]["proved"]) == (0, "diff", False, True)
    (platform,) = document["diff"]["platforms"]
    assert [package["name"] for package in platform["packages"]] == ["openssl"]
    assert document["diff"]["unexpected_total"] == 2


def test_the_same(layouts):
    code, text = printed(layouts, "./before", "./before")
    assert code == 0
    assert "Nothing changed." in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("./before",), "after"),
        (("./before", "./nothing"), "nothing cannot be read"),
        (("./before", "./after:1"), "no image '1'"),
        (("./before", "Not A Reference"), "not an image reference"),
        (("./before", "app.tar"), "app.tar cannot be read"),
    ],
)
def test_wrong_input(layouts, argv, words):
    code, output = bare.ended(("diff", *argv), layouts)
    assert (code, words in output) == (2, True), output
