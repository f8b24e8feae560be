import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options import declare
from s3c_actions.options.find import COMMAND, FindInputs


def read(**given: str) -> FindInputs:
    return declare.read(FindInputs, given, {}, lambda _notice: None)


def test_a_query_keeps_its_commas_and_blanks():
    assert read(query="openssl >= 3.0, < 3.0.13").query == "openssl >= 3.0, < 3.0.13"


def test_without_inputs_no_image_is_named():
    options = read()
    assert (options.query, options.image, options.plan, options.manifests, options.format) == ("", (), "", (), "table")


def test_the_query_alone_needs_no_flag():
    assert [option.name for option in COMMAND.inputs if option.positional] == ["query"]


def test_a_format_is_one_of_two():
    with pytest.raises(InputError, match="format"):
        read(format="html")
