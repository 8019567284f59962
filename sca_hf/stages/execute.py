"""Each response runs with its own tests in a jail. Every attempt is kept, with its verdict."""

from dataclasses import asdict
from typing import Literal

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.prompts.ready_made import with_code
from sca_hf.sandbox import FORGING_FLAGS, Flag, Jails, Limits, Verdict
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.first_samples import NOT_RUN, Instructions
from sca_hf.stages.pass_rules import PASSED, program_of

FLAGGED = "flagged"
"""Status of a sample whose program passed, and touches what could make it pass."""

_NOTHING_MEASURED = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 0.0, "stdout": "", "stderr": ""}
_NOT_RUN = {"status": NOT_RUN, "exception": None, "line": None, "assertions": 0, "flags": []} | _NOTHING_MEASURED


class ExecuteSettings(Settings):
    """Limits of one program; the reference's are 10 s and 4 GB.

    `cpu_seconds`: CPU time of all threads together. `wall_seconds`: time on the clock. `memory_mb`: address space,
    MiB, that of the interpreter included. `output_bytes`: of stdout, and of stderr; who writes more is ended.
    `file_bytes`: of one file, and of all files together. `files`: files and folders that there may be. `open_files`:
    descriptors open at once. `threads`: threads at once.
    `repeat`: 2 runs what passes again under another hash seed, and fails it with the flag `flaky` where that differs.
    `give_up_after`: where the first so many samples of an instruction all are a `timeout`, the later ones are not
    executed, and their status is `not-run`; null executes all.
    `reject_flags`: a program that passed and has one of these flags gets the status `flagged`, which is no pass.
    """

    cpu_seconds: float = Field(default=2.0, ge=0.05)
    wall_seconds: float = Field(default=10.0, ge=0.05)
    memory_mb: int = Field(default=2048, ge=64)
    output_bytes: int = Field(default=1 << 20, ge=0)
    file_bytes: int = Field(default=64 << 20, ge=4096)
    files: int = Field(default=1024, ge=1)
    open_files: int = Field(default=256, ge=16)
    threads: int = Field(default=256, ge=1)
    repeat: Literal[1, 2] = 1
    give_up_after: int | None = Field(default=3, ge=1)
    reject_flags: tuple[Flag, ...] = FORGING_FLAGS

    @property
    def limits(self) -> Limits:
        """Return the limits for the jails."""
        return Limits(**self.model_dump(exclude={"repeat", "give_up_after", "reject_flags"}))

    def status_of(self, verdict: Verdict) -> str:
        """Return the status of a row with this verdict."""
        is_flagged = verdict.status == PASSED and not set(self.reject_flags).isdisjoint(verdict.flags)
        return FLAGGED if is_flagged else verdict.status


def execute(responses: Dataset, settings: ExecuteSettings, context: Context) -> Dataset:
    """Return a row a response, with the verdict. No row is rejected: the attempts that failed are kept.

    The limits are those of the context's jails (`jails`).
    """

    instructions = Instructions(responses, settings.give_up_after)

    async def verdict_of(response: Row) -> Row:
        program = program_of(response["response"], response["tests"])
        verdict = await instructions.run(response, lambda: context.execute(program))
        return {
            REJECT_REASON: None,
            **(asdict(verdict) | {"status": settings.status_of(verdict)} if verdict else _NOT_RUN),
        }

    return context.map_rows(STAGE, responses, verdict_of, instructions.order)


def jails(settings: ExecuteSettings, workers: int) -> Jails:
    """Return the pool in which responses run, `workers` at a time."""
    return Jails(workers, settings.limits, settings.repeat)


STAGE = Stage(
    name="execute",
    version=2,
    title="Each response runs with its own tests in a sandbox; all attempts are kept, with their verdicts.",
    uses=("id", "response", "tests"),
    optional=("instruction_id", "sample"),
    reads={"response": with_code, "tests": with_code},
    adds=(
        Column("id", Value("string"), "hash of the response's id and the stage"),
        Column("response_id", Value("string"), "id of the response"),
        Column("status", Value("string"), "passed, failed, timeout, out-of-memory, killed, … flagged or not-run"),
        Column("exception", Value("string"), "type of the exception that ended the program, if one did"),
        Column("line", Value("int32"), "line of the program (code, then tests) where it ended, from 1"),
        Column("assertions", Value("int32"), "assertions that ran"),
        Column("flags", List(Value("string")), "what the program touches that could forge a verdict"),
    ),
    parent_id="response_id",
    settings=ExecuteSettings,
    run=execute,
    needs="sandbox",
    jails=jails,
    measured=(
        Column("cpu_seconds", Value("float64"), "CPU time, seconds"),
        Column("wall_seconds", Value("float64"), "wall-clock time, seconds"),
        Column("memory_mb", Value("float64"), "peak memory, MiB"),
        Column("stdout", Value("string"), "first and last part of the standard output"),
        Column("stderr", Value("string"), "first and last part of the standard error"),
    ),
)
