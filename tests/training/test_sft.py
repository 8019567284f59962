"""The loss of a step: over rows as in the paper, or over tokens; packed or not, in any micro-batches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM

from sca_hf.engines.model import DEMO_MODEL
from sca_hf.training.base_model import find_base, load_model
from sca_hf.training.settings import SupervisedSettings
from sca_hf.training.sft import sft_trainer
from sca_hf.training.tokens import tokenize
from sca_hf.training.trainers import arguments

# Responses of very different lengths, so that a mean over rows is not one over tokens.
ROWS = [
    {"prompt": "# add\n", "completion": "def add(a, b):\n    return a + b\n" * 8},
    {"prompt": "# nothing\n", "completion": "pass"},
    {"prompt": "# one\n", "completion": "x = 1"},
    {"prompt": "# a list\n", "completion": "def first(values):\n    return values[0]\n"},
]


@pytest.fixture(scope="module")
def losses(tokenizer: Any) -> list[list[float]]:
    """Of each row the loss of each token of its response, by a plain forward pass."""
    model = AutoModelForCausalLM.from_pretrained(DEMO_MODEL, dtype=torch.float32)
    found = []
    for row in tokenize(Dataset.from_list(ROWS), tokenizer, 512).rows:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])[1:]
        with torch.no_grad():
            each = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], labels, reduction="none")
        found.append(each[labels != -100].tolist())
    return found


def first_loss(tokenizer: Any, folder: Path, rows: int, **changes: Any) -> float:
    """The loss of one step on all rows, in batches of `rows` sequences."""
    given = {"steps": 1, "batch_size": rows, "max_length": 512, "gradient_checkpointing": False, **changes}
    settings = SupervisedSettings(**given)
    data = tokenize(Dataset.from_list(ROWS), tokenizer, settings.max_length)
    shared = arguments(settings, folder, fsdp=False) | {"save_strategy": "no"}
    trainer = sft_trainer(load_model(find_base("demo"), settings), tokenizer, data, settings, shared)
    trainer.train()
    (loss,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return float(loss)


def expected(losses: list[list[float]], average: str) -> float:
    if average == "token":
        return sum(map(sum, losses)) / sum(map(len, losses))
    return sum(sum(row) / len(row) for row in losses) / len(losses)


@pytest.mark.parametrize("micro_batch", [1, 4])
@pytest.mark.parametrize("average", ["sequence", "token"])
def test_the_loss_is_averaged_as_the_setting_says(
    average: str, micro_batch: int, losses: list[list[float]], tokenizer: Any, tmp_path: Path
) -> None:
    found = first_loss(tokenizer, tmp_path, 4, average=average, micro_batch=micro_batch)
    assert found == pytest.approx(expected(losses, average), rel=0.02)  # bf16
    other = expected(losses, "token" if average == "sequence" else "sequence")
    assert abs(found / other - 1) > 0.2


@pytest.mark.parametrize("average", ["sequence", "token"])
def test_packing_changes_no_loss(average: str, losses: list[list[float]], tokenizer: Any, tmp_path: Path) -> None:
    found = first_loss(tokenizer, tmp_path, 1, average=average, packing=True)
    assert found == pytest.approx(expected(losses, average), rel=0.02)


def test_gradient_checkpointing_changes_no_loss(losses: list[list[float]], tokenizer: Any, tmp_path: Path) -> None:
    found = first_loss(tokenizer, tmp_path, 4, gradient_checkpointing=True)
    assert found == pytest.approx(expected(losses, "sequence"), rel=0.02)
