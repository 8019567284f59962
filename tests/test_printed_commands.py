"""Commands that the documents and `--help` print: their options exist, and their settings are ones of their recipes."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.recipe import load_recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("*/*.md")), *sorted(ROOT.glob("sca_hf/*.py"))]
VARIABLE = re.compile(r'^(\w+)="(.*)"$', re.MULTILINE)
COMMAND = re.compile(r"^ *(?:\.venv/bin/|[A-Z_]+=\S+ )*(?:python -m sca_hf\.|sca-hf )(\w+)((?: .*)?)$", re.MULTILINE)
OTHERS = {"sandbox"}  # has a page of its own arguments


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return each command of a text: the module, and its arguments."""
    text = text.replace("\\\\\n", "\\\n").replace("\\\n", " ")
    for name, value in VARIABLE.findall(text):
        text = text.replace(f"${name} ", f"{value} ").replace(f"${name}\n", f"{value}\n")
    for module, arguments in COMMAND.findall(text):
        yield module, shlex.split(arguments, comments=True)


PRINTED = [
    pytest.param(module, arguments, id=f"{path.name}: {module} {' '.join(arguments)}")
    for path in DOCUMENTS
    for module, arguments in commands(path.read_text(encoding="utf-8"))
    if module not in OTHERS
]


def test_there_are_many() -> None:
    assert len(PRINTED) > 30


@pytest.mark.parametrize(("module", "arguments"), PRINTED)
def test_a_printed_command_can_be_given(module: str, arguments: list[str]) -> None:
    options = importlib.import_module(f"sca_hf.{module}").parser().parse_args(arguments)
    recipe = getattr(options, "recipe", None)
    if recipe is not None and not recipe.endswith(".yaml"):
        load_recipe(recipe, options.changes)
