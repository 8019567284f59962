"""Ready-made rows that a run starts from: a version, a data file, a folder or a dataset on the Hub.

Rows in the layout of the reference are understood: seeds with `content`, `sha1`, `id`; SFT rows with `instruction`,
`response`, `seed`, `concepts`, `sha1` and others. Rows that lack ids get them from their texts. A column has its name
or an alias that its stage declares; columns that no stage before declares are left out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, load_dataset
from huggingface_hub import DatasetInfo, HfApi

from sca_hf.errors import InputError, StoreError
from sca_hf.identity import digest, row_id
from sca_hf.stage import Column, Stage, fit
from sca_hf.store import Version
from sca_hf.store.hub.commit import listing
from sca_hf.store.hub.retry import call, without
from sca_hf.store.lineage import FILE as LINEAGE
from sca_hf.store.lineage import Lineage
from sca_hf.store.manifest import MANIFEST, read_manifest

_FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


@dataclass(frozen=True)
class Loaded:
    """Rows as they are at `where`; `name`: for cards, "repository@commit", "dataset/fingerprint" or a file's.

    `version`: the version that they are, if they are one; the folder of one on the Hub has nothing but the lineage.
    """

    where: str
    rows: Dataset
    name: str
    version: Version | None = None

    def first_stage(self, chain: Sequence[Stage], end: int) -> str:
        """Return the name of the stage in `chain` that reads such rows, in a run up to the stage at `end`.

        It is the one after the stage that made them, if they are a version; else the first that they fit, after the
        last stage that adds one of their columns. Raises InputError if their columns don't tell, or nothing comes
        after them.
        """
        names = [stage.name for stage in chain]
        made_by = self.version.lineage.stage if self.version else None
        if made_by in names[:-1]:
            return names[names.index(made_by) + 1]
        places = {place for name in self.rows.column_names if (place := _place(chain, name)) is not None}
        if made_by != names[-1] and len(chain) not in places:
            for place in sorted(places, reverse=True):
                for number in range(place, end + 1):
                    if self._has(_needed(chain[number : end + 1]), chain):
                        return names[number]
        raise InputError(
            f"--input {self.where}: its columns {self.rows.column_names} don't tell which stage reads them; "
            f"give --from STAGE, one of {', '.join(names)}"
        )

    def source(self, column: str, chain: Sequence[Stage]) -> str | None:
        """Return the name under which the rows have a column, if they do."""
        aliases = [alias for stage in chain for added in stage.adds if added.name == column for alias in added.aliases]
        return next((name for name in (column, *aliases) if name in self.rows.column_names), None)

    def _has(self, columns: Iterable[str], chain: Sequence[Stage]) -> bool:
        ids = _ids(chain)
        return all(column in ids or self.source(column, chain) for column in columns)


@dataclass(frozen=True)
class ReadyMade:
    """`rows` as the first stage reads them; `sha` (64 hex digits) of their content; where they were loaded."""

    rows: Dataset
    sha: str
    loaded: Loaded

    @property
    def parents(self) -> tuple[Version, ...]:
        """The version that the rows are, if they are one."""
        return () if self.loaded.version is None else (self.loaded.version,)


def load_input(where: str) -> Loaded:
    """Load the rows at `where`: a folder or file, or a dataset repository, `namespace/name[@revision]`.

    Raises InputError if there is none, or it has no row; HubError if the Hub refuses.
    """
    loaded = _load(where)
    if not len(loaded.rows):
        raise InputError(f"--input {where} has no row; give one with at least one")
    return loaded


def read_input(loaded: Loaded, chain: Sequence[Stage], start: int, end: int) -> ReadyMade:
    """Return the rows as the stages from `start` to `end` read them: all columns that are made before, and their ids.

    Raises InputError if the rows lack a column that one of the stages needs.
    """
    stages, rows, ids = chain[start : end + 1], loaded.rows, _ids(chain)
    before = {column.name for stage in chain[:start] for column in stage.adds}
    taken = [name for name in rows.column_names if name in before | {*stages[0].optional}]
    needed = _needed(stages)
    sources = {name: name for name in taken} | {name: loaded.source(name, chain) for name in needed}
    sources = {name: source for name, source in sources.items() if source or name in ids}
    declared = {column.name: column for stage in chain for column in stage.adds}
    columns = {name: declared.get(name) or Column(name, rows.features[name], "") for name in sources}
    fit(stages, [*columns.values()], chain, f"--input {loaded.where}")
    texts = [name for name in needed if name not in ids]

    def read(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        own = list(zip(*(batch[str(sources[name])] for name in texts), strict=True)) or [()] * len(numbers)
        values: dict[str, list[Any]] = {}
        for name, source in sources.items():
            cells = batch[source] if source else [None] * len(numbers)
            if name in ids:  # a row that has no id gets one from its number and texts
                cells = [
                    cell
                    if isinstance(cell, str) and cell
                    else row_id("input", stages[0].name, name, number, *own_texts)
                    for cell, number, own_texts in zip(
                        cells, numbers, [list(map(str, each)) for each in own], strict=True
                    )
                ]
            values[name] = list(map(columns[name].parse or (lambda cell: cell), cells))
        return values

    rows = rows.map(
        read,
        batched=True,
        with_indices=True,
        remove_columns=rows.column_names,
        features=Features({name: column.feature for name, column in columns.items()}),
        load_from_cache_file=False,
        desc="input",
    )
    return ReadyMade(rows, _content(rows), loaded)


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
    """Return the version that a repository holds, if it does. Raises InputError if its rows were changed."""
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
    lineage = Lineage.read((folder / LINEAGE).read_bytes())
    return Version(dataset, lineage.fingerprint, folder, lineage.manifest_sha, lineage)


def _needed(stages: Sequence[Stage]) -> list[str]:
    """Return the columns that stages use and none of them makes before; and an id, which every row of a version has."""
    needed: dict[str, None] = {} if stages[0].origin else {"id": None}
    added: set[str] = set()
    for stage in stages:
        needed |= dict.fromkeys(name for name in stage.uses if name not in added)
        added |= {column.name for column in stage.adds}
    return list(needed)


def _ids(chain: Sequence[Stage]) -> set[str]:
    return {"id", *(stage.parent_id for stage in chain if stage.parent_id)}


def _place(chain: Sequence[Stage], column: str) -> int | None:
    """The place of the first stage that could read rows because they have this column; None if it tells nothing."""
    if column in _ids(chain):
        return None
    for place, stage in enumerate(chain):
        if stage.origin is not None and column in {*stage.uses, *stage.optional}:
            return place
    for name_of in (lambda added: (added.name,), lambda added: added.aliases):
        for place, stage in enumerate(chain):
            if any(column in name_of(added) for added in stage.adds):
                return place + 1
    return None


def _content(rows: Dataset) -> str:
    """Return a sha of the rows' content, whatever files they came from."""
    parts = (
        json.dumps(row, ensure_ascii=True, sort_keys=True, default=lambda value: value.hex())
        for batch in rows.with_format(None).iter(batch_size=1_000)
        for row in (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
    )
    return digest(*parts)


def _line(error: BaseException) -> str:
    return str(error.__cause__ or error).strip().split("\n")[0]
