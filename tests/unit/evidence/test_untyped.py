"""A value of another type than stated is absent, whatever it is."""

import pytest

from s3c_actions.evidence.untyped import as_list, as_map, as_text

VALUES = [None, True, 0, 1.5, "text", [1], {"a": 1}]


@pytest.mark.parametrize(("read", "kind"), [(as_list, list), (as_map, dict), (as_text, str)])
def test_a_value_of_another_type_is_absent(read, kind):
    (own,) = (value for value in VALUES if isinstance(value, kind))
    assert read(own) is own
    assert [read(value) for value in VALUES if value is not own] == [kind()] * (len(VALUES) - 1)
