"""The prompts of the few-shot steps, and what a completion of each must look like.

A prompt is the step's system text, exemplars under numbered headings, and the open row under the next number.
The model goes on after the last label; generation stops at the next heading, or where the part that was asked for ends.
"""

from collections.abc import Callable, Sequence

from sca_hf.engines import Conversation, Message, Prompt
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


def chat_response(few_shot: FewShot, exemplars: Sequence[Exemplar], instruction: str) -> Conversation:
    """chat:I->R: the answer to the last message is the response."""
    turns = [(shot.instruction, shot.response) for shot in exemplars]
    return _conversation(few_shot.systems["chat:I->R"], turns, instruction)


def chat_tests(few_shot: FewShot, exemplars: Sequence[Exemplar], answered: tuple[str, str]) -> Conversation:
    """chat:IR->T: the answer to the last message is the tests of a response, which comes behind its instruction."""

    def shown(instruction: str, response: str) -> str:
        return f"[Instruction]\n{instruction}\n\n[Response]\n{response}"

    turns = [(shown(shot.instruction, shot.response), shot.tests) for shot in exemplars]
    return _conversation(few_shot.systems["chat:IR->T"], turns, shown(*answered))


def in_first_message(conversation: Conversation) -> Conversation:
    """Return a conversation whose system text begins the first message of the user."""
    system, first, *rest = conversation.messages
    return Conversation((Message("user", f"{system.content}\n\n{first.content}"), *rest))


def step_sha(few_shot: FewShot, step: Step) -> str:
    """Identifies all that a step's prompts can hold: its system text, and of each exemplar the parts that it shows."""
    shown = few_shot.exemplars
    open_property = Property("", "", "", ())
    prompts: dict[Step, Callable[[], Prompt]] = {
        "S->C": lambda: concepts_prompt(few_shot, shown, ""),
        "C->I": lambda: instruction_prompt(few_shot, shown, open_property),
        "I->R": lambda: response_prompt(few_shot, shown, ""),
        "S->I": lambda: snippet_prompt(few_shot, shown, ""),
        "chat:I->R": lambda: chat_response(few_shot, shown, ""),
        "chat:IR->T": lambda: chat_tests(few_shot, shown, ("", "")),
    }
    return digest(str(prompts[step]()))


def _conversation(system: str, turns: Sequence[tuple[str, str]], last: str) -> Conversation:
    said = [Message("system", system)]
    for user, assistant in turns:
        said += [Message("user", user), Message("assistant", assistant)]
    return Conversation((*said, Message("user", last)))


def _code(code: str) -> str:
    return f"[Code]\n```python\n{code.strip()}\n```"


def _prompt(few_shot: FewShot, step: Step, shots: Sequence[str], open_row: str) -> str:
    blocks = [few_shot.systems[step]]
    blocks += [f"### Example {number}\n{block}" for number, block in enumerate([*shots, open_row], start=1)]
    return "\n\n".join(blocks)
