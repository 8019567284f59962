"""What a model is trained on: a version of the SFT stage in the store or on the Hub, or a file of one's own."""

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetGenerationError

from sca_hf.errors import InputError, one_line
from sca_hf.store import Store, Version, history
from sca_hf.store.cards.dataset import is_repository
from sca_hf.store.hub.hub import Hub
from sca_hf.store.lineage import Lineage
from sca_hf.store.manifest import format_folder
from sca_hf.store.parquet import sha256

_FILES = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class TrainingData:
    """Rows to train on, and which ones they are: `name` and `sha` say that on every machine.

    `rows`: `prompt` and `completion`, or `prompt`, `chosen` and `rejected`. `lineage`: of the version, None for a file.
    `remote`: where the version is on the Hub, "repository@revision".
    """

    rows: Dataset
    name: str
    sha: str
    lineage: Lineage | None = None
    remote: str | None = None

    def written_by(self) -> str:
        """Return the model that wrote the rows, to be tuned on them. Raises InputError if it can't be found by name."""
        writer = self.lineage.models[-1] if self.lineage and self.lineage.models else None
        if writer and writer.model == "demo":
            return "demo"
        if writer and is_repository(writer.model):
            return f"{writer.model}@{writer.revision}"
        wrote = f"{writer.model}, a folder, wrote it" if writer else "who wrote it is not recorded"
        raise InputError(f"--data {self.name}: {wrote}; give --model")


def load_preferences(name: str, store: Path) -> TrainingData:
    """Return pairs of answers: `prompt`, `chosen`, `rejected`.

    `name`: as in `load_sft`; of a version the config `dpo`, of a file these columns. Raises InputError, StoreError or
    HubError.
    """
    if Path(name).suffix in _FILES:
        return TrainingData(_pairs(_file(Path(name)), name), Path(name).name, sha256(Path(name)))
    version, remote = _version(name, store)
    files = sorted(str(path) for path in (version.path / format_folder("dpo")).glob("train-*.parquet"))
    if not files:
        raise InputError(f"--data {name} has no pairs: no attempt at its instructions failed, or they aren't known")
    rows = load_dataset("parquet", data_files=files, split="train")
    return TrainingData(
        _pairs(rows, name), f"{version.dataset}/{version.fingerprint}", version.manifest_sha, version.lineage, remote
    )


def load_sft(name: str, store: Path) -> TrainingData:
    """Return the rows of `name` as `prompt` and `completion`.

    `name`: a version of the SFT stage in `store` (see `sca_hf.store.history.named`), `repository@revision` on the Hub,
    or a JSON, JSON lines or Parquet file with `messages`, or with `prompt` and `completion`: texts, which are taken as
    they are, or lists of messages. Raises InputError, StoreError or HubError.
    """
    if Path(name).suffix in _FILES:
        rows = _file(Path(name))
        if {"prompt", "completion"} <= set(rows.column_names):
            rows = rows.select_columns(["prompt", "completion"])
        else:
            rows = _parted(rows, name)
        return TrainingData(_not_empty(rows, name), Path(name).name, sha256(Path(name)))
    version, remote = _version(name, store)
    rows = _parted(version.load(), name)
    return TrainingData(
        _not_empty(rows, name),
        f"{version.dataset}/{version.fingerprint}",
        version.manifest_sha,
        version.lineage,
        remote,
    )


def _parted(rows: Dataset, name: str) -> Dataset:
    """Conversations as `prompt` and `completion`."""
    if "messages" not in rows.column_names:
        raise InputError(
            f"--data {name} has the columns {', '.join(rows.column_names)}; give rows with 'messages', or with "
            "'prompt' and 'completion', such as a version of the sft stage"
        )
    ends = {messages[-1]["role"] if messages else "nobody" for messages in rows["messages"]}
    if ends - {"assistant"}:
        raise InputError(f"--data {name} has a conversation that ends with {min(ends - {'assistant'})}, not assistant")
    return rows.map(
        lambda row: {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]},
        remove_columns=rows.column_names,
    )


def _pairs(rows: Dataset, name: str) -> Dataset:
    columns = ["prompt", "chosen", "rejected"]
    if not set(columns) <= set(rows.column_names):
        raise InputError(
            f"--data {name} has the columns {', '.join(rows.column_names)}; --dpo takes {', '.join(columns)}"
        )
    return _not_empty(rows.select_columns(columns), name)


def _version(name: str, store: Path) -> tuple[Version, str | None]:
    repo, _, revision = name.partition("@")
    if not revision:
        if not store.is_dir():
            raise InputError(f"--data {name}: there is no store {store}; give the folder of one with --store")
        return history.named(Store(store), name), None
    hub = Hub.behind(repo)
    remote = hub.at(repo, revision)
    return hub.pull(remote, Store(store), repo.rpartition("/")[2]), f"{repo}@{remote.revision}"


def _file(path: Path) -> Dataset:
    if not path.is_file():
        raise InputError(f"--data {path}: there is no such file")
    try:
        return load_dataset(_FILES[path.suffix], data_files=str(path), split="train")
    except (DatasetGenerationError, ValueError, OSError) as error:
        raise InputError(f"--data {path} can't be read: {one_line(error.__cause__ or error)}") from error


def _not_empty(rows: Dataset, name: str) -> Dataset:
    if not len(rows):
        raise InputError(f"--data {name} has no rows; give a version that has some")
    return rows
