"""Prompts of the docstring judge: a system text, exemplars with their verdicts, and the open function.

A file of such prompts, `judge.txt` beside this one or the user's own:

    ### System
    <text>

    ### Example 1
    [Code]
    <code, fenced or not>

    [Verdict]
    Yes

The exemplars are the same in all prompts and in the file's order, so an engine's prefix cache can serve all of a prompt
but the open function.
"""

import re
from dataclasses import dataclass
from importlib.resources import files

from sca_hf.errors import InputError
from sca_hf.identity import digest
from sca_hf.prompts.source import read_prompts

VERDICTS = ("Yes", "No")

_HEADING = re.compile(r"^### (?:(?P<system>System)|Example (?P<number>\d+))[ \t]*$", re.MULTILINE)
_EXEMPLAR = re.compile(r"\A\[Code]\s*\n(?P<code>.+?)\n\s*\[Verdict]\s*\n(?P<verdict>.*)\Z", re.DOTALL)
_FENCE = re.compile(r"\A```[\w+-]*\n(?P<code>.*?)\n?```\Z", re.DOTALL)


@dataclass(frozen=True)
class JudgedExemplar:
    """One hand-written row: a function, bare source, and the verdict on its docstring, "Yes" or "No"."""

    code: str
    verdict: str


@dataclass(frozen=True)
class JudgePrompts:
    """Makes the prompts. `exemplars`: those that each prompt shows."""

    system: str
    exemplars: tuple[JudgedExemplar, ...]

    def of(self, function: str) -> str:
        """The prompt that ends where the verdict on `function` begins."""
        open_row = f"{_code(function)}\n\n[Verdict]\n"
        shown = [f"{_code(exemplar.code)}\n\n[Verdict]\n{exemplar.verdict}" for exemplar in self.exemplars]
        blocks = [f"### Example {number}\n{block}" for number, block in enumerate([*shown, open_row], start=1)]
        return "\n\n".join([self.system, *blocks])

    @property
    def sha(self) -> str:
        """Identifies all prompts (hex digits)."""
        return digest(self.of(""))


def load_judge_prompts(name_or_path: str, shots: int) -> JudgePrompts:
    """Prompts that show the first `shots` exemplars of the file at a path, or of the bundled one, `default`.

    Raises InputError when the file can't be read, has fewer exemplars or another layout than above, naming the place.
    """
    text = read_prompts("judge.prompts", name_or_path, {"default": files("sca_hf") / "prompts/judge.txt"})
    prompts = parse_judge_prompts(text, name_or_path)
    if shots > len(prompts.exemplars):
        raise InputError(
            f"judge.shots = {shots}, but judge.prompts {name_or_path!r} has {len(prompts.exemplars)} exemplars; "
            "lower the one or add to the other"
        )
    return JudgePrompts(prompts.system, prompts.exemplars[:shots])


def parse_judge_prompts(text: str, name: str = "judge.prompts") -> JudgePrompts:
    """Parse the layout above. Raises InputError that names the file, the exemplar and what is wrong."""
    headings = list(_HEADING.finditer(text))
    system = ""
    exemplars = []
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        body = text[heading.end() : following.start() if following else len(text)].strip()
        if heading["system"]:
            system = body
        else:
            exemplars.append(_parse_exemplar(body, f"{name}, Example {heading['number']}"))
    if not system:
        raise InputError(f"{name}: no text under '### System'; add it")
    return JudgePrompts(system, tuple(exemplars))


def _parse_exemplar(body: str, where: str) -> JudgedExemplar:
    parts = _EXEMPLAR.match(body)
    if parts is None:
        raise InputError(f"{where}: expected [Code] and [Verdict], each on a line of its own with its text below it")
    if parts["verdict"] not in VERDICTS:
        raise InputError(f"{where}: [Verdict] is {parts['verdict']!r}; write {' or '.join(VERDICTS)}")
    fenced = _FENCE.match(parts["code"].strip())
    return JudgedExemplar(fenced["code"] if fenced else parts["code"], parts["verdict"])


def _code(code: str) -> str:
    return f"[Code]\n```python\n{code.strip()}\n```"
