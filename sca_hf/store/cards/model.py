"""The card of a model that was tuned on a version of the SFT stage or on a file, with whatever trainer.

    text = model_card("tuned", sft.lineage, Tuned(base="org/base@abc", ...), data="org/demo-sft@v-…")
    write_model_card(folder, text)

What the data were and what they came from is read from the version's lineage; what the trainer left in the model's
folder is read from there; the rest is given. The text is the template `cards/model.md.j2`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from sca_hf.errors import InputError, one_line
from sca_hf.stage import Counts
from sca_hf.store.cards.dataset import is_repository, license_metadata, render
from sca_hf.store.hub.edited_card import CARD, GENERATED
from sca_hf.store.lineage import Lineage

PICTURE = "loss.png"
"""The loss of the training, in the folder of the model."""

# What transformers' `trainer_state.json` says of the training, by the names that it uses.
_STATE = ("num_train_epochs", "max_steps", "global_step", "train_batch_size")
_SETTINGS = ("peft_type", "r", "lora_alpha", "lora_dropout")


@dataclass(frozen=True)
class FileData:
    """A file of rows that a model was tuned on: its name, its SHA-256, and how many rows it has."""

    name: str
    sha256: str
    rows: int

    @property
    def lineage(self) -> Lineage:
        """All that is known of where the rows came from: nothing but how many there are."""
        counts = Counts(self.rows, self.rows, self.rows, {})
        return Lineage(stage="file", counts=counts, funnel=(), licenses={}, models=(), manifest_sha=self.sha256)


@dataclass(frozen=True)
class Tuned:
    """What is known of a tuned model apart from its data.

    `base`: the model that was tuned, "repository@revision" or a folder's name; "": the one that wrote the data.
    `base_license`: its license (an SPDX id); None: not known. `adapter`: the folder holds a PEFT adapter, not weights.
    `chat`: its tokenizer has a chat template. `training`: settings by name. `results`: scores, as the Hub has them.
    `picture`: the folder has a picture of the loss.
    """

    base: str = ""
    base_license: str | None = None
    adapter: bool = False
    chat: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    results: Sequence[EvalResult] = ()
    picture: bool = False


def read_tuned(
    folder: Path,
    base: str = "",
    base_license: str | None = None,
    training: str | None = None,
    results: str | None = None,
) -> Tuned:
    """Return what a trainer left in the folder, and what is given: `training` and `results` are names of files.

    The settings and the base of a model that `python -m sca_hf.train` made are in its `training.json`.

    `training`: YAML or JSON, settings by name. `results`: JSON, a list of objects with the arguments of
    huggingface_hub's EvalResult (`task_type`, `dataset_type`, `dataset_name`, `metric_type`, `metric_value`, …).
    Raises InputError if the folder holds no model, or a file can't be read.
    """
    adapter = folder / "adapter_config.json"
    if not adapter.is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"--model {folder}: neither config.json nor adapter_config.json is there; give a model's folder"
        )
    adapter_settings = _settings_in(adapter)
    state = _settings_in(folder / "trainer_state.json")
    settings = {name: state[name] for name in _STATE if state.get(name)} | {
        name: adapter_settings[name] for name in _SETTINGS if adapter_settings.get(name) is not None
    }
    trained = _settings_in(folder / "training.json")
    if trained:
        settings = dict(
            _flat({"method": trained["intent"]["method"], **trained["intent"]["settings"], **trained["facts"]})
        )
    losses = [step["loss"] for step in state.get("log_history", []) if "loss" in step]
    if losses:
        settings["last loss"] = losses[-1]
    stated = _read(Path(training)) if training else {}
    if not isinstance(stated, Mapping):
        raise InputError(f"--training {training} holds no settings; give 'name: value' lines")
    tokenizer = _settings_in(folder / "tokenizer_config.json")
    return Tuned(
        base=base
        or str(adapter_settings.get("base_model_name_or_path") or (trained["intent"]["model"] if trained else "")),
        base_license=base_license,
        adapter=bool(adapter_settings),
        chat="chat_template" in tokenizer or (folder / "chat_template.jinja").is_file(),
        training={**settings, **stated},
        results=_results(results) if results else (),
        picture=(folder / PICTURE).is_file(),
    )


def model_card(name: str, on: Lineage | FileData, tuned: Tuned, data: str | None = None) -> str:
    """The text of the card of the model `name`.

    `on`: what it was tuned on, the lineage of a version or a file; `data`: where a version is on the Hub,
    "repository@revision".
    """
    file = on if isinstance(on, FileData) else None
    lineage = on.lineage if isinstance(on, FileData) else on
    writers = lineage.models
    base = tuned.base or (f"{writers[-1].model}@{writers[-1].revision}" if writers else "")
    model, _, revision = base.rpartition("@") if "@" in base else (base, "", "")
    repo, _, tag = (data or "").partition("@")
    licenses = [*([tuned.base_license] if tuned.base_license else []), *lineage.licenses]
    metadata = ModelCardData(
        model_name=name,
        language=["en", "code"],
        **license_metadata(licenses if tuned.base_license or not base else [*licenses, "unknown"]),
        library_name="peft" if tuned.adapter else "transformers",
        pipeline_tag="text-generation",
        base_model=model if is_repository(model) else None,
        base_model_relation=("adapter" if tuned.adapter else "finetune") if is_repository(model) else None,
        datasets=[repo] if repo else None,
        tags=["code", "python", "selfcodealign", "sca-hf", "sca-hf-tuned"],
        eval_results=list(tuned.results) or None,
    )
    return render(
        ["model.md.j2"],
        metadata=metadata.to_yaml().strip(),
        name=name,
        base=model,
        base_revision=revision,
        tuned=tuned,
        lineage=lineage,
        repo=repo,
        tag=tag,
        own=any(writer.model == model for writer in writers),
        file=file,
        picture=PICTURE,
    )


def write_model_card(folder: Path, text: str) -> Path:
    """Write the card as the folder's README.md; its path. A README.md that is not this function's work stays.

    Raises InputError if there is such a one.
    """
    card, generated = folder / CARD, folder / GENERATED
    if card.is_file() and (not generated.is_file() or card.read_bytes() != generated.read_bytes()):
        raise InputError(f"{card} was written by someone else; move it away, then take over from it what you need")
    generated.parent.mkdir(exist_ok=True)
    for path in (card, generated):
        path.write_text(text, encoding="utf-8")
    return card


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings that are set, with dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _results(path: str) -> tuple[EvalResult, ...]:
    try:
        return tuple(EvalResult(**result) for result in _read(Path(path)))
    except (TypeError, ValueError) as error:
        raise InputError(f"--results {path}: {error}; give a list of objects as in a card's model-index") from error


def _settings_in(path: Path) -> Mapping[str, Any]:
    """Return what the file says by name; nothing where there is none."""
    content = _read(path) if path.is_file() else {}
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds no settings by name; give the file that the trainer wrote")
    return content


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} can't be read: {one_line(error)}; give YAML or JSON") from error
