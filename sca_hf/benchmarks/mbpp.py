"""MBPP (Austin et al. 2021): 974 one-sentence tasks with three assertions each; `mbpp` is the test split, ids 11-510.

Program: code, `test_setup_code`, the assertions; pass: nothing raised. An answer gets the arguments of the assertions'
calls alone (see `replay`), but where the assertions use classes or several functions of the answer: there it runs in
one process with them. Usual shots: ids 2, 3, 4. `mbpp-all` has every id. All 974 references pass.

Known defects, counted as published: ids are numbers, and some assertions fix what the sentence leaves open.
"""

import ast
from pathlib import Path

from sca_hf.benchmarks.asserted import AssertedGrader, AssertedTask
from sca_hf.benchmarks.calls import MOST_HANDED_OUT
from sca_hf.benchmarks.data import Row, Source, load_rows, need
from sca_hf.benchmarks.replay import Tested
from sca_hf.sandbox import Limits

SOURCE = Source(
    ("mbpp.jsonl",),
    repo="google-research-datasets/mbpp",
    config="full",
    split="all",
    revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
)
TEST_IDS = range(11, 511)

_SECONDS = 10.0
_LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0, memory_mb=4096, kept_bytes=MOST_HANDED_OUT)


class Mbpp(AssertedGrader):
    """`mbpp`: the test split. `mbpp-all`: all ids."""

    def __init__(self, name: str = "mbpp", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("task_id", "text", "code", "test_list", "test_setup_code"))
        self.revision = loaded.revision
        rows = [row for row in loaded.rows if name == "mbpp-all" or row["task_id"] in TEST_IDS]
        super().__init__({str(row["task_id"]): _task(row) for row in rows}, _SECONDS, _LIMITS)


def _task(row: Row) -> AssertedTask:
    code, tests = row["code"].replace("\r\n", "\n"), "\n".join(row["test_list"])
    entry, alone = _asked(code, tests)
    prompt = f'"""\n{row["text"]}\n{row["test_list"][0]}\n"""\n'
    return AssertedTask(
        str(row["task_id"]), prompt, Tested(code, tests, entry, row["test_setup_code"].replace("\r\n", "\n")), alone
    )


def _asked(code: str, tests: str) -> tuple[str, bool]:
    """The function that the tests call, and whether they use nothing else of the code."""
    defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.ClassDef)} | {
        target.id
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    used = [node.id for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name) and node.id in defined]
    called = [
        node.func.id
        for node in ast.walk(ast.parse(tests))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined
    ]
    entry = called[0] if called else used[0] if used else ""
    return entry, set(used) == {entry} and len(called) == len(used)
