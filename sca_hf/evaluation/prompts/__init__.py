"""How models are asked, benchmark by benchmark, and what of their completions is graded: as scores are published.

answer = await prompts_of(benchmark).answer("sca", task, tokenizer, complete)
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from sca_hf.benchmarks import Benchmark
from sca_hf.errors import InputError
from sca_hf.evaluation.prompts.asking import FORMATS, Asked, Complete, Format

__all__ = ["FORMATS", "Asked", "Complete", "Format", "Prompts", "chosen_format", "prompts_of"]

_OWN: Mapping[str, str] = {
    "canitedit": "canitedit",
    "classeval": "classeval",
    "ds1000": "ds1000",
    "livecodebench": "livecodebench",
}
"""The module of a benchmark, by its name up to the first "-" or "@"; all others ask for one function."""

_SCA_HEADING = "### Instruction"


class Prompts(Protocol):
    """A benchmark's formats. `FORMATS`: those that it has."""

    FORMATS: tuple[Format, ...]

    async def answer(self, how: Format, task: Any, tokenizer: Any, complete: Complete) -> str:
        """Ask for one answer to a task, in one completion or several; the program that is graded."""
        ...


def prompts_of(benchmark: Benchmark) -> Prompts:
    """Return the benchmark's formats."""
    name = benchmark.name.partition("@")[0].partition("-")[0]
    return cast(Prompts, import_module(f"sca_hf.evaluation.prompts.{_OWN.get(name, 'functions')}"))


def chosen_format(benchmark: Benchmark, tokenizer: Any, wanted: Format | None) -> Format:
    """Return the wanted format, or the one that suits the model.

    Raises InputError where the benchmark doesn't have it, or where it needs a chat template.
    """
    formats, template = prompts_of(benchmark).FORMATS, tokenizer.chat_template
    if wanted is None:
        instruct = next(how for how in formats if how in ("evalplus", "instruct"))
        return "base" if not template else "sca" if _SCA_HEADING in template else instruct
    if wanted not in formats:
        raise InputError(f"--prompt {wanted} is not a format of {benchmark.name}; give one of {', '.join(formats)}")
    if wanted != "base" and not template:
        raise InputError(f"--prompt {wanted} needs a chat template, and the model's tokenizer has none; give base")
    return wanted
