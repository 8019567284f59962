"""The stage `seeds`: one golden case per reason, and the promises about order, counts and draws."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from pydantic import ValidationError

from sca_hf.corpus.columns import FEATURES
from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python import rules as python
from sca_hf.corpus.languages.python.functions import Function, Kind, documented_functions
from sca_hf.corpus.languages.python.types import TypeCheckSettings
from sca_hf.corpus.sources import MAX_FILE_BYTES, open_source
from sca_hf.filters.decontaminate import DecontaminateSettings
from sca_hf.identity import row_id
from sca_hf.stage import REJECT_REASON, split
from sca_hf.stages.context import Context
from sca_hf.stages.seeds import STAGE, SeedSettings, seeds

pytestmark = pytest.mark.slow

GOOD = "def f(a):\n    'doc'\n    return a"


def _files(*contents: bytes | str | None) -> Dataset:
    rows = [content.encode() if isinstance(content, str) else content for content in contents]
    names = [f"{number}.py" for number in range(len(rows))]
    return Dataset.from_dict({"path": names, "content": rows, "license": ["MIT"] * len(rows)}, features=FEATURES)


def _judged(*contents: bytes | str | None, **settings: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = seeds(_files(*contents), SeedSettings(**settings), Context()).to_list()
    return rows


def _reasons(*contents: bytes | str | None, **settings: Any) -> list[str | None]:
    return [row[REJECT_REASON] for row in _judged(*contents, **settings)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "unreadable-file"),
        (b"#" * (MAX_FILE_BYTES + 1), "oversized-file"),
        (b"x = '\xff\0'", "undecodable-file"),
        (b"# coding: no-such-encoding\n\xff\0", "undecodable-file"),
        (b"# coding: no-such-encoding\n", "no-function"),
        (b"print 'Python 2'\n", "unparsable-file"),
        (b"x = 1\0\n", "unparsable-file"),
        (b"(" * 5000, "unparsable-file"),
        (b"-" * 300_000 + b"1", "unparsable-file"),
        (b"", "no-function"),
        (b"def f(a): return a", "no-function"),
    ],
)
def test_a_file_that_gives_no_function_costs_one_row_and_nothing_else(content: bytes | None, reason: str) -> None:
    before, bad, after = _judged(GOOD, content, GOOD.replace("f(", "g("))
    assert bad[REJECT_REASON] == reason
    assert (bad["path"], bad["license"], bad["seed"]) == ("1.py", "MIT", "")
    assert (before["name"], before[REJECT_REASON]) == ("f", None)
    assert after[REJECT_REASON] is None


# What Python knows from 3.12 on.
NEWER = {
    "def f[T](a: T) -> T:\n 'doc'\n return a": "f",
    "async def f[**P, T: (int, list[int])](a: T) -> T:\n 'doc'\n return a": "f",
    "def f(a):\n 'doc'\n type B = int\n return a": "f",
    "def f(a):\n 'doc'\n return f'{a['b']}'": "f",
    "class C[T]:\n 'doc'\n def m(self, a):\n  'doc'\n  return a\n": "C C.m",
    "class C:\n def m[T](self, a: T):\n  'doc'\n  return a\n def n(self, a):\n  'doc'\n  return a": "C.m C.n",
}


@pytest.mark.parametrize("content", NEWER)
@pytest.mark.parametrize("more", ["", f"\n\n{GOOD.replace('f(', 'good(')}"])
def test_what_is_for_a_newer_python_is_counted(content: str, more: str) -> None:
    rows = _judged(content + more, kinds=["function", "method", "class"])
    broken = [row["name"] for row in rows if row[REJECT_REASON] == "unparsable-function"]
    assert broken == NEWER[content].split()
    assert [row["name"] for row in rows if row[REJECT_REASON] is None] == (["good"] if more else [])


def test_no_row_shows_a_secret_whatever_its_reason() -> None:
    token = "ghp_" + "a1" * 18
    content = f"def f(a):\n 'doc of joe@company.org'\n print('{token}')"
    (row,) = _judged(content)
    assert row[REJECT_REASON] == "no-return-value"
    assert row["seed"] == "def f(a):\n 'doc of <email-address>'\n print('<secret>')"
    assert row["secret_kind"] == "GitHub Token, e-mail address"
    assert row["id"] == row_id(content)


def test_a_file_that_breaks_the_parser_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = documented_functions

    def breaking(text: str, kinds: Sequence[Kind]) -> list[Function]:
        if text == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        return parse(text, kinds)

    monkeypatch.setattr(python, "documented_functions", breaking)
    contents = [GOOD, "crash", GOOD.replace("f(", "g("), "crash", *[GOOD.replace("f(", f"h{n}(") for n in range(60)]]
    expected = [None, "parser-crash", None, "parser-crash", *[None] * 60]
    assert _reasons(*contents) == expected
    assert seeds(_files(*contents), SeedSettings(), Context(workers=2))[REJECT_REASON] == expected


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (GOOD, {}, None),
        ("def f(a):\n 'doc'\n print(a)", {}, "no-return-value"),
        ("def f():\n 'doc'\n return 1", {}, "no-arguments"),
        ("def f():\n 'doc'\n return 1", {"min_args": 0}, None),
        ("def f(a):\n 'doc'\n return a", {"min_args": 2}, "no-arguments"),
        (GOOD, {"max_lines": 3}, None),
        (GOOD, {"max_lines": 2}, "too-many-lines"),
        ("import re\ndef f(a):\n 'doc'\n return re.X", {"max_lines": 4}, "too-many-lines"),
        (GOOD + " + " + "1" * 100, {"max_chars": 100}, "too-long"),
        (GOOD + "  # TODO: more", {}, "forbidden-word"),
        (GOOD.replace("doc", "a_bug_here"), {}, "forbidden-word"),
        (GOOD.replace("doc", "debug"), {}, None),
        (GOOD + "  # TODO: more", {"forbidden_words": ["secret"]}, None),
        (GOOD.replace("doc", "no Secret"), {"forbidden_words": ["secret"]}, "forbidden-word"),
        ("import os\ndef f(a):\n 'doc'\n return os.sep", {}, "forbidden-import"),
        ("import os.path as p\ndef f(a):\n 'doc'\n return p.sep", {}, "forbidden-import"),
        ("def f(a):\n 'doc'\n from sys import path\n return path", {}, "forbidden-import"),
        ("import os\ndef f(a):\n 'doc'\n return a", {}, None),
        ("import ossaudiodev\ndef f(a):\n 'doc'\n return ossaudiodev", {}, None),
        ("import os\ndef f(a):\n 'doc'\n return os.sep", {"forbidden_imports": []}, None),
        ("from .x import y\ndef f(a):\n 'doc'\n return y", {}, "relative-import"),
        ("Y = 1\ndef f(a):\n 'doc'\n return Y", {}, "undefined-name"),
        (GOOD.replace("return", "print") + "\n", {}, "unparsable-function"),
        (f"print 1\n{GOOD}", {}, None),
        (GOOD.replace("doc", "AKIAIOSFODNN7EXAMPLX"), {}, "secret"),
        (GOOD.replace("doc", "AKIAIOSFODNN7EXAMPLX"), {"secrets": None}, None),
        (GOOD.replace("doc", "by jane@company.org"), {}, "email-address"),
        (GOOD.replace("doc", "by jane@company.org"), {"secrets": {"emails": False}}, None),
        (GOOD.replace("doc", "by jane@example.org"), {}, None),
        ("def f(a):\n 'doc'\n for b in a:\n  pass\n else:\n  break\n return b", {}, "not-compilable"),
    ],
)
def test_each_rule_rejects_what_it_names(content: str, settings: dict[str, Any], reason: str | None) -> None:
    assert _reasons(content, **settings) == [reason]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_killed_call_goes_on_where_it_was_with_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    contents = [GOOD.replace("f(", f"f{number}(") for number in range(120)]  # three parts
    settings = SeedSettings(type_check=TypeCheckSettings())
    expected = seeds(_files(*contents), settings, Context()).to_list()
    folder = tmp_path / "progress"

    def judge_in_child(kill_at: str, workers: int) -> str | None:
        """In a process of its own, killed when it comes to a file; the log has one line a file that was judged."""
        read, write = os.pipe()
        if not (child := os.fork()):
            parse = documented_functions

            def logging(text: str, kinds: Sequence[Kind] = ("function",)) -> list[Function]:
                with (tmp_path / "log").open("a") as log:
                    log.write("x\n")
                if kill_at and kill_at in text:
                    os.kill(main, signal.SIGKILL)
                return parse(text, kinds)

            main = os.getpid()
            python.documented_functions = logging  # type: ignore[attr-defined]
            rows = seeds(_files(*contents), settings, Context(workers=workers, checkpoints=folder)).to_list()
            os.write(write, hashlib.sha256(json.dumps(rows).encode()).hexdigest().encode())
            os._exit(0)
        os.close(write)
        status = os.waitpid(child, 0)[1]
        sha = os.read(read, 100).decode()
        os.close(read)
        return None if status else sha

    assert judge_in_child("f110(", 1) is None
    assert judge_in_child("", workers) == hashlib.sha256(json.dumps(expected).encode()).hexdigest()
    judged = len((tmp_path / "log").read_text().split())
    assert 120 + 11 <= judged <= 120 + 20  # but for the part in which it was killed, each file once
    assert not (folder / "seeds").exists()


# A process of its own: what compares has threads, which a fork would not have.
_KILLED_AT = """
import json, os, random, signal, sys
from pathlib import Path
from datasets import Dataset
from sca_hf.corpus.columns import FEATURES
from sca_hf.filters.near_duplicates import NearDuplicateSettings
from sca_hf.stages.context import Context
from sca_hf.stages import seeds as stage
from sca_hf.corpus.languages.python.types import TypeCheckSettings

place, folder = sys.argv[1], Path(sys.argv[2])
draw = random.Random(1)
docs = [" ".join(f"w{draw.randrange(10**6)}" for _ in range(20)) for _ in range(1100)]  # two batches of types
files = [f"def f{number}(a):\\n    '{doc}'\\n    return a" for number, doc in enumerate([*docs, *docs[:50]])]

def noting(name, called):
    def note(*given):
        with (folder / "calls").open("a") as log:
            log.write(name + "\\n")
        made = called(*given)
        if name == place:
            os.kill(os.getpid(), signal.SIGKILL)
        return made
    return note

for name in ("near_duplicates", "type_errors"):
    setattr(stage, name, noting(name, getattr(stage, name)))
paths = [f"{number}.py" for number in range(len(files))]
rows = {"path": paths, "content": [file.encode() for file in files], "license": ["MIT"] * len(files)}
settings = stage.SeedSettings(type_check=TypeCheckSettings(), near_duplicates=NearDuplicateSettings())
context = Context(scratch=folder, checkpoints=folder / "progress")
made = stage.seeds(Dataset.from_dict(rows, features=FEATURES), settings, context)
print(json.dumps(list(made["reject_reason"])))
"""


@pytest.mark.parametrize(
    ("place", "calls"),
    [
        ("near_duplicates", {"near_duplicates": 2, "type_errors": 2}),
        ("type_errors", {"near_duplicates": 1, "type_errors": 3}),
    ],
)
@pytest.mark.slow
def test_what_a_call_finished_before_it_was_killed_is_not_done_again(
    tmp_path: Path, place: str, calls: dict[str, int]
) -> None:
    def run(place: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", _KILLED_AT, place, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(place).returncode == -signal.SIGKILL
    done = run("nowhere")
    assert done.returncode == 0, done.stderr
    assert Counter(json.loads(done.stdout)) == {None: 1100, "near-duplicate": 50}
    assert Counter((tmp_path / "calls").read_text().split()) == calls
    assert list(tmp_path.glob("types-*")) == []


def test_files_under_other_licenses_than_those_allowed_are_left_out() -> None:
    licenses = ["MIT", "GPL-3.0", "mit AND Apache-2.0", "MIT AND GPL-3.0", "unknown"]
    files = _files(*[GOOD.replace("f(", f"f{number}(") for number in range(5)])
    files = files.remove_columns("license").add_column("license", licenses)
    assert seeds(files, SeedSettings(licenses=("MIT", "apache-2.0")), Context())[REJECT_REASON] == [
        None, "license", None, "license", "license"
    ]  # fmt: skip
    assert seeds(files, SeedSettings(), Context())[REJECT_REASON] == [None] * 5


def test_a_seed_is_the_function_below_its_imports_with_its_ids() -> None:
    (row,) = _judged(
        "'''Module.'''\nimport json\nimport re\n\n\ndef f(a):\n    'doc'\n    return re.escape(a)\n\n\nX = 1\n"
    )
    seed = "import re\n\ndef f(a):\n    'doc'\n    return re.escape(a)"
    assert row == {
        "id": row_id(seed),
        "seed": seed,
        "path": "0.py",
        "name": "f",
        "license": "MIT",
        "sha1": hashlib.sha1(seed.encode()).hexdigest(),
        REJECT_REASON: None,
        "benchmark_row": None,
        "secret_kind": None,
    }


def test_a_seed_with_a_benchmark_in_it_is_rejected_and_the_benchmark_row_reported(tmp_path: Path) -> None:
    prompt = GOOD.replace("f(", "planted(").replace("doc", "Sum up what the sailor saw at sea.")
    (tmp_path / "tasks.jsonl").write_text(json.dumps({"task_id": "T/3", "prompt": prompt}))
    contents = [GOOD, prompt.upper().replace("DEF", "def").replace("RETURN", "return"), GOOD.replace("f(", "g(")]
    settings = SeedSettings(decontaminate=DecontaminateSettings(files={"own": str(tmp_path / "tasks.jsonl")}))
    rows = seeds(_files(*contents), settings, Context(workers=2))
    assert rows[REJECT_REASON] == [None, "contaminated-own", None]
    quoted = f"own T/3 (prompt): {' '.join(prompt.split())}"
    assert rows["benchmark_row"] == [None, quoted, None]
    judged = split(STAGE, 3, rows)
    assert judged.measured is not None
    assert judged.measured.column_names == ["id", REJECT_REASON, "benchmark_row", "secret_kind"]


def test_rows_come_by_file_and_line_and_an_exact_copy_is_taken_once() -> None:
    other = GOOD.replace("f(", "g(")
    rows = _judged(f"{other}\n{GOOD}", "x", f"{GOOD}\n{GOOD} + 1")
    assert [(row["path"], row["name"], row[REJECT_REASON]) for row in rows] == [
        ("0.py", "g", None),
        ("0.py", "f", None),
        ("1.py", "", "no-function"),
        ("2.py", "f", "duplicate"),
        ("2.py", "f", None),
    ]


def test_a_near_duplicate_of_an_earlier_seed_goes_if_that_is_asked_for() -> None:
    long = f"def f(a):\n    'doc'\n    return a + {' + '.join(f'a * {number}' for number in range(40))}"
    contents = [long, long.replace("f(", "g("), GOOD, long.replace("39", "40"), "x", long.replace("a", "b")]
    assert _reasons(*contents)[3] is None
    found = _reasons(*contents, near_duplicates={"threshold": 0.8})
    assert found == [None, "near-duplicate", None, "near-duplicate", "no-function", None]


def test_a_type_error_rejects_a_seed_if_that_is_asked_for() -> None:
    wrong = "def g(a: int) -> str:\n    'doc'\n    return a + 1"
    contents = [
        GOOD,
        wrong,
        "x",
        "import numpy\n\n" + GOOD.replace("f(", "h(").replace("return a", "return numpy.abs(a)"),
    ]
    assert _reasons(*contents) == [None, None, "no-function", None]
    assert _reasons(*contents, type_check={"checker": "ty"}) == [None, "type-error", "no-function", None]


def test_methods_and_classes_are_judged_like_functions_where_asked_for() -> None:
    whole = "class C:\n    'doc'\n    def f(self, x):\n        'doc'\n        return {}\n"
    broken = whole.format("x") + "print 'Python 2'\n"
    checked = {"type_check": TypeCheckSettings(checker="ty")}

    def judged(content: str, *kinds: Kind, **settings: Any) -> list[tuple[str, str | None]]:
        return [(row["name"], row[REJECT_REASON]) for row in _judged(content, kinds=kinds, **settings)]

    assert judged(whole.format("x"), "method", "class") == [("C", None), ("C.f", None)]
    assert judged(whole.format("self.y"), "method", **checked) == [("C.f", "type-error")]
    assert judged(whole.format("None"), "class") == [("C", "no-return-value")]
    assert judged(whole.format("x").replace(", x", ""), "method") == [("C.f", "no-arguments")]
    assert judged(broken, "function", "method") == [("C.f", None)]
    assert judged(GOOD, "class") == [("", "no-function")]


def test_no_file_gives_no_row_with_the_declared_columns() -> None:
    rows = seeds(_files(), SeedSettings(), Context())
    assert (len(rows), rows.features) == (0, STAGE.features({}))


def test_a_count_draws_that_many_by_the_run_seed_alone() -> None:
    contents = [GOOD.replace("f(", f"f{number}(") for number in range(40)]

    def drawn(contents: list[str], run_seed: int, num_proc: int = 1) -> set[str]:
        rows = seeds(_files(*contents), SeedSettings(count=10), Context(run_seed, workers=num_proc)).to_list()
        assert Counter(row[REJECT_REASON] for row in rows) == {None: 10, "not-sampled": 30}
        return {row["name"] for row in rows if row[REJECT_REASON] is None}

    assert drawn(contents, 1) == drawn(contents[::-1], 1, num_proc=2)
    assert drawn(contents, 1) != drawn(contents, 2)
    assert _reasons(*contents[:3], count=10) == [None] * 3


@pytest.fixture(scope="module")
def stdlib() -> Dataset:
    return open_source("stdlib").rows


@pytest.mark.slow
def test_the_standard_library_gives_enough_seeds_the_same_for_any_number_of_workers(stdlib: Dataset) -> None:
    settings = SeedSettings(max_lines=40, max_chars=1600)
    rows = seeds(stdlib, settings, Context())
    assert rows.features == STAGE.features({})
    judged = split(STAGE, len(stdlib), rows)
    assert judged.counts.kept >= 300
    assert len(set(judged.kept["id"])) == judged.counts.kept
    assert seeds(stdlib, settings, Context(workers=2)).to_list() == rows.to_list()
    texts = dict(zip(stdlib["path"], stdlib["content"], strict=True))
    for row in judged.kept:
        imports, _, below = row["seed"].partition("\n\n")
        function = below if imports.startswith(("import ", "from ")) else row["seed"]
        assert function in decode(texts[row["path"]])


@pytest.mark.slow
def test_every_seed_of_the_standard_library_runs_on_its_own(stdlib: Dataset) -> None:
    kept = [row["seed"] for row in seeds(stdlib, SeedSettings(), Context()).to_list() if row[REJECT_REASON] is None]
    program = (
        "import sys, warnings\nwarnings.simplefilter('ignore')\n"
        "for seed in sys.stdin.read().split('\\f'):\n exec(compile(seed, 'seed', 'exec'), {'__name__': 'seed'})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input="\f".join(kept), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        *({"max_lines": 1}, {"count": 0}, {"count": "3"}, {"min_args": -1}, {"forbidden_words": [""]}, {"unknown": 1}),
        *({"kinds": []}, {"kinds": ["module"]}, {"kinds": ["class"], "language": "javascript"}),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        SeedSettings(**settings)
    assert next(iter(settings)) in str(caught.value)


def test_where_a_source_lies_is_no_part_of_the_fingerprint() -> None:
    assert SeedSettings(source="here").intent() == SeedSettings(source="there").intent()
    assert SeedSettings(max_lines=20).intent() != SeedSettings(max_lines=30).intent()
