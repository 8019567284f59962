"""The lineage of a version: what made it, from what, and what became of the rows, as `lineage.json` has it.

A run knows the `Making` of a version before its rows are written; `lineage_of` adds the rest, in this one place.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sca_hf.errors import StoreError, one_line
from sca_hf.stage import Counts, Judged

FILE = "lineage.json"

SCHEMA = 1
"""Version of the file; one with a higher number is refused. Files from before there was a number have none."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Parent(_Facts):
    """A version that another was made from."""

    dataset: str
    fingerprint: str
    manifest_sha: str


class Writer(_Facts):
    """A model that wrote or judged rows, on an engine's build."""

    model: str
    revision: str
    build: str
    dtype: str


class TokenCounts(_Facts):
    """Tokens of all completions of a stage."""

    prompt: int = 0
    completion: int = 0


class Step(_Facts):
    """The counts of one stage in a funnel."""

    stage: str
    rows_in: int
    judged: int
    kept: int
    rejected: dict[str, int]


class Making(_Facts):
    """How a version was made, the same for every run of the same intent.

    `input`: ready-made rows or a source on the Hub, as a card names them. `command`: makes it again, None for a recipe
    that is not bundled. `model`: of a stage that needs an engine. `intent`: None in versions that recorded none.
    `parent_id`: the column that keeps the ids of the rows that its own were made from; None: they keep their ids, or
    the version recorded none.
    """

    stage: str
    stage_version: int | None = None
    parent_id: str | None = Field(default=None, exclude_if=lambda column: column is None)
    sca_hf: str | None = None
    recipe: dict[str, Any] = Field(default={})
    intent: dict[str, Any] | None = None
    parents: tuple[Parent, ...] = ()
    input: str | None = None
    command: str | None = None
    model: Writer | None = None
    packages: dict[str, str] = Field(default={})
    tokens: TokenCounts = TokenCounts()


class Lineage(Making):
    """All that `lineage.json` says. `models`: those that wrote what is in the rows; `sources`: ready-made rows that the
    rows go back to; `licenses`: kept rows by the license of their seed."""

    schema_number: int = Field(default=SCHEMA, alias="schema")
    fingerprint: str = ""
    counts: Counts
    funnel: tuple[Step, ...]
    licenses: dict[str, int]
    models: tuple[Writer, ...]
    sources: tuple[str, ...] = ()
    manifest_sha: str

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Read a `lineage.json`. Raises StoreError if it isn't one, or of a schema that this sca_hf doesn't know."""
        try:
            content = json.loads(text)
            schema = content.get("schema", SCHEMA)
            if schema > SCHEMA:
                raise StoreError(f"{FILE} has schema {schema}, and this sca_hf knows {SCHEMA}; upgrade sca_hf")
            return cls.model_validate(content)
        except (ValidationError, ValueError, AttributeError, TypeError) as error:
            raise StoreError(f"{FILE} can't be read ({one_line(error)[:300]})") from error

    def text(self) -> str:
        """Return the text of the file, the same for equal lineages."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def lineage_of(
    making: Making, fingerprint: str, judged: Judged, manifest_sha: str, parents: Sequence[Lineage], writes: bool
) -> Lineage:
    """Return the lineage of a version, with what comes down from its `parents`. `writes`: see `Stage`."""
    counts = _COUNTS.dump_python(judged.counts)
    own = making.model if writes else None
    return Lineage(
        **dict(making),
        fingerprint=fingerprint,
        counts=judged.counts,
        funnel=_funnel(parents, Step(stage=making.stage, **counts)),
        licenses=_licenses(parents, judged.kept),
        models=_extended([model for parent in parents for model in parent.models], own),
        sources=_extended([source for parent in parents for source in parent.sources], making.input),
        manifest_sha=manifest_sha,
    )


_COUNTS = TypeAdapter(Counts)


def _funnel(parents: Sequence[Lineage], own: Step) -> tuple[Step, ...]:
    steps = {step.stage: step for parent in parents for step in parent.funnel}
    return (*steps.values(), own)


def _extended(inherited: list[Any], own: Any) -> tuple[Any, ...]:
    return tuple(inherited if own is None or own in inherited else [*inherited, own])


def _licenses(parents: Sequence[Lineage], rows: Dataset) -> dict[str, int]:
    """Kept rows per license of their seed; the parents' where the rows don't say."""
    if "license" not in rows.column_names:
        return dict(parents[0].licenses) if parents else {}
    licenses: Counter[str] = Counter()
    for batch in rows.with_format(None).select_columns(["license"]).iter(batch_size=10_000):
        for value in batch["license"]:
            licenses.update([value] if isinstance(value, str) else value or ["unknown"])
    return dict(sorted(licenses.items()))
