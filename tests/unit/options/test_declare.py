"""What a group of inputs is: one declaration, read as an attribute, and by a function that takes the group."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.declare import Group, Input, read
from s3c_actions.options.parse import boolean, integer, items, text


class Images(Group):
    image: Input[tuple[str, ...]] = Input(name="image", help="Images.", parse=items, absent=(), many=True)


class Limits(Group):
    time_limit = Input(name="time-limit", help="Limit.", parse=integer(1, 9), default="3", absent=3)


class Both(Limits, Images):
    label = Input(name="label", help="Label.", parse=text, absent="")


def given(group, **flags):
    return read(group, {name.replace("_", "-"): value for name, value in flags.items()}, {}, lambda _notice: None)


def test_an_input_is_a_declaration_of_the_class_and_a_value_of_the_group():
    options = given(Both, image="a,b", time_limit="7")
    assert (options.image, options.time_limit, options.label) == (("a", "b"), 7, "")
    assert Both.time_limit is Limits.time_limit
    assert (Both.time_limit.flag, Both.time_limit.attribute) == ("--time-limit", "time_limit")
    assert isinstance(options, Limits)


def limit(options: Limits) -> int:
    return options.time_limit


def test_a_function_is_given_a_group_that_has_what_it_reads():
    assert limit(read(Both, {}, {}, lambda _notice: None)) == 3
    with pytest.raises(AttributeError):
        # The type checker refuses it, and would complain of this comment if it did not.
        limit(read(Images, {}, {}, lambda _notice: None))  # type: ignore[arg-type]


def test_what_a_person_gave_is_known():
    options = given(Both, image="a")
    assert options.given(Both.image)
    assert not options.given(Both.time_limit)
    with pytest.raises(KeyError):
        given(Images).given(Both.label)


def test_inputs_stand_in_the_order_of_bases_and_body_or_in_their_own():
    assert [declared.name for declared in Both.inputs()] == ["time-limit", "image", "label"]

    class Ordered(Limits, Images):
        label = Both.label
        order = (label, Images, Limits.time_limit)

    assert [declared.name for declared in Ordered.inputs()] == ["label", "image", "time-limit"]
    assert [declared.name for declared in Ordered.own()] == ["label"]


def test_an_input_that_is_declared_anew_keeps_its_place():
    class Patient(Both):
        time_limit = Input(name="time-limit", help="Limit.", parse=integer(1, 9), default="9", absent=9)

    assert [declared.name for declared in Patient.inputs()] == ["time-limit", "image", "label"]
    assert given(Patient).time_limit == 9


def test_an_order_names_every_input_and_no_other():
    with pytest.raises(TypeError, match="time_limit"):

        class Less(Limits, Images):
            order = (Images,)

    with pytest.raises(TypeError, match="label"):

        class More(Images):
            order = (Images, Both.label)


def test_an_attribute_has_the_name_of_its_input():
    with pytest.raises(TypeError, match="call it time_limit"):

        class Misnamed(Group):
            limit = Limits.time_limit


def test_a_group_does_not_change():
    options = given(Both)
    with pytest.raises(AttributeError):
        options.label = "x"
    assert options.replaced({Both.label: "x"}).label == "x"
    assert options.replaced({Both.label: "x"}).given(Both.label)
    assert type(options.replaced({})) is Both
    assert options.label == ""


def test_a_required_input_is_named():
    class Needy(Group):
        needed = Input(name="needed", help="Needed.", parse=boolean, required=True)

    with pytest.raises(InputError) as caught:
        given(Needy)
    assert caught.value.field == "needed"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_input_of_a_command_is_an_attribute(name):
    group = load(name).options
    assert [getattr(group, declared.attribute) for declared in group.inputs()] == list(group.inputs())
    assert len({declared.name for declared in group.inputs()}) == len(group.inputs())
