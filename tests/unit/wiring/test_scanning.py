"""What the options of a scan come to."""

import pytest

from s3c_actions.options.declare import read
from s3c_actions.options.scan import ScanInputs, TrivyOptions
from s3c_actions.programs.trivy.settings import TrivyConfig
from s3c_actions.wiring import scanning
from tests.unit.wiring.test_signing import context

VALUES = {
    "scanners": "secret",
    "pkg-types": "os",
    "image-config-scanners": "secret",
    "offline": "true",
}


@pytest.mark.parametrize("one", TrivyOptions.inputs(), ids=lambda one: one.name)
def test_every_option_of_trivy_is_in_what_the_key_of_its_report_is_made_of(tmp_path, one):
    def asked(**flags):
        options = read(ScanInputs, {"image": "app:1", **flags}, {}, lambda _notice: None)
        return dict(scanning._options(options, context(tmp_path), None, TrivyConfig()).asked)

    plain, given = asked(), asked(**{one.name: VALUES.get(one.name, "other")})
    assert {name for name in plain if plain[name] != given[name]} == {one.name}
