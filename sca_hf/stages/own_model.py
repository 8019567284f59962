"""A stage that asks another model, or another engine, than the recipe's."""

from typing import Any

from pydantic import Field

from sca_hf.engines.settings import EngineSettings
from sca_hf.settings import PATH, Settings

_WHO = frozenset({"model", "engine"})


class ModelSettings(Settings):
    """Whom a stage asks.

    `model`: another model than the recipe's. `engine`: another engine than the recipe's, with the same keys; what is
    not given is as `engine` has it by default.
    """

    model: str | None = Field(default=None, min_length=1, json_schema_extra=PATH)
    engine: EngineSettings | None = None

    def intent(self) -> dict[str, Any]:
        """Return all but who is asked: that is the engine's own to tell, by what it runs and not by its name."""
        return {name: value for name, value in super().intent().items() if name not in _WHO}

    def published(self) -> dict[str, Any]:
        """Return the settings; who is asked only where it isn't the recipe's model and engine."""
        values = {name: value for name, value in super().published().items() if name not in _WHO or value is not None}
        return values | ({"engine": self.engine.intent() | {"dtype": self.engine.dtype}} if self.engine else {})
