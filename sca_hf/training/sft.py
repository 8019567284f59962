"""Supervised fine-tuning with TRL, averaged over rows as in the paper or over tokens."""

from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from sca_hf.training.settings import SupervisedSettings
from sca_hf.training.tokens import IGNORED, Tokenized
from sca_hf.training.trainers import Quiet, peft_config


class SupervisedTrainer(Quiet, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, whose loss is the mean over the tokens of a batch."""


class PerRowTrainer(SupervisedTrainer):
    """The loss of a row is the mean over its tokens, that of a batch the mean over its rows, packed or not."""

    loss_is_scaled_for_ga = True

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Return this micro-batch's part of the loss. `num_items_in_batch`: rows of the whole batch, on all devices."""
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        rows, counted = _rows(inputs)
        tokens = torch.zeros(int(rows.max()) + 1, device=rows.device).scatter_add_(
            0, rows[counted], _ones(rows[counted])
        )
        means: torch.Tensor = (-outputs.log_probs.float()[counted] / tokens[rows[counted]]).sum()
        return means * self.accelerator.num_processes / num_items_in_batch

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor:
        count = torch.tensor(sum(_count(batch) for batch in batch_samples), device=device)
        total: torch.Tensor = self.accelerator.gather(count).sum()
        return total


def sft_trainer(
    model: Any, tokenizer: Any, data: Tokenized, settings: SupervisedSettings, shared: dict[str, Any]
) -> SupervisedTrainer:
    """Return a trainer on the rows of `data`; `shared`: see `sca_hf.training.trainers.arguments`."""
    kind = PerRowTrainer if settings.average == "sequence" else SupervisedTrainer
    return kind(
        model=model,
        args=SFTConfig(**shared, packing=settings.packing),
        train_dataset=data.rows,
        processing_class=tokenizer,
        peft_config=peft_config(settings),
    )


def _rows(inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """For each predicted token the number of its row, and whether the loss is on it; both as long as its labels - 1."""
    labels = inputs["labels"]
    if "position_ids" in inputs:  # packed: a row begins where positions begin again
        rows = (inputs["position_ids"] == 0).cumsum(-1) - 1
    else:
        rows = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
    return rows[:, 1:], labels[:, 1:] != IGNORED


def _count(batch: Any) -> int:
    rows, counted = _rows(batch)
    return len(rows[counted].unique())


def _ones(like: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(like, dtype=torch.float32)
