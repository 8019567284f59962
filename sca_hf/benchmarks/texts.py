"""The texts of benchmarks that no training row may contain: prompts, their docstrings, and solutions.

texts = load_texts("humaneval")                       # from the Hub, or its cache
texts = load_texts("humaneval", "HumanEval.jsonl")    # from a file of the same layout
texts = load_texts("in-house", "tasks.parquet")       # any other name: every column of text counts
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

from sca_hf.benchmarks.data import asking_hub
from sca_hf.errors import InputError

_FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}
_QUOTED = 100  # characters
_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)\1', re.DOTALL)


@dataclass(frozen=True, slots=True)
class BenchmarkText:
    """`row`: id of the benchmark's row. `part`: the column, or `docstring` of a prompt. `name`: the function asked for.

    `name` is empty where the benchmark's rows don't say it.
    """

    benchmark: str
    row: str
    part: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.benchmark} {self.row} ({self.part})"

    @property
    def quoted(self) -> str:
        """Return where it is from, and its first words."""
        words = " ".join(self.text.split())
        return f"{self}: {words[:_QUOTED]}{'…' if len(words) > _QUOTED else ''}"


@dataclass(frozen=True)
class _Benchmark:
    """Where a benchmark is on the Hub: a dataset with `config` and `split`, or `files` of its repo.

    `columns`: those to compare. One that holds a JSON list of texts counts as these.
    """

    repo: str
    columns: tuple[str, ...]
    id: str = "task_id"
    name: str = "entry_point"
    config: str | None = None
    split: str = "test"
    files: str = ""


# The benchmarks of METHOD.md, section 7, whose "+" variants share the prompts of the plain ones; GSM8K and APPS.
BENCHMARKS: Mapping[str, _Benchmark] = {
    "humaneval": _Benchmark("openai/openai_humaneval", ("prompt", "canonical_solution")),
    "mbpp": _Benchmark("google-research-datasets/mbpp", ("text", "code"), config="full", split="all"),
    "ds1000": _Benchmark("xlangai/DS-1000", ("prompt", "reference_code"), id="metadata"),
    "gsm8k": _Benchmark("openai/gsm8k", ("question",), id="", config="main"),
    "apps": _Benchmark("codeparrot/apps", ("question", "solutions"), id="problem_id", files="*.jsonl"),
    "bigcodebench": _Benchmark(
        "bigcode/bigcodebench", ("complete_prompt", "instruct_prompt", "canonical_solution"), split="all"
    ),
    "livecodebench": _Benchmark(
        "livecodebench/code_generation_lite", ("question_content",), id="question_id", files="test*.jsonl"
    ),
    "evoeval": _Benchmark("evoeval/EvoEval_difficult", ("prompt", "canonical_solution")),
    "evoeval-creative": _Benchmark("evoeval/EvoEval_creative", ("prompt", "canonical_solution")),
    "evoeval-subtle": _Benchmark("evoeval/EvoEval_subtle", ("prompt", "canonical_solution")),
    "evoeval-combine": _Benchmark("evoeval/EvoEval_combine", ("prompt", "canonical_solution")),
    "evoeval-tool-use": _Benchmark("evoeval/EvoEval_tool_use", ("prompt", "canonical_solution")),
    "classeval": _Benchmark("FudanSELab/ClassEval", ("skeleton", "solution_code"), name="class_name"),
    "canitedit": _Benchmark("nuprl/CanItEdit", ("before", "after", "instruction_descriptive"), id="full_name"),
}


def check_source(benchmark: str, file: str | None) -> None:
    """Raise InputError for a benchmark that is unknown and has no file, or whose file is not there. Loads nothing."""
    if file is None:
        if benchmark not in BENCHMARKS:
            raise InputError(f"unknown benchmark {benchmark!r}; give one of {', '.join(BENCHMARKS)}, or a file for it")
        return
    path, formats = Path(file).expanduser(), ", ".join(_FORMATS)
    if not path.is_file():
        raise InputError(f"benchmark {benchmark!r}: the file {file!r} does not exist; give one in {formats}")
    if path.suffix not in _FORMATS:
        raise InputError(f"benchmark {benchmark!r}: the file {file!r} is not in one of {formats}; give one that is")


def load_texts(benchmark: str, file: str | None = None) -> list[BenchmarkText]:
    """Return all texts of a benchmark, by row and column; an empty text is left out.

    Raises InputError when it can't be loaded, is unknown and has no file, or has none of the columns.
    """
    known = BENCHMARKS.get(benchmark)
    check_source(benchmark, file)
    rows = _from_file(benchmark, file) if file is not None else _from_hub(benchmark)
    columns = list(known.columns) if known else _text_columns(rows)
    missing = set(columns) - set(rows.column_names)
    if missing or not columns:
        raise InputError(
            f"benchmark {benchmark!r} ({file or (known and known.repo)}) has columns {rows.column_names}, "
            f"not {sorted(missing) or 'one of text'}; give a file with the layout of its published dataset"
        )
    described = [name for name in ((known.id, known.name) if known else ("task_id",)) if name in rows.column_names]
    texts: list[BenchmarkText] = []
    for number, row in enumerate(rows.select_columns(list(dict.fromkeys([*columns, *described])))):
        texts += _texts_of(benchmark, number, row, columns, known)
    return texts


def _texts_of(
    benchmark: str, number: int, row: dict[str, Any], columns: list[str], known: _Benchmark | None
) -> Iterator[BenchmarkText]:
    shown = row.get(known.id if known else "task_id")
    if isinstance(shown, Mapping):  # DS-1000 keeps its id among other metadata
        shown = shown.get("problem_id")
    task = str(number if shown is None else shown)
    name = row.get(known.name) if known else None
    for column in columns:
        for text in _each(row[column]):
            yield BenchmarkText(benchmark, task, column, str(name or ""), text)
            if "prompt" in column or column == "skeleton":
                for match in _DOCSTRING.finditer(text):
                    yield BenchmarkText(benchmark, task, "docstring", "", match[2])


def _each(value: Any) -> list[str]:
    """Return the texts of a column's value; APPS has JSON lists of solutions as text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]


def _text_columns(rows: Dataset) -> list[str]:
    named = {"task_id", "id", "name", "entry_point"}
    return [name for name, feature in rows.features.items() if "string" in str(feature) and name not in named]


def _from_file(benchmark: str, file: str) -> Dataset:
    path = Path(file).expanduser()
    return _load(benchmark, f"file {path.name}", _FORMATS[path.suffix], data_files=[str(path)], split="train")


def _from_hub(benchmark: str) -> Dataset:
    known = BENCHMARKS[benchmark]
    where = f"dataset {known.repo}"
    if known.files:
        return _load(benchmark, where, "json", data_files=f"hf://datasets/{known.repo}/{known.files}", split="train")
    return _load(benchmark, where, known.repo, name=known.config, split=known.split)


def _load(benchmark: str, where: str, *arguments: str, **how: Any) -> Dataset:
    try:
        with asking_hub(benchmark):
            return load_dataset(*arguments, **how)
    except Exception as error:  # `datasets` raises many types, from offline mode to a broken file
        cause = str(error.__cause__ or error).strip().split("\n")[0]
        raise InputError(
            f"benchmark {benchmark!r} ({where}) can't be loaded ({cause}); load it once with the Hub in reach, "
            f"or set SECTION.decontaminate.files={{{benchmark}: FILE}}, or SECTION.decontaminate=null to compare with "
            "no benchmark, for each SECTION that has one, such as seeds and select"
        ) from error
