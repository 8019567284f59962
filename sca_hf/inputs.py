"""Ready-made rows that a run starts from: a version, a data file, a folder or a dataset on the Hub.

Rows in the layout of the reference are understood: seeds with `content`, `sha1`, `id`; SFT rows with `instruction`,
`response`, `seed`, `concepts`, `sha1` and others. What a stage asks for and such rows can't say is filled in: ids from
the rows' texts, an unknown license, empty names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value, load_dataset
from huggingface_hub import DatasetInfo, HfApi

from sca_hf.errors import InputError, StoreError
from sca_hf.identity import digest, row_id
from sca_hf.stage import Column, Stage
from sca_hf.store import Version
from sca_hf.store.calls import call, without
from sca_hf.store.hub_commit import listing
from sca_hf.store.local import LINEAGE
from sca_hf.store.manifest import MANIFEST, read_manifest

# What a row must have for a stage; each text may come under one of these names. Everything else can be filled in.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "seeds": ("content",),
    "judge": ("seed",),
    "concepts": ("seed",),
    "instructions": ("seed", "concepts"),
    "responses": ("instruction",),
    "execute": ("instruction", "response", "tests"),
    "select": ("instruction", "response", "tests", "status"),
    "sft": ("instruction", "response"),
}
_ALIASES: Mapping[str, tuple[str, ...]] = {"seed": ("content",), "response": ("output", "completion")}
_FILLED: Mapping[str, Any] = {
    "license": "unknown",
    "language": "Python",
    "status": "unknown",
    "sample": 0,
    "tests_inferred": False,
    "flags": [],
    "line": None,
    "assertions": None,
}
# The column that a stage is the first to need, last stages first: rows that have it go on with that stage.
_SIGNS: Mapping[str, str] = {
    "status": "select",
    "tests": "execute",
    "response": "sft",
    "output": "sft",
    "completion": "sft",
    "instruction": "responses",
    "concepts": "instructions",
    "verdict": "concepts",
    "seed": "judge",
    "content": "seeds",
}
_FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


@dataclass(frozen=True)
class Loaded:
    """Rows as they lie at `where`; `name`: for cards, "repository@commit", "dataset/fingerprint" or a file's.

    `version`: of a stage, if that is what they are; of one on the Hub there is nothing in its folder but the lineage.
    """

    where: str
    rows: Dataset
    name: str
    version: Version | None = None

    def first_stage(self, names: Sequence[str]) -> str:
        """The stage, among those of a recipe, that reads such rows.

        Raises InputError if their columns don't tell, or nothing comes after them.
        """
        made_by = self.version.lineage["stage"] if self.version else None
        if made_by in names[:-1]:
            return names[names.index(made_by) + 1]
        sign = next((column for column in _SIGNS if column in self.rows.column_names), None)
        if sign is None or made_by == names[-1] or "messages" in self.rows.column_names:
            raise InputError(
                f"--input {self.where}: its columns {self.rows.column_names} don't tell which stage reads them; "
                f"give --from STAGE, one of {', '.join(names)}"
            )
        return _SIGNS[sign] if _SIGNS[sign] in names else "concepts"  # which reads what a judge would have read


@dataclass(frozen=True)
class Given:
    """`rows` with the columns that a stage reads; `sha` (64 hex digits) of their content; where they were loaded."""

    rows: Dataset
    sha: str
    loaded: Loaded

    @property
    def parents(self) -> tuple[Version, ...]:
        """The version that the rows are, if they are one."""
        return () if self.loaded.version is None else (self.loaded.version,)


def load_input(where: str) -> Loaded:
    """The rows at `where`: a folder or file, or a dataset repository, `namespace/name` or `namespace/name@revision`.

    Raises InputError if there is none, or it has no row; HubError if the Hub refuses.
    """
    loaded = _load(where)
    if not len(loaded.rows):
        raise InputError(f"--input {where} has no row; give one with at least one")
    return loaded


def read_input(loaded: Loaded, stage: Stage, columns: Mapping[str, Column]) -> Given:
    """The rows as `stage` reads them, by `columns` (of all stages, by name).

    Raises InputError if they lack a column that can't be filled in.
    """
    rows = loaded.rows
    needed = {column: _source(rows.column_names, column) for column in _NEEDED[stage.name]}
    missing = [column for column, source in needed.items() if source is None]
    if missing:
        raise InputError(
            f"--input {loaded.where}: stage {stage.name!r} needs column {', '.join(map(repr, missing))}; "
            f"the input has {rows.column_names}"
        )
    features = Features({column: _feature(column, stage, columns) for column in stage.reads})
    rows = rows.map(
        _reading(stage, rows.column_names),
        batched=True,
        with_indices=True,
        remove_columns=rows.column_names,
        features=features,
        load_from_cache_file=False,
        desc="input",
    )
    return Given(rows, _content(rows), loaded)


def _load(where: str) -> Loaded:
    path = Path(where).expanduser()
    try:
        if (path / LINEAGE).is_file():
            version = _version(path.resolve(), path.resolve().parent.name)
            version.verify()
            shards = sorted(str(shard) for shard in (version.path / "data").glob("*.parquet"))
            rows = load_dataset("parquet", data_files=shards, split="train")
            return Loaded(where, rows, f"{version.dataset}/{version.fingerprint}", version)
        if path.is_file() and path.suffix in _FORMATS:
            rows = load_dataset(_FORMATS[path.suffix], data_files=str(path.resolve()), split="train")
            return Loaded(where, rows, path.name)
        if path.is_dir():
            return Loaded(where, load_dataset(str(path.resolve()), split="train"), path.resolve().name)
    except StoreError:
        raise
    except Exception as error:  # `datasets` wraps what its readers raise in many types
        raise InputError(f"--input {where} can't be read: {_line(error)}; give rows in Parquet or JSON") from error
    repo, _, revision = where.partition("@")
    if path.exists() or repo.count("/") != 1:
        formats = ", ".join(_FORMATS)
        raise InputError(f"--input {where}: give a folder, a file that ends in {formats}, or namespace/name@revision")
    api = HfApi()
    info = call(f"--input {where}", lambda: api.dataset_info(repo, revision=revision or None), None)
    held = call(f"--input {where}", lambda: _version_on_hub(api, repo, info), None)
    try:
        return Loaded(where, load_dataset(repo, revision=info.sha, split="train"), f"{repo}@{info.sha}", held)
    except Exception as error:
        raise InputError(f"--input {where} can't be loaded: {without(_line(error), None)}") from None


def _version_on_hub(api: HfApi, repo: str, info: DatasetInfo) -> Version | None:
    """The version that a repository holds, if it does. Raises InputError if its rows were changed."""
    if not {LINEAGE, MANIFEST} <= {file.rfilename for file in info.siblings or ()}:
        return None
    for name in (LINEAGE, MANIFEST):
        path = Path(api.hf_hub_download(repo, name, repo_type="dataset", revision=info.sha))
    listed = listing(api, repo, str(info.sha))
    for file in read_manifest(path.parent).files:
        lfs = listed[file.name].lfs if file.name in listed else None
        if lfs is None or lfs.sha256 != file.sha256:
            raise InputError(
                f"--input {repo}@{info.sha}: {file.name} was changed on the Hub; give the version's tag (v-…)"
            )
    return _version(path.parent, repo.partition("/")[2])


def _version(folder: Path, dataset: str) -> Version:
    lineage = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
    return Version(dataset, lineage["fingerprint"], folder, lineage["manifest_sha"], lineage)


def _source(present: Sequence[str], column: str) -> str | None:
    """The name, among those present, under which an input has a column."""
    return next((name for name in (column, *_ALIASES.get(column, ())) if name in present), None)


def _feature(column: str, stage: Stage, columns: Mapping[str, Column]) -> Any:
    if stage.name == "seeds":
        return Value("binary") if column == "content" else Value("string")
    return columns[column].feature


def _reading(stage: Stage, present: Sequence[str]) -> Callable[[dict[str, list[Any]], list[int]], dict[str, list[Any]]]:
    """The function of a batch that gives the columns which the stage reads."""
    sources = {column: _source(present, column) for column in stage.reads}

    def read(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        texts = [batch[str(sources[column])] for column in _NEEDED[stage.name]]
        rows = list(zip(numbers, zip(*texts, strict=True), strict=True))
        filled: dict[str, list[Any]] = {}
        for column, source in sources.items():
            values = batch[source] if source else [_FILLED.get(column, "")] * len(numbers)
            filled[column] = [
                _value(column, value, stage.name, number, own)
                for value, (number, own) in zip(values, rows, strict=True)
            ]
        return filled

    return read


def _value(column: str, value: Any, stage: str, number: int, texts: Sequence[Any]) -> Any:
    """A cell as the stage wants it; ids come from the number and the texts of a row that has none of its own."""
    if column == "id" or column.endswith("_id"):
        return value if isinstance(value, str) and value else row_id("input", stage, column, number, *map(str, texts))
    if column == "concepts":
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value or []
    if column == "path" and stage == "seeds":
        return value or f"input:{number + 1}"
    if column == "content" and isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value


def _content(rows: Dataset) -> str:
    """A sha of the rows' content, whatever files they came from."""
    parts = (
        json.dumps(row, ensure_ascii=True, sort_keys=True, default=lambda value: value.hex())
        for batch in rows.with_format(None).iter(batch_size=1_000)
        for row in (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
    )
    return digest(*parts)


def _line(error: BaseException) -> str:
    return str(error.__cause__ or error).strip().split("\n")[0]
