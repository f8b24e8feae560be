"""The name that somebody meant."""

from s3c_actions.core.suggest import closest, did_you_mean


def test_the_closest_name_whatever_its_case() -> None:
    assert closest("HIHG", ("LOW", "HIGH")) == "HIGH"
    assert closest("critcal", ("HIGH", "CRITICAL")) == "CRITICAL"
    assert closest("sver", ("xyz",)) == ""


def test_the_beginning_of_a_remedy() -> None:
    assert did_you_mean("scna", ("scan",), "`s3c {}`") == "Did you mean `s3c scan`? "
    assert did_you_mean("qqq", ("scan",)) == ""
