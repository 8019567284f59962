"""Settings in a file of YAML, and what is wrong with one that can't be read."""

from importlib.resources.abc import Traversable
from typing import Any

import yaml

from sca_hf.errors import RecipeError, one_line

_TYPES = {type(None): "is empty", list: "holds a list", str: "holds a text"}


def read_mapping(source: Traversable, what: str) -> dict[Any, Any]:
    """Return the mapping that a file holds. Raises RecipeError, in which `what` names it."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{what} does not exist; give the path of a .yaml file") from None
    except IsADirectoryError:
        raise RecipeError(f"{what} is a folder; give the path of a .yaml file") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{what} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise RecipeError(f"{what} can't be read: {error.strerror}; check its permissions") from error
    try:
        values = yaml.load(text, _OnceLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = one_line(error.problem or error)
        fix = "indent by blanks, not by tabs" if r"'\t'" in problem else "correct it"
        raise RecipeError(f"{what}{line}: {problem}; {fix}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{what}: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{what} {_TYPES.get(type(values), 'holds one value')}; give 'key: value' lines")
    return values


class _OnceLoader(yaml.SafeLoader):
    """Loads plain YAML, which lets the last of two equal keys win: here they are a yaml.YAMLError with their lines."""

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
