"""Settings of a training. The defaults are the paper's (METHOD.md, section 6), where it has them."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, ValidationError

from sca_hf.errors import RecipeError
from sca_hf.settings import Settings
from sca_hf.settings.options import explain, parse, put


class LoraSettings(Settings):
    """A low-rank adapter on all linear layers. It is merged into the weights when the training ends."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)


class TrainSettings(Settings):
    """What both trainers share. Dropout is off, the schedule linear, and no row is left out for evaluation.

    `epochs`: four in the StarCoder2 recipe; `steps`: ends earlier or later than these. `warm_up`: share of the steps.
    `batch_size`: rows a step; `micro_batch`: rows that one device works on at once, the rest by accumulation.
    `max_length`: tokens, the prompt's included; a longer row is cut on the right. `clip`: norm of gradients, 0: none.
    `weights`: their type while they are trained; all is computed in bf16 (autocast), and saved in bf16. A bf16 weight
    loses updates of less than 1/256 of it, as most are at these rates. With `lora` the frozen weights are bf16.
    `save_steps`: steps between two checkpoints; so many are lost to a kill at most.
    """

    seed: int = Field(default=42, ge=0)
    learning_rate: float = Field(default=1e-5, gt=0.0)
    epochs: float = Field(default=4.0, gt=0.0)
    steps: int | None = Field(default=None, ge=1)
    warm_up: float = Field(default=0.05, ge=0.0, lt=1.0)
    batch_size: int = Field(default=64, ge=1)
    micro_batch: int = Field(default=1, ge=1)
    max_length: int = Field(default=1280, ge=16)
    optimizer: Literal["adafactor", "adamw_torch"] = "adafactor"
    weight_decay: float = Field(default=0.0, ge=0.0)
    clip: float = Field(default=0.0, ge=0.0)
    weights: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = True
    lora: LoraSettings | None = None
    save_steps: int = Field(default=100, ge=1)

    def accumulation(self, devices: int) -> int:
        """Return the micro-batches of a step on each device. Raises RecipeError if they don't make up the batch."""
        steps, rest = divmod(self.batch_size, self.micro_batch * devices)
        if rest or not steps:
            raise RecipeError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch {self.micro_batch} x {devices} "
                "devices; change one of them with --set"
            )
        return steps


class SupervisedSettings(TrainSettings):
    """Supervised: the loss is on responses and their EOS alone.

    `average`: "sequence", as in the paper (transformers 4.40 with one row a micro-batch): each row counts the same;
    "token": each token of a batch does, as in today's trainers. `packing`: several rows in one sequence of
    `max_length`, apart from one another; meant for GPUs with FlashAttention.
    """

    average: Literal["sequence", "token"] = "sequence"
    packing: bool = False


class PreferenceSettings(TrainSettings):
    """Preferences (DPO), not in the paper: its rate and one epoch are TRL's and the field's. `beta`: see TRL."""

    learning_rate: float = Field(default=1e-6, gt=0.0)
    epochs: float = Field(default=1.0, gt=0.0)
    beta: float = Field(default=0.1, gt=0.0)


def load_settings(kind: type[TrainSettings], changes: Iterable[str]) -> Any:
    """Return settings of a `kind` with `key=value` changes. Raises RecipeError that names key, value and fix."""
    values: dict[str, Any] = {}
    for option in changes:
        put(values, *parse(option, "learning_rate=2e-5"), kind)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"training settings: {'; '.join(explain(error, kind))}") from error
