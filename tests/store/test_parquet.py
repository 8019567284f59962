"""The same rows give the same files, however the Dataset that holds them was made."""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from datasets import Dataset, concatenate_datasets

from sca_hf.store import Store

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.store.conftest import Toy

COUNT = 3_500


def _shuffled_and_back(rows: Dataset) -> Dataset:
    order = list(range(COUNT))
    random.Random(1).shuffle(order)
    position = {row: place for place, row in enumerate(order)}
    return rows.select(order).flatten_indices().select([position[row] for row in range(COUNT)])


def _in_pieces(rows: Dataset) -> Dataset:
    return concatenate_datasets([rows.select(range(at, min(at + 37, COUNT))) for at in range(0, COUNT, 37)])


def _mapped(**how: int) -> Callable[[Dataset], Dataset]:
    return lambda rows: rows.map(_same, features=rows.features, **how)


def _same(row: dict[str, object]) -> dict[str, object]:
    return row


def _sliced(rows: Dataset) -> Dataset:
    return concatenate_datasets([rows.select(range(700)), rows]).select(range(700, 700 + COUNT))


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(_shuffled_and_back, id="indices"),
        pytest.param(lambda rows: _shuffled_and_back(rows).flatten_indices(), id="flattened"),
        pytest.param(_in_pieces, id="chunks"),
        pytest.param(_sliced, id="slice"),
        pytest.param(_mapped(writer_batch_size=13), id="writer_batch_size"),
        pytest.param(_mapped(num_proc=2, writer_batch_size=101), id="num_proc"),
        pytest.param(lambda rows: rows.with_format("numpy", columns=["id"]), id="format"),
    ],
)
def test_every_file_but_the_timings_is_the_same(
    tmp_path: Path, toy: "Toy", variant: Callable[[Dataset], Dataset]
) -> None:
    rows = toy.rows(COUNT)
    first = Store(tmp_path / "a", shard_bytes=20_000).write("toy", "f0", toy.build(rows))
    second = Store(tmp_path / "b" / "deeper", shard_bytes=20_000).write("toy", "f0", toy.build(variant(rows)))
    assert first.manifest_sha == second.manifest_sha
    assert _files(first.path) == _files(second.path)
    assert len(list(first.path.glob("data/*"))) > 1


ELSEWHERE = """
import os, sys
os.umask(0o077)
from pathlib import Path
from sca_hf.store import Store
from tests.store.conftest import Toy
toy = Toy()
Store(Path(sys.argv[1]), shard_bytes=20_000).write("toy", "f0", toy.build(toy.rows(int(sys.argv[2]))))
"""


@pytest.mark.slow
def test_another_user_elsewhere_writes_the_same_bytes(tmp_path: Path, toy: "Toy") -> None:
    first = Store(tmp_path / "a", shard_bytes=20_000).write("toy", "f0", toy.build(toy.rows(COUNT)))
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "HOME": folder,
            "USER": "somebody",
            "LOGNAME": "somebody",
            "HF_HOME": f"{folder}/hf",
            "MPLCONFIGDIR": f"{folder}/matplotlib",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
            "LC_ALL": "C",
        }
        command = [sys.executable, "-c", ELSEWHERE, f"{folder}/store", str(COUNT)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert _files(Path(folder, "store", "toy", "f0")) == _files(first.path)


def test_rows_change_the_manifest(tmp_path: Path, toy: "Toy") -> None:
    rows = toy.rows(COUNT)
    versions = [
        Store(tmp_path / name).write("toy", "f0", toy.build(given))
        for name, given in (("a", rows), ("b", rows.select(range(COUNT - 1))), ("c", rows.select(range(COUNT)[::-1])))
    ]
    assert len({version.manifest_sha for version in versions}) == 3


def test_shards_end_at_the_given_size(tmp_path: Path, toy: "Toy") -> None:
    version = Store(tmp_path, shard_bytes=30_000).write("toy", "f0", toy.build(toy.rows(12_000)))
    sizes = [path.stat().st_size for path in sorted(version.path.glob("data/*"))]
    assert len(sizes) > 2
    assert all(size >= 30_000 for size in sizes[:-1])
    assert version.load()["id"][:] == toy.build(toy.rows(12_000)).judged.kept["id"][:]


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
