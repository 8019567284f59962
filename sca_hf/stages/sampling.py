"""What the three LLM stages share: settings of a few-shot step, and one sample of it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import Field

from sca_hf.context import Context
from sca_hf.engines import Sampling
from sca_hf.errors import ScaError
from sca_hf.identity import row_random, row_seed
from sca_hf.prompts.build import STOP
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.settings import Settings

Open = TypeVar("Open")


class ShotSettings(Settings):
    """How one few-shot step is sampled: exemplars a prompt, temperature, longest completion in tokens."""

    shots: int = Field(default=8, ge=0, le=100)
    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=1536, ge=1)


async def sample(
    context: Context,
    settings: ShotSettings,
    stage: str,
    parent_id: str,
    prompt_of: Callable[[FewShot, Sequence[Exemplar], Open], str],
    open_row: Open,
    index: int = 0,
) -> tuple[str, str]:
    """Text and finish reason of sample `index` for one row. Exemplars are drawn once a row, the seed once a sample."""
    if context.few_shot is None:
        raise ScaError(f"stage {stage!r} needs exemplars, and the context has none; give Context(few_shot=…)")
    exemplars = context.few_shot.exemplars
    chosen = row_random(context.recipe.seed, f"{stage} exemplars", parent_id).sample(exemplars, settings.shots)
    sampling = Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=STOP,
        seed=row_seed(context.recipe.seed, stage, parent_id, index),
    )
    return await context.complete(prompt_of(context.few_shot, chosen, open_row), sampling)
