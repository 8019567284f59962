"""A version is immutable, found by its fingerprint, and loads exactly as it was made."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import pytest
from datasets import Features, Value, load_dataset

from sca_hf.errors import StoreError
from sca_hf.stage import split
from sca_hf.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Toy


def test_a_version_loads_as_it_was_made(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(2_500))
    version = Store(tmp_path).write("toy-instructions", "f0", build)
    rows = version.load()
    assert rows.features == build.judged.kept.features
    assert rows[:] == build.judged.kept[:]
    assert rows.cache_files, "memory-mapped, not in memory"
    assert version.counts == build.judged.counts


def test_load_dataset_reads_a_version_and_its_rejected_rows(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(300))
    version = Store(tmp_path, shard_bytes=1).write("toy-instructions", "f0", build)
    kept = load_dataset(str(version.path), split="train")
    assert kept.features == build.judged.kept.features
    assert kept[:] == build.judged.kept[:]
    rejected = load_dataset(str(version.path), "rejected", split="train")
    assert rejected.features == Features({**build.judged.kept.features, "reject_reason": Value("string")})
    assert sorted(rejected["reject_reason"]) == ["no-heading"] * 20 + ["too-long"] * 20
    assert set(rejected["id"]) <= set(build.judged.rejected["id"])
    latest = load_dataset(str(tmp_path / "toy-instructions" / "latest"), split="train")
    assert latest[:] == kept[:]


def test_load_dataset_of_a_folder_of_versions_reads_the_latest_alone(tmp_path: Path, toy: "Toy") -> None:
    store, folder = Store(tmp_path), str(tmp_path / "toy")
    first = store.write("toy", "f0", toy.build(toy.rows(30)))
    second = store.write("toy", "f1", toy.build(toy.rows(30, start=60)))
    assert load_dataset(folder, split="train")[:] == second.load()[:]
    assert len(load_dataset(folder, "rejected", split="train")) == len(
        load_dataset(str(second.path), "rejected", split="train")
    )
    store.use(first)
    assert load_dataset(folder, split="train")[:] == first.load()[:]
    pilot = store.write("toy", "f2", toy.build(toy.rows(30, start=90)), pilot=True)
    store.remove(first)
    assert store.latest("toy") == second, "the newest that is left, and no pilot's"
    assert load_dataset(folder, split="train")[:] == second.load()[:]
    store.remove(second)
    assert store.versions("toy") == [pilot]
    with pytest.raises(Exception, match=r"No .* data files found"):
        load_dataset(folder)


def test_a_version_made_anew_with_other_rows_is_not_read_from_a_stale_cache(tmp_path: Path, toy: "Toy") -> None:
    version = Store(tmp_path).write("toy", "f0", toy.build(toy.rows(30)))
    load_dataset(str(version.path), split="train")
    shutil.rmtree(version.path)
    again = Store(tmp_path).write("toy", "f0", toy.build(toy.rows(30, start=60)))
    assert load_dataset(str(again.path), split="train")["id"][:] == again.load()["id"][:]
    assert again.load()["id"][:] == toy.build(toy.rows(30, start=60)).judged.kept["id"][:]


def test_no_kept_rows_is_a_version_too(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(1))
    rows = Store(tmp_path).write("toy", "f0", build).load()
    assert len(rows) == 0
    assert rows.features == build.judged.kept.features
    streamed = load_dataset(str(tmp_path / "toy" / "f0"), split="train", streaming=True)
    assert list(streamed) == []


def test_without_rejected_rows_there_is_no_such_config(tmp_path: Path, toy: "Toy") -> None:
    rows = toy.rows(50).filter(lambda reason: reason is None, input_columns="reject_reason")
    version = Store(tmp_path).write("toy", "f0", toy.build(rows))
    assert datasets.get_dataset_config_names(str(version.path)) == ["default"]


def test_find_and_versions(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    assert store.find("toy", "f0") is None
    assert store.versions() == []
    first = store.write("toy", "f0", toy.build(toy.rows(10)))
    second = store.write("toy", "f1", toy.build(toy.rows(20)))
    other = store.write("other", "f0", toy.build(toy.rows(20)))
    assert Store(tmp_path).find("toy", "f1") == second
    assert store.versions() == [other, first, second]
    assert store.versions("toy") == [first, second]
    assert (tmp_path / "toy" / "latest").readlink() == Path("f1")
    assert store.latest("toy") == second
    assert store.latest("none") is None
    store.write("toy", "f0", toy.build(toy.rows(10)))
    assert store.latest("toy") == first


def test_scratch_is_gone_at_the_end_and_passes_on_what_the_stage_raises(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(FileNotFoundError), store.scratch() as scratch:
        scratch.joinpath("rows.arrow").rename(scratch / "missing" / "rows.arrow")
    assert not scratch.exists()
    assert store.versions() == []


def test_the_manifest_has_the_checksums_of_all_row_files(tmp_path: Path, toy: "Toy") -> None:
    version = Store(tmp_path, shard_bytes=20_000).write("toy", "f0", toy.build(toy.rows(6_000)))
    manifest = json.loads((version.path / "manifest.json").read_text())
    names = [file["name"] for file in manifest["files"]]
    on_disk = [*version.path.glob("data/*"), *version.path.glob("rejected/*")]
    assert names == sorted(str(path.relative_to(version.path)) for path in on_disk)
    assert sum(name.startswith("data/") for name in names) > 1
    for file in manifest["files"]:
        content = (version.path / file["name"]).read_bytes()
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert sum(file["rows"] for file in manifest["files"] if file["name"].startswith("data/")) == version.counts.kept
    assert manifest["manifest_sha"] == version.manifest_sha == version.lineage.manifest_sha


def test_measurements_and_timings_are_no_part_of_the_content(tmp_path: Path, toy: "Toy") -> None:
    rows = toy.rows(100)
    slower = rows.remove_columns("seconds").add_column("seconds", [9.0] * 100)
    version = Store(tmp_path / "a").write("toy", "f0", toy.build(rows))
    other = Store(tmp_path / "b").write("toy", "f0", toy.build(slower))
    assert version.manifest_sha == other.manifest_sha
    measured = load_dataset("parquet", data_files=str(other.path / "measurements" / "*.parquet"), split="train")
    reasons = rows["reject_reason"][:]
    assert measured[:] == {"id": rows["id"][:], "reject_reason": reasons, "seconds": [9.0] * 100}
    assert json.loads((version.path / "timings.json").read_text()) == {"seconds": 1.5, "host": "a-host"}
    assert "a-host" not in (version.path / "lineage.json").read_text() + (version.path / "README.md").read_text()


def test_the_same_content_twice_is_one_version(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    first = store.write("toy", "f0", toy.build(toy.rows(100)))
    written = first.path.stat().st_mtime_ns
    assert store.write("toy", "f0", toy.build(toy.rows(100))) == first
    assert first.path.stat().st_mtime_ns == written
    assert _leftovers(tmp_path) == []


def test_another_content_is_never_written_over_the_first(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    first = store.write("toy", "f0", toy.build(toy.rows(100)))
    other = Store(tmp_path / "elsewhere").write("toy", "f0", toy.build(toy.rows(101)))
    with pytest.raises(StoreError) as caught:
        store.write("toy", "f0", toy.build(toy.rows(101)))
    message = str(caught.value)
    assert first.manifest_sha in message
    assert other.manifest_sha in message
    assert "adopt" in message
    assert f"rm -r {first.path}" in message
    assert store.find("toy", "f0") == first
    first.verify()
    assert _leftovers(tmp_path) == []


@pytest.mark.parametrize("damage", ["append", "remove", "manifest"])
def test_a_changed_version_is_refused(tmp_path: Path, toy: "Toy", damage: str) -> None:
    version = Store(tmp_path).write("toy", "f0", toy.build(toy.rows(100)))
    shard = version.path / "data" / "train-00000-of-00001.parquet"
    if damage == "append":
        shard.write_bytes(shard.read_bytes() + b"x")
    elif damage == "remove":
        shard.unlink()
    else:
        manifest = version.path / "manifest.json"
        manifest.write_text(json.dumps({"files": []}))
    with pytest.raises(StoreError, match="changed") as caught:
        version.load()
    assert str(version.path) in str(caught.value)


def test_an_unreadable_lineage_is_named(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    version = store.write("toy", "f0", toy.build(toy.rows(10)))
    (version.path / "lineage.json").write_text("{")
    with pytest.raises(StoreError, match=r"lineage\.json can't be read.*rm -r"):
        store.find("toy", "f0")


def test_funnel_licenses_and_models_come_down_from_the_parents(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    seeds = store.write("toy-seeds", "s0", toy.build(toy.rows(100, ("MIT", "PSF-2.0")), toy.stage("seeds")))
    parent = {"dataset": seeds.dataset, "fingerprint": seeds.fingerprint, "manifest_sha": seeds.manifest_sha}
    stage = toy.stage("concepts")
    columns = tuple(column for column in stage.adds if column.name != "license")
    stage = type(stage)(**{**vars(stage), "adds": columns})
    rows = toy.rows(40).remove_columns("license")
    concepts = store.write("toy-concepts", "c0", toy.build(rows, stage, parents=[parent], model=None))
    assert [step.stage for step in concepts.lineage.funnel] == ["seeds", "concepts"]
    assert concepts.lineage.funnel[0].kept == seeds.counts.kept
    assert concepts.lineage.licenses == seeds.lineage.licenses
    assert concepts.lineage.models == seeds.lineage.models == (seeds.lineage.model,)
    assert sum(seeds.lineage.licenses.values()) == seeds.counts.kept


def test_the_sample_of_rejected_rows_does_not_depend_on_their_order(tmp_path: Path, toy: "Toy") -> None:
    rows = toy.rows(600)
    backwards = rows.select(range(599, -1, -1))
    samples = [
        load_dataset(str(Store(tmp_path / name).write("toy", "f0", toy.build(given)).path), "rejected", split="train")
        for name, given in (("a", rows), ("b", backwards))
    ]
    assert set(samples[0]["id"]) == set(samples[1]["id"])
    assert len(split(toy.stage(), 600, rows).rejected) > len(samples[0]) == 40


def _leftovers(root: Path) -> list[Path]:
    return list(root.rglob(".tmp-*"))
