"""TRL's own trainers take our formats: one step on the bundled model each."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from sca_hf.engines.model import DEMO_MODEL
from sca_hf.stages.formats import FORMATS, messages, preference, prompt_completion
from tests.training.rows import WORDS, sft_row

FEATURES = {shape.name: shape.features for shape in FORMATS}
# What a user of TRL gives, here with a template that the bundled model lacks as base models do.
ONE_STEP: dict[str, Any] = {"max_steps": 1, "per_device_train_batch_size": 4, "use_cpu": True, "report_to": "none"}
TEMPLATE = "sca_hf/prompts/chat_template.jinja"


def learnt(trainer: Any, tokenizer: Any) -> list[str]:
    """The texts that the loss is on."""
    return [
        tokenizer.decode([label for label in row["labels"] if label != -100]).removeprefix(tokenizer.eos_token)
        for row in trainer.train_dataset
    ]


def test_sft_trainer_learns_the_completion_alone(tmp_path: Path, tokenizer: Any) -> None:
    rows = Dataset.from_list(
        [prompt_completion(sft_row(word)) for word in WORDS], features=FEATURES["prompt-completion"]
    )
    trainer = SFTTrainer(
        model=str(DEMO_MODEL),
        args=SFTConfig(str(tmp_path), chat_template_path=TEMPLATE, **ONE_STEP),
        train_dataset=rows,
    )
    assert learnt(trainer, tokenizer) == [sft_row(word)["response"] + tokenizer.eos_token for word in WORDS]
    assert trainer.train().training_loss > 0


@pytest.mark.parametrize("assistant_only", [False, True])
def test_sft_trainer_takes_messages(assistant_only: bool, tmp_path: Path, tokenizer: Any) -> None:
    rows = Dataset.from_list([messages(sft_row(word)) for word in WORDS], features=FEATURES["messages"])
    trainer = SFTTrainer(
        model=str(DEMO_MODEL),
        args=SFTConfig(str(tmp_path), chat_template_path=TEMPLATE, assistant_only_loss=assistant_only, **ONE_STEP),
        train_dataset=rows,
    )
    assert trainer.train().training_loss > 0
    responses = [sft_row(word)["response"] + tokenizer.eos_token for word in WORDS]
    # By default the loss is on what the user says too; the template marks what the assistant says.
    assert (learnt(trainer, tokenizer) == responses) is assistant_only


def test_dpo_trainer_takes_pairs(tmp_path: Path, tokenizer: Any) -> None:
    pairs = [preference(sft_row(word)) for word in WORDS]
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(DEMO_MODEL),
        args=DPOConfig(str(tmp_path), **ONE_STEP),
        train_dataset=Dataset.from_list(pairs, features=FEATURES["dpo"]),
        processing_class=tokenizer,
    )
    row = trainer.train_dataset[0]
    assert tokenizer.decode(row["chosen_ids"]) == sft_row("apple")["response"] + tokenizer.eos_token
    assert tokenizer.decode(row["rejected_ids"]) == sft_row("apple")["failed_response"] + tokenizer.eos_token
    assert trainer.train().training_loss > 0
