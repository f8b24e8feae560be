"""The inputs of the actions that s3c takes the place of, and what each becomes here.

For a workflow in which only `uses:` was changed. What has our name, or one of an input's `aliases`, is no entry here.
The names are those of aquasecurity/trivy-action, anchore/scan-action, project-copacetic/copa-action and
notaryproject/notation-action; tests/data/other-actions.json lists every input of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean, items, text

Texts = Mapping[str, str]
"""Name of an input, ours or theirs → its text; only of those that are given."""

TRIVY, SCAN, COPA, NOTATION = "trivy-action", "scan-action", "copa-action", "notation-action"


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What an input of another action becomes.

    Attributes:
        values: name of an input of ours → its text; an empty text takes away what was given.
        variables: environment variables for programs.
        without_effect: a clause on why nothing follows from it; empty when something does.
    """

    values: Texts = {}
    variables: Texts = {}
    without_effect: str = ""


class OtherInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input of another action.

    Attributes:
        name: as that action spells it. The name of an input of ours stands for values of it that only theirs has.
        action: whose it is.
        help: what s3c does with it, for the action's own description.
        translate: its text and all texts given → what it becomes; raises InputError for what s3c does not do.
        secret: its text is masked and reaches no program.
    """

    name: str
    action: str
    help: str
    translate: Callable[[str, Texts], Translation]
    secret: bool = False

    def declare(self) -> Input[str]:
        """Return the declaration of its flag and variable."""
        return Input(name=self.name, help=self.help, parse=text, absent="", secret=self.secret)


def _ignored(name: str, action: str, why: str, *, secret: bool = False) -> OtherInput:
    """Declare an input without effect.

    Args:
        name: of the input.
        action: whose it is.
        why: a clause that completes "it has no effect: …".
        secret: as in `OtherInput`.
    """
    nothing = Translation(without_effect=why)
    return OtherInput(
        name=name, action=action, help=f"No effect: {why}.", translate=lambda _text, _given: nothing, secret=secret
    )


def _renamed(name: str, action: str, to: str) -> OtherInput:
    """Declare another name of an input of ours."""
    return OtherInput(
        name=name,
        action=action,
        help=f"As `{to}`.",
        translate=lambda value, _given: Translation(values={to: value}),
    )


def _rejected(name: str, action: str, what: str, remedy: str) -> OtherInput:
    """Declare an input that s3c has nothing for: the sentence `what`, and what to do instead."""

    def translate(_text: str, _given: Texts) -> Translation:
        raise InputError(name, what, remedy=remedy)

    return OtherInput(name=name, action=action, help=f"Rejected: {what} {remedy}", translate=translate)


# trivy-action

_KEEP_TRIVY = "Keep aquasecurity/trivy-action for this step."


def _scan_type(value: str, _given: Texts) -> Translation:
    kind = value.strip().lower()
    if kind in {"image", "i"}:
        return Translation()
    what = {"sbom": "bills of materials", "k8s": "clusters", "kubernetes": "clusters", "vm": "disk images"}
    raise InputError(
        "scan-type",
        f"s3c looks at images, not at {what.get(kind, 'file systems, repositories and configuration files')}.",
        remedy=_KEEP_TRIVY,
    )


def _scan_ref(value: str, given: Texts) -> Translation:
    if any(given.get(name) for name in ("image", "image-ref", "images", "input", "tarball")):
        return Translation(without_effect="the image is given beside it, which trivy-action prefers too")
    return Translation(values={"image": value})


_TEMPLATES = {
    "junit.tpl": "junit",
    "gitlab.tpl": "gitlab",
    "gitlab-codequality.tpl": "gitlab-codequality",
    "html.tpl": "html",
    "sarif.tpl": "sarif",
    "csv.tpl": "csv",
}
"""File name of a template that comes with Trivy → our format of that kind."""


def _format_of_template(template: str) -> str:
    """Return our format for a template.

    Raises:
        InputError: it is a template of one's own, or one without a counterpart.
    """
    form = _TEMPLATES.get(template.strip().rpartition("/")[2].removeprefix("@"))
    if form is None or "contrib/" not in template:
        raise InputError(
            "template",
            "s3c renders no templates of your own.",
            remedy="Take `format: json` and run `trivy convert --format template --template …` on the report; for "
            f"Trivy's own {', '.join(_TEMPLATES)} s3c has formats.",
        )
    return form


def _template(value: str, given: Texts) -> Translation:
    if "template" not in {word.lower() for word in items(given.get("format", ""))}:
        return Translation(without_effect="`format` is not `template`")
    _format_of_template(value)
    return Translation()


def _trivy_format(value: str, given: Texts) -> Translation:
    words = items(value)
    theirs = {"spdx-json": "spdx"}
    if "template" in {word.lower() for word in words}:
        if not given.get("template"):
            raise InputError("template", "`format` is `template`, and no template is given.", remedy="Give `template`.")
        theirs["template"] = _format_of_template(given["template"])
    ours = ",".join(dict.fromkeys(theirs.get(word.lower(), word) for word in words))
    return Translation() if ours == ",".join(words) else Translation(values={"format": ours})


def _github_pat(value: str, given: Texts) -> Translation:
    if "github" not in {word.lower() for word in items(given.get("format", ""))}:
        return Translation(without_effect="`format` is not `github`")
    return Translation(values={"submit-dependencies": "true", "github-token": value})


TRIVY_ACTION = (
    OtherInput(
        name="format",
        action=TRIVY,
        help="`spdx-json` is `spdx`; `template` is the format of the kind that `template` names.",
        translate=_trivy_format,
    ),
    OtherInput(
        name="scan-type",
        action=TRIVY,
        help="`image`; anything else is rejected: s3c looks at images.",
        translate=_scan_type,
    ),
    OtherInput(name="scan-ref", action=TRIVY, help="The image, when none is given by `image`.", translate=_scan_ref),
    OtherInput(
        name="template",
        action=TRIVY,
        help="With `format: template`: a template that comes with Trivy, for which the format of that kind is taken.",
        translate=_template,
    ),
    OtherInput(
        name="docker-host",
        action=TRIVY,
        help="Address of the local Docker, as `DOCKER_HOST`.",
        translate=lambda value, _given: Translation(variables={"DOCKER_HOST": value}),
    ),
    OtherInput(
        name="github-pat",
        action=TRIVY,
        help="With `format: github`: as `github-token`, with `submit-dependencies`.",
        translate=_github_pat,
        secret=True,
    ),
    _ignored("list-all-pkgs", TRIVY, "the report always lists all packages"),
    _ignored("hide-progress", TRIVY, "a log has no progress bar; `quiet` leaves only warnings"),
    _ignored("tf-vars", TRIVY, "s3c looks at images, which have no Terraform variables"),
    _ignored("version", TRIVY, "s3c brings Trivy itself, checked; `trivy-version` takes another one"),
    _ignored("skip-setup-trivy", TRIVY, "a trivy of the pinned version on PATH is taken, else s3c installs it"),
    _ignored("token-setup-trivy", TRIVY, "s3c needs no token to install Trivy", secret=True),
)

# scan-action

_CUTOFFS = {"negligible": "LOW", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "critical": "CRITICAL"}


def _default_cutoff(given: Texts) -> Texts:
    """Return scan-action's own gate, when its inputs leave it as it is and ours set none."""
    ours = ("fail-on", "policy", "severity-cutoff", "exit-code")
    switched_off = given.get("fail-build", "").strip().lower() == "false"
    return {} if switched_off or any(given.get(name) for name in ours) else {"fail-on": "MEDIUM"}


def _severity_cutoff(value: str, _given: Texts) -> Translation:
    severity = _CUTOFFS.get(value.strip().lower())
    if severity is None:
        raise InputError("severity-cutoff", f"it is none of {', '.join(_CUTOFFS)}.", remedy="Give one of them.")
    return Translation(values={"fail-on": severity})


def _fail_build(value: str, given: Texts) -> Translation:
    try:
        fails = boolean(value)
    except ValueError as error:
        raise InputError("fail-build", f"it is not {error}.", remedy="Give `true` or `false`.") from None
    return Translation(values=_default_cutoff(given) if fails else {"exit-code": "0"})


_SCAN_FORMATS = {"json": "json", "sarif": "sarif", "table": "table", "cyclonedx-json": "cyclonedx"}


def _output_format(value: str, given: Texts) -> Translation:
    word = value.strip().lower()
    if word in {"cyclonedx", "cyclonedx-xml"}:
        raise InputError("output-format", "s3c writes CycloneDX as JSON, not as XML.", remedy="Give `cyclonedx-json`.")
    if word not in _SCAN_FORMATS:
        raise InputError("output-format", f"it is none of {', '.join(_SCAN_FORMATS)}.", remedy="Give one of them.")
    return Translation(values={"format": _SCAN_FORMATS[word], **_default_cutoff(given)})


def _output_file(value: str, given: Texts) -> Translation:
    form = {} if given.get("output-format") or given.get("format") else {"format": "sarif"}
    return Translation(values={"output": value, **form, **_default_cutoff(given)})


_KEEP_SCAN = "Keep anchore/scan-action for this step."

SCAN_ACTION = (
    _rejected("path", SCAN, "s3c looks at images, not at folders.", _KEEP_SCAN),
    _rejected("sbom", SCAN, "s3c looks at images, not at bills of materials.", _KEEP_SCAN),
    OtherInput(
        name="fail-build",
        action=SCAN,
        help="`true`: as `fail-on: MEDIUM`, unless a severity is given. `false`: as `exit-code: 0`.",
        translate=_fail_build,
    ),
    OtherInput(
        name="severity-cutoff",
        action=SCAN,
        help="As `fail-on`; `negligible` is LOW.",
        translate=_severity_cutoff,
    ),
    OtherInput(
        name="output-format",
        action=SCAN,
        help="As `format`; `cyclonedx-json` is `cyclonedx`. XML is rejected.",
        translate=_output_format,
    ),
    OtherInput(
        name="output-file",
        action=SCAN,
        help="As `output`, of the SARIF report unless a format is given.",
        translate=_output_file,
    ),
    _rejected(
        "config",
        SCAN,
        "s3c reads no configuration of Grype.",
        "Write what it ignores into a `.trivyignore.yaml`, and give its `fail-on-severity` as `fail-on`.",
    ),
    _ignored("add-cpes-if-none", SCAN, "Trivy compares packages, not CPEs"),
    _ignored("by-cve", SCAN, "Trivy names a finding by its CVE where it has one"),
    _ignored("grype-version", SCAN, "s3c scans with Trivy"),
    _ignored("cache-db", SCAN, "the vulnerability data is cached unless `cache` is `false`"),
)

# copa-action


def _copa_format(value: str, _given: Texts) -> Translation:
    # Without a format of ours, `output` is the OpenVEX document.
    return Translation(values={"format": ""}) if value.strip().lower() == "openvex" else Translation()


def _custom_socket(value: str, _given: Texts) -> Translation:
    socket = value.strip()
    address = socket if "://" in socket else f"unix://{socket}"
    return Translation(values={"buildkit-addr": "docker://"}, variables={"DOCKER_HOST": address})


COPA_ACTION = (
    OtherInput(name="format", action=COPA, help="`openvex` is what is written anyway.", translate=_copa_format),
    OtherInput(
        name="custom-socket",
        action=COPA,
        help="Socket of a Docker with the containerd image store, whose own BuildKit is taken: `buildkit-addr: "
        "docker://` with `DOCKER_HOST`.",
        translate=_custom_socket,
    ),
    _ignored("buildkit-version", COPA, "s3c takes a BuildKit that is there or runs a pinned one; see `buildkit-addr`"),
)

# notation-action


def _allow_referrers_api(value: str, given: Texts) -> Translation:
    if given.get("force_referrers_tag"):
        return Translation(without_effect="`force_referrers_tag` is given, which notation-action prefers too")
    try:
        allowed = boolean(value)
    except ValueError as error:
        raise InputError("allow_referrers_api", f"it is not {error}.", remedy="Give `true` or `false`.") from None
    return Translation(values={"force-referrers-tag": str(not allowed).lower()})


_TARGET = _renamed("target_artifact_reference", NOTATION, "image")

NOTATION_SIGN = (
    _TARGET,
    *(
        _renamed(name, NOTATION, "plugin" if name == "plugin_name" else name.replace("_", "-"))
        for name in (
            *("plugin_name", "plugin_url", "plugin_checksum", "key_id", "plugin_config", "signature_format"),
            *("force_referrers_tag", "timestamp_url", "timestamp_root_cert"),
        )
    ),
    OtherInput(
        name="allow_referrers_api",
        action=NOTATION,
        help="The opposite of `force-referrers-tag`, unless that is given.",
        translate=_allow_referrers_api,
    ),
)

NOTATION_VERIFY = (
    _TARGET,
    _renamed("trust_policy", NOTATION, "trust-policy"),
    _renamed("trust_store", NOTATION, "trust-store"),
    _ignored("allow_referrers_api", NOTATION, "signatures are looked up by the Referrers API and by the tag"),
)


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What the inputs of other actions given become.

    Attributes:
        values: name of an input of ours → its text, which takes the place of what was given; empty takes it away.
        variables: environment variables for programs.
        notices: sentences for the user.
    """

    values: Texts
    variables: Texts
    notices: tuple[str, ...]


def translate(others: Iterable[OtherInput], given: Texts, same: Mapping[str, str]) -> Translated:
    """Translate the inputs of other actions that are given.

    Args:
        others: the inputs of other actions that a command understands.
        given: every text given, ours and theirs.
        same: every name of our inputs, aliases included → the input's own.

    Raises:
        InputError: one of them is rejected, or says something else than an input of ours beside it.
    """
    values: dict[str, str] = {}
    variables: dict[str, str] = {}
    notices: list[str] = []
    ours = {same[name]: (name, value) for name, value in given.items() if name in same}
    for other in others:
        value = given.get(other.name)
        if not value:
            continue
        result = other.translate(value, given)
        for name, becomes in result.values.items():
            before = values.get(name)
            beside = ours.get(name)
            # An action's own token is always there, as a default.
            if before is None and name not in {other.name, "github-token"} and beside is not None:
                before = beside[1]
            if before is not None and before != becomes:
                raise InputError(
                    name,
                    f"it is given twice, and `{other.name}` of {other.action} says something else.",
                    remedy=f"Keep `{name}`.",
                )
            values[name] = becomes
        variables |= result.variables
        if sentence := _notice(other, value, result):
            notices.append(sentence)
    return Translated(values=values, variables=variables, notices=tuple(notices))


def _notice(other: OtherInput, value: str, result: Translation) -> str:
    whose = f"`{other.name}` is {other.action}'s"
    if result.without_effect:
        return f"{whose}, and has no effect here: {result.without_effect}."
    # A text that was given is not shown: it may be a secret in the wrong place.
    given = [] if other.secret else items(value)
    shown = [
        f"`{name}`" if other.secret or any(part in becomes for part in given) else f"`{name}: {becomes}`"
        for name, becomes in (*result.values.items(), *result.variables.items())
        if becomes
    ]
    return f"{whose}: it is understood as {' and '.join(shown)}." if shown else ""
