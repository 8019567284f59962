"""The interpreter that a program finds: warm, and otherwise an ordinary one."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from sca_hf.sandbox import Limits, Program

LOOK = """
import gc, os, sys, threading
streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
seen = {
    "streams": [[getattr(stream, name) for name in "name mode encoding errors line_buffering write_through".split()]
                + [type(stream.buffer).__name__, stream.buffer.raw.name, stream.buffer.raw.mode, stream.fileno()]
                for stream in streams],
    "same": [sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "finders": [getattr(finder, "__name__", repr(finder)) for finder in sys.meta_path],
    "own classes": [kind.__name__ for kind in object.__subclasses__() if kind.__module__ == "__main__"],
    "collector": [gc.isenabled(), gc.get_threshold()],
    "main thread": threading.main_thread().is_alive(),
    "own allocator": sys.getallocatedblocks() > 1000,
    "jail": [name for name in sys.modules if name.split(".")[0] == "jail"],
}
"""
IMPORTS = {
    "small": "import os, sys\n",
    "full": "import os, sys, unittest\n",
    "numpy": "import os, sys, numpy\n",
}


@pytest.mark.parametrize("imports", IMPORTS.values(), ids=IMPORTS)
def test_it_looks_like_any_other(imports: str, run_programs: Any) -> None:
    code = imports + LOOK + "import json\nprint(json.dumps(seen))"
    (verdict,) = run_programs([Program(f"{code}\ndef f(): return 1", "assert f() == 1")])
    command, clean = [sys.executable, "-X", "utf8", "-c", code], {"LC_ALL": "C.UTF-8"}
    usual = subprocess.run(command, env=clean, capture_output=True, check=True)
    assert verdict.status == "passed", verdict
    assert json.loads(verdict.stdout)["finders"] == ["BuiltinImporter", "FrozenImporter", "PathFinder"]
    # Those of an editable install are the environment's own.
    assert json.loads(verdict.stdout) | {"finders": None} == json.loads(usual.stdout) | {"finders": None}


def test_its_environment_is_the_same_everywhere(run_programs: Any) -> None:
    (verdict,) = run_programs([Program("import os\nprint(sorted(os.environ))\ndef f(): return 1", "assert f() == 1")])
    assert verdict.stdout.split("'")[1::2] == [
        *("ARROW_DEFAULT_MEMORY_POOL", "HOME", "LC_ALL", "MALLOC_ARENA_MAX", "MKL_NUM_THREADS", "OMP_NUM_THREADS"),
        *("OPENBLAS_NUM_THREADS", "PATH", "PYTHONHASHSEED", "TZ"),
    ]


def test_exit_functions_run_once_and_for_their_program_alone(run_programs: Any) -> None:
    code = "import atexit\natexit.register(print, 'bye')\ndef f(): return 1"
    for imports in IMPORTS.values():
        verdicts = run_programs([Program(imports + code, "assert f() == 1"), Program(imports, "assert 1")] * 2)
        assert [verdict.stdout for verdict in verdicts] == ["bye\n", "", "bye\n", ""]


@pytest.mark.parametrize("sleepers", [0, 5])
def test_programs_at_work_have_a_core_each(sleepers: int, run_programs: Any) -> None:
    code = """
import os, time
print(list(os.sched_getaffinity(0)))
def f(seconds):
    while time.process_time() < seconds: pass
"""
    # Of CPU time, so that both are at work together however long the second jail takes to start.
    working = [Program(code, "assert f(2) is None")] * 2
    asleep = [Program("import time\ndef f(): return time.sleep(1)", "assert f() is None")] * sleepers
    verdicts = run_programs([*asleep, *working], limits=Limits(cpu_seconds=10, wall_seconds=60))
    assert {verdict.status for verdict in verdicts} == {"passed"}
    cores = [json.loads(verdict.stdout) for verdict in verdicts[sleepers:]]
    assert [len(core) for core in cores] == [1, 1]
    assert len({core for (core,) in cores}) == min(2, len(os.sched_getaffinity(0)))
