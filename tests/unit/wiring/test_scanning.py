"""What the options of a scan come to."""

import pytest

from s3c_actions.options.declare import read
from s3c_actions.options.scan import ScanInputs, TrivyOptions
from s3c_actions.programs.trivy.settings import TrivyConfig
from s3c_actions.wiring import scanning, settings_files
from tests.support.contexts import create_context

VALUES = {
    "scanners": "secret",
    "pkg-types": "os",
    "image-config-scanners": "secret",
    "offline": "true",
}


@pytest.mark.parametrize("declared", TrivyOptions.inputs(), ids=lambda declared: declared.name)
def test_every_option_of_trivy_is_in_what_the_key_of_its_report_is_made_of(tmp_path, declared):
    def asked(**flags):
        options = read(ScanInputs, {"image": "app:1", **flags}, {}, lambda _notice: None)
        return dict(scanning._options(options, create_context(tmp_path), None, TrivyConfig()).asked)

    plain, given = asked(), asked(**{declared.name: VALUES.get(declared.name, "other")})
    assert {name for name in plain if plain[name] != given[name]} == {declared.name}


def test_vex_beside_the_image_is_not_used_and_a_person_is_warned(tmp_path):
    options = read(ScanInputs, {"image": "app:1", "vex": "oci,app.openvex.json"}, {}, lambda _notice: None)
    assert scanning._options(options, create_context(tmp_path), None, TrivyConfig()).vex == ("app.openvex.json",)
    (warning,) = scanning._describe_unused(options, create_context(tmp_path))
    assert "`oci` in `vex`" in warning
    assert settings_files.UNVERIFIED_VEX not in {
        file.path for file in settings_files._hash_files("vex", "oci", tmp_path, {})
    }
