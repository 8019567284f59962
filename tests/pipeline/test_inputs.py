"""Runs that start from ready-made rows: what stage reads them, what is recorded of them, what is refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset

from sca_hf import run, versions
from sca_hf.store import Store, Version
from sca_hf.store.lineage import Parent
from tests.code_files import FUNCTION
from tests.finished_run import (
    NAMES,
    RESPONSE,
    TESTS,
    arguments,
    finished,
    logged_in,
    loopback,
    own_cache,
    published,
)
from tests.store.loopback_hub import LoopbackHub

__all__ = ["arguments", "finished", "logged_in", "loopback", "own_cache", "published"]


def test_the_layout_of_the_reference_is_read(arguments: list[str], tmp_path: Path) -> None:
    rows = [
        {
            "fingerprint": None,
            "sha1": f"{number:040x}",
            "seed": FUNCTION.format(number),
            "response": RESPONSE.format(number),
            "concepts": ["addition"],
            "prompt": "…",
            "instruction": f"Add two numbers and {number}.",
            "id": number,
        }
        for number in range(9)
    ]
    Dataset.from_list(rows).to_parquet(tmp_path / "reference.parquet")
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "sft"]
    assert run.main([*start, "--input", str(tmp_path / "reference.parquet")]) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["instruction"][:] == [row["instruction"] for row in rows]
    assert made.load()["messages"][0][1] == {"role": "assistant", "content": RESPONSE.format(0)}
    assert len(set(made.load()["select_id"])) == 9
    assert made.load()["seed"][:] == [row["seed"] for row in rows], "columns that earlier stages make are carried"
    assert made.load()["prompt"][:] == ["…"] * 9, "and so are columns that no stage knows"
    assert made.load()["source_id"][:] == list(map(str, range(9)))
    assert "--input reference.parquet" in str(made.lineage.command)
    with (tmp_path / "other.jsonl").open("w") as file:  # the same rows in another file are the same input
        file.writelines(json.dumps(row) + "\n" for row in rows)
    assert run.main([*start, "--input", str(tmp_path / "other.jsonl")]) == 0
    assert len(Store(tmp_path / "store").versions()) == 1


def test_an_input_on_the_hub_is_recorded_as_what_the_rows_were_made_from(
    published: dict[str, Version], arguments: list[str], tmp_path: Path
) -> None:
    start = [*arguments, "--store", str(tmp_path / "second")]
    executed = published["execute"]
    assert run.main([*start, "--input", f"alice/demo-execute@v-{executed.fingerprint}"]) == 0
    made = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert sorted(made) == ["demo-select", "demo-sft"]
    assert made["demo-select"].manifest_sha == published["select"].manifest_sha
    line = made["demo-select"].lineage
    assert "alice/demo-execute@" in str(line.input)
    assert f"--from select --input {line.input}" in str(line.command)
    assert line.parents == (_parent(executed),)
    assert [step.stage for step in line.funnel] == list(NAMES[: NAMES.index("select") + 1])
    assert line.licenses == published["select"].lineage.licenses
    assert yaml.safe_load(_card(made["demo-select"]).split("---\n")[1])["source_datasets"] == ["alice/demo-execute"]


def test_a_version_in_a_folder_is_recorded_and_not_removed_before_what_was_made_from_it(
    finished: Path, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "store", tmp_path / "store", symlinks=True)
    store = Store(tmp_path / "store")
    executed = store.latest("demo-execute")
    assert executed is not None
    for made in store.versions("demo-sft") + store.versions("demo-select"):
        store.remove(made)
    assert run.main([*arguments, "--store", str(store.root), "--input", str(executed.path)]) == 0
    selected = store.latest("demo-select")
    assert selected is not None
    assert selected.lineage.input == f"demo-execute/{executed.fingerprint}"
    assert selected.lineage.parents == (_parent(executed),)
    assert str(tmp_path) not in selected.lineage.text()
    capsys.readouterr()
    assert versions.main(["verify", "demo-sft", "--store", str(store.root)]) == 0
    assert "ok demo-sft/" in capsys.readouterr().out
    assert versions.main(["rm", "demo-execute", "--store", str(store.root)]) == 2
    assert "was made from it" in capsys.readouterr().err


def test_rows_changed_by_hand_are_no_input(
    published: dict[str, Version],
    logged_in: LoopbackHub,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = [*arguments, "--store", str(tmp_path / "second"), "--input"]
    (shard,) = (path for path in logged_in.files("alice/demo-execute") if path.startswith("data/"))
    logged_in.edit("alice/demo-execute", shard, logged_in.files("alice/demo-select")[shard])
    assert run.main([*start, "alice/demo-execute@main"]) == 2
    assert "was changed on the Hub; give the version's tag" in capsys.readouterr().err
    (published["execute"].path / shard).write_bytes(b"PAR1")
    assert run.main([*start, str(published["execute"].path)]) == 2
    assert "was changed" in capsys.readouterr().err
    assert Store(tmp_path / "second").versions() == []


COLUMNS: dict[str, Any] = {
    "content": FUNCTION.format(1),
    "seed": FUNCTION.format(1),
    "concepts": ["addition"],
    "instruction": "Add.",
    "response": RESPONSE.format(1),
    "tests": TESTS.format(1),
    "status": "passed",
    "output": RESPONSE.format(1),
    "messages": [{"role": "user", "content": "Add."}, {"role": "assistant", "content": RESPONSE.format(1)}],
    "verdict": "Yes",
    "text": "?",
}


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ("content", "seeds"),
        ("seed", "judge"),
        ("seed verdict", "concepts"),
        ("seed concepts", "instructions"),
        ("seed concepts instruction", "responses"),
        ("instruction output", "sft"),
        ("instruction response tests", "execute"),
        ("instruction response tests status", "select"),
        ("messages", "sft"),
        ("messages instruction", "sft"),
        ("text", None),
    ],
)
def test_columns_tell_which_stage_reads_the_rows(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: str, first: str | None
) -> None:
    row = {name: COLUMNS[name] for name in columns.split()}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.jsonl"), "--dry-run"]
    assert run.main(start) == (2 if first is None else 0)
    captured = capsys.readouterr()
    if first is None:
        assert "don't tell which stage reads them (seeds reads content; " in captured.err
        assert "; rename columns, or give --from STAGE" in captured.err
    else:
        assert _planned(captured.out)[0] == first


def test_seeds_go_on_with_concepts_where_no_judge_is(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"seed": COLUMNS["seed"]}) + "\n")
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.jsonl"), "--dry-run"]
    assert run.main([*start, "--set", "judge=null"]) == 0
    assert _planned(capsys.readouterr().out)[0] == "concepts"


def test_an_input_without_the_columns_names_them(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset.from_list([{"instruction": "Add."}]).to_parquet(tmp_path / "rows.parquet")
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.parquet")]
    assert run.main([*start, "--from", "execute"]) == 2
    assert "stage 'execute' needs column 'response' (made by stage responses), 'tests'" in capsys.readouterr().err
    assert run.main([*start, "--from", "concepts"]) == 2
    assert "'seed' (made by stage seeds); there is instruction" in capsys.readouterr().err, "not what ids are made of"


def _planned(printed: str) -> list[str]:
    """The stages of a plan."""
    return re.findall(r"^(\w+) +(?:to run|cached) ", printed, re.MULTILINE)


def _parent(version: Version) -> Parent:
    return Parent(dataset=version.dataset, fingerprint=version.fingerprint, manifest_sha=version.manifest_sha)


def _card(version: Version) -> str:
    return (version.path / "README.md").read_text(encoding="utf-8")
