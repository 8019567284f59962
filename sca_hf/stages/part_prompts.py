"""What the stages share whose prompts have parts of their own: settings, and copies of their exemplars."""

from typing import Any

from pydantic import Field

from sca_hf.filters.copies import ExemplarCopies
from sca_hf.prompts.parts import PartPrompts
from sca_hf.settings import PATH
from sca_hf.stages.few_shot import SamplingSettings


class PartSettings(SamplingSettings):
    """How such a step is asked for. `shots`: exemplars a prompt. `prompts`: file with the system text and the exemplars
    (see `sca_hf.prompts.parts`), or "default". `max_copied`: the largest share of a text, by its 5-grams of words, that
    may be an exemplar's; null: any."""

    shots: int = Field(default=3, ge=0, le=100)
    prompts: str = Field(default="default", min_length=1, json_schema_extra=PATH)
    max_copied: float | None = Field(default=0.25, ge=0.0, lt=1.0)

    def load(self) -> PartPrompts:
        """Return the prompts. Raises InputError if there are none."""
        raise NotImplementedError

    def intent(self) -> dict[str, Any]:
        """Return the settings with what of the file the prompts show in place of its name."""
        return super().intent() | {"prompts": self.load().sha}


class PartCopies:
    """Finds copies of the exemplars that prompts show."""

    def __init__(self, prompts: PartPrompts, max_copied: float | None) -> None:
        exemplars = prompts.exemplars
        texts = {part: [exemplar[part] for exemplar in exemplars] for part in (exemplars[0] if exemplars else ())}
        self._copies = ExemplarCopies(texts, max_copied) if texts and max_copied is not None else None
        self._deck = range(len(exemplars))

    def reason(self, part: str, text: str) -> str | None:
        """Return the reject reason of a text that copies an exemplar's `part`, by its number in the file."""
        return self._copies.reason(part, text, self._deck) if self._copies else None
