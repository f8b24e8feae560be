import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate

TAGGED = Reference.parse("localhost:5000/app:15.0")
PINNED = Reference.parse("localhost:5000/app@sha256:" + "0123456789abcdef" * 4)


@pytest.mark.parametrize(
    ("template", "original", "tag"),
    [
        ("{tag}-{n}", TAGGED, "15.0-3"),
        ("{tag}-patched", TAGGED, "15.0-patched"),
        ("fixed", TAGGED, "fixed"),
        ("p{n}.{tag}", TAGGED, "p3.15.0"),
        ("{tag}-{n}", PINNED, "0123456789ab-3"),
    ],
)
def test_fills_the_fields(template, original, tag):
    assert TagTemplate.parse(template).fill(original, 3) == tag


@pytest.mark.parametrize("text", ["{name}", "a b", "-x", "", "{n}{n}", "a:b", "{tag", "x" * 129, "a\n", "{}", "$(id)"])
def test_refuses_what_is_no_template(text):
    with pytest.raises(ValueError, match=r"^a tag"):
        TagTemplate.parse(text)


def test_refuses_a_tag_that_becomes_too_long():
    original = Reference.parse("localhost:5000/app:" + "x" * 128)
    with pytest.raises(ValueError, match="longer than a tag"):
        TagTemplate.parse("{tag}-{n}").fill(original)


def test_finds_its_own_tags_and_no_others():
    tags = ["15.0", "15.0-1", "15.0-10", "15.0-9", "15.0-01", "15.0-1-amd64", "15x0-2", "15.0-0", "16.0-1", "15.0-1-1"]
    taken = TagTemplate.parse("{tag}-{n}").taken(TAGGED, tags)
    assert list(taken.items()) == [(10, "15.0-10"), (9, "15.0-9"), (1, "15.0-1")]


def test_a_fixed_tag_is_there_or_not():
    template = TagTemplate.parse("{tag}-patched")
    assert template.taken(TAGGED, ["15.0-patched"]) == {0: "15.0-patched"}
    assert template.taken(TAGGED, ["15.0"]) == {}
