"""Seeds that an earlier run used go, so that a second round learns from others."""

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

from datasets import Dataset
from pydantic import Field

from sca_hf.corpus.hub import FileStream
from sca_hf.corpus.sources import Source, open_source
from sca_hf.settings import PATH, Settings
from sca_hf.stage import REJECT_REASON, Stage
from sca_hf.stages.context import Context, Row

_READ_ROWS = 1000


class UnusedSettings(Settings):
    """Which seeds were used. `earlier`: versions of stage `seeds`, or of any stage after it, or other data with a
    column `seed`: folders, Parquet or JSON files, or `hf://namespace/name@revision`."""

    earlier: Annotated[tuple[str, ...], Field(strict=False)] = Field(default=(), json_schema_extra=PATH)

    def open(self) -> list[Source]:
        """Return the sources. Raises InputError or HubError if one of them isn't there, or has no column `seed`."""
        return [open_source(name, "seed") for name in self.earlier]

    def intent(self) -> dict[str, Any]:
        """Return what the sources hold in place of their names."""
        return {"earlier": sorted(source.sha for source in self.open())}


def unused(seeds: Dataset, settings: UnusedSettings, context: Context) -> Dataset:
    """Return all seeds. Reason: `used-before`, of a text that is among the earlier ones."""
    used = {_sha(text) for source in settings.open() for text in _texts(source.rows)}

    def judged(batch: Row) -> Row:
        return {REJECT_REASON: ["used-before" if _sha(text.encode()) in used else None for text in batch["seed"]]}

    return context.map_batches(STAGE, seeds, judged)


def _texts(rows: Dataset | FileStream) -> Iterator[bytes]:
    if isinstance(rows, FileStream):
        parts = (part for shard in range(rows.shards) for part in rows.parts(shard, 0, _READ_ROWS))
        yield from (content or b"" for part in parts for _, content, _ in part)
        return
    for batch in rows.select_columns(["content"]).iter(_READ_ROWS):
        yield from (content or b"" for content in batch["content"])


def _sha(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


STAGE = Stage(
    name="unused",
    version=1,
    title="Seeds that an earlier run used are left out.",
    uses=("id", "seed"),
    adds=(),
    settings=UnusedSettings,
    run=unused,
    check=UnusedSettings.open,
)
