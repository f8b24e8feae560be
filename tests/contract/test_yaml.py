"""Manifests as kubectl reads them, and the order in which Helm installs: against their own Go modules."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cli.run import cache_path
from s3c_actions.cluster import apply
from s3c_actions.cluster.yaml_loader import KubernetesLoader
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import HELM, Pin

HERE = Path(__file__).parent / "yaml"
SEED = 16
REFUSED = "refused"

SCALARS = """
0644 0o644 0O644 08 09 0b101 0B11 -0b11 +0b11 0x1F 0X1F -0x1f 0x 0b 0o 1_000 _1 1_ +5 -5 -0o17 00 -0 +0 0_644 1e3 1E3
1e+3 1e 1e400 -1e400 .5 5. -.5 +.5 0.1 . .. 12:30 1:2:3 2024-01-01 2024-1-1 2024-01-01T10:00:00Z yes Yes YES yEs on On
off Off y Y n N no ~ null Null NULL nUll True true TRUE tRUE false = << .inf -.inf +.inf .Inf .INF .iNF .nan .NaN 0.0.1
1.10 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808
-9223372036854775809 +18446744073709551615 0x7fffffffffffffff 0xffffffffffffffff 0x10000000000000000 1e21 1e20 1e-7
123456789012345678901 0.000001 3.14159265358979 1__0 0x_1F .5_0 .1e3 ._5 1._5 1.5e3 1.e3 -.e3 + - -- +- 1-2 1/2 1,5
0777777777777777777777 0777 0b_1 !!str !!int !x a:b @
"""
TAGGED = """
!!str 1
!!int 1
!!int '7'
!!int a
!!float 1
!!float '1.5'
!!bool yes
!!bool 'no'
!!bool 1
!!null ''
!!binary aGk=
!!binary '*'
!!timestamp 2024-01-01
!x 1
!x {a: 1}
!!set {a, b}
!!omap [a: 1]
"""
KEYS = """
yes 010 1.0 1.10 0x1F null ~ 1e3 1e30 123456789.0 1e6 999999.0 0.00001 0.0001 a '1' true = .5 .inf -0.0 0
"""


class Go:
    """The modules, as a program."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def order(self) -> list[str]:
        """The order in which Helm installs."""
        done = subprocess.run([self._program, "order"], capture_output=True, text=True, check=True)
        return list(json.loads(done.stdout))

    def read(self, texts: list[str]) -> list[Any]:
        """What kubectl makes of YAML texts; REFUSED where it refuses one."""
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        done = subprocess.run([self._program], input=lines, capture_output=True, text=True, check=True)
        answers = done.stdout.splitlines()
        assert len(answers) == len(texts)
        return [REFUSED if answer.startswith("!") else json.loads(answer) for answer in answers]


def built(folder: Path, module: str) -> Pin:
    """Our program's pin: its modules are those of Helm, whose sums are in the repository."""
    (folder / "kubectl").mkdir()
    for file in (*HELM.recipe[:2], HERE / "main.go"):
        shutil.copyfile(file, folder / "kubectl" / file.name)
    return Pin(name="kubectl", version="0", module=module, package=".", licence="", modules=folder)


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    folder = tmp_path_factory.mktemp("yaml")
    program = folder / "program"
    pin = built(folder, "")
    gobuild.build(pin, program, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    return Go(program)


def ours(text: str) -> Any:
    try:
        return next(yaml.load_all(text, Loader=KubernetesLoader), None)
    except yaml.YAMLError:
        return REFUSED


def differences(go: Go, texts: list[str]) -> list[tuple[str, Any, Any]]:
    pairs = zip(texts, go.read(texts), strict=True)
    return [(text, expected, actual) for text, expected in pairs if not same(expected, actual := ours(text))]


def same(expected: Any, actual: Any) -> bool:
    """Equal, and true is not 1. Beyond 64 bits a number is as long as its writer likes."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, int | float) and isinstance(actual, int | float) and not -(1 << 63) <= expected < 1 << 64:
        return float(expected) == float(actual)
    return isinstance(expected, bool) == isinstance(actual, bool) and expected == actual


def test_scalars_are_read_as_kubectl_reads_them(go: Go) -> None:
    texts = [f"v: {text}\n" for text in (*SCALARS.split(), *TAGGED.strip().splitlines())]
    texts += [f"v: ['{text}', {text}]\n" for text in SCALARS.split() if not set(text) & set("!@,")]
    assert differences(go, texts) == []


def test_keys_are_read_as_kubectl_reads_them(go: Go) -> None:
    assert differences(go, [f"{key}: 1\n" for key in KEYS.split()]) == []


def test_made_up_numbers_are_read_as_kubectl_reads_them(go: Go) -> None:
    dice = random.Random(SEED)
    texts = ["".join(dice.choices("0123456789_.+-eExXoObBaf:", k=dice.randint(1, 8))) for _ in range(4000)]
    every = ["".join(text) for length in (1, 2, 3) for text in itertools.product("01._-e+x8", repeat=length)]
    assert differences(go, [f"v: {text}\n" for text in (*texts, *every)]) == []


def test_fractions_with_underscores_are_read_as_kubectl_reads_them(go: Go) -> None:
    every = ["." + "".join(text) for length in range(1, 6) for text in itertools.product("0_5e-", repeat=length)]
    assert differences(go, [f"v: {text}\n" for text in every]) == []


def test_the_order_of_objects_is_that_of_helm(go: Go) -> None:
    order = [kind for kind in go.order() if not kind.endswith("List")]
    assert list(apply.INSTALL_ORDER) == order


def test_the_texts_of_its_own_tests_are_read_alike(go: Go, tmp_path: Path) -> None:
    pin, into = built(tmp_path, "go.yaml.in/yaml/v2"), tmp_path / "module"
    gobuild.copy_folder(pin, ".", into, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    source = (into / "decode_test.go").read_text()
    literals = [
        json.loads(f'"{text}"') for text in re.findall(r'^\t\t?"((?:[^"\\]|\\[ntr"\\])*)",$', source, re.MULTILINE)
    ]
    literals += re.findall(r"`([^`]+)`", source)
    assert len(literals) > 100
    different = differences(go, literals)
    assert [text for text, expected, actual in different if actual != REFUSED] == []
    assert len(different) < 10
