"""Versions in a folder.

`<store>/<dataset>/<fingerprint>/` holds one version, complete or not there at all:

    README.md          the card                  lineage.json   what made it, from what, and what became of the rows
    funnel.png         the card's picture        manifest.json  checksums of data/, rejected/ and formats/
    formats/           the kept rows for trainers, a folder a shape, if the stage has any
    data/              the kept rows             timings.json   seconds, host, tokens per second: what differs by run
    rejected/          some rows of each reason  measurements/  by id: why a row was rejected, and what was measured
    calls.bin          digests of the calls that it came from, which the journal holds

`<store>/<dataset>/latest` links to the version that was written, or used by a run, last (where that was removed, to the
newest that is left); `README.md` beside it leads `load_dataset("<store>/<dataset>")` there, and not to all versions at
once. `load_dataset` reads all of these folders as they are. A version of a pilot is not the latest, and has a file in
`<store>/<dataset>/.pilots/` until a run uses it.
"""

import errno
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import datasets
from datasets import Dataset, DatasetInfo, Features, Value
from datasets.table import MemoryMappedTable

from sca_hf.errors import StoreError, one_line
from sca_hf.identity import digest
from sca_hf.stage import REJECT_REASON, Column, Counts, Format, Judged, Stage
from sca_hf.store.cards.dataset import write_card
from sca_hf.store.disk import FULL, store_error, store_errors, sync
from sca_hf.store.latest import forget, is_pilot, latest, make_latest, mark_pilot
from sca_hf.store.lineage import FILE as LINEAGE
from sca_hf.store.lineage import Lineage, Making, lineage_of
from sca_hf.store.manifest import Manifest, format_folder, read_manifest
from sca_hf.store.parquet import SHARD_BYTES, read_features, sha256, write_arrow, write_shards
from sca_hf.store.temporary import remove_dead, temporary_folder

REJECTED_PER_REASON = 20

_TIMINGS = "timings.json"

CALLS = "calls.bin"
CALL_BYTES = 16
"""Of a call's digest, so many of the first bytes are kept with the versions that it is behind."""


@dataclass(frozen=True)
class Build:
    """What a stage made, ready to become a version.

    `columns`: those of its kept rows. `timings`: JSON-able, whatever differs by run. `parents`: lineages of the
    versions that it was made from, wherever they are; by default of those in the store. `calls`: CALL_BYTES for each
    call behind it.
    """

    stage: Stage
    columns: Sequence[Column]
    judged: Judged
    making: Making
    timings: Mapping[str, Any]
    parents: Sequence[Lineage] = ()
    calls: bytes = b""


@dataclass(frozen=True)
class Version:
    """A complete version."""

    dataset: str
    fingerprint: str
    path: Path
    manifest_sha: str
    lineage: Lineage

    @property
    def counts(self) -> Counts:
        """Rows of the stage that made it."""
        return self.lineage.counts

    @property
    def timings(self) -> Mapping[str, Any]:
        """What was measured when it was made: `seconds` and whatever else differs from run to run."""
        timings: Mapping[str, Any] = json.loads((self.path / _TIMINGS).read_text(encoding="utf-8"))
        return timings

    def load(self) -> Dataset:
        """Return the kept rows, memory-mapped, with the exact features that were written.

        They are copied once to an Arrow file in the cache of `datasets` (HF_DATASETS_CACHE), under the manifest's sha;
        this first time the checksums are verified. Raises StoreError if the files aren't those of the manifest.
        """
        cached = Path(datasets.config.HF_DATASETS_CACHE, "sca_hf", self.manifest_sha)
        if not cached.exists():
            self.verify()
            with store_errors(cached.parent, "set HF_DATASETS_CACHE to"), temporary_folder(cached.parent) as temporary:
                write_arrow(self._shards(), temporary / "train.arrow")
                sync(temporary)
                _rename(temporary, cached)
        return Dataset(
            MemoryMappedTable.from_file(str(cached / "train.arrow")),
            info=DatasetInfo(features=read_features(self._shards()[0])),
            split=datasets.Split.TRAIN,
            fingerprint=self.manifest_sha[:16],
        )

    def verify(self) -> None:
        """Raise StoreError that names the first row file which is missing or isn't the one that was written."""
        remedy = f"get the version again, or remove it so that the next run makes it again: rm -r {self.path}"
        try:
            manifest = read_manifest(self.path)
        except (OSError, ValueError) as error:
            raise StoreError(f"version {self.path} has no readable manifest ({error}); {remedy}") from error
        for file in manifest.files:
            path = self.path / file.name
            actual = sha256(path) if path.is_file() else "missing"
            if actual != file.sha256:
                raise StoreError(f"{path} was changed: sha256 {actual}, written as {file.sha256}; {remedy}")
        if manifest.sha != self.manifest_sha:
            raise StoreError(
                f"{self.path} was changed: manifest {manifest.sha}, its lineage has {self.manifest_sha}; {remedy}"
            )

    def calls(self) -> set[bytes] | None:
        """Return the digests of the calls behind it; None of a version that an earlier sca_hf wrote."""
        path = self.path / CALLS
        return digests_in(path.read_bytes()) if path.is_file() else None

    def _shards(self) -> list[Path]:
        return sorted((self.path / "data").glob("train-*.parquet"))


def digests_in(calls: bytes | bytearray) -> set[bytes]:
    """Return the digests, CALL_BYTES each."""
    return {bytes(calls[begin : begin + CALL_BYTES]) for begin in range(0, len(calls), CALL_BYTES)}


class Store:
    """A folder of versions. Any number of runs may use it at the same time."""

    def __init__(self, root: Path | str, shard_bytes: int = SHARD_BYTES) -> None:
        """Use the folder `root`, which is made when something is written.

        `shard_bytes`: size at which a Parquet shard ends. Another size gives other files, so another manifest sha.
        """
        if shard_bytes < 1:
            raise StoreError(f"shard_bytes must be >= 1, got {shard_bytes}")
        self.root = Path(root)
        self.shard_bytes = shard_bytes

    def check_writable(self) -> None:
        """Make the folder if it is missing, and clear away what dead runs left. Raises StoreError if that fails."""
        with store_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.root):
                pass
            for folder in self.root.iterdir():
                if folder.is_dir():
                    remove_dead(folder)

    def find(self, dataset: str, fingerprint: str) -> Version | None:
        """Return the version of this fingerprint, or None. Raises StoreError if its lineage can't be read."""
        path = self.root / dataset / fingerprint
        try:
            lineage = Lineage.read((path / LINEAGE).read_bytes())
            return Version(dataset, fingerprint, path, lineage.manifest_sha, lineage)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, StoreError) as error:
            raise StoreError(
                f"version {path}: {one_line(error)}; remove it, so that the next run makes it again: rm -r {path}"
            ) from error

    def latest(self, dataset: str) -> Version | None:
        """Return the version of a dataset that was written or used last, or None."""
        fingerprint = latest(self.root / dataset)
        return self.find(dataset, fingerprint) if fingerprint is not None else None

    def use(self, version: Version) -> None:
        """Make a version of this store the latest of its dataset, and no pilot's any more.

        Raises StoreError if the store can't be written.
        """
        folder = self.root / version.dataset
        with store_errors(folder):
            make_latest(folder, version.fingerprint)

    def is_pilot(self, dataset: str, fingerprint: str) -> bool:
        """Return whether a pilot alone has made or used this version."""
        return is_pilot(self.root / dataset, fingerprint)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for the files of one stage while it runs; of a killed run, the next one removes it.

        Raises StoreError if the disk is full or refuses to be written, whatever in the stage met that.
        """
        folder = self.root / "scratch"
        try:
            with temporary_folder(folder) as temporary:
                yield temporary
        except OSError as error:
            if error.errno not in FULL | {errno.EROFS}:
                raise
            raise store_error(folder, error) from error

    def versions(self, dataset: str | None = None) -> list[Version]:
        """Return all versions (of one dataset), by dataset and fingerprint, without those that can't be read."""
        versions = (self.readable(*name) for name in self.names(dataset))
        return [version for version in versions if version is not None]

    def is_busy(self) -> bool:
        """Return whether a run is writing to it. Raises StoreError if it can't be written."""
        self.check_writable()
        return any((self.root / "scratch").glob(".tmp-*"))

    @contextmanager
    def apart(self) -> Iterator["Store"]:
        """A store that is gone at the end, on the same disk."""
        with self.scratch() as folder:
            yield Store(folder, self.shard_bytes)

    def readable(self, dataset: str, fingerprint: str) -> Version | None:
        """Return the version of this fingerprint; None if there is none, or if its lineage can't be read."""
        try:
            return self.find(dataset, fingerprint)
        except StoreError:
            return None

    def names(self, dataset: str | None = None) -> list[tuple[str, str]]:
        """Return dataset and fingerprint of all versions (of one dataset), those included that can't be read."""
        folders = (file.parent for file in sorted(self.root.glob(f"{dataset or '*'}/*/{LINEAGE}")))
        return [
            (folder.parent.name, folder.name)
            for folder in folders
            if not folder.is_symlink() and not folder.name.startswith(".")
        ]

    def write(self, dataset: str, fingerprint: str, build: Build, *, pilot: bool = False) -> Version:
        """Make `build` the version of this fingerprint: all of it at once, or nothing.

        That of a `pilot` is not the latest. If another run has made the same rows meanwhile, theirs is returned. Raises
        StoreError if it made others, or if the store is full or can't be written.
        """
        return self._place(dataset, fingerprint, lambda root: self._fill(root, dataset, fingerprint, build), pilot)

    def receive(self, dataset: str, fingerprint: str, fill: Callable[[Path], None]) -> Version:
        """Take in a version that was made elsewhere: `fill` puts its files into an empty folder.

        All of it at once, or nothing. Raises what `fill` raises, and StoreError as `write` does, or if the files are
        not those of the manifest or of another version.
        """

        def filled(root: Path) -> Manifest:
            fill(root)
            (root / CALLS).touch()  # none of this store's
            lineage = Lineage.read((root / LINEAGE).read_bytes())
            Version(dataset, fingerprint, root, lineage.manifest_sha, lineage).verify()
            if lineage.fingerprint != fingerprint:
                raise StoreError(
                    f"version {fingerprint} of {dataset} was asked for, and {lineage.fingerprint} came; "
                    "its tag was moved: ask its owner"
                )
            return read_manifest(root)

        return self._place(dataset, fingerprint, filled)

    def remove(self, version: Version) -> None:
        """Remove a version. Raises StoreError if another one in this store was made from it, or can't be removed."""
        children = [
            f"{other.dataset}/{other.fingerprint}"
            for other in self.versions()
            if any(parent.fingerprint == version.fingerprint for parent in other.lineage.parents)
        ]
        if children:
            first = (
                "was made from it; remove that first" if len(children) == 1 else "were made from it; remove those first"
            )
            raise StoreError(f"{version.dataset}/{version.fingerprint} can't be removed: {', '.join(children)} {first}")
        folder = version.path.parent
        with store_errors(folder), temporary_folder(folder) as temporary:
            version.path.rename(temporary / "removed")
            forget(folder, version.fingerprint)

    def _place(self, dataset: str, fingerprint: str, fill: Callable[[Path], Manifest], pilot: bool = False) -> Version:
        folder = self.root / dataset
        with store_errors(folder), temporary_folder(folder) as temporary:
            manifest = fill(temporary)
            sync(temporary)
            if pilot and not (folder / fingerprint).exists():
                mark_pilot(folder, fingerprint)
            _rename(temporary, folder / fingerprint)
            sync(folder, recursive=False)
        version = self.find(dataset, fingerprint)
        assert version is not None
        if version.manifest_sha != manifest.sha:
            raise StoreError(
                f"version {dataset}/{fingerprint} exists with manifest {version.manifest_sha}, this build has "
                f"{manifest.sha}; run again to adopt the existing one, or remove it to replace it: rm -r {version.path}"
            )
        if not pilot:
            self.use(version)
        return version

    def _fill(self, root: Path, dataset: str, fingerprint: str, build: Build) -> Manifest:
        """Write all files of a version into the folder `root`."""
        stage, judged = build.stage, build.judged
        declared = judged.kept.features
        files = write_shards(judged.kept, declared, root, "data", self.shard_bytes)
        if len(judged.rejected):
            sample = judged.rejected.select(_sample(judged.rejected))
            features = Features({**declared, REJECT_REASON: Value("string")})
            files += write_shards(sample, features, root, "rejected", self.shard_bytes)
        for shape in stage.formats:
            shaped = _shaped(judged.kept, shape)
            if len(shaped):
                files += write_shards(shaped, shape.features, root, format_folder(shape.name), self.shard_bytes)
        for name, text in stage.beside.items():
            (root / name).write_text(text, encoding="utf-8")
        if judged.measured is not None:
            write_shards(judged.measured, judged.measured.features, root, "measurements", self.shard_bytes)
        manifest = Manifest(tuple(files))
        manifest.write(root)
        stored = [self.find(parent.dataset, parent.fingerprint) for parent in build.making.parents]
        parents = build.parents or [parent.lineage for parent in stored if parent is not None]
        lineage = lineage_of(build.making, fingerprint, judged, manifest.sha, parents, stage.writes)
        (root / LINEAGE).write_text(lineage.text(), encoding="utf-8")
        timings = json.dumps(build.timings, indent=2, sort_keys=True, ensure_ascii=False)
        (root / _TIMINGS).write_text(f"{timings}\n", encoding="utf-8")
        (root / CALLS).write_bytes(build.calls)
        write_card(root, dataset, stage, build.columns, lineage, judged.kept)
        return manifest


def _shaped(kept: Dataset, shape: Format) -> Dataset:
    """The kept rows in a shape; none if they lack a column for it."""
    if not set(shape.needs) <= set(kept.column_names):
        return Dataset.from_dict({name: [] for name in shape.features}, features=shape.features)

    def rows(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        each = [shape.make(dict(zip(batch, values, strict=True))) for values in zip(*batch.values(), strict=True)]
        return {name: [row[name] for row in each if row is not None] for name in shape.features}

    return kept.with_format(None).map(
        rows, batched=True, remove_columns=kept.column_names, features=shape.features, load_from_cache_file=False
    )


def _sample(rejected: Dataset) -> list[int]:
    """Up to REJECTED_PER_REASON rows of each reason, chosen by the hash of their id, in the order of the rows."""
    by_reason: dict[str, list[tuple[str, int]]] = {}
    columns = rejected.with_format(None).select_columns(["id", REJECT_REASON])
    for start in range(0, len(columns), 10_000):
        batch = columns[start : start + 10_000]
        for offset, (row, reason) in enumerate(zip(batch["id"], batch[REJECT_REASON], strict=True)):
            by_reason.setdefault(reason, []).append((digest(row), start + offset))
    return sorted(index for rows in by_reason.values() for _, index in sorted(rows)[:REJECTED_PER_REASON])


def _rename(folder: Path, target: Path) -> None:
    """Rename a folder; where `target` is there already, it stays."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
