"""The bundled exemplars are what they claim to be, and files in the reference's layout can replace them."""

import ast
import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from sca_hf.errors import InputError
from sca_hf.prompts.answers import parse_answer
from sca_hf.prompts.build import STOP, concepts_prompt, instruction_prompt, response_prompt
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.concept_lists import parse_concepts
from sca_hf.prompts.few_shot import Exemplar, load_few_shot, parse_few_shot
from sca_hf.sandbox import Jails, Program
from sca_hf.stages.select import SelectSettings

FEW_SHOT = load_few_shot("default")
EXEMPLARS = FEW_SHOT.exemplars
PROMPT_WINDOW = 3000  # tokens, METHOD.md section 2
CHARACTERS_A_TOKEN = 3.2  # low for English and Python, so that a count of tokens is too high rather than too low

# Code without a fence, a step that is not ours, blank lines and spaces where people leave them.
DROP_IN = """\
Notes of the author, before the first heading.

### System: S->C
Name the concepts.


### System: S->I
Write a task like the snippet.

### System: C->I
Write a task.
It may have two lines.

### System:  I->R\x20\x20
Answer it.

### Example 1\x20

[Code]

def double(x):
    \"\"\"Twice x.\"\"\"

    return 2 * x


[Property]
category:   function implementation
language: Python\x20
difficulty : easy
concepts: arithmetic ,  functions,

[Instruction]\x20
Write `triple(x)`.

[Response]
Multiply:

```python
def triple(x):
    return 3 * x
```

[Tests]
```python
assert triple(2) == 6
```

"""


@pytest.fixture(params=range(len(EXEMPLARS)), ids=lambda index: f"Example {index + 1}")
def exemplar(request: pytest.FixtureRequest) -> Exemplar:
    index: int = request.param
    return EXEMPLARS[index]


def test_bundled_exemplars_have_the_stated_distribution() -> None:
    properties = [exemplar.property for exemplar in EXEMPLARS]
    assert Counter(wanted.category for wanted in properties) == {
        "function implementation": 11,
        "class implementation": 5,
        "program implementation": 5,
    }
    assert Counter(wanted.difficulty for wanted in properties) == {"easy": 7, "medium": 7, "hard": 7}
    assert {wanted.language for wanted in properties} == {"Python"}
    concepts = Counter(concept for wanted in properties for concept in wanted.concepts)
    assert len(concepts) > 50
    assert max(concepts.values()) <= 2


@pytest.mark.jail
def test_every_exemplar_passes_its_own_tests_in_the_jail() -> None:
    programs = [
        Program(code="\n".join(code_blocks(exemplar.response)), tests="\n".join(code_blocks(exemplar.tests)))
        for exemplar in EXEMPLARS
    ]

    async def run() -> list[str]:
        async with Jails(2) as jails:
            verdicts = await asyncio.gather(*(jails.run(program) for program in programs))
        return [verdict.status for verdict in verdicts]

    failed = {f"Example {number}": status for number, status in enumerate(asyncio.run(run()), 1) if status != "passed"}
    assert failed == {}


def test_code_is_a_documented_definition(exemplar: Exemplar) -> None:
    assert 5 <= len(exemplar.code.splitlines()) <= 35
    kinds = (ast.FunctionDef, ast.ClassDef)
    definitions = [node for node in ast.parse(exemplar.code).body if isinstance(node, kinds)]
    assert definitions
    for definition in definitions:
        docstring = ast.get_docstring(definition)
        assert docstring
        assert docstring not in (exemplar.instruction, exemplar.response)


def test_concepts_survive_a_round_trip_and_are_not_named_in_the_task(exemplar: Exemplar) -> None:
    concepts = exemplar.property.concepts
    assert 2 <= len(concepts) <= 5
    assert parse_concepts(", ".join(concepts), "stop") == list(concepts)
    for concept in concepts:
        assert concept.lower() not in exemplar.instruction.lower()


def test_exemplars_keep_the_rules_that_completions_must_keep(exemplar: Exemplar) -> None:
    answer = parse_answer(
        f"{exemplar.response}\n\n[Tests]\n{exemplar.tests}", "stop", infer_tests=True, cut_tests=False
    )
    assert (answer.response, answer.tests, answer.reject_reason) == (exemplar.response, exemplar.tests, None)
    assert len(exemplar.instruction.split()) < 200
    text = f"{exemplar.code}\n{exemplar.instruction}\n{exemplar.response}\n{exemplar.tests}"
    assert not [word for word in SelectSettings().leftovers if word in text.lower()]
    assert not re.search(r"^(### |\[[A-Z]\w+\]$)", text, re.MULTILINE)


def test_tests_assert_and_call_what_they_define(exemplar: Exemplar) -> None:
    assert len(code_blocks(exemplar.tests)) == 1
    tree = ast.parse(code_blocks(exemplar.tests)[0])
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(tree)) >= 4
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    # A decorated function may be there to be looked at; all others run.
    assert defined <= called


def test_exemplars_need_only_harmless_modules(exemplar: Exemplar) -> None:
    source = "\n".join([exemplar.code, *code_blocks(exemplar.response), *code_blocks(exemplar.tests)])
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert imported <= {
        *("bisect", "collections", "contextlib", "dataclasses", "datetime", "functools", "graphlib"),
        *("heapq", "itertools", "math", "re", "warnings"),
    }


def test_the_longest_prompts_leave_room_in_the_window() -> None:
    longest = max(EXEMPLARS, key=lambda exemplar: len(exemplar.code))
    by_code = sorted(EXEMPLARS, key=lambda exemplar: len(concepts_prompt(FEW_SHOT, [exemplar], "")))
    by_task = sorted(EXEMPLARS, key=lambda exemplar: len(instruction_prompt(FEW_SHOT, [exemplar], exemplar.property)))
    by_answer = sorted(EXEMPLARS, key=lambda exemplar: len(response_prompt(FEW_SHOT, [exemplar], "")))
    prompts = {
        "S->C": concepts_prompt(FEW_SHOT, by_code[-8:], longest.code),
        "C->I": instruction_prompt(FEW_SHOT, by_task[-8:], by_task[-1].property),
        "I->R": response_prompt(FEW_SHOT, by_answer[-1:], by_task[-1].instruction),
    }
    tokens = {step: len(prompt) / CHARACTERS_A_TOKEN for step, prompt in prompts.items()}
    assert {step: count for step, count in tokens.items() if count >= PROMPT_WINDOW} == {}


def test_prompts_are_system_text_numbered_exemplars_and_the_open_row() -> None:
    few_shot = parse_few_shot(DROP_IN)
    shots = few_shot.exemplars
    fence = "```"
    assert concepts_prompt(few_shot, shots, "\ndef half(x):\n    return x / 2\n") == (
        "Name the concepts.\n\n"
        f'### Example 1\n[Code]\n{fence}python\ndef double(x):\n    """Twice x."""\n\n    return 2 * x\n{fence}\n\n'
        "[Concepts]\narithmetic, functions\n\n"
        f"### Example 2\n[Code]\n{fence}python\ndef half(x):\n    return x / 2\n{fence}\n\n"
        "[Concepts]\n"
    )
    wanted = "category: function implementation\nlanguage: Python\ndifficulty: easy\nconcepts: arithmetic, functions"
    assert instruction_prompt(few_shot, shots, shots[0].property) == (
        "Write a task.\nIt may have two lines.\n\n"
        f"### Example 1\n[Property]\n{wanted}\n\n[Instruction]\nWrite `triple(x)`.\n\n"
        f"### Example 2\n[Property]\n{wanted}\n\n[Instruction]\n"
    )
    assert response_prompt(few_shot, shots, "Write `f`.") == (
        "Answer it.\n\n"
        "### Example 1\n[Instruction]\nWrite `triple(x)`.\n\n"
        f"[Response]\nMultiply:\n\n{fence}python\ndef triple(x):\n    return 3 * x\n{fence}\n\n"
        f"[Tests]\n{fence}python\nassert triple(2) == 6\n{fence}\n\n"
        "### Example 2\n[Instruction]\nWrite `f`.\n\n[Response]\n"
    )


def test_prompts_without_exemplars_begin_at_one_and_generation_stops_at_the_next_heading() -> None:
    prompt = response_prompt(FEW_SHOT, [], "Write `f`.")
    assert prompt == f"{FEW_SHOT.systems['I->R']}\n\n### Example 1\n[Instruction]\nWrite `f`.\n\n[Response]\n"
    assert [prompt.count(stop) for stop in STOP] == [1]


def test_a_file_in_the_reference_layout_can_be_given_instead(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(DROP_IN.replace("\n", "\r\n").encode())
    few_shot = load_few_shot(str(path))
    assert few_shot.systems == {
        "S->C": "Name the concepts.",
        "S->I": "Write a task like the snippet.",
        "C->I": "Write a task.\nIt may have two lines.",
        "I->R": "Answer it.",
    }
    (only,) = few_shot.exemplars
    assert only.code == 'def double(x):\n    """Twice x."""\n\n    return 2 * x'
    assert only.property.concepts == ("arithmetic", "functions")
    assert (only.property.language, only.property.difficulty) == ("Python", "easy")
    assert only.instruction == "Write `triple(x)`."
    assert code_blocks(only.response) == ["def triple(x):\n    return 3 * x\n"]
    assert code_blocks(only.tests) == ["assert triple(2) == 6\n"]


def test_fenced_and_bare_code_are_the_same_exemplar() -> None:
    code = 'def double(x):\n    """Twice x."""\n\n    return 2 * x'
    assert code in DROP_IN
    fenced = parse_few_shot(DROP_IN.replace(code, f"```python\n{code}\n```"))
    assert fenced.exemplars == parse_few_shot(DROP_IN).exemplars


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("### System: C->I\n", "### System: X->Y\n", "'### System: C->I'"),
        ("Answer it.\n", "", "'### System:  ?I->R'"),
        ("### Example 1", "### Sample 1", "'### Example 1'"),
        ("[Tests]\n", "", r"Example 1: parts are \['Code', 'Property', 'Instruction', 'Response'\]"),
        ("[Tests]\n", "[Response]\nAgain.\n\n[Tests]\n", "Example 1: parts are .*'Response', 'Response'"),
        ("Write `triple(x)`.", "", r"Example 1: \[Instruction\] is empty"),
        ("difficulty : easy\n", "", "Example 1: .*'difficulty: …'"),
        ("arithmetic ,  functions,", "", "Example 1: .*'concepts: …'"),
    ],
)
def test_a_wrong_layout_is_an_error_that_names_the_place(old: str, new: str, place: str) -> None:
    assert old in DROP_IN
    with pytest.raises(InputError, match=place) as caught:
        parse_few_shot(DROP_IN.replace(old, new), "mine.txt")
    message = str(caught.value)
    assert message.startswith("mine.txt")
    assert "\n" not in message


def test_an_unreadable_file_is_an_error_that_names_it_and_the_bundled_ones(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Grüße".encode("latin-1"))
    for path in (latin, tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match=r"give a UTF-8 file, or one of \['default', 'demo'\]") as caught:
            load_few_shot(str(path))
        assert str(path) in str(caught.value)
