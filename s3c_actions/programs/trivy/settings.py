"""Every setting that `trivy image` takes from a flag, a trivy.yaml or a TRIVY_ variable, and what decides it here.

A setting that could leave findings out is always given as a flag, because Trivy would otherwise take it from a file in
the working folder or from the environment silently. Deprecated keys of a trivy.yaml override even flags, so that Trivy
never gets the user's trivy.yaml but a new one with its `FREE_FLAGS`. `tests/contract/test_trivy.py`
compares this list with the flags of the program.

https://trivy.dev/docs/v0.74/guide/references/configuration/config-file/
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError

EMPTY_FILE = os.devnull
"""An existing, empty file: given to Trivy where it would otherwise search for a default file."""

CONFIG_FILE = "trivy.yaml"
SECRET_CONFIG = "trivy-secret.yaml"  # noqa: S105

SEVERITIES = "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"
DB_REPOSITORIES = ("mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2")
JAVA_DB_REPOSITORIES = ("mirror.gcr.io/aquasec/trivy-java-db:1", "ghcr.io/aquasecurity/trivy-java-db:1")
CHECKS_REPOSITORY = "mirror.gcr.io/aquasec/trivy-checks:2"

FIXED_FLAGS: Mapping[str, tuple[str, str]] = {
    "severity": ("severity", SEVERITIES),
    "ignore-unfixed": ("vulnerability.ignore-unfixed", "false"),
    "ignore-status": ("vulnerability.ignore-status", ""),
    "vuln-severity-source": ("vulnerability.severity-source", "auto"),
    "pkg-relationships": ("pkg.relationships", "unknown,root,workspace,direct,indirect"),
    "removed-pkgs": ("image.removed-pkgs", "false"),
    "detection-priority": ("scan.detection-priority", "precise"),
    "distro": ("scan.distro", ""),
    "file-patterns": ("scan.file-patterns", ""),
    "sbom-sources": ("scan.sbom-sources", ""),
    "ignored-licenses": ("license.ignored", ""),
    "license-full": ("license.full", "false"),
    "license-confidence-level": ("license.confidenceLevel", "0.9"),
    "include-non-failures": ("misconfiguration.include-non-failures", "false"),
    "misconfig-scanners": (
        "misconfiguration.scanners",
        "azure-arm,cloudformation,dockerfile,helm,kubernetes,terraform,terraformplan-json,terraformplan-snapshot,"
        "ansible",
    ),
    "raw-config-scanners": ("misconfiguration.raw-config-scanners", ""),
    "config-file-schemas": ("misconfiguration.config-file-schemas", ""),
    "helm-values": ("misconfiguration.helm.values", ""),
    "helm-set": ("misconfiguration.helm.set", ""),
    "helm-set-file": ("misconfiguration.helm.set-file", ""),
    "helm-set-string": ("misconfiguration.helm.set-string", ""),
    "helm-api-versions": ("misconfiguration.helm.api-versions", ""),
    "helm-kube-version": ("misconfiguration.helm.kube-version", ""),
    "tf-exclude-downloaded-modules": ("misconfiguration.terraform.exclude-downloaded-modules", "false"),
    "ansible-playbook": ("ansible.playbooks", ""),
    "ansible-inventory": ("ansible.inventories", ""),
    "ansible-extra-vars": ("ansible.extra-vars", ""),
    "config-check": ("rego.check", ""),
    "config-data": ("rego.data", ""),
    "check-namespaces": ("rego.namespaces", ""),
    "rego-error-limit": ("rego.error-limit", "10"),
    "include-deprecated-checks": ("rego.include-deprecated-checks", "false"),
    # Custom modules may change findings; /dev/null is a folder without any.
    "module-dir": ("module.dir", EMPTY_FILE),
    "enable-modules": ("module.enable-modules", ""),
    # A server, or a cache that others fill, would decide what is in the image.
    "server": ("server.addr", ""),
    "token": ("server.token", ""),
    "custom-headers": ("server.custom-headers", ""),
    "cache-backend": ("cache.backend", "fs"),
}
"""Flag → its key in a trivy.yaml, and the value it always has."""

FLAGS_OF_INPUTS: Mapping[str, tuple[str, str]] = {
    "scanners": ("scan.scanners", "vuln,secret"),
    "pkg-types": ("pkg.types", "os,library"),
    "image-config-scanners": ("image.image-config-scanners", ""),
    "platform": ("image.platform", ""),
    "skip-dirs": ("scan.skip-dirs", ""),
    "skip-files": ("scan.skip-files", ""),
    "ignorefile": ("ignorefile", ".trivyignore"),
    "ignore-policy": ("ignore-policy", ""),
    "vex": ("vulnerability.vex", ""),
    "secret-config": ("secret.config", SECRET_CONFIG),
    "config": ("", ""),
    "insecure": ("insecure", "false"),
    "db-repository": ("db.repository", ",".join(DB_REPOSITORIES)),
    "java-db-repository": ("db.java-repository", ",".join(JAVA_DB_REPOSITORIES)),
    "checks-bundle-repository": ("misconfiguration.checks-bundle-repository", CHECKS_REPOSITORY),
    "skip-db-update": ("db.skip-update", "false"),
    "skip-java-db-update": ("db.java-skip-update", "false"),
    "skip-check-update": ("rego.skip-check-update", "false"),
    "skip-vex-repo-update": ("vulnerability.skip-vex-repo-update", "false"),
    "offline-scan": ("scan.offline", "false"),
}
"""Flag → its key and Trivy's default, of those that follow the inputs."""

REPORT_FLAGS: Mapping[str, tuple[str, str]] = {
    "format": ("format", "json"),
    "list-all-pkgs": ("list-all-pkgs", "true"),
    "show-suppressed": ("scan.show-suppressed", "true"),
    "exit-code": ("exit-code", "0"),
    "exit-on-eol": ("exit-on-eol", "0"),
    "compliance": ("scan.compliance", ""),
    "dependency-tree": ("dependency-tree", "false"),
    "template": ("template", ""),
    "output-plugin-arg": ("output-plugin-arg", ""),
    "quiet": ("quiet", "false"),
    "debug": ("debug", "false"),
    "no-progress": ("db.no-progress", "true"),
    "skip-version-check": ("scan.skip-version-check", "true"),
    "disable-telemetry": ("scan.disable-telemetry", "true"),
    "trace-rego": ("rego.trace", "false"),
    # It would write credentials into the log.
    "trace-http": ("trace.http", "false"),
    "generate-default-config": ("generate-default-config", "false"),
    "version": ("version", "false"),
}
"""Flag → its key, and the value it has for the one report that is read here."""

RUN_FLAGS: Mapping[str, str] = {
    "cache-dir": "cache.dir",
    "output": "output",
    "timeout": "timeout",
    "input": "image.input",
    "image-src": "image.source",
    "download-db-only": "db.download-only",
    "download-java-db-only": "db.download-java-only",
}
"""Flag → its key, of those that differ in each run."""

FREE_FLAGS: Mapping[str, str] = {
    "cacert": "cacert",
    "parallel": "scan.parallel",
    "docker-host": "image.docker.host",
    "podman-host": "image.podman.host",
    "max-image-size": "image.max-size",
    "username": "registry.username",
    "password": "registry.password",
    "registry-token": "registry.token",
}
"""Flag → its key, of those that a trivy.yaml or a variable may set: none of them leaves anything out."""

NOT_OF_SBOMS = frozenset(
    {
        *("removed-pkgs", "license-full", "license-confidence-level", "include-non-failures", "misconfig-scanners"),
        *("raw-config-scanners", "config-file-schemas", "helm-values", "helm-set", "helm-set-file", "helm-set-string"),
        *("helm-api-versions", "helm-kube-version", "tf-exclude-downloaded-modules", "ansible-playbook"),
        *("ansible-inventory", "ansible-extra-vars", "config-check", "config-data", "check-namespaces"),
        *("rego-error-limit", "include-deprecated-checks", "module-dir", "enable-modules", "trace-rego"),
        *("image-config-scanners", "platform", "skip-dirs", "skip-files", "secret-config", "checks-bundle-repository"),
        *("skip-check-update", "dependency-tree"),
    }
)
"""Flags of `trivy image` that `trivy sbom` does not have: they are about content, of which an SBOM has none."""

IDLE_FLAGS: Mapping[str, str] = {
    "report": "report",
    "table-mode": "table-mode",
    "render-cause": "misconfiguration.render-cause",
    "rekor-url": "scan.rekor-url",
    "token-header": "server.token-header",
    "password-stdin": "registry.password-stdin",
    "cache-ttl": "cache.ttl",
    "redis-tls": "cache.redis.tls",
    "redis-ca": "cache.redis.ca",
    "redis-cert": "cache.redis.cert",
    "redis-key": "cache.redis.key",
    "help": "",
}
"""Flag → its key, of those without effect beside the others."""

WIDENING_VALUES: Mapping[str, str] = {
    "license-full": "true",
    "removed-pkgs": "true",
    "detection-priority": "comprehensive",
    "include-deprecated-checks": "true",
}
"""Values that a trivy.yaml may give to `FIXED_FLAGS`, because they widen the scan."""

_FREE_KEYS = frozenset({*FREE_FLAGS.values(), "registry.mirrors", "scan.maven.mirrors"})
_CATEGORIES = tuple(
    f"license.{category}"
    for category in ("forbidden", "restricted", "reciprocal", "notice", "permissive", "unencumbered")
)
_DEPRECATED_KEYS = {
    "vulnerability.type": "pkg-types",
    "scan.security-checks": "scanners",
    "rego.skip-policy-update": "skip-check-update",
    "misconfiguration.policy-bundle-repository": "checks-bundle-repository",
}
"""Deprecated keys."""

_OTHER_KEYS = frozenset(
    {
        *(f"clean.{key}" for key in ("all", "scan-cache", "vuln-db", "java-db", "checks-bundle", "vex-repo")),
        *(f"repository.{key}" for key in ("branch", "commit", "tag")),
        *("pkg.include-dev-deps", "server.listen", "server.path-prefix", "db.light", "scan.slow", "reset", "config"),
        *("misconfiguration.terraform.vars", "misconfiguration.cloudformation.params", "cache.clear"),
        "misconfiguration.reset-checks-bundle",
    }
)
"""Keys of Trivy's other commands, and of earlier versions."""

_SILENT = frozenset({*REPORT_FLAGS, *RUN_FLAGS, *IDLE_FLAGS})


def _flags_by_key() -> Mapping[str, str]:
    """Key in a trivy.yaml → flag."""
    known = {
        key: flag for table in (FIXED_FLAGS, FLAGS_OF_INPUTS, REPORT_FLAGS) for flag, (key, _) in table.items() if key
    }
    known |= {key: flag for table in (RUN_FLAGS, FREE_FLAGS, IDLE_FLAGS) for flag, key in table.items() if key}
    return {key.lower(): flag for key, flag in (known | _DEPRECATED_KEYS).items()}


def known_flags() -> frozenset[str]:
    """Every flag that is known here."""
    return frozenset().union(FIXED_FLAGS, FLAGS_OF_INPUTS, REPORT_FLAGS, RUN_FLAGS, FREE_FLAGS, IDLE_FLAGS)


def trivy_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Filter the environment for Trivy.

    Returns:
        The environment without the TRIVY_ variables that could leave something out of a report, and the names of those
        that are worth a notice.
    """
    free = {_variable_name(flag) for flag in FREE_FLAGS} | {"TRIVY_CACHE_DIR", "TRIVY_EXPERIMENTAL_RPM_ARCHIVE"}
    silent = {_variable_name(flag) for flag in _SILENT} | {"TRIVY_DISABLE_VEX_NOTICE", "TRIVY_VERSION"}
    read = {_variable_name(flag) for flag in (*REPOSITORY_FLAGS, *SKIP_FLAGS)}
    passed = {name: value for name, value in environment.items() if not name.startswith("TRIVY_") or name in free}
    dropped = {name for name, value in environment.items() if name not in passed and value}
    return passed, tuple(sorted(dropped - silent - read))


REPOSITORY_FLAGS = ("db-repository", "java-db-repository", "checks-bundle-repository")
"""Flags whose values are taken from a variable or a trivy.yaml when no input gives them."""
SKIP_FLAGS = ("offline-scan", "skip-db-update", "skip-java-db-update", "skip-check-update", "skip-vex-repo-update")
"""Flags that keep Trivy from downloading; a variable or a trivy.yaml may set them."""


class TrivyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The user's trivy.yaml, or the same settings from the environment.

    Attributes:
        free: what Trivy is given of it, as a document.
        wider: flags with the values it gives them, of WIDENING_VALUES.
        skips: flags of SKIP_FLAGS that it sets.
        repositories: of REPOSITORY_FLAGS, with their values.
        unused: keys, as written, that would have left something out and are not used.
    """

    free: dict[str, Any] = msgspec.field(default_factory=dict)
    wider: tuple[tuple[str, str], ...] = ()
    skips: tuple[str, ...] = ()
    repositories: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def written(self, temp: Path) -> Path | None:
        """Write the file for Trivy; None when it would be empty."""
        if not self.free:
            return None
        path = temp / "trivy.yaml"
        # JSON is YAML, whatever the values are.
        writing.write(path, msgspec.json.encode(self.free))
        path.chmod(0o600)
        return path


def read_variables(environment: Mapping[str, str]) -> TrivyConfig:
    """Read repositories and skips from TRIVY_ variables."""
    values = {flag: environment.get(_variable_name(flag), "") for flag in (*REPOSITORY_FLAGS, *SKIP_FLAGS)}
    return TrivyConfig(
        skips=tuple(flag for flag in SKIP_FLAGS if _parse_boolean(values[flag])),
        repositories={flag: _split_items(values[flag]) for flag in REPOSITORY_FLAGS if values[flag]},
    )


def read(path: Path) -> TrivyConfig:
    """Read a trivy.yaml.

    Raises:
        InputError: it is missing, is not YAML, or has a key that Trivy does not know.
    """
    keys, document = _flags_by_key(), _read_document(path, "trivy-config")
    free: dict[str, Any] = {}
    repositories: dict[str, tuple[str, ...]] = {}
    wider: list[tuple[str, str]] = []
    skips: list[str] = []
    unused: list[str] = []
    for key, value in _flatten(document, keys):
        lowered = key.lower()
        if lowered in _FREE_KEYS:
            free[lowered] = value
            continue
        if lowered in _CATEGORIES:
            unused += [key] if value else []
            continue
        if lowered in _OTHER_KEYS or lowered.startswith(("kubernetes.", "cloud.aws.")):
            continue
        flag = keys.get(lowered)
        if flag is None:
            near = suggest_word(lowered, [*keys, *_FREE_KEYS, *_CATEGORIES])
            raise _unusable_error("trivy-config", path, f"{key[:80]!r} is no setting of Trivy's{near}")
        text = _setting_text(value)
        if flag in WIDENING_VALUES and text == WIDENING_VALUES[flag]:
            wider.append((flag, text))
        elif flag in SKIP_FLAGS:
            skips += [flag] if _parse_boolean(text) else []
        elif flag in REPOSITORY_FLAGS:
            repositories[flag] = _split_items(text)
        elif flag not in _SILENT and not _is_default(text, {**FIXED_FLAGS, **FLAGS_OF_INPUTS}[flag][1]):
            unused.append(key)
    return TrivyConfig(
        free=_nest(free),
        wider=tuple(wider),
        skips=tuple(skips),
        repositories=repositories,
        unused=tuple(dict.fromkeys(unused)),
    )


SECRET_KEYS = (
    "enable-builtin-rules",
    "disable-rules",
    "disable-allow-rules",
    "rules",
    "allow-rules",
    "exclude-block",
    "skip-patterns",
)
_NARROWING = ("enable-builtin-rules", "disable-rules", "allow-rules", "exclude-block", "skip-patterns")


def narrowing_keys(path: Path) -> tuple[str, ...]:
    """The keys of a secret configuration that narrow the search for secrets.

    Raises:
        InputError: it is missing, is not YAML, or has a key that Trivy does not know.
    """
    document = _read_document(path, "secret-config")
    for key in document:
        if key not in SECRET_KEYS:
            near = suggest_word(str(key), SECRET_KEYS)
            raise _unusable_error("secret-config", path, f"{str(key)[:80]!r} is none of {', '.join(SECRET_KEYS)}{near}")
    return tuple(key for key in _NARROWING if document.get(key))


def suggest_word(word: str, known: Iterable[str]) -> str:
    """`: did you mean THIS?`, to end a sentence; empty when nothing is similar."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""


def _variable_name(flag: str) -> str:
    return "TRIVY_" + flag.upper().replace("-", "_")


def _read_document(path: Path, field: str) -> dict[Any, Any]:
    try:
        document = reading.parse_yaml(reading.read_text_file(path))
    except reading.YamlError as error:
        raise _unusable_error(field, path, str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable_error(field, path, reading.describe(error)) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _unusable_error(field, path, "it is not a mapping of settings")
    return document


def _flatten(document: Mapping[Any, Any], known: Mapping[str, str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots between their parts, as Trivy names them, and their values."""
    for name, value in document.items():
        key = f"{above}{name}"
        leaf = key.lower() in known or key.lower() in _FREE_KEYS
        if isinstance(value, dict) and value and not leaf:
            yield from _flatten(value, known, f"{key}.")
        elif value or leaf or not any(leaf_key.startswith(f"{key.lower()}.") for leaf_key in (*known, *_FREE_KEYS)):
            yield key, value


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        place = nested
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def _setting_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_setting_text(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _split_items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse_boolean(text: str) -> bool:
    """As Go reads it."""
    return text in {"1", "t", "T", "TRUE", "true", "True"}


def _is_default(text: str, default: str) -> bool:
    off = {"", "false", "0"}
    return set(_split_items(text)) == set(_split_items(default)) or (text.lower() in off and default in off)


def _unusable_error(field: str, path: Path, why: str) -> InputError:
    return InputError(
        field,
        f"{str(path)!r} cannot be used: {why}" + ("" if why.endswith("?") else "."),
        remedy=f"Correct it, or leave it out: `{field}` set to none takes none.",
    )


def fixed_arguments(values: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The flags of FIXED_FLAGS and REPORT_FLAGS, some with other values."""
    every = {flag: value for table in (FIXED_FLAGS, REPORT_FLAGS) for flag, (_, value) in table.items()} | dict(values)
    return [f"--{flag}={value}" for flag, value in every.items()]
