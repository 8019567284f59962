"""The folder of a tuned model: bf16 weights, tokenizer with its chat template, picture of the loss, and card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sca_hf.store.cards.model import PICTURE, FileData, model_card, read_tuned, write_model_card
from sca_hf.training.base_model import Base, load_model
from sca_hf.training.data import TrainingData
from sca_hf.training.loss_picture import draw_loss
from sca_hf.training.settings import TrainSettings
from sca_hf.training.state import TRAINER_STATE, TrainingFolder


def save(
    trainer: Any,
    tokenizer: Any,
    base: Base,
    data: TrainingData,
    settings: TrainSettings,
    folder: TrainingFolder,
    facts: Mapping[str, Any],
    base_license: str | None,
) -> None:
    """Write all of a trained model, `training.json` last. Every process calls it, one writes."""
    if settings.lora:
        trainer.save_model(str(folder.path / "adapter"))
        state = None
    else:
        state = trainer.accelerator.get_state_dict(trainer.model)
    if not trainer.accelerator.is_main_process:
        trainer.accelerator.wait_for_everyone()
        return
    if settings.lora:
        model = _merged(base, settings, folder.path / "adapter")
    else:
        model = trainer.accelerator.unwrap_model(trainer.model)
    _save_weights(model, tokenizer, state, folder.path)
    tokenizer.save_pretrained(folder.path)
    trainer.state.save_to_json(str(folder.path / TRAINER_STATE))
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    (folder.path / PICTURE).write_bytes(draw_loss(folder.path.resolve().name, losses))
    folder.note(facts)
    tuned = read_tuned(folder.path, base.published, base_license)
    on = data.lineage if data.lineage is not None else FileData(data.name, data.sha, len(data.rows))
    write_model_card(folder.path, model_card(folder.path.resolve().name, on, tuned, data.remote))
    folder.finish()
    trainer.accelerator.wait_for_everyone()


def _merged(base: Base, settings: TrainSettings, adapter: Path) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_model(base, settings), str(adapter)).merge_and_unload()


def _save_weights(model: Any, tokenizer: Any, state: Mapping[str, Any] | None, path: Path) -> None:
    """Save the model in bf16; `state`: its weights, gathered from all devices, None where it holds them itself."""
    import torch

    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    half: dict[int, Any] = {}  # by address, so that weights which are tied stay so
    for weight in (state or {}).values():
        half.setdefault(weight.data_ptr(), weight.to(torch.bfloat16))
    model.save_pretrained(path, state_dict=state and {name: half[weight.data_ptr()] for name, weight in state.items()})
    model.config.dtype = torch.bfloat16
    model.config.use_cache = True
    model.config.save_pretrained(path)
