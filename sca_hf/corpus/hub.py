"""Source files of a Hub dataset, read as they are needed: nothing of them is kept on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from datasets import IterableDataset, load_dataset
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import HfApi, constants

from sca_hf.corpus.columns import FEATURES, ColumnMap, column_map
from sca_hf.errors import HubError, InputError, ScaError, one_line
from sca_hf.identity import digest
from sca_hf.store.hub.retry import bound_silence, call

SCHEME = "hf://"
File = tuple[str, bytes | None, str]  # path, content, license

_COMMIT_DIGITS = 40
_QUICK_SECONDS = 10.0


@dataclass(frozen=True)
class HubSource:
    """A dataset repository at a commit, and which of its rows: as `datasets.load_dataset` takes them."""

    repo: str
    commit: str
    config: str | None = None
    data_dir: str | None = None
    split: str = "train"
    column: str = "content"
    license: str = "unknown"

    @property
    def name(self) -> str:
        """As a card names it."""
        return f"{self.repo}@{self.commit}"

    @property
    def sha(self) -> str:
        """SHA-256, hex, of all that decides which rows there are and what they say."""
        return digest(*(repr(getattr(self, each.name)) for each in fields(self)))

    def __str__(self) -> str:
        return SCHEME + self.name


@dataclass
class FileStream:
    """The files of a Hub source in its order, shard by shard (a shard is a data file, or some of its row groups).

    `files`: how many the reader has counted so far, for whoever reports on them.
    """

    source: HubSource
    files: int = 0
    column_names: Sequence[str] = field(default_factory=lambda: list(FEATURES))

    @property
    def shards(self) -> int:
        """How many there are. Asks the Hub; raises HubError or InputError when it gives no such rows."""
        count: int = self._opened[0].num_shards
        return count

    def parts(self, shard: int, first: int, size: int) -> Iterator[list[File]]:
        """The files of a shard in lists of `size`, from the list number `first` on; the last is shorter, or empty.

        A connection that breaks is made again, from the list that it broke in. Raises HubError when that fails.
        """
        what = f"seed source {self.source}"
        number = first
        batches = None
        while True:

            def read(number: int = number) -> list[File]:
                nonlocal batches
                taken, batches = batches, None  # none to go on with, should this fail
                taken = taken or self._batches(shard, number * size, size)
                part = next(taken, [])
                batches = taken
                return part

            part = call(what, read, None)
            yield part
            if len(part) < size:
                return
            number += 1

    def _batches(self, shard: int, skipped: int, size: int) -> Iterator[list[File]]:
        rows, layout = self._opened
        position = skipped
        for batch in rows.shard(rows.num_shards, shard).skip(skipped).iter(size):
            count = len(batch[layout.content])
            names = [f"{self.source.repo}:{shard + 1}:{position + number + 1}" for number in range(count)]
            columns = layout.files(batch, names, self.source.license)
            yield list(zip(columns["path"], columns["content"], columns["license"], strict=True))
            position += count

    @cached_property
    def _opened(self) -> tuple[IterableDataset, ColumnMap]:
        bound_silence()
        source = self.source
        rows = call(f"seed source {source}", self._load, None)
        if isinstance(rows, ScaError):
            raise rows
        features = rows.features or call(f"seed source {source}", lambda: rows._resolve_features().features, None)
        if not features:
            raise InputError(f"seed source {source} has no row; give one with at least one source file")
        layout = column_map(str(source), features, source.column)
        used = {layout.content, layout.path, layout.repository, layout.licenses} - {""}
        return rows.select_columns(sorted(used)), layout

    def _load(self) -> IterableDataset | ScaError:
        """Return the rows, or what is wrong with the settings, which no further attempt would change."""
        source = self.source
        try:
            return load_dataset(
                source.repo,
                source.config,
                data_dir=source.data_dir,
                split=source.split,
                revision=source.commit,
                streaming=True,
            )
        except DatasetNotFoundError as error:
            if "gated" not in str(error):
                raise
            page = f"{constants.ENDPOINT}/datasets/{source.repo}"
            return HubError(
                f"seed source {source} is gated; ask for access at {page}, and log in with `hf auth login` or HF_TOKEN"
            )
        except (FileNotFoundError, ValueError) as error:
            return InputError(
                f"seed source {source} has no such rows ({one_line(error)}); "
                "correct seeds.config, seeds.data_dir or seeds.split"
            )


def open_hub_source(
    where: str, config: str | None, data_dir: str | None, split: str, column: str, license: str, patient: bool
) -> HubSource:
    """Return the source `hf://namespace/name` or `hf://namespace/name@revision`, at the commit of the revision.

    `patient`: wait for a Hub that does not answer. Raises InputError for another form of name, and HubError when there
    is no such repository or revision, or the Hub can't be asked.
    """
    repo, _, revision = where.removeprefix(SCHEME).partition("@")
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise InputError(
            f"seed source {where!r} names no dataset; give hf://namespace/name or hf://namespace/name@revision, "
            "and what of it by seeds.config, seeds.data_dir and seeds.split"
        )
    commit = revision if _is_commit(revision) else _resolved(where, repo, revision or None, patient)
    return HubSource(repo, commit, config, data_dir, split, column, license)


def _is_commit(revision: str) -> bool:
    return len(revision) == _COMMIT_DIGITS and not set(revision) - set("0123456789abcdef")


def _resolved(where: str, repo: str, revision: str | None, patient: bool) -> str:
    what = f"seed source {where}"
    if patient:
        bound_silence()
        info = call(what, lambda: HfApi().dataset_info(repo, revision=revision), None)
    else:
        try:
            info = HfApi().dataset_info(repo, revision=revision, timeout=_QUICK_SECONDS)
        except Exception as error:  # whatever it is, it will be told when the source is to be read
            raise HubError(f"{what}: the Hub did not say its commit ({type(error).__name__})") from None
    if not info.sha:
        raise HubError(f"{what}: the Hub did not say its commit; give one: hf://{repo}@<commit>")
    return info.sha
