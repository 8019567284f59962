"""LiveCodeBench (Jain et al. 2024): problems of contests, by release and date.

`livecodebench` is release v6 (1,055 problems, 4.5 GB); `livecodebench@v1` (400) … `@v5` (880) are the earlier ones, and
a date behind it, `livecodebench@v5@2024-08-01`, leaves earlier contests out. 10 samples, T 0.2, top-p 0.95, 2,000
tokens, stop "###".

Private tests are JSON, or base64 of zlib of a pickle of JSON. No pickle is ever loaded: one of a text alone is read by
its opcodes, and any other refused. Public tests first, then private ones, 6 s each, here of CPU time. An answer gets
the inputs alone, and what it printed or returned is compared outside: printed lines stripped, and where two differ
token by token as decimals; returned values by `==`, a tuple like a list, without tolerance for floats.

Known defects, counted as published: 11 problems have several answers, 2 are interactive, 4 have wrong tests; the
published grader changed in 2025-01, and this is the later one.
"""

import base64
import json
import pickletools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import MOST_HANDED_OUT, Calls, Runner, call, text_literal
from sca_hf.benchmarks.data import Row, Source, load_rows, need
from sca_hf.errors import InputError
from sca_hf.sandbox import Limits

REPO = "livecodebench/code_generation_lite"
REVISION = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"
RELEASES: Mapping[str, int] = {"v1": 1, "v2": 2, "v3": 3, "v4": 4, "v5": 5, "v6": 6}
"""How many files a release has: test.jsonl, test2.jsonl, …"""

DEFECTS: Mapping[str, tuple[str, ...]] = {
    "several answers are right": (
        *("abc311_c", "abc326_d", "abc327_b", "abc333_e", "abc343_a", "abc343_e", "abc362_c", "arc185_c"),
        *("find-words-containing-character", "find-the-peaks", "generate-binary-strings-without-adjacent-zeros"),
    ),
    "it is interactive": ("abc337_e", "abc355_e"),
    "a test is wrong": ("abc350_c", "arc189_a", "apply-operations-to-make-string-empty", "most-frequent-ids"),
}
"""Ids or titles of problems, from the authors' errata."""

_SECONDS, _TOTAL_SECONDS = 6.0, 300.0
_MOST_TEST_BYTES = 1 << 30
_TEXT_OPCODES = frozenset(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"))
_OTHER_OPCODES = frozenset(("PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"))
_IMPORTS = (
    "from string import *\nfrom re import *\nfrom datetime import *\nfrom collections import *\nfrom heapq import *\n"
    "from bisect import *\nfrom copy import *\nfrom math import *\nfrom random import *\nfrom statistics import *\n"
    "from itertools import *\nfrom functools import *\nfrom operator import *\nfrom io import *\nfrom json import *\n"
    "from builtins import *\nfrom typing import *\nimport string\nimport re\nimport datetime\nimport collections\n"
    "import heapq\nimport bisect\nimport copy\nimport math\nimport random\nimport statistics\nimport itertools\n"
    "import functools\nimport operator\nimport io\nimport sys\nimport json\nsys.setrecursionlimit(50000)\n"
)
_STDIN = """
import io, sys
def printed(text):
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    sys.stdout = out = io.StringIO()
    try:
        exec(compile(ANSWER, "<answer>", "exec"), {"__name__": "__main__"})
    except SystemExit:
        pass
    return out.getvalue()
"""


@dataclass(frozen=True)
class Problem:
    """`tests`: (input, expected output), public ones first. `function`: of `Solution`, "" where it reads stdin."""

    id: str
    title: str
    question: str
    starter: str
    date: str
    function: str
    tests: Sequence[tuple[str, str]]


class LiveCodeBench:
    """The problems of one release, from one date on."""

    limits = Limits(
        cpu_seconds=_TOTAL_SECONDS,
        wall_seconds=2 * _TOTAL_SECONDS,
        memory_mb=4096,
        output_bytes=MOST_HANDED_OUT,
        kept_bytes=MOST_HANDED_OUT,
    )

    def __init__(self, name: str = "livecodebench", folder: Path | None = None) -> None:
        self.name = name
        release, since = _chosen(name)
        names = [f"test{number if number > 1 else ''}.jsonl" for number in range(1, RELEASES[release] + 1)]
        rows: list[Row] = []
        revisions = []
        for file in names:
            source = Source((f"livecodebench/{file}",), repo=REPO, path=file, revision=REVISION)
            loaded = load_rows(name, source, folder)
            rows += loaded.rows
            revisions.append(loaded.revision)
        need(name, rows, ("question_id", "question_content", "contest_date", "public_test_cases", "private_test_cases"))
        self.revision = "-".join(revisions)
        problems = [_problem(name, row) for row in rows if row["contest_date"][:10] >= since]
        if not problems:
            raise InputError(f"benchmark {name!r} has no contest since {since}; give an earlier date")
        self.tasks = {problem.id: problem for problem in problems}
        self.defective = {
            problem.id: why
            for problem in problems
            for why, names in DEFECTS.items()
            if problem.id in names or problem.title in names
        }

    @property
    def task_ids(self) -> list[str]:
        """In the order of the files."""
        return list(self.tasks)

    def program(self, answer: Answer) -> str:
        """The answer, which is a whole program in both layouts."""
        return answer.text

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Pass where every output is the expected one."""
        problem, program = self.tasks[answer.task], self.program(answer)
        returned = await call(_calls(problem, program), jails)
        for number, ((_, expected), value) in enumerate(zip(problem.tests, returned.values, strict=False)):
            if not (same_value(expected, value) if problem.function else same_output(expected, value)):
                return Grade(False, "failed", f"test {number}: wrong output")
        if len(returned.values) != len(problem.tests):
            reason = returned.reason or "NoResult"
            return Grade(False, status_of(reason), f"test {len(returned.values)}: {reason}")
        return Grade(True, "passed")

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Nothing beside pass@k."""
        return {}


def same_output(expected: str, printed: Any) -> bool:
    """Whether printed lines are the expected ones, as texts or as decimals."""
    if not isinstance(printed, str):
        return False
    ours, theirs = (text.strip().split("\n") for text in (printed, expected))
    return len(ours) == len(theirs) and all(
        one.strip() == other.strip() or _same_decimals(one, other) for one, other in zip(ours, theirs, strict=True)
    )


def same_value(expected: str, returned: Any) -> bool:
    """Whether a returned value is the expected one, which is JSON."""
    try:
        return bool((list(returned) if isinstance(returned, tuple) else returned) == json.loads(expected))
    except (ValueError, RecursionError):
        return False


def private_tests(packed: str) -> list[dict[str, Any]]:
    """The tests of a row. Raises ValueError for what is neither JSON nor a pickle of one text."""
    try:
        return _list(json.loads(packed))
    except json.JSONDecodeError:
        unpack = zlib.decompressobj()
        pickled = unpack.decompress(base64.b64decode(packed, validate=True), _MOST_TEST_BYTES)
        return _list(json.loads(_pickled_text(pickled)))


def _pickled_text(pickled: bytes) -> str:
    """Without loading it: its opcodes may hold one text and nothing that does anything."""
    texts = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in _TEXT_OPCODES:
            texts.append(argument)
        elif opcode.name not in _OTHER_OPCODES:
            raise ValueError(f"a pickle with {opcode.name}, which holds more than a text")
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise ValueError(f"a pickle of {len(texts)} texts, not of one")
    return texts[0]


def _list(tests: Any) -> list[dict[str, Any]]:
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise ValueError("tests are a list of objects")
    return tests


def _same_decimals(one: str, other: str) -> bool:
    try:
        return [Decimal(token) for token in one.split()] == [Decimal(token) for token in other.split()]
    except InvalidOperation:
        return False


def _calls(problem: Problem, program: str) -> Calls:
    if problem.function:
        inputs = [f"[{', '.join(map(_json, text.split(chr(10))))}]" for text, _ in problem.tests]
        source = f"{_IMPORTS}\n{program}\n\ndef answered(*arguments):\n"
        source += f"    return Solution().{problem.function}(*arguments)\n"
        return Calls(source, "answered", inputs, _SECONDS, {}, _TOTAL_SECONDS)
    inputs = [f"[{text!r}]" for text, _ in problem.tests]
    return Calls(
        f"ANSWER = {text_literal(_IMPORTS + program)}\n{_STDIN}", "printed", inputs, _SECONDS, {}, _TOTAL_SECONDS
    )


def _json(line: str) -> str:
    return f"loads({line!r})"


def _chosen(name: str) -> tuple[str, str]:
    """Release and first date of "livecodebench@v5@2024-08-01"."""
    _, _, rest = name.partition("@")
    release, _, since = rest.partition("@")
    release = release or "v6"
    if release not in RELEASES:
        raise InputError(f"benchmark {name!r}: no release {release!r}; give one of {', '.join(RELEASES)}")
    return release, since


def _problem(name: str, row: Row) -> Problem:
    try:
        tests = list(_tests(row))
        metadata = json.loads(row.get("metadata") or "{}")
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise InputError(f"benchmark {name!r}: the tests of {row['question_id']} can't be read ({error})") from error
    return Problem(
        id=str(row["question_id"]),
        title=row.get("question_title") or "",
        question=row["question_content"],
        starter=row.get("starter_code") or "",
        date=row["contest_date"],
        function=str(metadata.get("func_name") or ""),
        tests=tests,
    )


def _tests(row: Row) -> Iterator[tuple[str, str]]:
    for test in (*_list(json.loads(row["public_test_cases"])), *private_tests(row["private_test_cases"])):
        yield str(test["input"]), str(test["output"])
