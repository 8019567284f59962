"""Seeds: documented functions of real code that stand alone (METHOD.md, section 1, steps 1 to 6).

Reasons, in the order in which they are looked for. For a file, which then becomes one row:
- `unreadable-file`: it can't be read, or the row of a data file has no content;
- `license`: one of its licenses is not among `licenses`;
- `oversized-file`: over 1 MB (`sources.MAX_FILE_BYTES`), which is generated code or data;
- `undecodable-file`: its bytes are no text in the encoding that it declares, in UTF-8 or in any usual one;
- `parser-crash`: it makes the parser crash, hang or run out of memory;
- `unparsable-file`: Python can't parse it, nor any documented function in it;
- `no-function`: its top level has nothing of `kinds` (functions) with a docstring.

For a function:
- `unparsable-function`: its file does not parse, and neither does it or its class: it is broken, or for a newer Python;
- `no-return-value`: no `return` of its own, or of a class's methods, has a value other than None;
- `no-arguments`: fewer parameters than `min_args`, `self` not counted;
- `too-many-lines`, `too-long`: more lines than `max_lines`, more characters than `max_chars`, imports included;
- `forbidden-word`: has one of `forbidden_words` as a whole word, in any case ("bug", not "debug");
- `forbidden-import`: needs or makes an import of one of `forbidden_imports` or a module below it;
- `relative-import`: needs or makes an import that only works inside its package;
- `undefined-name`: reads a name that nothing in it, no builtin and no plain top-level import of the file binds;
- `not-compilable`: does not compile with its imports;
- `secret`, `email-address`: has one of these (see `secrets.py`); no row shows it, whatever its reason;
- `contaminated-<benchmark>`: contains a text of that benchmark (see `decontaminate.py`; off unless set);
- `duplicate`: same text as an earlier seed;
- `near-duplicate`: near an earlier seed that is not one itself (see `near_duplicates.py`; off unless set);
- `type-error`, `type-checker-crash`: a type checker finds an error, or crashes or hangs (off unless set);
- `not-sampled`: not among the `count` seeds that were drawn.
"""

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from datasets import Dataset, Value
from numpy.typing import NDArray
from pydantic import model_validator

from sca_hf.corpus.hub import File, FileStream
from sca_hf.corpus.languages import ENDINGS, language
from sca_hf.corpus.languages.python.types import TypeCheckSettings, type_errors
from sca_hf.corpus.rules import RuleSettings, SeedRow, judge_files, no_function
from sca_hf.corpus.stream import SeedStream
from sca_hf.filters.decontaminate import DecontaminateSettings, check_benchmarks, load_contaminants
from sca_hf.filters.near_duplicates import NearDuplicateSettings, near_duplicates
from sca_hf.identity import digest, row_id
from sca_hf.parallel.checkpoints import Checkpoints
from sca_hf.parallel.crash_proof import CrashProofWorker
from sca_hf.stage import BENCHMARK_ROW, REJECT_REASON, SECRET_KIND, Column, Stage
from sca_hf.stages.context import Context
from sca_hf.stages.progress import Progress
from sca_hf.stages.source_settings import SourceSettings, files_of, origin

Ids = NDArray[np.bytes_]

_PART = 50  # files: what a killed call loses of its work at most, per worker


class SeedSettings(SourceSettings, RuleSettings):
    """Which seeds are kept; the defaults are the paper's (METHOD.md, section 1).

    `decontaminate`: the benchmarks whose texts no seed may contain, `near_duplicates`: how near two seeds may be,
    `type_check`: who checks the types of Python (null: no such rule).
    """

    decontaminate: DecontaminateSettings | None = None
    near_duplicates: NearDuplicateSettings | None = None
    type_check: TypeCheckSettings | None = None

    @model_validator(mode="after")
    def _checkable(self) -> Self:
        if self.language != "python" and self.type_check is not None:
            raise ValueError(f"seeds.type_check is for Python, and seeds.language is {self.language}; set it to null")
        if self.language != "python" and self.kinds != ("function",):
            raise ValueError(f"seeds.kinds {list(self.kinds)} is for Python; {self.language} has [function]")
        return self

    @property
    def endings(self) -> tuple[str, ...]:
        """Return the endings of the names of files in the settings' language."""
        return ENDINGS[self.language]

    def intent(self) -> dict[str, Any]:
        """Return what decides, and the Python whose grammar judges."""
        return super().intent() | {"python": "{}.{}".format(*sys.version_info)}


def seeds(files: Dataset | FileStream, settings: SeedSettings, context: Context) -> Dataset:
    """Judge the functions in `files` (columns `content`: bytes or text, `path`, `license`), or in a stream of them.

    Return a row for each documented top-level function, and one for a file without any, by path and line as `files` are
    ordered: the columns of `STAGE.adds` and `reject_reason`. Where `files` don't say their path it is "input:NUMBER",
    and their license is the settings'. A stream is read no further than `settings.count` seeds need.
    """
    if isinstance(files, Dataset) and not len(files):
        return Dataset.from_dict({name: [] for name in _FEATURES}, features=_FEATURES)
    language(settings.language)  # is it there?
    contaminants = load_contaminants(settings.decontaminate) if settings.decontaminate else None
    folder = context.checkpoints / STAGE.name if context.checkpoints else None
    checkpoints = Checkpoints(folder, str(STAGE.version), json.dumps(settings.intent()))
    progress = context.progress
    progress.unit = "file"
    together = partial(
        _judged_together, settings=settings, checkpoints=checkpoints, folder=context.scratch, progress=progress
    )
    with ExitStack() as stack:
        judge = partial(judge_files, settings=settings, contaminants=contaminants)
        worker = stack.enter_context(CrashProofWorker(judge))
        if isinstance(files, FileStream):
            progress.counted = lambda: files.files
            stream = SeedStream(files, _judged, worker, checkpoints, context.workers, context.scratch, _FEATURES)
            judged, ids, reasons = _read(stack.enter_context(stream), settings.count, together)
        else:
            progress.rows = len(files)
            progress.counted = lambda: min(len(files), _PART * checkpoints.count())  # other processes judge them
            parts = Dataset.from_dict({"begin": range(0, len(files), _PART)})  # the same for any number of workers
            judged = parts.map(
                partial(_columns, files=files, license=settings.license, worker=worker, checkpoints=checkpoints),
                batched=True,
                batch_size=1,
                remove_columns=parts.column_names,
                features=_FEATURES,
                num_proc=min(context.workers, len(parts)) if context.workers > 1 else None,
                load_from_cache_file=False,
                cache_file_name=str(context.scratch / "seeds.arrow"),
                new_fingerprint=row_id("seeds", STAGE.version, settings.model_dump_json(), files._fingerprint),
                desc="seeds",
            )
            ids, reasons = together(judged)
    progress.counted, progress.rows_done = None, progress.done
    if settings.count is not None:
        _draw(ids, reasons, settings.count, context.seed)
    checkpoints.forget()
    judged = judged.remove_columns(REJECT_REASON).add_column(REJECT_REASON, reasons, feature=Value("string"))
    return judged.select_columns(list(_FEATURES))


def _read(
    stream: SeedStream, count: int | None, together: Callable[[Dataset], tuple[Ids, list[str | None]]]
) -> tuple[Dataset, Ids, list[str | None]]:
    """Return rows, ids and reasons: of all files, or of the first ones that leave `count` seeds, and not many more."""
    enough = count
    while True:
        judged = stream.read(enough)
        ids, reasons = together(judged)
        left = reasons.count(None)
        if count is None or left >= count or stream.over:
            return judged, ids, reasons
        share = max(left / max(stream.passed, 1), 0.25)  # of those that passed alone, by which the next step is chosen
        enough = stream.passed + math.ceil((count - left) / share)


def _judged_together(
    judged: Dataset, settings: SeedSettings, checkpoints: Checkpoints, folder: Path, progress: Progress
) -> tuple[Ids, list[str | None]]:
    """Ids and reasons, after the rules that look at many seeds at once."""
    ids, reasons = _ids(judged), _reasons(judged)
    _reject_copies(ids, reasons)
    if near := settings.near_duplicates:
        progress.phase = "looking for near-duplicates"
        compared = hashlib.sha256(ids[[reason is None for reason in reasons]].tobytes()).hexdigest()
        rule = partial(_near, settings=near, folder=folder)
        _reject(judged, reasons, lambda texts: checkpoints.part(["near", compared], partial(rule, texts)))
    if settings.type_check:
        progress.phase = "checking types"
        _reject(
            judged, reasons, partial(_checked, settings=settings.type_check, checkpoints=checkpoints, folder=folder)
        )
    progress.phase = ""
    return ids, reasons


def _columns(
    part: dict[str, list[int]],
    files: Dataset,
    license: str,
    worker: CrashProofWorker[File, list[SeedRow]],
    checkpoints: Checkpoints,
) -> dict[str, list[Any]]:
    (begin,) = part["begin"]
    batch = files_of(files[begin : begin + _PART], begin, license)
    key = [part for path, content, license in batch for part in (path, _sha(content), license)]
    rows = checkpoints.part(key, lambda: _judged(batch, worker))
    return {name: [row[name] for row in rows] for name in _FEATURES}


def _judged(files: Sequence[File], worker: CrashProofWorker[File, list[SeedRow]]) -> list[SeedRow]:
    return [
        row | {"path": path, "license": license}
        for (path, content, license), judged in zip(files, worker(files), strict=True)
        for row in ([no_function(path, content, "parser-crash")] if judged is None else judged)
    ]


def _sha(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _ids(rows: Dataset) -> Ids:
    """20 bytes a row, where as many strings would take 70."""
    columns = (batch["id"] for batch in rows.select_columns(["id"]).iter(100_000))
    return np.concatenate([np.empty(0, "S20"), *(np.array(column, "S20") for column in columns)])


def _reasons(rows: Dataset) -> list[str | None]:
    """Each reason is one string, however often it comes."""
    column = (batch[REJECT_REASON] for batch in rows.select_columns([REJECT_REASON]).iter(100_000))
    return [reason and sys.intern(reason) for reasons in column for reason in reasons]


def _reject_copies(ids: Ids, reasons: list[str | None]) -> None:
    left = np.array([index for index, reason in enumerate(reasons) if reason is None], np.int64)
    _, first = np.unique(ids[left], return_index=True)
    for index in np.delete(left, first).tolist():
        reasons[index] = "duplicate"


def _reject(
    judged: Dataset, reasons: list[str | None], rule: Callable[[Iterable[list[str]]], list[str | None]]
) -> None:
    """Ask a rule about all seeds that are left, in batches."""
    left = [index for index, reason in enumerate(reasons) if reason is None]
    batches = (batch["seed"] for batch in judged.select(left).select_columns(["seed"]).iter(1000))
    for index, reason in zip(left, rule(batches), strict=True):
        reasons[index] = reason


def _near(texts: Iterable[list[str]], settings: NearDuplicateSettings, folder: Path) -> list[str | None]:
    originals = near_duplicates(texts, settings, folder)
    return [None if original is None else "near-duplicate" for original in originals]


def _checked(
    texts: Iterable[list[str]], settings: TypeCheckSettings, checkpoints: Checkpoints, folder: Path
) -> list[str | None]:
    """In parts, each of which is kept when it is done."""
    verdicts: list[str | None] = []
    for batch in texts:
        key = [hashlib.sha256("\0".join(batch).encode("utf-8", "surrogatepass")).hexdigest()]
        verdicts += checkpoints.part(["types", *key], partial(type_errors, [batch], settings, folder))
    return verdicts


def _draw(ids: Ids, reasons: list[str | None], count: int, run_seed: int) -> None:
    left = [index for index, reason in enumerate(reasons) if reason is None]
    left.sort(key=lambda index: digest(run_seed, "seeds", ids[index].tobytes().decode()))
    for index in left[count:]:
        reasons[index] = "not-sampled"


def _known(license: Any) -> Any:
    """Return the license of a ready-made row."""
    return license or "unknown"


STAGE = Stage(
    name="seeds",
    version=7,
    title="Documented, self-contained functions of real code, with the imports that they need.",
    uses=("content",),
    optional=("path", "license"),
    adds=(
        Column("id", Value("string"), "hash of the seed's text"),
        Column(
            "seed",
            Value("string"),
            "source of a function below the imports that it needs; empty for a file without",
            aliases=("content",),
        ),
        Column("path", Value("string"), "file that it is from, relative to the source"),
        Column("name", Value("string"), "name of the function"),
        Column(
            "license",
            Value("string"),
            "SPDX id of the file's license, or unknown",
            parse=_known,
        ),
        Column("sha1", Value("string"), "SHA-1 of the seed's text, hex, as in the published dataset"),
    ),
    settings=SeedSettings,
    run=seeds,
    draws=True,
    check=lambda settings: check_benchmarks(settings.decontaminate),
    measured=(BENCHMARK_ROW, SECRET_KIND),
    origin=origin("seeds"),
)
_FEATURES = STAGE.features({})
