"""Whatever people read datasets with reads a version: in a folder, and on the Hub."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from datasets import load_dataset

from sca_hf.store import Store, Version
from sca_hf.store.hub.hub import Hub
from tests.store.conftest import Toy
from tests.store.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

FINGERPRINT = "0123456789abcdef"
TAG = f"v-{FINGERPRINT}"
REPO = "alice/demo-instructions"


@pytest.fixture
def version(tmp_path: Path, toy: Toy) -> Version:
    """A version with two shards."""
    store = Store(tmp_path / "store", shard_bytes=20_000)
    return store.write("demo-instructions", FINGERPRINT, toy.build(toy.rows(3_000)))


def test_duckdb_reads_the_shards_of_a_folder(version: Version) -> None:
    rows, shards = version.load(), f"{version.path}/data/*.parquet"
    assert len(list((version.path / "data").iterdir())) == 2
    query = (
        f"SELECT id, attempts[1].text, property.level, concepts FROM '{shards}' WHERE property.level = 2 ORDER BY id"
    )
    expected = [
        (row["id"], row["attempts"][0]["text"] if row["attempts"] else None, 2, row["concepts"])
        for row in rows
        if row["property"] and row["property"]["level"] == 2
    ]
    assert duckdb.execute(query).fetchall() == sorted(expected)
    unscored = duckdb.execute(f"SELECT count(*) FROM '{shards}' WHERE score IS NULL").fetchall()
    assert unscored == [(rows["score"][:].count(None),)]


def test_pandas_reads_the_folder_of_shards(version: Version) -> None:
    assert list(pd.read_parquet(version.path / "data")["id"]) == version.load()["id"][:]


def test_a_version_without_rows_is_read_by_all_but_a_split_of_datasets(tmp_path: Path, toy: Toy) -> None:
    version = Store(tmp_path / "empty").write("demo-instructions", FINGERPRINT, toy.build(toy.rows(1)))
    names = [column.name for column in toy.stage().adds]
    (shard,) = (version.path / "data").iterdir()
    assert list(pd.read_parquet(shard).columns) == names
    assert [name for name, *_ in duckdb.execute(f"FROM '{shard}'").description] == names
    streamed = load_dataset(str(version.path), split="train", streaming=True)
    assert list(streamed) == []
    # `datasets` has no split without rows, whatever the files: its ArrowReader refuses one that it has just made.
    with pytest.raises(ValueError, match="corresponds to no data"):
        load_dataset(str(version.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert 'split="train", streaming=True)' in (version.path / "README.md").read_text()


CLIENTS = """
import datasets, duckdb, json, pandas, sys
from huggingface_hub import HfFileSystem, snapshot_download
repo, tag = sys.argv[1:]
rows = datasets.load_dataset(repo, revision=tag, split="train")
streamed = list(datasets.load_dataset(repo, revision=tag, split="train", streaming=True).take(3))
rejected = datasets.load_dataset(repo, "rejected", revision=tag, split="train")
frame = pandas.read_parquet(f"hf://datasets/{repo}@{tag}/data/train-00000-of-00002.parquet")
folder = snapshot_download(repo, repo_type="dataset", revision=tag)
again = datasets.load_dataset(folder, split="train")
duckdb.register_filesystem(HfFileSystem())
queried = duckdb.sql(f"SELECT id FROM 'hf://datasets/{repo}@{tag}/data/*.parquet'").fetchall()
rows.select(range(50)).push_to_hub("alice/by-datasets", private=True)
pushed = datasets.load_dataset("alice/by-datasets", split="train")
print(json.dumps({"ids": rows["id"][:], "streamed": [row["id"] for row in streamed], "rejected": len(rejected),
    "frame": list(frame["id"]), "again": again["id"][:], "pushed": pushed["id"][:],
    "queried": [row[0] for row in queried]}))
"""


def test_everyone_elses_clients_read_it(loopback: LoopbackHub, version: Version, tmp_path: Path) -> None:
    Hub("alice/demo", endpoint=loopback.url, token="alice-write").push(version)
    environment = _environment(loopback, tmp_path)
    command = [sys.executable, "-c", CLIENTS, REPO, TAG]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    read = json.loads(run.stdout.splitlines()[-1])
    ids = version.load()["id"][:]
    assert read["ids"] == read["again"] == ids
    assert sorted(read["queried"]) == sorted(ids)
    assert read["streamed"] == ids[:3]
    assert read["frame"] == ids[: len(read["frame"])]
    assert read["frame"]
    assert read["rejected"] == 40
    assert read["pushed"] == ids[:50]


def test_the_hf_command_uploads_and_downloads(loopback: LoopbackHub, version: Version, tmp_path: Path) -> None:
    Hub("alice/demo", endpoint=loopback.url, token="alice-write").push(version)
    hf = str(Path(sys.executable).with_name("hf"))
    (tmp_path / "notes.txt").write_text("ours")
    for arguments in (
        ["upload", REPO, str(tmp_path / "notes.txt"), "notes.txt", "--repo-type", "dataset"],
        ["download", REPO, "--repo-type", "dataset", "--revision", TAG, "--local-dir", str(tmp_path / "copy")],
    ):
        run = subprocess.run(
            [hf, *arguments],
            env=_environment(loopback, tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 0, run.stderr
    assert loopback.files(REPO)["notes.txt"] == b"ours"
    assert (
        loopback.files(REPO, TAG).items()
        <= {
            str(path.relative_to(tmp_path / "copy")): path.read_bytes()
            for path in (tmp_path / "copy").rglob("*")
            if path.is_file()
        }.items()
    )


def _environment(loopback: LoopbackHub, folder: Path) -> dict[str, str]:
    named = {name: value for name, value in os.environ.items() if not re.match(r"HF_|HUGGING", name)}
    return named | {
        "HF_ENDPOINT": loopback.url,
        "HF_TOKEN": "alice-write",
        "HF_HOME": str(folder / "hf-home"),
        "HF_HUB_DISABLE_XET": "1",
    }
