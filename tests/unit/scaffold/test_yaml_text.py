"""Single places of a YAML text are changed, and every other character stays."""

import pytest

from s3c_actions.scaffold import yaml_text

TEXT = "a: 1 # one\r\nb: |\r\n  x\r\n  y\r\n\r\nc:\r\n  - d\r\ne: 'f'"


def nodes(text):
    return yaml_text.entries(yaml_text.compose(text))


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("a", "b: |\r\n  x\r\n  y\r\n\r\nc:\r\n  - d\r\ne: 'f'"),
        ("c", "a: 1 # one\r\nb: |\r\n  x\r\n  y\r\n\r\ne: 'f'"),
        ("e", "a: 1 # one\r\nb: |\r\n  x\r\n  y\r\n\r\nc:\r\n  - d\r\n"),
    ],
)
def test_an_entry_is_removed_with_its_lines(name, left):
    assert yaml_text.apply(TEXT, [yaml_text.remove_entry(TEXT, *nodes(TEXT)[name])]) == left


def test_a_block_scalar_is_removed_whole():
    removed = yaml_text.apply(TEXT, [yaml_text.remove_entry(TEXT, *nodes(TEXT)["b"])])
    assert removed.startswith("a: 1 # one\r\n")
    assert nodes(removed).keys() == {"a", "c", "e"}


def test_a_scalar_is_replaced_alone_or_with_the_comment_behind_it():
    value = nodes(TEXT)["a"][1]
    assert yaml_text.apply(TEXT, [yaml_text.replace(value, "2")]) == TEXT.replace("a: 1", "a: 2")
    assert yaml_text.apply(TEXT, [yaml_text.replace_line_end(TEXT, value, "2")]) == TEXT.replace("a: 1 # one", "a: 2")


@pytest.mark.parametrize("text", ["a: [", "&a [*a]", "[" * 1000 + "]" * 1000, "a: 1\n---\nb: 2\n", "a: \0"])
def test_what_is_not_one_document_within_limits_is_rejected(text):
    with pytest.raises(ValueError, match=r"."):
        yaml_text.compose(text)
