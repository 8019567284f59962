"""The card is valid for the Hub, says what became of the rows, and is the same on every machine."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from datasets import Dataset
from huggingface_hub import DatasetCard
from huggingface_hub.repocard_data import DatasetCardData

from sca_hf.store import Store

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.store.conftest import Toy

STAGES = ("seeds", "judge", "concepts", "instructions", "responses", "execute", "select", "sft")


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_has_a_card_of_its_own(tmp_path: Path, toy: "Toy", name: str) -> None:
    stage = toy.stage(name)
    text = _card(tmp_path, toy.build(toy.rows(90), stage))
    assert f"sca-hf-{name}" in _head(text)["tags"]
    described = text.split("\n![")[0].split(" rows\n\n", 1)[1]
    limits = _section(text, "Limits and biases")
    others = [_card(tmp_path / other, toy.build(toy.rows(90), toy.stage(other))) for other in STAGES if other != name]
    assert not any(described in other for other in others)
    assert not any(limits == _section(other, "Limits and biases") for other in others)


def test_the_head_is_what_the_hub_reads(tmp_path: Path, toy: "Toy") -> None:
    version = Store(tmp_path).write("toy-sft", "f0", toy.build(toy.rows(2_500), toy.stage("sft")))
    head = _head((version.path / "README.md").read_text(encoding="utf-8"))
    assert head["license"] == "mit"
    assert head["language"] == ["en", "code"]
    assert head["size_categories"] == ["1K<n<10K"]
    assert "synthetic" in head["tags"]
    configs = head["configs"]
    assert [config["config_name"] for config in configs] == ["default", "rejected"]
    for config in configs:
        (files,) = config["data_files"]
        assert files["split"] == "train"
        assert list(version.path.glob(files["path"]))


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (("MIT",), {"license": "mit"}),
        (("PSF-2.0",), {"license": "other", "license_name": "psf-2.0"}),
        (("MIT", "Apache-2.0"), {"license": "other", "license_name": "apache-2.0-and-mit"}),
        (("MIT", "ISC", "Zlib", "PSF-2.0"), {"license": "other", "license_name": "several"}),
        (("unknown",), {"license": "unknown"}),
    ],
)
def test_the_license_is_the_seeds(
    tmp_path: Path, toy: "Toy", licenses: tuple[str, ...], expected: dict[str, str]
) -> None:
    text = _card(tmp_path, toy.build(toy.rows(120, licenses)))
    assert {key: value for key, value in _head(text).items() if key.startswith("license")} == expected
    listed = dict(re.findall(r"^\| `(.+)` \| (\d+) \|$", _section(text, "License"), re.MULTILINE))
    assert set(listed) == set(licenses)
    assert sum(map(int, listed.values())) == 80


def test_the_counts_add_up(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(2_500))
    table = _section(_card(tmp_path, build), "What became of the rows")
    numbers = {
        name: int(rows.replace(",", "")) for name, rows in re.findall(r"^\| (.+) \| \**([\d,]+)\** \|$", table, re.M)
    }
    assert numbers.pop("judged") == sum(numbers.values()) == 2_500
    assert numbers.pop("**kept**") == len(build.judged.kept)
    assert numbers == {f"rejected: `{reason}`": count for reason, count in build.judged.counts.rejected.items()}


def test_every_column_has_its_type_and_meaning(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(30))
    table = _section(_card(tmp_path, build), "Columns")
    for column in (*build.stage.adds, *build.stage.measured):
        meaning = column.meaning.replace("|", "\\|")
        assert re.search(rf"^\| `{column.name}` \| `[^`]+` \| {re.escape(meaning)} \|$", table, re.MULTILINE)


def test_an_example_can_hold_code_blocks_and_is_cut_when_long(tmp_path: Path, toy: "Toy") -> None:
    rows = toy.rows(3, size=5_000)
    example = _section(_card(tmp_path, toy.build(rows)), "An example")
    (block,) = re.findall(r"`instruction`\n\n(`{4,})\n(.+?)\n\1\n", example, re.DOTALL)
    assert block[1].startswith("Write a function number 1.\n\n```python\n")
    assert len(block[1]) < 2_000
    assert block[1].endswith("characters)")


def test_no_row_kept_gives_a_card_without_example(tmp_path: Path, toy: "Toy") -> None:
    text = _card(tmp_path, toy.build(toy.rows(1)))
    assert "## An example" not in text
    assert _head(text)["size_categories"] == ["n<1K"]


def test_nothing_of_the_machine_is_in_it(tmp_path: Path, toy: "Toy") -> None:
    texts = [_card(tmp_path / name, toy.build(toy.rows(300))) for name in ("one", "another/place")]
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    assert "/home/me" not in texts[0]
    assert "a-host" not in texts[0]


def test_it_names_the_recipe_the_parents_and_the_way_to_make_it_again(tmp_path: Path, toy: "Toy") -> None:
    parent = {"dataset": "toy-concepts", "fingerprint": "c0ffee", "manifest_sha": "5" * 64}
    build = toy.build(toy.rows(30), parents=[parent])
    text = _card(tmp_path, build)
    for said in ("toy-concepts", "c0ffee", "5" * 64, "`tiny`, revision `abc`", "vllm 0.1", "pyarrow 26.0.0", "12,345"):
        assert said in text
    assert "--recipe recipe.yaml --to instructions" in text
    assert "temperature: 0.7" in text
    command = "python -m sca_hf.run --recipe toy --to instructions"
    given = replace(build, making=build.making.model_copy(update={"command": command}))
    assert f"```\n{command}\n```" in _card(tmp_path / "given", given)


def test_the_head_names_models_and_datasets_of_the_hub_alone(tmp_path: Path, toy: "Toy") -> None:
    local = _head(_card(tmp_path / "local", toy.build(toy.rows(30), input="rows.parquet")))
    assert local["source_datasets"] == ["original"]
    assert "base_model" not in local
    model = {"model": "org/base-7b", "revision": "abc", "build": "vllm 0.1", "dtype": "bfloat16"}
    build = toy.build(toy.rows(30), input=f"org/seeds@{'5' * 40}", model=model)
    published = _head(_card(tmp_path / "published", build))
    assert published["source_datasets"] == ["org/seeds"]
    assert published["base_model"] == ["org/base-7b"]


def test_the_picture_is_the_same_for_the_same_counts(tmp_path: Path, toy: "Toy") -> None:
    many = toy.rows(60).map(_one_reason_a_row, features=toy.stage().features({}))
    pictures = [
        Store(tmp_path / name).write("toy", "f0", toy.build(rows)).path.joinpath("funnel.png").read_bytes()
        for name, rows in (("a", many), ("b", many), ("c", toy.rows(60)))
    ]
    assert pictures[0][:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(pictures[0][16:20]) == 1_600
    assert pictures[0] == pictures[1] != pictures[2]
    assert b"matplotlib" not in pictures[0]


def _one_reason_a_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"reject_reason": row["reject_reason"] and f"a-long-reason-{row['seconds']}"}


def _card(root: Path, build: Any) -> str:
    version = Store(root).write("toy", "f0", build)
    assert isinstance(build.judged.kept, Dataset)
    assert (version.path / "lineage.json").read_text() == version.lineage.text()
    return (version.path / "README.md").read_text(encoding="utf-8")


def _head(text: str) -> dict[str, Any]:
    """The YAML head as huggingface_hub reads it; it raises for a head that the Hub can't read."""
    data = DatasetCard(text).data
    assert isinstance(data, DatasetCardData)
    return {key: value for key, value in vars(data).items() if value is not None}


def _section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
