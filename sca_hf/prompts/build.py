"""The prompts of the few-shot steps, and what a completion of each must look like.

A prompt is the step's system text, exemplars under numbered headings, and the open row under the next number.
The model goes on after the last label; generation stops at the next heading, or where the part that was asked for ends.
"""

from collections.abc import Sequence

from sca_hf.identity import digest
from sca_hf.prompts.few_shot import Exemplar, FewShot, Property
from sca_hf.stage import Step

TESTS_LABEL = "[Tests]"
OPENING_FENCE = "```python\n"

# Texts that end a completion. Servers take four of them at most: OpenAI's own, and TGI as it comes.
STOP = ("### Example",)
CONCEPTS_STOP = (*STOP, "\n\n")  # a list may well take several lines
INSTRUCTION_STOP = (*STOP, "\n[Response]")
RESPONSE_STOP = (*STOP, f"\n{TESTS_LABEL}", f"\n**{TESTS_LABEL}", f"\n### {TESTS_LABEL}")
TESTS_STOP = ("\n```",)

CUT = {"length": "cut-off", "repetition": "repetition"}
"""Reject reasons of completions that didn't come to their end, by finish reason."""


def concepts_prompt(few_shot: FewShot, exemplars: Sequence[Exemplar], code: str) -> str:
    """S->C: the completion is a comma-separated list of concepts."""
    shots = [f"{_code(shot.code)}\n\n[Concepts]\n{', '.join(shot.property.concepts)}" for shot in exemplars]
    return _prompt(few_shot, "S->C", shots, f"{_code(code)}\n\n[Concepts]\n")


def instruction_prompt(few_shot: FewShot, exemplars: Sequence[Exemplar], wanted: Property) -> str:
    """C->I: the completion is the text of one task."""
    shots = [f"[Property]\n{shot.property}\n\n[Instruction]\n{shot.instruction}" for shot in exemplars]
    return _prompt(few_shot, "C->I", shots, f"[Property]\n{wanted}\n\n[Instruction]\n")


def response_prompt(few_shot: FewShot, exemplars: Sequence[Exemplar], instruction: str) -> str:
    """I->R: the completion is the response, then `[Tests]` on a line of its own, then the tests."""
    shots = [
        f"[Instruction]\n{shot.instruction}\n\n[Response]\n{shot.response}\n\n{TESTS_LABEL}\n{shot.tests}"
        for shot in exemplars
    ]
    return _prompt(few_shot, "I->R", shots, f"[Instruction]\n{instruction}\n\n[Response]\n")


def tests_prompt(prompt: str, response: str) -> str:
    """I->R, where the tests are asked for by themselves: `prompt` made the response; the completion is code."""
    return f"{prompt}{response}\n\n{TESTS_LABEL}\n{OPENING_FENCE}"


def snippet_prompt(few_shot: FewShot, exemplars: Sequence[Exemplar], code: str) -> str:
    """S->I: the completion is the text of one task, straight from code."""
    shots = [f"{_code(shot.code)}\n\n[Instruction]\n{shot.instruction}" for shot in exemplars]
    return _prompt(few_shot, "S->I", shots, f"{_code(code)}\n\n[Instruction]\n")


def step_sha(few_shot: FewShot, step: Step) -> str:
    """Identifies all that a step's prompts can hold: its system text, and of each exemplar the parts that it shows."""
    shown = few_shot.exemplars
    open_property = Property("", "", "", ())
    prompts = {
        "S->C": lambda: concepts_prompt(few_shot, shown, ""),
        "C->I": lambda: instruction_prompt(few_shot, shown, open_property),
        "I->R": lambda: response_prompt(few_shot, shown, ""),
        "S->I": lambda: snippet_prompt(few_shot, shown, ""),
    }
    return digest(prompts[step]())


def _code(code: str) -> str:
    return f"[Code]\n```python\n{code.strip()}\n```"


def _prompt(few_shot: FewShot, step: Step, shots: Sequence[str], open_row: str) -> str:
    blocks = [few_shot.systems[step]]
    blocks += [f"### Example {number}\n{block}" for number, block in enumerate([*shots, open_row], start=1)]
    return "\n\n".join(blocks)
