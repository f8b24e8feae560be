"""Patterns that are compiled late are the patterns that `re.compile` returns."""

import re

import pytest

from s3c_actions.core.patterns import late_pattern


def test_a_pattern_is_compiled_when_it_is_used_and_once(monkeypatch):
    compiled = []
    real = re.compile

    def count(*given):
        compiled.append(given)
        return real(*given)

    monkeypatch.setattr("re.compile", count)
    pattern = late_pattern(r"(a+)B", re.IGNORECASE)
    assert compiled == []
    for _ in range(3):
        assert pattern.sub(r"<\1>", "aab") == "<aa>"
    assert compiled == [(r"(a+)B", re.IGNORECASE)]


def test_text_and_bytes_have_the_methods_and_attributes_of_a_pattern():
    assert late_pattern(r"\d").sub("#", "a1b2") == "a#b#"
    assert late_pattern(rb"(?P<digit>\d)").findall(b"a1") == [b"1"]
    assert (late_pattern("x", re.ASCII).pattern, late_pattern("x", re.ASCII).flags) == ("x", re.ASCII)


def test_a_wrong_expression_is_an_error_where_it_is_used():
    with pytest.raises(re.error, match="unterminated"):
        late_pattern("(").match("x")
