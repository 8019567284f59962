"""Each response runs with its own tests in a jail. Every attempt is kept, with its verdict."""

from typing import Literal

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.sandbox import Jails, Limits
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.passing import program_of


class ExecuteSettings(Settings):
    """Limits of one program (`sca_hf.sandbox.Limits` says what each means; the reference's are 10 s and 4 GB).

    `repeat`: 2 runs what passes again under another hash seed, and fails it with the flag `flaky` where that differs.
    """

    cpu_seconds: float = Field(default=10.0, ge=0.05)
    wall_seconds: float = Field(default=20.0, ge=0.05)
    memory_mb: int = Field(default=4096, ge=64)
    output_bytes: int = Field(default=1 << 20, ge=0)
    file_bytes: int = Field(default=64 << 20, ge=4096)
    files: int = Field(default=1024, ge=1)
    open_files: int = Field(default=256, ge=16)
    threads: int = Field(default=64, ge=1)
    repeat: Literal[1, 2] = 1

    @property
    def limits(self) -> Limits:
        """Return the limits for the jails."""
        return Limits(**self.model_dump(exclude={"repeat"}))


def execute(responses: Dataset, settings: ExecuteSettings, context: Context) -> Dataset:
    """Return a row a response, with the verdict. No row is rejected: the attempts that failed are kept.

    The limits are those of the context's jails (`jails`).
    """

    async def verdict_of(response: Row) -> Row:
        verdict = await context.execute(program_of(response["response"], response["tests"]))
        return {
            "status": verdict.status,
            "exception": verdict.exception,
            "line": verdict.line,
            "assertions": verdict.assertions,
            "flags": list(verdict.flags),
            REJECT_REASON: None,
            "cpu_seconds": verdict.cpu_seconds,
            "wall_seconds": verdict.wall_seconds,
            "memory_mb": verdict.memory_mb,
            "stdout": verdict.stdout,
            "stderr": verdict.stderr,
        }

    return context.map_rows(STAGE, responses, verdict_of)


def jails(settings: ExecuteSettings, workers: int) -> Jails:
    """Return the pool in which responses run, `workers` at a time."""
    return Jails(workers, settings.limits, settings.repeat)


STAGE = Stage(
    name="execute",
    version=2,
    title="Each response runs with its own tests in a sandbox; all attempts are kept, with their verdicts.",
    uses=("id", "response", "tests"),
    adds=(
        Column("id", Value("string"), "hash of the response's id and the stage"),
        Column("response_id", Value("string"), "id of the response"),
        Column("status", Value("string"), "verdict: passed, failed, timeout, out-of-memory, killed, …"),
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
