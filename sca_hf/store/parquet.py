"""The one writer of the rows' files: the same rows give the same bytes.

`Dataset.to_parquet` gives other bytes for other batch sizes, numbers of workers and indices mappings (observed). Here
the rows are taken through any indices mapping, cut into row groups of a fixed number of rows, each one chunk, and
written with options that are all pinned below. What is left to vary is the version of pyarrow, which the lock fixes.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features

from sca_hf.store.manifest import File

# At 4 KB a row a group is 4 MB: small enough to stream through memory, large enough to compress well.
ROW_GROUP_ROWS = 1_000
# What the Hub recommends for one file, and `datasets` for one shard.
SHARD_BYTES = 500_000_000

_OPTIONS: dict[str, Any] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "data_page_size": 1 << 20,
    "dictionary_pagesize_limit": 1 << 20,
    "write_batch_size": 1024,
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": True,
    "write_statistics": True,
    "write_page_index": True,  # lets the Hub's viewer and DuckDB read single pages
    "store_schema": True,
}


def write_shards(rows: Dataset, features: Features, root: Path, folder: str, shard_bytes: int) -> list[File]:
    """Write `rows` as `<root>/<folder>/train-XXXXX-of-NNNNN.parquet`; never more than one row group in memory.

    A shard ends with the first row group that brings it to `shard_bytes` (on disk, compressed). No rows: one file that
    holds the schema alone, so that readers find the columns. Raises OSError (disk full, read-only, …).
    """
    (root / folder).mkdir(parents=True)
    groups = _row_groups(rows, features.arrow_schema)
    group = next(groups, None)
    shards: list[tuple[Path, int]] = []
    while group is not None or not shards:
        path, written = root / folder / f"shard-{len(shards):05d}", 0
        with pa.OSFile(str(path), "wb") as sink, pq.ParquetWriter(sink, features.arrow_schema, **_OPTIONS) as writer:
            while group is not None and (written == 0 or sink.tell() < shard_bytes):
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                written += group.num_rows
                group = next(groups, None)
        shards.append((path, written))
    files = []
    for number, (path, written) in enumerate(shards):  # only now is it known how many there are
        name = f"{folder}/train-{number:05d}-of-{len(shards):05d}.parquet"
        path.rename(root / name)
        files.append(File(name, sha256(root / name), (root / name).stat().st_size, written))
    return files


def read_features(path: Path) -> Features:
    """Return the exact features of a file that `write_shards` wrote."""
    return Features.from_arrow_schema(pq.read_schema(path))


def write_arrow(shards: list[Path], path: Path) -> None:
    """Copy the rows of Parquet shards into one Arrow stream file, which `datasets` memory-maps."""
    schema = read_features(shards[0]).arrow_schema
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for shard in shards:
            with pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
                    stream.write_table(pa.Table.from_batches([batch]).cast(schema))


def sha256(path: Path) -> str:
    """SHA-256, hex, of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _row_groups(rows: Dataset, schema: pa.Schema) -> Iterator[pa.Table]:
    tables = rows.with_format("arrow")
    for start in range(0, len(rows), ROW_GROUP_ROWS):
        table: pa.Table = tables[start : start + ROW_GROUP_ROWS]
        yield table.select(schema.names).cast(schema).combine_chunks()
