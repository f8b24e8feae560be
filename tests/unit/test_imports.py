"""Imports stand at the top of the file; what is imported later, and which libraries, is listed here with the reason.

`s3c --help`, wrong input, and a run that uses half of a command do not pay for what they do not use: heavy libraries
have an owner (`core/libraries.py` says how), and between our own modules there are few seams.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.support import ROOT
from tests.support.sources import tree

PACKAGE = ROOT / "s3c_actions"

LATE = {
    ("__main__", ".cli"): "help and `s3c --version` without the machinery of a run",
    ("__main__", ".cli.run"): "help and `s3c --version` without the machinery of a run",
    ("azure.identity", ".azure.retries"): "its class is derived from a class of azure-core",
    ("azure.transport", ".azure.retries"): "its class is derived from a class of azure-core",
    ("azure.vault", ".azure.retries"): "its class is derived from a class of azure-core",
    ("cli.console", "rich.console"): "on a terminal, and once a program takes long",
    ("cli.console", "rich.markup"): "on a terminal, and once a program takes long",
    ("cli.console", "rich.status"): "on a terminal, and once a program takes long",
    ("cli.help_text", ".options.input_groups"): "in the long help alone",
    ("cli.publish", ".github"): "where a comment or packages are asked for",
    ("cli.publish", ".github.run"): "where packages are submitted",
    ("cli.publish", ".report.format_registry"): "where packages are submitted",
    ("cli.publish", ".report.github"): "where annotations are shown",
    ("cli.publish", ".report.formats.sarif"): "where packages are submitted",
    ("cli.publish", ".report.formats"): "where SARIF is uploaded",
    ("cli.publish", ".trace"): "where a trace is written",
    ("cli.publish", ".wiring.github"): "where packages are submitted",
    ("cli.run", ".cli.help_text"): "in the help alone",
    ("cli.run", ".cli.publish"): "at the end of a run; it is warmed while a program works",
    ("cli.run", ".github"): "on pull requests, or where packages are submitted",
    ("cli.run", ".github.run"): "where packages are submitted",
    ("cli.run", ".options.report"): "where packages are submitted",
    ("cli.run", ".report.format_registry"): "where packages are submitted",
    ("cli.run", ".result.document"): "wrong arguments with `--json`",
    ("cli.run", ".result.model"): "after an error; a command imports it anyway",
    ("cli.run", ".wiring"): "commands without settings files do without what looks for them",
    ("cli.run", ".wiring.github"): "on pull requests",
    ("cli.streams", ".github.log"): "on a runner of GitHub",
    ("cli.words", ".cli"): "`s3c completion` alone",
    ("cli.words", ".cli.streams"): "after an error",
    ("cluster.manifests", ".cluster.yaml_loader"): "its class is derived from a class of PyYAML",
    ("commands.fleet_manifests", "cryptography"): "where certificates of an earlier run are kept",
    ("findings.versions", "univers"): "where versions are compared: 0.03 s",
    ("policy.model", ".signing.key_files"): "with a policy that has roots of time-stamp authorities",
    ("report.formats", ".programs.trivy.trivy"): "where Trivy converts its report",
    ("report.github.summary", ".report.github.deploy_view"): "after a deployment",
    (
        "report.render.markdown",
        ".report.render",
    ): "its class is derived from a class of jinja2",
    ("result.pages", ".report.formats"): "where the page was written",
    ("result.pages", ".trace"): "where the page was written",
    ("steps.assess", ".policy.image_rules"): "with a policy that has such rules",
    ("steps.assess", ".policy.judge"): "with a policy that has such rules",
    ("steps.closed_gate", ".policy.judge"): "with a policy that has such rules",
    ("wiring.azure", ".azure"): "where Azure is asked",
    ("wiring.fix_history", ".steps"): "where grace is counted from earlier evidence",
    ("wiring.fix_history", ".wiring.judging"): "where grace is counted from earlier evidence",
    ("wiring.logins", ".azure.container_registry"): "where Azure is asked",
}
"""Module and what it imports in a function (with a dot: ours) → when that is needed, or why it is not at the top."""

OWNERS = {
    "azure": ("azure.retries",),
    "cryptography": (),
    "github": (),
    "http": (),
    "jinja2": ("report.render.page", "report.render.template_cache", "scaffold.rendering"),
    "kubernetes": (),
    "packageurl": ("evidence.packages", "fleet.find.query"),
    "requests": (),
    "rich": (),
    "ruamel": (),
    "sarif_om": (),
    "univers": (),
    "urllib3": (),
    "yaml": ("cluster.gate.manifests", "cluster.yaml_loader", "cluster.yaml_text", "commands.fleet_manifests"),
    "zoneinfo": (),
}
"""Library that takes long → the modules that import it at the top when they are imported: behind a seam, each."""

SPARED = {
    "cli.publish": {"report.render.template_cache", "signing.certificates", "signing.key_files"},
    "cli.run": {"cli.publish", "report.document", "result.model", "wiring.settings_files"},
    "commands.report": {"options.sign", "options.verify", "signing.certificates", "steps.scan", "wiring.scanning"},
    "options.input_groups": {"signing.certificates", "signing.key_files"},
    "options.report": {"options.registry", "options.scan", "signing"},
    "options.scan": {"options.sign", "options.vault", "options.verify", "signing"},
    "wiring.settings_files": {
        "options.sign",
        "options.verify",
        "policy",
        "signing.certificates",
        "signing.identities",
        "wiring.target_files",
    },
}
"""Module that many runs import → what it does not import, not by way of others either: few of those runs need it."""


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        yield name, tree(path)


def _statements(node: ast.AST, *, inside: bool, late: bool = False) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in functions (`inside`), or those of the module; what only the type checker sees is not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _statements(ast.Module([other], []), inside=inside, late=late)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            if late is inside:
                yield child
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _statements(child, inside=inside, late=late or function)


def _imports(module: ast.Module, *, inside: bool) -> Iterator[str]:
    """Yield the names of the modules in those imports, those of ours with a dot before them."""
    for statement in _statements(module, inside=inside):
        named = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else [statement.module]
        yield from (str(name).removeprefix("s3c_actions") for name in named)


def _imported_with(start: str, modules: dict[str, ast.Module]) -> set[str]:
    """Return our modules that are imported when one of them is, by way of others too."""
    imported, waiting = set(), {start}
    while waiting:
        name = waiting.pop()
        imported.add(name)
        for statement in _statements(modules[name], inside=False):
            # A name may be a module of the package that it is imported from.
            package = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
            for path in {f"{package}{alias.name}" for alias in statement.names}:
                root, *parts = path.split(".")
                names = {".".join(parts[:end]) for end in range(1, len(parts) + 1)} if root == PACKAGE.name else set()
                waiting |= (names & modules.keys()) - imported
    return imported


def test_what_is_imported_in_a_function_is_listed_with_its_reason():
    imports = {(name, imported) for name, module in _modules() for imported in _imports(module, inside=True)}
    assert imports == set(LATE)


def test_each_heavy_library_has_its_owners():
    importers = {
        (library, name)
        for name, module in _modules()
        for library in {imported.partition(".")[0] for imported in _imports(module, inside=False)} & set(OWNERS)
    }
    assert importers == {(library, owner) for library, owners in OWNERS.items() for owner in owners}


@pytest.mark.parametrize("module", SPARED)
def test_a_run_does_not_import_what_few_runs_need(module: str) -> None:
    modules = dict(_modules())
    assert SPARED[module] <= modules.keys()
    assert not SPARED[module] & _imported_with(module, modules)
