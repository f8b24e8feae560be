"""What GitLab requires of its reports, restated from its own descriptions.

Container scanning: the schema of version 15.0.7, which GitLab validates a report with (gitlabhq/gitlabhq,
lib/gitlab/ci/parsers/security/validators/schemas/15.0.7/container-scanning-report-format.json). Code Quality: the table
in https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "pattern": "^(https?|ftp)://.+"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A schema of an object; unlike GitLab's it allows no other members, so that a slip in a name is noticed."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_PROGRAM = _object({"id": _TEXT, "name": _TEXT, "version": _TEXT, "vendor": _object({"name": _TEXT})})
_IDENTIFIER = _object({"type": _TEXT, "name": _TEXT, "value": _TEXT}, url=_URL)
_VECTOR = {
    "type": "string",
    "minLength": 32,
    "maxLength": 128,
    "pattern": "^CVSS:3[.][01]/(AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH])(/[A-Z]+:[A-Z]+)+$",
}
_LOCATION = _object(
    {
        "dependency": _object({"package": _object({"name": {"type": "string"}}), "version": {"type": "string"}}),
        "operating_system": _TEXT,
        "image": _TEXT,
    }
)
_VULNERABILITY = _object(
    {"id": _TEXT, "identifiers": _list(_IDENTIFIER, minItems=1), "location": _LOCATION},
    name={"type": "string", "maxLength": 255},
    description={"type": "string", "maxLength": 1048576},
    severity={"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
    solution={"type": "string", "maxLength": 7000},
    links=_list(_object({"url": _URL})),
    # `named_list`, of which we write texts alone.
    details={
        "type": "object",
        "additionalProperties": _object({"name": _TEXT, "type": {"const": "text"}, "value": {"type": "string"}}),
    },
    cvss_vectors=_list(_object({"vendor": _TEXT, "vector": _VECTOR}), minItems=1, maxItems=10),
)
_SCAN = _object(
    {
        "analyzer": _PROGRAM,
        "scanner": _PROGRAM,
        "start_time": _TIME,
        "end_time": _TIME,
        "status": {"enum": ["success", "failure"]},
        "type": {"const": "container_scanning"},
    },
    messages=_list(_object({"level": {"enum": ["info", "warn", "fatal"]}, "value": _TEXT})),
)
CONTAINER_SCANNING = Draft7Validator(
    _object(
        {
            "scan": _SCAN,
            "version": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
            "vulnerabilities": _list(_VULNERABILITY),
        },
        schema=_URL,
        remediations=_list({}),
    )
)
CODE_QUALITY = Draft7Validator(
    _list(
        _object(
            {
                "description": _TEXT,
                "check_name": _TEXT,
                "fingerprint": _TEXT,
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": _object(
                    {"path": _TEXT, "lines": _object({"begin": {"type": "integer", "minimum": 1}})},
                ),
            }
        )
    )
)
