"""Versions by name, what they were made from, whether that holds, and how two of them differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sca_hf.errors import StoreError
from sca_hf.identity import fingerprint
from sca_hf.store.lineage import FILE, Parent
from sca_hf.store.store import Store, Version


@dataclass(frozen=True)
class Difference:
    """From `old` to `new`. `settings`, `counts`: name to its value in either (None: not there).

    `gone`, `added`: ids of rows that are in one of the two; `changed`: ids in both whose rows differ.
    """

    old: Version
    new: Version
    settings: Mapping[str, tuple[Any, Any]]
    counts: Mapping[str, tuple[Any, Any]]
    gone: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]


def named(store: Store, name: str) -> Version:
    """Return the version `dataset/fingerprint`, where a unique prefix is enough, or the latest of `dataset`; also by
    its path in the store, as a run prints it.

    Raises StoreError if there is none, or more than one.
    """
    dataset, _, digits = _within(store, name).partition("/")
    if not digits or digits == "latest":
        latest = store.latest(dataset)
        matches = [(dataset, latest.fingerprint)] if latest is not None else []
    else:
        matches = [each for each in store.names(dataset) if each[1].startswith(digits)]
    if len(matches) != 1:
        if matches:
            raise StoreError(f"{name!r} could be {', '.join(map('/'.join, matches))}; give more digits")
        own = ["/".join(each) for each in store.names(dataset)] if digits else []
        there = ", ".join(own or sorted({each[0] for each in store.names()})) or "none at all"
        raise StoreError(f"no version {name!r} in {store.root}; there is {there}")
    version = store.find(*matches[0])
    assert version is not None
    return version


def _within(store: Store, name: str) -> str:
    """`dataset/fingerprint` of a name, or of a path into the store."""
    path, root = Path(name).absolute(), store.root.absolute()
    return path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else name.strip("/")


@dataclass(frozen=True)
class Listed:
    """A version, or the error in place of one that can't be read. `written`: when, in nanoseconds."""

    written: int
    name: str
    version: Version | StoreError
    is_pilot: bool


def listed(store: Store, dataset: str | None = None) -> list[Listed]:
    """Return all versions (of one dataset), the oldest first."""
    versions: list[Listed] = []
    for each in store.names(dataset):
        version: Version | StoreError | None
        try:
            version = store.find(*each)
        except StoreError as error:
            version = error
        if version is not None:
            versions.append(Listed(written(store.root.joinpath(*each)), "/".join(each), version, store.is_pilot(*each)))
    return sorted(versions, key=lambda each: (each.written, each.name))


def latest_paths(store: Store) -> set[Path]:
    """Return the folders that the datasets' `latest` links lead to."""
    return {link.parent / link.readlink().name for link in store.root.glob("*/latest") if link.is_symlink()}


def written(folder: Path) -> int:
    """Return when a version was written to the store that it is in, in nanoseconds."""
    return (folder / FILE).stat().st_mtime_ns


def with_children(store: Store, versions: Iterable[Version]) -> list[Version]:
    """Return the versions and all in the store that were made from them, each once, children first."""
    seen: dict[Path, Version] = {}

    def visit(version: Version) -> None:
        for child in store.versions():
            if any(facts.fingerprint == version.fingerprint for facts in child.lineage.parents):
                visit(child)
        seen.setdefault(version.path, version)

    for each in versions:
        visit(each)
    return list(seen.values())


def parent(store: Store, facts: Parent) -> Version | None:
    """Return a parent, as a lineage names it, whatever its dataset is called in the store."""
    version = store.readable(facts.dataset, facts.fingerprint)
    if version is None:
        same = (each for each in store.versions() if each.fingerprint == facts.fingerprint)
        version = next(same, None)
    return version


def ancestors(store: Store, version: Version) -> list[tuple[Parent, Version | None]]:
    """What a version was made from, nearest first: as the lineages name it, and the version if it is in the store."""
    line: list[tuple[Parent, Version | None]] = []
    for facts in version.lineage.parents:
        ancestor = parent(store, facts)
        line.append((facts, ancestor))
        line += ancestors(store, ancestor) if ancestor is not None else []
    return line


def with_parents(store: Store, versions: Iterable[Version]) -> Iterator[Version]:
    """Yield the versions and those in the store that they were made from, each once, parents first."""
    seen: set[Path] = set()
    for version in versions:
        line = [ancestor for _, ancestor in reversed(ancestors(store, version)) if ancestor is not None]
        for each in [*line, version]:
            if each.path not in seen:
                seen.add(each.path)
                yield each


def verify(store: Store, version: Version) -> list[str]:
    """Check a version's bytes, its fingerprint and its line of parents; what of that line can't be checked here.

    Raises StoreError that names what does not hold.
    """
    unchecked: list[str] = []
    checked: set[str] = set()
    pending = [version]
    while pending:
        each = pending.pop()
        each.verify()
        if each.lineage.intent is not None:
            _check_intent(each)
        else:
            unchecked.append(f"{each.dataset}/{each.fingerprint} records no intent")
        for facts in each.lineage.parents:
            ancestor = parent(store, facts)
            if ancestor is None:
                unchecked.append(f"{facts.dataset}/{facts.fingerprint} is not in this store, or can't be read")
            elif ancestor.manifest_sha != facts.manifest_sha:
                raise StoreError(
                    f"{each.path} was made from manifest {facts.manifest_sha} of {facts.dataset}/"
                    f"{facts.fingerprint}; the store has {ancestor.manifest_sha} there: get that version again"
                )
            elif ancestor.fingerprint not in checked:
                checked.add(ancestor.fingerprint)
                pending.append(ancestor)
    return unchecked


def difference(old: Version, new: Version) -> Difference:
    """Return what differs between two versions. Raises StoreError if their rows were changed."""
    before, after = _rows(old), _rows(new)
    return Difference(
        old,
        new,
        _differing(_facts(old), _facts(new)),
        _differing(_counts(old), _counts(new)),
        tuple(row for row in before if row not in after),
        tuple(row for row in after if row not in before),
        tuple(row for row, content in after.items() if before.get(row, content) != content),
    )


def _check_intent(version: Version) -> None:
    intent = version.lineage.intent or {}
    if fingerprint(intent) != version.fingerprint:
        raise StoreError(
            f"{version.path}: its lineage is not the one of fingerprint {version.fingerprint}, but of "
            f"{fingerprint(intent)}; it was changed: get the version again"
        )
    parents = version.lineage.parents
    # Rows that were given with --input go by their own content: columns were taken from them, or filled in.
    if parents and not version.lineage.input and intent.get("input") not in {facts.manifest_sha for facts in parents}:
        raise StoreError(f"{version.path}: its lineage names parents that are not its input; get the version again")


def _rows(version: Version) -> dict[str, int]:
    """Id to a hash of the whole row. The ids of 200,000 rows are some 20 MB."""
    content = {}
    for batch in version.load().iter(batch_size=1_000):
        for values in zip(*batch.values(), strict=True):
            row = dict(zip(batch, values, strict=True))
            content[str(row["id"])] = hash(repr(row))
    return content


def _facts(version: Version) -> dict[str, Any]:
    facts = version.lineage.model_dump(
        mode="json", include={"sca_hf", "stage", "stage_version", "model", "packages", "intent"}
    )
    recipe = {name: value for name, value in version.lineage.recipe.items() if name != "about"}
    return dict(_flat({**facts, "recipe": recipe}))


def _counts(version: Version) -> dict[str, Any]:
    counts = version.counts
    rejected = {f"rejected: {reason}": rows for reason, rows in counts.rejected.items()}
    return {"rows in": counts.rows_in, "judged": counts.judged, "kept": counts.kept, **rejected}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*old, *(name for name in new if name not in old)]
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
