"""One training from a base model to a tuned one with its card; killed at any moment, the same call goes on.

folder = train("demo", load_sft("demo-sft", Path("store")), SupervisedSettings(), Path("tuned"))
"""

import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from sca_hf.errors import EngineUnavailable
from sca_hf.training.base_model import Base, find_base, load_model, load_tokenizer
from sca_hf.training.data import TrainingData
from sca_hf.training.progress import Reporter, Say, silence
from sca_hf.training.saving import save
from sca_hf.training.settings import PreferenceSettings, SupervisedSettings
from sca_hf.training.state import TrainingFolder

_PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")


def train(
    model: str,
    data: TrainingData,
    settings: SupervisedSettings | PreferenceSettings,
    out: Path,
    *,
    base_license: str | None = None,
    fsdp: bool = False,
    say: Say = print,
) -> Path:
    """Tune `model` ("demo", a folder, a Hub id) on `data`; the folder `out` with the tuned model.

    Called again after a kill it goes on from the last checkpoint, with the loss curve of a training that was not
    killed; a finished one is left as it is. Raises InputError if `out` holds something else, EngineUnavailable if the
    model can't be loaded or doesn't fit the device.
    """
    from sca_hf.training.trainers import processes

    base = find_base(model)
    folder = TrainingFolder(out, _intent(base, data, settings))
    state = processes()
    with state.main_process_first():
        finished = folder.open()
    if finished:
        say(f"{out} is finished: nothing to do")
        return out
    with silence():
        _train(base, data, settings, folder, base_license, fsdp=fsdp, say=say if state.is_main_process else _silent)
    return out


def _train(
    base: Base,
    data: TrainingData,
    settings: SupervisedSettings | PreferenceSettings,
    folder: TrainingFolder,
    base_license: str | None,
    *,
    fsdp: bool,
    say: Say,
) -> None:
    import torch
    from transformers import PrinterCallback

    from sca_hf.training.trainers import arguments

    tokenizer = load_tokenizer(base)
    shared = arguments(settings, folder.checkpoints, fsdp=fsdp)
    checkpoint = folder.last_checkpoint()
    facts: dict[str, Any] = {"rows": len(data.rows)}
    trainer: Any
    if isinstance(settings, SupervisedSettings):
        from sca_hf.training.sft import sft_trainer
        from sca_hf.training.tokens import tokenize

        tokenized = tokenize(data.rows, tokenizer, settings.max_length)
        facts |= {"rows cut": tokenized.cut, "rows without room for a response": tokenized.left_out}
        facts |= {"tokens an epoch": tokenized.tokens, "of which trained on": tokenized.trained}
        trainer = sft_trainer(load_model(base, settings), tokenizer, tokenized, settings, shared)
    else:
        from sca_hf.training.dpo import dpo_trainer

        trainer = dpo_trainer(load_model(base, settings), tokenizer, data.rows, settings, shared)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Reporter(say))
    say(", ".join(f"{name} {value:,}" for name, value in facts.items()))
    if checkpoint is not None:
        say(f"going on from {checkpoint}")
    started = time.monotonic()
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as error:
        raise EngineUnavailable(
            f"the device is out of memory ({str(error).splitlines()[0]}); lower micro_batch or max_length, set "
            "gradient_checkpointing=true, lora={} or weights=bfloat16, or use more devices with --fsdp"
        ) from error
    facts |= {"devices": trainer.accelerator.num_processes, "steps": trainer.state.global_step}
    facts |= {f"version of {package}": metadata.version(package) for package in _PACKAGES}
    save(trainer, tokenizer, base, data, settings, folder, facts, base_license)
    say(f"{folder.path}: trained in {time.monotonic() - started:.0f} s" + (" since it went on" if checkpoint else ""))


def _intent(base: Base, data: TrainingData, settings: SupervisedSettings | PreferenceSettings) -> Mapping[str, Any]:
    return {
        "method": "sft" if isinstance(settings, SupervisedSettings) else "dpo",
        "model": base.published,
        "data": data.name,
        "data_sha": data.sha,
        # How the device is used changes a result by rounding alone.
        "settings": settings.model_dump(mode="json", exclude={"save_steps", "gradient_checkpointing", "micro_batch"}),
    }


def _silent(line: str) -> None:
    """Of several processes one speaks."""
