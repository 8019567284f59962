"""Finds a row by its id, of which a unique prefix is enough, in the versions of a store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sca_hf.errors import InputError, StoreError
from sca_hf.identity import row_id
from sca_hf.reporting.runs import Run, id_column, run_of
from sca_hf.store import Store, Version

_LEAST = 4
_SHOWN = 5


@dataclass(frozen=True)
class Match:
    """A row that was found: its whole id, the stage that made it, a row that names it or what it was made from."""

    id: str
    stage: str
    run: Run
    row: Mapping[str, Any]


def find(store: Store, prefix: str, within: Version | None = None) -> Match:
    """The row whose id begins with `prefix`, in the newest run that has it, or in the one that led to `within`.

    Raises InputError if there is none, or more than one.
    """
    if len(prefix) < _LEAST or set(prefix) - set("0123456789abcdef"):
        raise InputError(f"{prefix!r} is not the beginning of a row's id; give at least {_LEAST} hex digits of one")
    runs = [run_of(store, version) for version in ([within] if within else _leaves(store))]
    for search in (_by_id, _by_reference, _by_derivation, _by_side_file):
        for run in runs:
            matches = {match.id: match for match in search(run, prefix)}
            if len(matches) > 1:
                shown = ", ".join(f"{match.id} ({match.stage})" for match in list(matches.values())[:_SHOWN])
                raise InputError(f"{len(matches)} rows begin with {prefix!r}: {shown}; give more digits")
            if matches:
                return matches.popitem()[1]
    where = f"the run of {within.dataset}/{within.fingerprint}" if within else f"the versions of {store.root}"
    raise InputError(f"no row of {where} has an id that begins with {prefix!r}; look for it in another --store")


def _leaves(store: Store) -> list[Version]:
    """Versions that no other one was made from, the newest first."""
    versions = store.versions()
    if not versions:
        raise StoreError(f"there is no version in {store.root}; give the folder of a store with --store")
    parents = {parent.fingerprint for version in versions for parent in version.lineage.parents}
    leaves = [version for version in versions if version.fingerprint not in parents]
    return sorted(leaves, key=lambda version: version.path.stat().st_mtime_ns, reverse=True)


def _by_id(run: Run, prefix: str) -> Iterator[Match]:
    """Rows that a version holds."""
    yield from _in_folders(run, prefix, ("data", "rejected"))


def _by_side_file(run: Run, prefix: str) -> Iterator[Match]:
    """Rows of which a version knows their reason alone. What leads back to their parents is told by derivation."""
    yield from _in_folders(run, prefix, ("measurements",))


def _in_folders(run: Run, prefix: str, folders: tuple[str, ...]) -> Iterator[Match]:
    for step in reversed(run.steps):
        for folder in folders:
            for _, found in step.ids(prefix, ["id"], folder):
                yield Match(found, step.stage, run, step.rows([found], folder)[found])


def _by_reference(run: Run, prefix: str) -> Iterator[Match]:
    """Rows that others were made from, where the versions that held them are not in this store."""
    stages = [counts["stage"] for counts in run.funnel]
    for step in run.steps:
        for column, found in step.ids(prefix, [name for name in step.id_columns() if name != "id"]):
            stage = next((stage for stage in stages if id_column(stage, [column])), None)
            if stage is not None:
                yield Match(found, stage, run, step.where(column, [found])[0])


def _by_derivation(run: Run, prefix: str) -> Iterator[Match]:
    """Rows that were rejected and not kept: their ids follow from those of the rows that they were made from."""
    for parent, step in zip(run.steps, run.steps[1:], strict=False):
        samples: list[tuple[int, ...]] = [()]
        if step.stage == "responses":
            settings = step.lineage.recipe.get(step.stage, {})
            suites = [(), *((suite,) for suite in range(1, settings.get("suites", 1)))]
            samples = [(sample, *suite) for sample in range(settings.get("samples", 0)) for suite in suites]
        for batch in parent.batches(["id"]):
            for parent_id in batch["id"]:
                for sample in samples:
                    found = row_id(parent_id, step.stage, *sample)
                    if found.startswith(prefix):
                        row = parent.rows([parent_id])[parent_id]
                        yield Match(found, step.stage, run, {**row, run.parent_column(step): parent_id})
