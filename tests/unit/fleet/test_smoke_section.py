"""The section `smoke` of a fleet: strict, and the same as the inputs of its names."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import model, smoke_section
from s3c_actions.fleet.selecting import _settings, _with_settings

FLEET = """\
version: 1
defaults: {{smoke: {{mode: report}}}}
images:
  - image: registry.example/app:1
    smoke: {section}
  - image: registry.example/db:1
"""
SECTION = """{mode: required, command: [sh, -c, "a 'b'"], port: 80, timeout: 90s,
     companions: {db: "registry.example/db:1"}, env: {A: "1", B: "x=y"}, writable: [/data], capabilities: [CHOWN]}"""


def parsed(section: str) -> model.Fleet:
    return model.parse(FLEET.format(section=section))


def test_a_section_becomes_the_inputs() -> None:
    section = parsed(SECTION).images[0].smoke
    assert section is not None
    options = section.options
    assert (options.smoke, options.smoke_port, options.smoke_timeout) == ("required", 80, 90.0)
    assert options.smoke_command == ("sh", "-c", "a 'b'")
    assert dict(options.smoke_companions) == {"db": "registry.example/db:1"}
    assert (options.smoke_env, options.smoke_writable) == (("A=1", "B=x=y"), ("/data",))
    assert options.smoke_capabilities == ("CHOWN",)


def test_an_image_has_its_own_section_or_that_of_the_defaults() -> None:
    fleet = parsed(SECTION)
    own, other = (
        _with_settings(Reference.parse(selection.image or ""), _settings(fleet, selection, selection.image or ""))
        for selection in fleet.images
    )
    assert smoke_section.parse(own.smoke) == fleet.images[0].smoke
    assert smoke_section.parse(other.smoke) == fleet.defaults.smoke
    assert smoke_section.parse("") is None and smoke_section.write(None) == ""


def test_companions_start_in_the_order_of_the_file() -> None:
    section = (
        parsed("{mode: required, companions: {zookeeper: 'r.example/z:1', broker: 'r.example/b:1'}}").images[0].smoke
    )
    kept = smoke_section.parse(smoke_section.write(section))
    assert kept is not None and list(kept.options.smoke_companions) == ["zookeeper", "broker"]


@pytest.mark.parametrize(
    ("section", "run", "mode"),
    [
        ("required", "off", "required"),
        ("off", "required", "required"),
        ("report", "required", "required"),
        ("off", "report", "report"),
        ("off", "off", "off"),
    ],
)
def test_the_stricter_of_fleet_and_run_counts(section: str, run: str, mode: str) -> None:
    parsed_section = parsed(f'{{mode: "{section}"}}').images[0].smoke
    assert parsed_section is not None and parsed_section.at_least(run).smoke == mode


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{}", "mode"),
        ("{mode: maybe}", "mode"),
        ("{mode: report, ports: 80}", "ports"),
        ("{mode: report, port: 0}", "port"),
        ("{mode: report, command: []}", "command"),
        ('{mode: report, command: "sh -c \'x"}', "smoke-command"),
        ("{mode: report, timeout: soon}", "smoke-timeout"),
        ("{mode: report, companions: {DB: x}}", "smoke-companions"),
        ("{mode: report, writable: [data]}", "smoke-writable"),
        ("{mode: report, capabilities: [SYS_ADMIN]}", "smoke-capabilities"),
        ("{mode: off, port: 80}", "off"),
        ('{mode: "off", port: 80}', "say how images are started"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_its_place(section: str, words: str) -> None:
    with pytest.raises(InputError, match=r"^fleet: ") as caught:
        parsed(section)
    assert "images[0]" in caught.value.what and words in caught.value.what
