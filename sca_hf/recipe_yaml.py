"""YAML of recipes: each key once. Plain YAML lets the last of two win, and the first is lost without a word."""

from typing import Any

import yaml


class OnceLoader(yaml.SafeLoader):
    """Load YAML without tags. Raises yaml.YAMLError for a key that is given twice, with its line."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node."""
        keys: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value == "<<":
                continue  # merged, and may be more than one
            if str(key.value) in keys:
                raise yaml.YAMLError(
                    f"{key.value!r} is given twice, in lines {keys[str(key.value)]} and {line}; join them"
                )
            keys[str(key.value)] = line
        return super().construct_mapping(node, deep)
