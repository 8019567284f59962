"""The model that is tuned: weights from safetensors, no code of its own, and a tokenizer with the chat template."""

from dataclasses import dataclass
from typing import Any

from sca_hf.engines.model import download, resolve_model
from sca_hf.errors import EngineUnavailable, one_line
from sca_hf.identity import published_name
from sca_hf.prompts.chat import CHAT_TEMPLATE
from sca_hf.training.settings import TrainSettings


@dataclass(frozen=True)
class Base:
    """A model to be tuned, not loaded yet. `name`: its Hub id, or its folder's name; `folder`: where its files are."""

    name: str
    revision: str
    folder: str

    @property
    def published(self) -> str:
        """For cards: "name@revision"."""
        return f"{self.name}@{self.revision}"


def find_base(model: str) -> Base:
    """Return the model that "demo", a folder or a Hub id stands for, fetched. Raises EngineUnavailable."""
    resolved = resolve_model(model)
    name = resolved.where if not resolved.is_local else "demo" if model == "demo" else published_name(resolved.where)
    return Base(name, resolved.revision, download(resolved))


def load_tokenizer(base: Base) -> Any:
    """Return the tokenizer with the paper's headings as its chat template. Raises EngineUnavailable without EOS."""
    from transformers import AutoTokenizer

    tokenizer = _loaded(base, lambda: AutoTokenizer.from_pretrained(base.folder))
    if tokenizer.eos_token is None:
        raise EngineUnavailable(
            f"the tokenizer of {base.name} has no EOS token, by which the model is to learn to stop; set eos_token in "
            "its tokenizer_config.json"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked by length, so EOS is learnt all the same
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def load_model(base: Base, settings: TrainSettings) -> Any:
    """Return the model with dropout off, in the type that its weights are trained in. Raises EngineUnavailable."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = _loaded(base, lambda: AutoConfig.from_pretrained(base.folder))
    for name in vars(config):
        if name.endswith(("dropout", "pdrop")):
            setattr(config, name, 0.0)
    dtype = torch.bfloat16 if settings.lora else getattr(torch, settings.weights)
    return _loaded(base, lambda: AutoModelForCausalLM.from_pretrained(base.folder, config=config, dtype=dtype))


def _loaded(base: Base, load: Any) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError) as error:
        raise EngineUnavailable(
            f"model {base.name} can't be loaded ({one_line(error)[:200]}); give --model a causal language model as "
            "save_pretrained writes it"
        ) from error
