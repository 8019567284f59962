"""Seeds: documented functions of real code that stand alone (METHOD.md, section 1, steps 1 to 6).

Reasons, in the order in which they are looked for. Of a file, which then gives one row:
- `unreadable-file`: it can't be read, or the row of a data file has no content;
- `license`: one of its licenses is not among `licenses`;
- `oversized-file`: over 1 MB (`sources.MAX_FILE_BYTES`), which is generated code or data;
- `undecodable-file`: its bytes are no text in the encoding that it declares, or in UTF-8;
- `parser-crash`: it makes the parser crash, hang or run out of memory;
- `unparsable-file`: Python can't parse it, nor any documented function in it;
- `no-function`: it has no top-level function with a docstring.

Of a function:
- `unparsable-function`: its file does not parse, and neither does its body;
- `no-return-value`: no `return` of its own has a value other than None;
- `no-arguments`: fewer parameters than `min_args`;
- `too-many-lines`, `too-long`: more lines than `max_lines`, more characters than `max_chars`, imports included;
- `forbidden-word`: has one of `forbidden_words` as a whole word, in any case ("bug", not "debug");
- `forbidden-import`: needs or makes an import of one of `forbidden_imports` or a module below it;
- `relative-import`: needs or makes an import that only works inside its package;
- `undefined-name`: reads a name that nothing in it, no builtin and no plain top-level import of the file binds;
- `not-compilable`: does not compile with its imports;
- `contaminated-<benchmark>`: contains a text of that benchmark (see `decontaminate.py`; off unless set);
- `duplicate`: same text as an earlier seed;
- `near-duplicate`: near an earlier seed that is none itself (see `near_duplicates.py`; off unless set);
- `type-error`, `type-checker-crash`: a type checker finds an error, or comes to no end (off unless set);
- `not-sampled`: not among the `count` seeds that were drawn.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.decontaminate import Contaminants, DecontaminateSettings, load_contaminants
from sca_hf.functions import PARSER_ERRORS, Function, compiles, decode, documented_functions
from sca_hf.identity import digest, row_id
from sca_hf.isolated import Isolated
from sca_hf.near_duplicates import NearDuplicateSettings, near_duplicates
from sca_hf.salvage import BrokenFunction, salvaged_functions
from sca_hf.settings import Settings
from sca_hf.sources import MAX_FILE_BYTES
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.type_check import TypeCheckSettings, type_errors

if TYPE_CHECKING:
    from sca_hf.context import Context

Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]  # YAML has lists, no tuples

WORDS = ("todo", "fixme", "bug")
IMPORTS = ("argparse", "os", "subprocess", "sys", "setuptools", "distutils", "matplotlib", "seaborn")


class SeedSettings(Settings):
    """Where seeds come from and which are kept; the defaults are the paper's (METHOD.md, section 1).

    `source`, `column`, `license`: see `sca_hf.sources.open_source`. `licenses`: those that files may have (null: any).
    `count`: take at most so many of the seeds, drawn by the run's seed. `max_lines`, `max_chars` (null: any) count a
    seed with its imports. `decontaminate`: the benchmarks whose texts no seed may contain, `near_duplicates`: how near
    two seeds may be, `type_check`: who checks their types (null: no such rule).
    """

    source: str = Field(default="stdlib", min_length=1)
    column: str = Field(default="content", min_length=1)
    license: str = Field(default="unknown", min_length=1)
    licenses: Words | None = None
    count: int | None = Field(default=None, ge=1)
    max_lines: int = Field(default=150, ge=2, le=10_000)
    max_chars: int | None = Field(default=None, ge=40)
    min_args: int = Field(default=1, ge=0, le=100)
    forbidden_words: Words = WORDS
    forbidden_imports: Words = IMPORTS
    decontaminate: DecontaminateSettings | None = None
    near_duplicates: NearDuplicateSettings | None = None
    type_check: TypeCheckSettings | None = None

    def intent(self) -> dict[str, Any]:
        """All but the names of sources, whose content counts, and the Python whose grammar and builtins judge."""
        rules = {name: getattr(self, name) for name in ("decontaminate", "near_duplicates", "type_check")}
        return (
            self.model_dump(mode="json", exclude={"source", *rules})
            | {"python": "{}.{}".format(*sys.version_info)}
            | {name: rule and rule.intent() for name, rule in rules.items()}
        )


def seeds(
    files: Dataset,
    settings: SeedSettings,
    run_seed: int = 0,
    num_proc: int = 1,
    cache_file: Path | None = None,
) -> Dataset:
    """Judge the functions in `files` (columns `path`, `content`: bytes, `license`).

    Gives one row per documented top-level function, or one for a file without any, by path and line as `files` are
    ordered: `STAGE.columns` and `reject_reason`. The same rows for any `num_proc`. `cache_file`: where the judged rows
    are written; by default where `datasets` puts them.
    """
    if not len(files):
        return Dataset.from_dict({name: [] for name in STAGE.features}, features=STAGE.features)
    contaminants = load_contaminants(settings.decontaminate) if settings.decontaminate else None
    with Isolated(partial(_judge_files, settings=settings, contaminants=contaminants)) as isolated:
        judged = files.map(
            partial(_rows, isolated=isolated),
            batched=True,
            batch_size=50,
            remove_columns=files.column_names,
            features=STAGE.features,
            num_proc=min(num_proc, len(files)) if num_proc > 1 else None,
            load_from_cache_file=False,
            cache_file_name=str(cache_file) if cache_file else None,
            new_fingerprint=row_id("seeds", STAGE.version, settings.model_dump_json(), files._fingerprint),
            desc="seeds",
        )
    table = judged.with_format("arrow")
    ids, reasons = (table[name][:].to_pylist() for name in ("id", REJECT_REASON))
    _reject_copies(ids, reasons)
    if settings.near_duplicates:
        folder = cache_file and cache_file.parent
        _reject(judged, reasons, partial(_near, settings=settings.near_duplicates, folder=folder))
    if settings.type_check:
        _reject(judged, reasons, partial(type_errors, settings=settings.type_check))
    if settings.count is not None:
        _draw(ids, reasons, settings.count, run_seed)
    judged = judged.remove_columns(REJECT_REASON).add_column(REJECT_REASON, reasons, feature=Value("string"))
    return judged.select_columns(list(STAGE.features))


_File = tuple[str, bytes | None, str]  # path, content, license
_Row = dict[str, Any]


def _rows(files: dict[str, list[Any]], isolated: Isolated[_File, list[_Row]]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {name: [] for name in STAGE.features}
    batch = list(zip(files["path"], files["content"], files["license"], strict=True))
    for (path, content, license), judged in zip(batch, isolated(batch), strict=True):
        for row in [_no_function(path, content, "parser-crash")] if judged is None else judged:
            for name, value in (row | {"path": path, "license": license}).items():
                rows[name].append(value)
    return rows


def _judge_files(files: Sequence[_File], settings: SeedSettings, contaminants: Contaminants | None) -> list[list[_Row]]:
    allowed = None if settings.licenses is None else {license.lower() for license in settings.licenses}
    return [
        list(_judge_file(path, content, settings, contaminants))
        if allowed is None or allowed.issuperset(license.lower().split(" and "))
        else [_no_function(path, content, "license")]
        for path, content, license in files
    ]


def _no_function(path: str, content: bytes | None, reason: str) -> _Row:
    file_id = row_id("file", path, hashlib.sha256(content or b"").hexdigest())
    return {"id": file_id, "seed": "", "name": "", "sha1": "", REJECT_REASON: reason, "benchmark_row": None}


def _judge_file(
    path: str, content: bytes | None, settings: SeedSettings, contaminants: Contaminants | None
) -> Iterator[_Row]:
    functions, reason = _read(content)
    if reason:
        yield _no_function(path, content, reason)
    for function in functions:
        if isinstance(function, BrokenFunction):
            seed, reason = function.source, "unparsable-function"
        else:
            seed = function.standalone
            reason = _reason(function, seed, settings)
        found = contaminants.found_in(seed) if contaminants and reason is None else []
        yield {
            "id": row_id(seed),
            "seed": seed,
            "name": function.name,
            "sha1": hashlib.sha1(seed.encode()).hexdigest(),
            REJECT_REASON: f"contaminated-{found[0].benchmark}" if found else reason,
            "benchmark_row": "; ".join(map(str, found)) or None,
        }


def _read(content: bytes | None) -> tuple[Sequence[Function | BrokenFunction], str | None]:
    if content is None:
        return [], "unreadable-file"
    if len(content) > MAX_FILE_BYTES:
        return [], "oversized-file"
    try:
        text = decode(content)
    except (UnicodeDecodeError, SyntaxError, LookupError):
        return [], "undecodable-file"
    try:
        functions = documented_functions(text)
    except PARSER_ERRORS:
        salvaged = salvaged_functions(text)
        return salvaged, None if salvaged else "unparsable-file"
    return functions, None if functions else "no-function"


def _reason(function: Function, seed: str, settings: SeedSettings) -> str | None:
    if not function.returns_value:
        return "no-return-value"
    if function.arguments < settings.min_args:
        return "no-arguments"
    if seed.count("\n") + 1 > settings.max_lines:
        return "too-many-lines"
    if settings.max_chars is not None and len(seed) > settings.max_chars:
        return "too-long"
    if any(_has_word(seed, word) for word in settings.forbidden_words):
        return "forbidden-word"
    if any(f"{module}.".startswith(f"{name}.") for module in function.modules for name in settings.forbidden_imports):
        return "forbidden-import"
    if any(module.startswith(".") for module in function.modules):
        return "relative-import"
    if function.undefined:
        return "undefined-name"
    return None if compiles(seed) else "not-compilable"


def _has_word(text: str, word: str) -> bool:
    """Whether `word` is in `text` in any case, with no letter beside it: "bug" is in "a_bug", not in "debug"."""
    letter = r"[^\W\d_]"
    return re.search(rf"(?<!{letter}){re.escape(word)}(?!{letter})", text, re.IGNORECASE) is not None


def _reject_copies(ids: list[str], reasons: list[str | None]) -> None:
    seen: set[str] = set()
    for index, seed_id in enumerate(ids):
        if reasons[index] is None:
            if seed_id in seen:
                reasons[index] = "duplicate"
            seen.add(seed_id)


def _reject(
    judged: Dataset, reasons: list[str | None], rule: Callable[[Iterable[list[str]]], list[str | None]]
) -> None:
    """Ask a rule about all seeds that are left, in batches."""
    left = [index for index, reason in enumerate(reasons) if reason is None]
    batches = (batch["seed"] for batch in judged.select(left).select_columns(["seed"]).iter(1000))
    for index, reason in zip(left, rule(batches), strict=True):
        reasons[index] = reason


def _near(texts: Iterable[list[str]], settings: NearDuplicateSettings, folder: Path | None) -> list[str | None]:
    found = near_duplicates(texts, settings, folder)
    return [None if original is None else "near-duplicate" for original in found]


def _draw(ids: list[str], reasons: list[str | None], count: int, run_seed: int) -> None:
    left = [index for index, reason in enumerate(reasons) if reason is None]
    left.sort(key=lambda index: digest(run_seed, "seeds", ids[index]))
    for index in left[count:]:
        reasons[index] = "not-sampled"


def _run(files: Dataset, context: "Context") -> Dataset:
    recipe = context.recipe
    return seeds(files, recipe.seeds, recipe.seed, recipe.run.workers, context.scratch / "seeds.arrow")


STAGE = Stage(
    name="seeds",
    version=3,
    title="Documented, self-contained functions of real code, with the imports that they need.",
    reads=("path", "content", "license"),
    columns=(
        Column("id", Value("string"), "hash of the seed's text"),
        Column(
            "seed", Value("string"), "source of a function below the imports that it needs; empty for a file without"
        ),
        Column("path", Value("string"), "file that it is from, relative to the source"),
        Column("name", Value("string"), "name of the function"),
        Column("license", Value("string"), "SPDX id of the file's license, or unknown"),
        Column("sha1", Value("string"), "SHA-1 of the seed's text, hex, as in the published dataset"),
    ),
    needs=None,
    settings="seeds",
    run=_run,
    measured=(Column("benchmark_row", Value("string"), "benchmark rows whose text it contains, if it was compared"),),
)
