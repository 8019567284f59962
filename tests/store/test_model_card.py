"""The card of a tuned model says what the model came from, and the Hub takes it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import ModelCardData

from sca_hf import versions
from sca_hf.engines.model import DEMO_MODEL
from sca_hf.store import Store, Version
from sca_hf.store.hub.hub import Hub
from tests.store.conftest import Toy
from tests.store.loopback_hub import LoopbackHub, ask_hub_at

BASE = {"model": "org/base-7b", "revision": "abc", "build": "vllm 0.1", "dtype": "bfloat16"}
RESULT = {
    "task_type": "text-generation",
    "dataset_type": "openai/openai_humaneval",
    "dataset_name": "HumanEval",
    "dataset_split": "test",
    "metric_type": "pass@1",
    "metric_value": 0.625,
}


@pytest.fixture
def version(tmp_path: Path, toy: Toy) -> Version:
    store = Store(tmp_path / "store")
    return store.write("demo-sft", "0123456789abcdef", toy.build(toy.rows(90), toy.stage("sft"), model=BASE))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as a trainer leaves it."""
    folder = tmp_path / "tuned-7b"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json"):
        shutil.copy(DEMO_MODEL / name, folder)
    state = {"global_step": 60, "num_train_epochs": 2, "log_history": [{"loss": 1.5}, {"loss": 0.75}, {"epoch": 2}]}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    return folder


def card(version: Version, model: Path, *more: str, code: int = 0, data: str = "demo-sft") -> str:
    """What the command writes."""
    command = ["card", "--model", str(model), "--data", data, "--store", str(version.path.parents[1]), *more]
    assert versions.main(command) == code
    return (model / "README.md").read_text(encoding="utf-8") if (model / "README.md").is_file() else ""


def head(text: str) -> ModelCardData:
    """The head as huggingface_hub reads it."""
    data = ModelCard(text).data
    assert isinstance(data, ModelCardData)
    return data


def test_a_card_from_a_version_on_the_hub_is_valid_there(
    loopback: LoopbackHub, version: Version, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_hub_at(loopback.url, monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    Hub("alice/demo").push(version)
    (tmp_path / "results.json").write_text(json.dumps([RESULT]))
    (tmp_path / "training.yaml").write_text("learning_rate: 1.0e-5\nnum_train_epochs: 3\n")
    more = ["--license", "MIT", "--results", str(tmp_path / "results.json"), "--store", str(tmp_path / "no-store")]
    pinned = f"alice/demo-sft@v-{version.fingerprint}"
    text = card(version, model, *more, "--training", str(tmp_path / "training.yaml"), data=pinned)
    ModelCard(text).validate()
    assert "POST validate-yaml" in {asked.kind for asked in loopback.requests}
    data = head(text)
    assert (data.base_model, data.datasets, data.license) == ("org/base-7b", ["alice/demo-sft"], "mit")
    assert (data.library_name, data.pipeline_tag, data.model_name) == ("transformers", "text-generation", "tuned-7b")
    assert vars(data)["base_model_relation"] == "finetune"
    assert data.eval_results is not None
    (result,) = data.eval_results
    assert {name: getattr(result, name) for name in RESULT} == RESULT
    said = [f"revision `v-{version.fingerprint}`", version.manifest_sha, "revision `abc`", "HumanEval, test"]
    said += ["| learning_rate | 1e-05 |", "| num_train_epochs | 3 |", "| global_step | 60 |", "| last loss | 0.75 |"]
    for part in said:
        assert part in text
    assert "alice-write" not in text


def test_a_card_from_a_version_in_a_store(version: Version, model: Path) -> None:
    text = card(version, model, "--base", "org/other@main", "--license", "apache-2.0")
    data = head(text)
    assert (data.base_model, data.datasets, data.eval_results) == ("org/other", None, None)
    assert vars(data)["license_name"] == "apache-2.0-and-mit"
    assert "It was not evaluated" in text
    assert "that a base model wrote" in text
    assert str(model.parent) not in text


def test_an_adapter_names_its_base(version: Version, model: Path) -> None:
    adapter: dict[str, Any] = {"base_model_name_or_path": "org/base-7b", "peft_type": "LORA", "r": 16}
    (model / "adapter_config.json").write_text(json.dumps(adapter))
    text = card(version, model)
    data = head(text)
    assert (data.library_name, data.base_model) == ("peft", "org/base-7b")
    assert vars(data)["base_model_relation"] == "adapter"
    assert "| r | 16 |" in text
    assert vars(data)["license_name"] == "mit-and-unknown"


def test_a_card_is_written_again_unless_people_changed_it(
    version: Version, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = card(version, model)
    assert card(version, model, "--license", "mit") != first
    (model / "README.md").write_text("mine")
    assert card(version, model, code=2) == "mine"
    assert "was written by someone else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--results", "results.json"], "results.json: .*'metric'.*model-index"),
        (["--results", "unsourced.json"], "unsourced.json: .*source_url.*model-index"),
        (["--model", "odd"], "trainer_state.json holds no settings by name"),
        (["--training", "none.yaml"], "none.yaml can't be read"),
        (["--model", "."], "neither config.json nor adapter_config.json"),
        (["--data", "demo-none"], "no version 'demo-none'"),
    ],
)
def test_what_can_not_be_made_a_card(
    version: Version,
    model: Path,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.json").write_text('[{"metric": 1}]')
    unsourced = dict.fromkeys(("task_type", "dataset_type", "dataset_name", "metric_type", "source_name"), "x")
    (tmp_path / "unsourced.json").write_text(json.dumps([{**unsourced, "metric_value": 1.0}]))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text("{}")
    (tmp_path / "odd" / "trainer_state.json").write_text("[1]")
    assert card(version, model, *more, code=2) == ""
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
