"""Type check: right seeds pass, wrong ones go, and one that breaks the checker costs itself alone."""

import sys
from pathlib import Path

import pytest

from sca_hf.corpus.languages.python import types
from sca_hf.corpus.languages.python.types import TypeCheckSettings, type_errors
from sca_hf.errors import InputError

pytestmark = pytest.mark.slow

SEEDS = {
    "def f(a: int) -> str:\n    return str(a)": None,
    "def f(a: int) -> str:\n    return a": "type-error",
    "def f(a):\n    return b": "type-error",
    "import numpy\nfrom no.such import thing as t\n\ndef f(a):\n    return numpy.array(t(a))": None,
    "def f(a):\n    return 'x'.no_such_method(a)": "type-error",
    "import re\n\ndef f(a):\n    return re.escapes(a)": "type-error",
    "def f(:": "type-error",
    "def f(a):\n    return '\udcff'": "type-checker-crash",  # ty reads no file that isn't UTF-8
    "": None,
}
# A checker that dies of one seed, or spins, in the words of Pyright.
FAKE = """#!{python}
import json, os, pathlib

files = sorted(pathlib.Path(".").glob("*.py"))
if any("die" in file.read_text() for file in files):
    while not {signal}:
        pass
    os.kill(os.getpid(), {signal})
wrong = [file for file in files if "= y" in file.read_text()]
print(json.dumps({{"generalDiagnostics": [{{"file": str(file), "severity": "error"}} for file in wrong]}}))
"""


def test_each_seed_is_judged_on_its_own() -> None:
    expected = list(SEEDS.values())
    assert type_errors([list(SEEDS)], TypeCheckSettings()) == expected
    assert type_errors([[seed] for seed in SEEDS], TypeCheckSettings()) == expected
    assert type_errors([], TypeCheckSettings()) == []


def test_what_is_installed_here_makes_no_difference() -> None:
    seeds = ["import datasets\n\ndef f(a):\n    return datasets.no_such_name(a)"]
    assert type_errors([seeds], TypeCheckSettings()) == [None]


@pytest.mark.parametrize("signal", [9, 11, 0])
def test_a_seed_that_kills_the_checker_or_makes_it_spin_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: int
) -> None:
    (tmp_path / "pyright").write_text(FAKE.format(python=sys.executable, signal=signal))
    (tmp_path / "pyright").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(types, "_CPU_SECONDS", 1)
    seeds = ["x = 1", "x: int = y", "die", "x = 2", "die too", "x = y"]
    found = type_errors([seeds], TypeCheckSettings(checker="pyright"))
    assert found == [None, "type-error", "type-checker-crash", None, "type-checker-crash", "type-error"]


def test_a_checker_that_is_missing_or_broken_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="'pyright' is not installed; install it"):
        type_errors([["x = 1"]], TypeCheckSettings(checker="pyright"))
    (tmp_path / "pyright").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "pyright").chmod(0o755)
    with pytest.raises(InputError, match="does not work here"):
        type_errors([["x = 1"]], TypeCheckSettings(checker="pyright"))
