"""The unit tests mirror the tree: what a module does is tested in the file of its name, or the module is listed here.

`s3c_actions/findings/threshold.py` has its tests in `tests/unit/findings/test_threshold.py`; a file of a package's own
name tests the package as a whole. The lists may only get shorter: a new module comes with a test file, and a module
that gets one is taken off.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

TESTS = ROOT / "tests" / "unit"
PACKAGES = {"lab": ROOT / "s3c_lab", "tools": ROOT / "tools"}
"""Folder of tests → what it tests; every other folder tests the package of its name in s3c_actions."""

ACROSS = {
    "cli/test_mistakes.py",
    "cluster/test_manifests_corpus.py",
    "lab/test_node_files.py",
    "lab/test_node_programs.py",
    "options/test_given_as_text.py",
    "policy/test_policy_bases.py",
    "policy/test_policy_scope.py",
    "report/formats/test_sarif_alerts.py",
    "report/test_base_origin.py",
    "report/test_golden.py",
    "report/test_hostile.py",
    "report/test_truthful.py",
    "steps/test_assess_database.py",
    "steps/test_platforms.py",
    "test_canary.py",
    "test_documentation.py",
    "test_encodings.py",
    "test_error_tables.py",
    "test_every_command.py",
    "test_every_gate.py",
    "test_imports.py",
    "test_limits.py",
    "test_links.py",
    "test_migration.py",
    "test_mirror.py",
    "test_no_outside.py",
    "test_repository.py",
}
"""Tests of several modules at once, or of one aspect of a module that has a file of its own besides."""

WITHOUT = {
    ".": "__main__",
    "azure": "clouds github_token kubernetes_service libraries plugin plugin_client transport vault_errors",
    "cli": "os_errors parser publish",
    "cluster": ("client custom_definitions hooks image_finder libraries mentions prune yaml_loader yaml_text"),
    "commands": (
        "attach base chain comment deploy gate mirror patch programs propose refresh report scan sign trace "
        "trust upload"
    ),
    "core": ("artifact_types pasted_content process reading response_limits secret_handover secrets startup"),
    "evidence": "statement",
    "findings": "difference go_json model releases scope scope_inference trivy_warnings",
    "github": (
        "api artifact artifact_metadata code_scanning comments delivery environments errors files issues libraries log "
        "marker proposal run target_branch"
    ),
    "layers": "configuration difference manager_state model reading tree",
    "options": (
        "attach azure base chain comment common deploy diff evidence fleet fleet_manifests fleet_report gate github "
        "github_records mirror patch policy "
        "programs propose refresh registry removed report scan sign trace trust upload vault verify"
    ),
    "policy": "export judge model objection parts",
    "programs/buildkit": "buildkit errors",
    "programs/copa": "errors",
    "programs/docker": "errors saving",
    "programs/helm": "charts errors helm",
    "programs/install": "cache errors pins releases",
    "programs/notation": "errors home keys plugins",
    "programs": "sockets",
    "programs/trivy": "messages",
    "registry": "content copying credentials oci_layout reading source writing",
    "report/formats": "csv_file size_budget text_table",
    "report/github": "comparison_view deploy_view image_view",
    "report/render": "escape markdown page",
    "report": "comparison_document comparison_text rendering",
    "result": "base_advice comparison_entry gate_change model outputs",
    "signing": "envelopes libraries",
    "steps": (
        "concurrent_patches fix_history judge list_signed merge mirror patch_building patching protocols "
        "sign unexpected_changes verify"
    ),
    "steps/deploy": "settings state",
    "steps/scan": "reports settings",
    "steps/trace": "tools",
    "trace": "document model page text",
    "wiring": (
        "attaching azure base_advice baseline chaining context deploying files fix_history fleet_worker forecasting "
        "github github_records install_gate judging kubernetes logins programs result_files tracing verifying"
    ),
}
"""Package → its modules without a test file of their name: what they do is tested through others, or by the contract
and end-to-end tests."""


def modules() -> Iterator[tuple[str, str]]:
    """Package and name of each module of s3c_actions, `__init__` left out."""
    package = ROOT / "s3c_actions"
    for path in sorted(package.rglob("*.py")):
        if path.name != "__init__.py":
            yield path.parent.relative_to(package).as_posix(), path.stem


def module_of(test: Path) -> Path:
    """The module that a test file is named after; of a file named after its folder the package's `__init__`."""
    first, *rest = test.relative_to(TESTS).parts[:-1]
    folder = PACKAGES.get(first, ROOT / "s3c_actions" / first).joinpath(*rest)
    name = test.stem.removeprefix("test_")
    return folder / "__init__.py" if name == test.parent.name else folder / f"{name}.py"


def test_every_test_file_is_named_after_a_module_or_listed():
    files = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("test_*.py")}
    assert len(files) > 50
    assert {name for name, path in files.items() if "/" not in name or not module_of(path).is_file()} == ACROSS


def test_every_module_has_a_test_file_of_its_name_or_is_listed():
    every = set(modules())
    assert len(every) > 200
    without = {(package, name) for package, name in every if not (TESTS / package / f"test_{name}.py").is_file()}
    assert without == {(package, name) for package, names in WITHOUT.items() for name in names.split()}


def test_the_top_level_has_the_entry_point_and_packages_only():
    assert {path.name for path in (ROOT / "s3c_actions").glob("*.py")} == {"__init__.py", "__main__.py"}
