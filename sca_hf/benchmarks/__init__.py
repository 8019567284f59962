"""Benchmarks: a file each, with where its data are, its protocol, how answers are graded, and its known defects.

benchmark = load_benchmark("humaneval+", Path("data"))
grade = await benchmark.grade(Answer("HumanEval/0", 0, completion="    return False\n"), jails)
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from sca_hf.benchmarks.benchmark import Answer, Benchmark, Grade
from sca_hf.errors import InputError

__all__ = ["NAMES", "Answer", "Benchmark", "Grade", "load_benchmark"]

_MODULES: Mapping[str, tuple[str, str]] = {
    "humaneval": ("humaneval", "HumanEval"),
    "mbpp": ("mbpp", "Mbpp"),
    "mbpp-all": ("mbpp", "Mbpp"),
    "humaneval+": ("evalplus", "EvalPlus"),
    "humaneval+@v0.1.9": ("evalplus", "EvalPlus"),
    "mbpp+": ("evalplus", "EvalPlus"),
    "mbpp+@v0.1.0": ("evalplus", "EvalPlus"),
    **{
        f"evoeval-{name}": ("evoeval", "EvoEval")
        for name in ("difficult", "creative", "subtle", "combine", "tool-use", "verbose", "concise")
    },
    **dict.fromkeys(("classeval", "classeval-incremental", "classeval-compositional"), ("classeval", "ClassEval")),
    "canitedit": ("canitedit", "CanItEdit"),
    "ds1000": ("ds1000", "DS1000"),
    "evalperf": ("evalperf_measuring", "EvalPerf"),
    "livecodebench": ("livecodebench", "LiveCodeBench"),
}
NAMES = tuple(_MODULES)


def load_benchmark(name: str, folder: Path | None = None) -> Benchmark:
    """The benchmark, its data from `folder` or from the network. Raises InputError where they can't be had."""
    # What stands behind an @ may be a release, or a date of contests.
    known = name if name in _MODULES else name.partition("@")[0] if name.startswith("livecodebench@") else ""
    if not known:
        raise InputError(f"unknown benchmark {name!r}; give one of {', '.join(NAMES)}")
    module, made = _MODULES[known]
    make: Callable[[str, Path | None], Benchmark] = getattr(import_module(f"sca_hf.benchmarks.{module}"), made)
    return make(name, folder)
