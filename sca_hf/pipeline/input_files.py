"""Rows at a place that a user names: a version, a data file, a folder of such, or a dataset on the Hub."""

from dataclasses import dataclass
from glob import escape
from pathlib import Path

from datasets import Dataset, DatasetDict, load_dataset, load_from_disk
from huggingface_hub import DatasetInfo, HfApi

from sca_hf.corpus.data_files import FORMATS, bad_line, ending_of
from sca_hf.errors import InputError, one_line
from sca_hf.store import Version
from sca_hf.store.hub.commit import listing
from sca_hf.store.hub.retry import call, waiting, without
from sca_hf.store.lineage import FILE as LINEAGE
from sca_hf.store.lineage import Lineage
from sca_hf.store.manifest import MANIFEST, read_manifest

_FORMATS = FORMATS | {".csv": "csv", ".csv.gz": "csv"}
_PLACES = f"give a folder, a file that ends in {', '.join(_FORMATS)}, or namespace/name@revision"
_FACTS = "dataset_info"  # the name of a file that says what a dataset is begins with it
_NO_TRAIN = "it has no split 'train'"
_SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` writes for a Dataset and for a DatasetDict


@dataclass(frozen=True)
class Loaded:
    """Rows as they are at `where`; `name`: for cards, "repository@commit", "dataset/fingerprint" or a file's.

    `version`: the version that they are, if they are one; the folder of one on the Hub has nothing but the lineage.
    """

    where: str
    rows: Dataset
    name: str
    version: Version | None = None


def load_input(where: str) -> Loaded:
    """Load the rows at `where`: a folder or file, or a dataset repository, `namespace/name[@revision]`.

    Raises InputError if there is none, or it has no row; HubError if the Hub refuses.
    """
    path = Path(where).expanduser()
    loaded = _on_hub(where) if _names_repository(where, path) else _on_disk(where, path)
    if not len(loaded.rows):
        raise _without_row(where)
    return loaded


def _names_repository(where: str, path: Path) -> bool:
    is_path = path.exists() or ending_of(path) in _FORMATS or where.startswith((".", "/", "~"))
    return not is_path and where.partition("@")[0].count("/") == 1


def _on_disk(where: str, path: Path) -> Loaded:
    if (path / LINEAGE).is_file():
        version = _version(path.resolve(), path.resolve().parent.name)
        version.verify()
        shards = sorted(str(shard) for shard in (version.path / "data").glob("*.parquet"))
        rows = load_dataset("parquet", data_files=shards, split="train")
        return Loaded(where, rows, f"{version.dataset}/{version.fingerprint}", version)
    if latest := next(filter(Path.exists, [path / "latest" / LINEAGE, *path.glob(f"*/latest/{LINEAGE}")]), None):
        raise InputError(f"--input {where} is a folder of versions; give one of them, such as {latest.parent}")
    if not path.exists():
        raise InputError(f"--input {where} does not exist; {_PLACES}")
    if path.is_file() and ending_of(path) not in _FORMATS:
        raise InputError(f"--input {where} is a file of an unknown kind; {_PLACES}")
    _check_kinds(where, path)
    if path.is_file() and _is_blank(path):
        raise _without_row(where)
    try:
        # A name may have other bytes than UTF-8, which Python keeps as halves of surrogate pairs.
        name = path.resolve().name.encode("utf-8", "backslashreplace").decode()
        return Loaded(where, _rows(path.resolve()), name)
    except Exception as error:  # `datasets` wraps what its readers raise in many types
        raise _unreadable(where, path, one_line(error.__cause__ or error) or type(error).__name__) from None


def _rows(path: Path) -> Dataset:
    if path.is_file():
        return load_dataset(_FORMATS[ending_of(path) or ""], data_files=escape(str(path)), split="train")
    if any((path / name).is_file() for name in _SAVED):
        try:
            saved = load_from_disk(str(path))
        except IndexError:  # no part has a row
            return Dataset.from_dict({})
        if isinstance(saved, DatasetDict) and "train" not in saved:
            raise ValueError(f"{_NO_TRAIN}, only {', '.join(saved)}")
        return saved["train"] if isinstance(saved, DatasetDict) else saved
    return load_dataset(str(path), split="train")


def _check_kinds(where: str, folder: Path) -> None:
    """Raise InputError if a folder has rows in several formats, of which `datasets` reads the most frequent one alone.

    A card may say which files are meant, and `save_to_disk` has facts next to its rows.
    """
    if not folder.is_dir() or any((folder / name).exists() for name in ("README.md", *_SAVED)):
        return
    files = [each for each in folder.rglob("*") if ending_of(each) in _FORMATS and not each.name.startswith(_FACTS)]
    kinds = sorted({str(ending_of(each)) for each in files})
    if len({_FORMATS[kind] for kind in kinds}) > 1:
        raise InputError(f"--input {where} has files of several kinds, {', '.join(kinds)}; give one of the files")


def _unreadable(where: str, path: Path, said: str) -> InputError:
    """What is wrong with a file or folder of which `datasets` has `said` something."""
    if "corresponds to no data" in said:
        return _without_row(where)
    if "doesn't contain any data files" in said:
        return InputError(f"--input {where} has no file of rows; {_PLACES}")
    wrong, fix = said, "give rows in Parquet, or as JSON or CSV in UTF-8"
    if line := next(filter(None, map(bad_line, sorted(path.rglob("*")) if path.is_dir() else [path])), ""):
        wrong, fix = line, "correct that line: one JSON object a line, in UTF-8"
    elif "because column names don't match" in said:
        wrong, fix = "its rows don't have the same columns", "give each row all columns, null where it has none"
    elif _NO_TRAIN in said or 'Unknown split "train"' in said:
        wrong, fix = said.rstrip("."), "give the folder or the file of one split"
    elif "datasets dtype" in said:
        wrong, fix = said.rstrip("."), "leave the columns of that type out"
    return InputError(f"--input {where} can't be read: {wrong}; {fix}")


def _is_blank(path: Path) -> bool:
    with path.open("rb") as file:
        return not file.read(1_000).strip()


def _without_row(where: str) -> InputError:
    return InputError(f"--input {where} has no row; give one with at least one")


def _on_hub(where: str) -> Loaded:
    repo, _, revision = where.partition("@")
    api = HfApi()
    info = call(f"--input {where}", lambda: api.dataset_info(repo, revision=revision or None), None)
    held = call(f"--input {where}", lambda: _version_on_hub(api, repo, info), None)
    try:
        with waiting(f"--input {where}"):
            rows = load_dataset(repo, revision=info.sha, split="train")
        return Loaded(where, rows, f"{repo}@{info.sha}", held)
    except Exception as error:
        said = without(one_line(error.__cause__ or error), None)
        raise InputError(f"--input {where} can't be loaded: {said}; give a dataset with a split 'train'") from None


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
