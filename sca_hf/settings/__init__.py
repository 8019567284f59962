"""The base of all settings: validated, immutable, no unknown key. Each stage's file defines its own section."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

PATH: JsonDict = {"path": True}
"""Marks a setting that may be the path of a file or folder: `Field(json_schema_extra=PATH)`."""


class Settings(BaseModel):
    """One section of a recipe. Types are strict: "3" is not an int."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def intent(self) -> dict[str, Any]:
        """Return what of the settings determines a stage's rows, JSON-able: it enters the fingerprint."""
        return self.model_dump(mode="json")

    def published(self) -> dict[str, Any]:
        """Return the settings for lineage and cards, JSON-able, with names in place of this machine's paths."""
        return self.model_dump(mode="json")
