"""Preference tuning (DPO) with TRL, on a passing and a failing answer to each instruction."""

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from sca_hf.training.settings import PreferenceSettings
from sca_hf.training.trainers import Quiet, peft_config


class PreferenceTrainer(Quiet, DPOTrainer):  # type: ignore[misc]
    """TRL's trainer. The model that it starts from is the reference."""


def dpo_trainer(
    model: Any, tokenizer: Any, pairs: Dataset, settings: PreferenceSettings, shared: dict[str, Any]
) -> PreferenceTrainer:
    """Return a trainer on `prompt`, `chosen`, `rejected`; `shared`: see `sca_hf.training.trainers.arguments`."""
    return PreferenceTrainer(
        model=model,
        args=DPOConfig(**shared, beta=settings.beta),
        train_dataset=pairs,
        processing_class=tokenizer,
        peft_config=peft_config(settings),
    )
