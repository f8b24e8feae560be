"""The inputs of `doctor`."""

from s3c_actions.options.common import TimeoutOptions
from s3c_actions.options.doctor import DoctorInputs


def test_no_input_is_required_and_a_check_has_a_short_limit():
    assert not [declared.name for declared in DoctorInputs.inputs() if declared.required]
    assert DoctorInputs.timeout.value(None) == 30.0 < TimeoutOptions.timeout.value(None)
    assert DoctorInputs.push.value(None) is True
