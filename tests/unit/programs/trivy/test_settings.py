import json

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.programs.trivy import settings


def read(folder, text):
    path = folder / "trivy.yaml"
    path.write_text(text)
    return settings.read(path)


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("severity: [HIGH, CRITICAL]", ("severity",)),
        ("severity: UNKNOWN", ("severity",)),
        ("Severity: [HIGH]", ("Severity",)),
        ("scan:\n  skip-dirs: ['**']\n  skip-files: [a]", ("scan.skip-dirs", "scan.skip-files")),
        ("scan.skip-dirs: ['**']", ("scan.skip-dirs",)),
        ("vulnerability: {type: [os]}", ("vulnerability.type",)),
        ("scan: {security-checks: [config]}", ("scan.security-checks",)),
        ("vulnerability: {ignore-unfixed: true, ignore-status: [affected], vex: [a.json]}",
         ("vulnerability.ignore-unfixed", "vulnerability.ignore-status", "vulnerability.vex")),
        ("ignorefile: other", ("ignorefile",)),
        ("ignore-policy: a.rego", ("ignore-policy",)),
        ("secret: {config: other.yaml}", ("secret.config",)),
        ("server: {addr: 'http://s.example'}", ("server.addr",)),
        ("cache: {backend: 'redis://r.example'}", ("cache.backend",)),
        ("module: {dir: mine}", ("module.dir",)),
        ("insecure: true", ("insecure",)),
        ("license: {ignored: [GPL-2.0], forbidden: []}", ("license.ignored",)),
        ("license: {unencumbered: [GPL-2.0]}", ("license.unencumbered",)),
        ("scan: {sbom-sources: [oci]}", ("scan.sbom-sources",)),
        ("scan: {detection-priority: precise, distro: debian/12}", ("scan.distro",)),
        ("rego: {check: [mine], error-limit: 10}", ("rego.check",)),
    ],
)  # fmt: skip
def test_what_would_leave_findings_out_is_not_used_and_named(tmp_path, text, unused):
    config = read(tmp_path, text)
    assert config.unused == unused
    assert config.written(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "severity: [CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN]",
        "severity: UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
        "scan:\n  skip-dirs: []\n  scanners: [secret, vuln]\npkg: {types: [library, os]}",
        "vulnerability:\n  ignore-unfixed: false\n  ignore-status:\ndb:\n",
        "format: table\nexit-code: 1\noutput: x\nquiet: true\ntimeout: 20m\ncache: {dir: /x, ttl: 0s}",
        "kubernetes: {burst: 10}\nclean: {all: false}\npkg: {include-dev-deps: true}\nrepository: {branch: x}",
    ],
)
def test_what_leaves_nothing_out_is_no_reason_for_a_word(tmp_path, text):
    assert read(tmp_path, text) == settings.TrivyConfig()


def test_what_leaves_nothing_out_reaches_trivy(tmp_path):
    text = (
        "registry: {mirrors: {docker.io: [mirror.example]}, username: [ann]}\nscan: {parallel: 2}\n"
        "cacert: ca.pem\nseverity: [LOW]\n"
    )
    path = read(tmp_path, text).written(tmp_path)
    assert path is not None
    assert json.loads(path.read_bytes()) == {
        "registry": {"mirrors": {"docker.io": ["mirror.example"]}, "username": ["ann"]},
        "scan": {"parallel": 2},
        "cacert": "ca.pem",
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_more_may_be_found_and_downloads_may_be_named_and_left_out(tmp_path):
    config = read(
        tmp_path,
        "license: {full: true}\nscan: {detection-priority: comprehensive, offline: true}\n"
        "db: {repository: [a.example/db:2, b.example/db:2], skip-update: true}\n"
        "misconfiguration: {checks-bundle-repository: c.example/checks}\n",
    )
    assert config.wider == (("license-full", "true"), ("detection-priority", "comprehensive"))
    assert set(config.skips) == {"offline-scan", "skip-db-update"}
    assert config.repositories == {
        "db-repository": ("a.example/db:2", "b.example/db:2"),
        "checks-bundle-repository": ("c.example/checks",),
    }
    assert config.unused == ()


def test_variables_may_say_the_same(tmp_path):
    config = settings.read_variables(
        {
            "TRIVY_SKIP_DB_UPDATE": "true",
            "TRIVY_SKIP_CHECK_UPDATE": "false",
            "TRIVY_DB_REPOSITORY": "a.example/db:2,b.example/db:2",
            "TRIVY_SEVERITY": "HIGH",
        }
    )
    assert config.skips == ("skip-db-update",)
    assert config.repositories == {"db-repository": ("a.example/db:2", "b.example/db:2")}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("severities: [HIGH]", "'severities' is no setting of Trivy's: did you mean severity?"),
        ("scan: {skip-dir: [x]}", "'scan.skip-dir' is no setting of Trivy's: did you mean scan.skip-dirs?"),
        ("[1]", "not a mapping"),
        ("a: [", "cannot be used"),
        ("severity: [LOW]\nseverity: [HIGH]", "cannot be used"),
        ("x" * (1024 * 1024 + 1), "is larger than"),
        ("[" * 5000, "cannot be used"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, why):
    with pytest.raises(InputError, match="trivy-config") as caught:
        read(tmp_path, text)
    assert why in caught.value.what


def test_every_flag_stands_in_one_list():
    names = ("FIXED_FLAGS", "FLAGS_OF_INPUTS", "REPORT_FLAGS", "RUN_FLAGS", "FREE_FLAGS", "IDLE_FLAGS")
    lists = [set(getattr(settings, name)) for name in names]
    assert sum(map(len, lists)) == len(settings.known_flags())
    assert set(settings.WIDENING_VALUES) <= set(settings.FIXED_FLAGS)
    assert {*settings.SKIP_FLAGS, *settings.REPOSITORY_FLAGS} <= set(settings.FLAGS_OF_INPUTS)


def test_keys_of_a_secret_configuration(tmp_path):
    path = tmp_path / "trivy-secret.yaml"
    path.write_text("enable-builtin-rules: [none]\nskip-patterns: []\nrules:\n  - id: mine\n")
    assert settings.narrowing_keys(path) == ("enable-builtin-rules",)
    path.write_text("disable-rule: [a]\n")
    with pytest.raises(InputError, match="did you mean disable-rules"):
        settings.narrowing_keys(path)
    with pytest.raises(InputError, match="secret-config"):
        settings.narrowing_keys(tmp_path / "nope")
