"""The base of all settings: validated, immutable, no unknown key. Each stage's file defines its own section."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """One section of a recipe. Types are strict: "3" is no int."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def intent(self) -> dict[str, Any]:
        """What of the settings determines a stage's rows, JSON-able: goes into its fingerprint."""
        return self.model_dump(mode="json")
