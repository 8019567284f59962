"""Runs lists of programs in real jails, as the user that runs the tests and as nobody."""

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sca_hf.sandbox import Jails, Limits, Program, Verdict

RunPrograms = Callable[..., list[Verdict]]
_AS_NOBODY = Path(__file__).with_name("as_nobody.py")
_TESTED_LIMITS = Limits(cpu_seconds=2.0, wall_seconds=6.0, memory_mb=1024)


@pytest.fixture(scope="session")
def run_programs() -> RunPrograms:
    """`run_programs(programs, limits=…, repeat=…, workers=2) -> verdicts`, in the order of the programs."""

    def run(
        programs: Sequence[Program], limits: Limits = _TESTED_LIMITS, repeat: int = 1, workers: int = 2
    ) -> list[Verdict]:
        async def run_all() -> list[Verdict]:
            async with Jails(workers, limits, repeat) as jails:
                return list(await asyncio.gather(*(jails.run(program) for program in programs)))

        return asyncio.run(run_all())

    return run


@pytest.fixture(params=["this user", "nobody"])
def run_as_each(request: pytest.FixtureRequest, run_programs: RunPrograms) -> RunPrograms:
    """Like `run_programs`, once here and once in a parent that runs as nobody (where the tests run as root)."""
    if request.param == "this user" or os.geteuid() != 0:
        return run_programs

    def run(programs: Sequence[Program], limits: Limits = _TESTED_LIMITS) -> list[Verdict]:
        given = {
            "limits": dataclasses.asdict(limits),
            "programs": [dataclasses.asdict(program) for program in programs],
        }
        done = subprocess.run(
            [sys.executable, str(_AS_NOBODY)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return [Verdict(**verdict | {"flags": tuple(verdict["flags"])}) for verdict in json.loads(done.stdout)]

    return run
