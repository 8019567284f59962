"""The base of all settings: validated, immutable, no unknown key. Each stage's file defines its own section."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from sca_hf.identity import published_name

PATH: JsonDict = {"path": True}
"""Marks a setting that may be the path of a file or folder: `Field(json_schema_extra=PATH)`."""


def _drawable(weights: dict[str, int]) -> dict[str, int]:
    if min(weights.values()) < 0 or not any(weights.values()):
        raise ValueError("weights must be >= 0, and one of them > 0")
    return weights


Weights = Annotated[dict[str, int], Field(min_length=1), AfterValidator(_drawable)]
"""Names, each with how often it is drawn beside the others."""


class Settings(BaseModel):
    """One section of a recipe. Types are strict: "3" is not an int."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def intent(self) -> dict[str, Any]:
        """Return what of the settings determines a stage's rows, JSON-able: it enters the fingerprint."""
        return self.model_dump(mode="json") | {name: section.intent() for name, section in self._sections()}

    def published(self) -> dict[str, Any]:
        """Return the settings for lineage and cards, JSON-able, with names in place of this machine's paths."""
        paths = [name for name, field in type(self).model_fields.items() if field.json_schema_extra == PATH]
        values = self.model_dump(mode="json")
        values |= {name: _named(values[name]) for name in paths}
        return values | {name: section.published() for name, section in self._sections()}

    def _sections(self) -> Iterator[tuple[str, "Settings"]]:
        """Yield the settings that are sections of their own."""
        return ((name, value) for name, value in self if isinstance(value, Settings))


def _named(value: Any) -> Any:
    """Return a path's name in place of the path; of those in a list or a mapping, each one's."""
    if isinstance(value, list):
        return [_named(each) for each in value]
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    return value if value is None else published_name(value)
