"""What TRL's trainers are given, whichever it is, and what is taken from them."""

from pathlib import Path
from typing import Any

from sca_hf.errors import EngineUnavailable
from sca_hf.training.settings import TrainSettings


class Quiet:
    """A trainer that writes no card of its own and tells nobody that it was used."""

    def create_model_card(self, *arguments: Any, **named: Any) -> None:
        """Write nothing: `sca_hf.store.cards.model` does, when the training ends."""

    def _send_telemetry(self) -> None:
        pass


def processes() -> Any:
    """Return the state of the processes that `accelerate launch` or `torchrun` started: this one alone, or several."""
    import torch
    from accelerate import PartialState

    # Without a GPU it would not look for others unless it is told that the CPU is meant.
    return PartialState(cpu=not torch.cuda.is_available())


def arguments(settings: TrainSettings, checkpoints: Path, *, fsdp: bool) -> dict[str, Any]:
    """Return the arguments that transformers' TrainingArguments shares with TRL's configurations."""
    import torch

    if fsdp and not torch.cuda.is_available():
        raise EngineUnavailable("--fsdp shares weights among GPUs, and there is none here; leave it out")
    return {
        "output_dir": str(checkpoints),
        "seed": settings.seed,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": settings.warm_up,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.steps or -1,
        "per_device_train_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation(processes().num_processes),
        "max_length": settings.max_length,
        "optim": settings.optimizer,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip,
        "bf16": True,
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": settings.gradient_checkpointing and not fsdp,
        # FSDP gathers the weights once more for transformers' own checkpointing.
        "fsdp": fsdp or None,
        "fsdp_config": {"activation_checkpointing": settings.gradient_checkpointing} if fsdp else None,
        "logging_steps": 1,
        "save_steps": settings.save_steps,
        "save_total_limit": 2,
        "ddp_find_unused_parameters": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def peft_config(settings: TrainSettings) -> Any:
    """Return the adapter's configuration, None where all weights are trained."""
    if settings.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
