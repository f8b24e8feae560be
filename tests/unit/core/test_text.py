from s3c_actions.core.text import counted, first_names, plural, short_digest


def test_a_noun_goes_with_its_number():
    assert [plural(count, "package") for count in (0, 1, 2)] == ["packages", "package", "packages"]
    assert [counted(count, "package") for count in (0, 1, 1200)] == ["0 packages", "1 package", "1,200 packages"]


def test_a_digest_is_cut_off_and_an_empty_one_stays():
    assert short_digest("sha256:8db819c8739f" + "0" * 52) == "sha256:8db819c8739f…"
    assert (short_digest(""), short_digest("sha256:8db819c8739f")) == ("", "sha256:8db819c8739f")


def test_of_many_names_the_first_are_shown_and_the_others_counted():
    assert (first_names([]), first_names("ab"), first_names("abcde")) == ("", "a, b", "a, b, c, d, e")
    assert first_names(iter("abcdefgh")) == "a, b, c, d, e and 3 more"
