"""The configs of the final dataset for trainers: from one selection, in the store and on the Hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import get_dataset_config_names, load_dataset

from sca_hf import run
from sca_hf.prompts.chat import CHAT_TEMPLATE
from sca_hf.stages.formats import FORMATS
from sca_hf.store import Store, Version
from sca_hf.store.hub.hub import Hub
from sca_hf.training.data import load_preferences, load_sft
from tests.finished_run import arguments_in, logged_in, loopback, own_cache
from tests.store.loopback_hub import LoopbackHub
from tests.training.rows import WORDS, sft_row, write_jsonl

__all__ = ["logged_in", "loopback", "own_cache"]

NAMES = [shape.name for shape in FORMATS]


def attempts() -> Iterator[dict[str, Any]]:
    """Of each word one response that passed and one that failed, or one that ran out of time for the last two."""
    for number, word in enumerate(WORDS):
        row = sft_row(word)
        shared = {name: row[name] for name in ("instruction", "tests", "seed", "sha1", "concepts")}
        shared |= {"instruction_id": f"task-{word}"}
        yield {**shared, "id": f"{word}-1", "response": row["response"], "status": "passed"}
        status = "failed" if number < 6 else "timeout"
        yield {**shared, "id": f"{word}-2", "response": row["failed_response"], "status": status}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A version of the SFT stage, made by the command from attempts."""
    folder = tmp_path_factory.mktemp("configs")
    rows = write_jsonl(folder / "attempts.jsonl", list(attempts()))
    start = [*arguments_in(folder), "--store", str(folder / "store"), "--from", "select", "--input", str(rows)]
    assert run.main([*start, "--set", "sft.tests_probability=1.0"]) == 0
    made = Store(folder / "store").latest("demo-sft")
    assert made is not None
    return made


@pytest.mark.parametrize("streaming", [False, True])
def test_every_config_loads_from_the_store(version: Version, streaming: bool) -> None:
    assert get_dataset_config_names(str(version.path)) == ["default", *NAMES]
    kept = {row["id"]: row for row in version.load()}
    assert len(kept) == 8
    for shape in FORMATS:
        loaded = load_dataset(str(version.path), shape.name, split="train", streaming=streaming)
        assert loaded.features == shape.features
        rows = list(loaded)
        expected = [shape.make(row) for row in kept.values()]
        assert rows == [row for row in expected if row is not None]
        assert len(rows) == (6 if shape.name == "dpo" else 8)


def test_the_rows_say_what_trainers_ask(version: Version) -> None:
    (pair, *_) = load_dataset(str(version.path), "dpo", split="train")
    assert pair["chosen"][0]["content"] != pair["rejected"][0]["content"]
    (task, *_) = load_dataset(str(version.path), "rl", split="train")
    assert task["pass_rate"] == 0.5
    assert task["entry_point"] in WORDS
    assert task["prompt"][0]["content"].count("pass these tests") == 1


def test_rows_without_seeds_have_no_columns_of_the_reference(tmp_path: Path) -> None:
    """Such as answers from elsewhere."""
    bare = [{name: row[name] for name in row.keys() - {"seed", "sha1", "concepts"}} for row in attempts()]
    rows = write_jsonl(tmp_path / "attempts.jsonl", bare)
    where = ["--store", str(tmp_path / "store"), "--from", "select", "--input", str(rows)]
    assert run.main([*arguments_in(tmp_path), *where]) == 0
    made = Store(tmp_path / "store").latest("demo-sft")
    assert made is not None
    assert get_dataset_config_names(str(made.path)) == ["default", *(name for name in NAMES if name != "reference")]


def test_the_template_lies_beside_and_the_card_says_how(version: Version) -> None:
    assert (version.path / "chat_template.jinja").read_text() == CHAT_TEMPLATE
    card = (version.path / "README.md").read_text()
    assert "| `dpo` | 6 |" in card
    assert 'load_dataset("PATH_OR_REPO", "prompt-completion", split="train")' in card


def test_every_config_loads_from_the_hub(version: Version, logged_in: LoopbackHub, tmp_path: Path) -> None:
    remote = Hub("alice/demo").push(version)
    for name in NAMES:
        there = load_dataset(remote.repo, name, split="train", revision=remote.revision, cache_dir=str(tmp_path))
        assert list(there) == list(load_dataset(str(version.path), name, split="train"))
        streamed = load_dataset(remote.repo, name, split="train", revision=remote.revision, streaming=True)
        assert len(list(streamed)) == len(there)
    data = load_sft(f"{remote.repo}@{remote.revision}", tmp_path / "store")
    assert (data.remote, data.sha) == (f"alice/demo-sft@v-{version.fingerprint}", version.manifest_sha)
    assert len(load_preferences(f"{remote.repo}@{remote.revision}", tmp_path / "store").rows) == 6
