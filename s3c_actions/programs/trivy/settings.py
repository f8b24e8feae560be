"""Every setting that `trivy image` takes from a flag, a trivy.yaml or a TRIVY_ variable, and who decides it here.

A setting that could leave findings out is always given as a flag, because Trivy would otherwise take it from a file in
the working folder or from the environment without a word. Deprecated keys of a trivy.yaml win even over flags, so that
Trivy is never given a person's trivy.yaml but a new one with what `FREE` is in it. `tests/contract/test_trivy.py`
compares this list with the flags of the program.

https://trivy.dev/docs/v0.74/guide/references/configuration/config-file/
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError

EMPTY_FILE = os.devnull
"""A file that is there, and empty: what Trivy is given where it would look for one of its own."""

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
    # Modules of one's own may change findings; /dev/null is a folder without any.
    "module-dir": ("module.dir", EMPTY_FILE),
    "enable-modules": ("module.enable-modules", ""),
    # A server, or a cache that others fill, would tell what is in the image.
    "server": ("server.addr", ""),
    "token": ("server.token", ""),
    "custom-headers": ("server.custom-headers", ""),
    "cache-backend": ("cache.backend", "fs"),
}
"""Flag → its key in a trivy.yaml, and the value it always has."""

INPUT_FLAGS: Mapping[str, tuple[str, str]] = {
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
"""Flag → its key and Trivy's default, of those that are given as our inputs say."""

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
"""Flag → its key, of those that are another in each run."""

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
"""Flag → its key, of those that do nothing with the others as they are."""

WIDENING_VALUES: Mapping[str, str] = {
    "license-full": "true",
    "removed-pkgs": "true",
    "detection-priority": "comprehensive",
    "include-deprecated-checks": "true",
}
"""Values that a trivy.yaml may give to flags of FIXED, because more is found with them."""

_FREE_KEYS = frozenset({*FREE_FLAGS.values(), "registry.mirrors", "scan.maven.mirrors"})
_CATEGORIES = tuple(
    f"license.{one}" for one in ("forbidden", "restricted", "reciprocal", "notice", "permissive", "unencumbered")
)
_OLD = {
    "vulnerability.type": "pkg-types",
    "scan.security-checks": "scanners",
    "rego.skip-policy-update": "skip-check-update",
    "misconfiguration.policy-bundle-repository": "checks-bundle-repository",
}
"""Deprecated keys."""

_ELSEWHERE = frozenset(
    {
        *(f"clean.{one}" for one in ("all", "scan-cache", "vuln-db", "java-db", "checks-bundle", "vex-repo")),
        *(f"repository.{one}" for one in ("branch", "commit", "tag")),
        *("pkg.include-dev-deps", "server.listen", "server.path-prefix", "db.light", "scan.slow", "reset", "config"),
        *("misconfiguration.terraform.vars", "misconfiguration.cloudformation.params", "cache.clear"),
        "misconfiguration.reset-checks-bundle",
    }
)
"""Keys of Trivy's other commands, and of earlier versions."""

_SILENT = frozenset({*REPORT_FLAGS, *RUN_FLAGS, *IDLE_FLAGS})


def _keys() -> Mapping[str, str]:
    """Key in a trivy.yaml → flag."""
    known = {key: flag for table in (FIXED_FLAGS, INPUT_FLAGS, REPORT_FLAGS) for flag, (key, _) in table.items() if key}
    known |= {key: flag for table in (RUN_FLAGS, FREE_FLAGS, IDLE_FLAGS) for flag, key in table.items() if key}
    return {key.lower(): flag for key, flag in (known | _OLD).items()}


def known_flags() -> frozenset[str]:
    """Every flag that is known here."""
    return frozenset().union(FIXED_FLAGS, INPUT_FLAGS, REPORT_FLAGS, RUN_FLAGS, FREE_FLAGS, IDLE_FLAGS)


def trivy_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What Trivy gets of an environment.

    Returns:
        The environment without the TRIVY_ variables that could leave something out of a report, and the names of those
        that are worth a word.
    """
    free = {_variable(flag) for flag in FREE_FLAGS} | {"TRIVY_CACHE_DIR", "TRIVY_EXPERIMENTAL_RPM_ARCHIVE"}
    silent = {_variable(flag) for flag in _SILENT} | {"TRIVY_DISABLE_VEX_NOTICE", "TRIVY_VERSION"}
    read = {_variable(flag) for flag in (*REPOSITORY_FLAGS, *SKIP_FLAGS)}
    kept = {name: value for name, value in environment.items() if not name.startswith("TRIVY_") or name in free}
    dropped = {name for name, value in environment.items() if name not in kept and value}
    return kept, tuple(sorted(dropped - silent - read))


REPOSITORY_FLAGS = ("db-repository", "java-db-repository", "checks-bundle-repository")
"""Flags whose values are taken from a variable or a trivy.yaml when no input gives them."""
SKIP_FLAGS = ("offline-scan", "skip-db-update", "skip-java-db-update", "skip-check-update", "skip-vex-repo-update")
"""Flags that keep Trivy from downloading; a variable or a trivy.yaml may set them."""


class TrivyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A person's trivy.yaml, or the like from the environment.

    Attributes:
        free: what Trivy is given of it, as a document.
        wider: flags with the values it gives them, of WIDER.
        skips: flags of SKIPS that it sets.
        repositories: of REPOSITORIES, with what it gives them.
        unused: keys, as written, that would have left something out and are not used.
    """

    free: dict[str, Any] = msgspec.field(default_factory=dict)
    wider: tuple[tuple[str, str], ...] = ()
    skips: tuple[str, ...] = ()
    repositories: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def written(self, temp: Path) -> Path | None:
        """The file for Trivy; None when there is nothing to be in it."""
        if not self.free:
            return None
        path = temp / "trivy.yaml"
        # JSON is YAML, whatever the values are.
        writing.write(path, msgspec.json.encode(self.free))
        path.chmod(0o600)
        return path


def read_variables(environment: Mapping[str, str]) -> TrivyConfig:
    """Repositories and skips as TRIVY_ variables have them."""
    values = {flag: environment.get(_variable(flag), "") for flag in (*REPOSITORY_FLAGS, *SKIP_FLAGS)}
    return TrivyConfig(
        skips=tuple(flag for flag in SKIP_FLAGS if _boolean(values[flag])),
        repositories={flag: _items(values[flag]) for flag in REPOSITORY_FLAGS if values[flag]},
    )


def read(path: Path) -> TrivyConfig:
    """A trivy.yaml.

    Raises:
        InputError: it is not there, is not YAML, or has a key that Trivy does not know.
    """
    keys, document = _keys(), _document(path, "trivy-config")
    free: dict[str, Any] = {}
    repositories: dict[str, tuple[str, ...]] = {}
    wider: list[tuple[str, str]] = []
    skips: list[str] = []
    unused: list[str] = []
    for key, value in _flat(document, keys):
        lowered = key.lower()
        if lowered in _FREE_KEYS:
            free[lowered] = value
            continue
        if lowered in _CATEGORIES:
            unused += [key] if value else []
            continue
        if lowered in _ELSEWHERE or lowered.startswith(("kubernetes.", "cloud.aws.")):
            continue
        flag = keys.get(lowered)
        if flag is None:
            near = suggest_word(lowered, [*keys, *_FREE_KEYS, *_CATEGORIES])
            raise _unusable("trivy-config", path, f"{key[:80]!r} is no setting of Trivy's{near}")
        text = _text(value)
        if flag in WIDENING_VALUES and text == WIDENING_VALUES[flag]:
            wider.append((flag, text))
        elif flag in SKIP_FLAGS:
            skips += [flag] if _boolean(text) else []
        elif flag in REPOSITORY_FLAGS:
            repositories[flag] = _items(text)
        elif flag not in _SILENT and not _same(text, {**FIXED_FLAGS, **INPUT_FLAGS}[flag][1]):
            unused.append(key)
    return TrivyConfig(
        free=_nested(free),
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
    """The keys of a secret configuration with which fewer secrets are found.

    Raises:
        InputError: it is not there, is not YAML, or has a key that Trivy does not know.
    """
    document = _document(path, "secret-config")
    for key in document:
        if key not in SECRET_KEYS:
            near = suggest_word(str(key), SECRET_KEYS)
            raise _unusable("secret-config", path, f"{str(key)[:80]!r} is none of {', '.join(SECRET_KEYS)}{near}")
    return tuple(key for key in _NARROWING if document.get(key))


def suggest_word(word: str, known: Iterable[str]) -> str:
    """`: did you mean THIS?`, to end a sentence; empty when nothing is like it."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""


def _variable(flag: str) -> str:
    return "TRIVY_" + flag.upper().replace("-", "_")


def _document(path: Path, field: str) -> dict[Any, Any]:
    try:
        document = reading.parse_yaml(reading.read_text_file(path, encoding="utf-8-sig"))
    except reading.YamlError as error:
        raise _unusable(field, path, str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(field, path, getattr(error, "strerror", "") or "it is not UTF-8") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _unusable(field, path, "it is not a mapping of settings")
    return document


def _flat(document: Mapping[Any, Any], known: Mapping[str, str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots between their parts, as Trivy names them, and their values."""
    for name, value in document.items():
        key = f"{above}{name}"
        leaf = key.lower() in known or key.lower() in _FREE_KEYS
        if isinstance(value, dict) and value and not leaf:
            yield from _flat(value, known, f"{key}.")
        elif value or leaf or not any(one.startswith(f"{key.lower()}.") for one in (*known, *_FREE_KEYS)):
            yield key, value


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        place = made
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return made


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _boolean(text: str) -> bool:
    """As Go reads it."""
    return text in {"1", "t", "T", "TRUE", "true", "True"}


def _same(text: str, default: str) -> bool:
    off = {"", "false", "0"}
    return set(_items(text)) == set(_items(default)) or (text.lower() in off and default in off)


def _unusable(field: str, path: Path, why: str) -> InputError:
    return InputError(
        field,
        f"{str(path)!r} cannot be used: {why}" + ("" if why.endswith("?") else "."),
        remedy=f"Correct it, or leave it out: `{field}: none` takes none.",
    )


def fixed_arguments(values: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The flags of FIXED and OURS, some with other values."""
    every = {flag: value for table in (FIXED_FLAGS, REPORT_FLAGS) for flag, (_, value) in table.items()} | dict(values)
    return [f"--{flag}={value}" for flag, value in every.items()]
