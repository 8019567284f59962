"""An evaluation's grades as a version in the store, one row an answer."""

from pathlib import Path
from typing import Any, NoReturn

from datasets import Dataset, Value

from sca_hf.errors import ScaError
from sca_hf.evaluation.results import Result
from sca_hf.identity import digest, fingerprint, published_name, row_id
from sca_hf.sandbox import JAIL_VERSION
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage, split
from sca_hf.store import Build, Store, Version
from sca_hf.store.lineage import Making


def _not_a_step(rows: Any, settings: Any, context: Any) -> NoReturn:
    raise ScaError("grades are made by `python -m sca_hf.evaluate`, not by a run")


STAGE = Stage(
    name="grades",
    version=1,
    title="A model's answers to a benchmark, each with its grade.",
    uses=(),
    adds=(
        Column("id", Value("string"), "hash of the benchmark, the task, the answer's index and its text"),
        Column("benchmark", Value("string"), "name of the benchmark"),
        Column("revision", Value("string"), "hash of the benchmark's rows"),
        Column("task_id", Value("string"), "the task"),
        Column("sample", Value("int32"), "index of the answer among those to its task, from 0"),
        Column("answer", Value("string"), "the program, or what follows the task's prompt"),
        Column("passed", Value("bool"), "whether all tests passed"),
        Column("base", Value("bool"), "whether the benchmark's own tests passed; null where it has but one kind"),
        Column("plus", Value("bool"), "whether its additional tests passed too; null where it has none"),
        Column("status", Value("string"), "passed, failed, timeout, out-of-memory, killed, syntax-error, early-exit"),
        Column("reason", Value("string"), "the exception, or the first test that the answer failed"),
    ),
    settings=Settings,
    run=_not_a_step,
    needs="sandbox",
    card="Each row is one answer, with the verdict of the benchmark's tests on it.",
)


def keep(root: Path, result: Result, calls: bytes = b"") -> Version:
    """Write the version `<benchmark>-grades`. The same answers and grades give the same version. Raises StoreError.

    `calls`: see `Build`.
    """
    made = result.made
    rows = []
    for one in result.graded:
        answer, grade = one.answer, one.grade
        text = answer.text
        # Text that Arrow can hold: an answer may have lone surrogates.
        text = text.encode("utf-8", "backslashreplace").decode()
        rows.append(
            {
                "id": row_id(result.benchmark, answer.task, answer.sample, text),
                "benchmark": result.benchmark,
                "revision": result.revision,
                "task_id": answer.task,
                "sample": answer.sample,
                "answer": text,
                "passed": grade.passed,
                "base": grade.base,
                "plus": grade.plus,
                "status": grade.status,
                "reason": grade.reason,
                REJECT_REASON: None,
            }
        )
    intent = {
        "benchmark": result.benchmark,
        "revision": result.revision,
        "prompt": made.prompt,
        "engine": made.engine,
        "answers": digest(*(str(row["id"]) for row in rows)),
        "jail": JAIL_VERSION,
        "stage": STAGE.version,
    }
    dataset = f"{result.benchmark.replace('+', 'plus').replace('@', '-')}-grades"
    making = Making(
        stage=STAGE.name, stage_version=STAGE.version, intent={**intent, "model": published_name(made.model)}
    )
    judged = split(STAGE, len(rows), Dataset.from_list(rows, features=STAGE.features({})))
    return Store(root).write(
        dataset, fingerprint(intent), Build(STAGE, STAGE.adds, judged, making, timings={}, calls=calls)
    )
