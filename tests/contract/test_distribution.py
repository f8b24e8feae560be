"""How `make e2e` hands out its tests: those of a node to one process, since one node serves them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFTEST = "from tests.e2e.conftest import on_the_node, pytest_xdist_make_scheduler\n"
TESTS = """
import time
import pytest

@pytest.fixture
def node(on_the_node):
    pass

@pytest.mark.parametrize("case", ["a", "b", "c[_]"])
def test_on_it(node, case):
    time.sleep(0.1)

@pytest.mark.parametrize("case", "abc")
def test_elsewhere(case):
    time.sleep(0.1)

@pytest.mark.usefixtures("on_the_node")
def test_beside_it():
    time.sleep(0.1)
"""


def test_tests_of_each_node_go_to_one_process_and_the_others_to_all_but_these(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_one.py", "test_two.py", "test_gate_of_it.py", "test_azure_gate.py", "test_mirror.py"):
        (tmp_path / name).write_text(TESTS)
    argv = [sys.executable, "-m", "pytest", "--numprocesses", "4", "-v", "-p", "no:cacheprovider", tmp_path]
    ended = subprocess.run(
        argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ran = re.findall(r"\[(gw\d)\] .*PASSED (\S+)::(\S+)", ended.stdout)
    assert len(ran) == 35
    nodes = [
        {worker for worker, file, name in ran if ("gate" in file) is gate and not name.startswith("test_elsewhere")}
        for gate in (False, True)
    ]
    assert [len(workers) for workers in nodes] == [1, 1]
    assert nodes[0] != nodes[1]
    assert {worker for worker, _, name in ran if name.startswith("test_elsewhere")} - nodes[0] - nodes[1]
    shared = {worker for worker, file, name in ran if "test_mirror" in file and name.startswith("test_elsewhere")}
    assert len(shared) == 1
