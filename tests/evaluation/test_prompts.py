"""What a model is asked, and what of its completions is graded, where a benchmark asks for more than a function."""

import asyncio
import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import Answer, Benchmark, load_benchmark
from sca_hf.errors import InputError
from sca_hf.evaluation.generation import load_tokenizer
from sca_hf.evaluation.prompts import Asked, Format, chosen_format, prompts_of
from sca_hf.evaluation.prompts.classeval import class_code, method_code
from sca_hf.evaluation.prompts.ds1000 import split_prompt
from sca_hf.prompts.chat import CHAT_TEMPLATE

_CLASS = {
    "task_id": "ClassEval_0",
    "class_name": "Box",
    "class_description": '    """\n    Holds values.\n    """',
    "class_constructor": "class Box:\n    def __init__(self):\n        self.values = []\n",
    "skeleton": 'class Box:\n    def __init__(self): ...\n    def put(self, x):\n        """Add x."""\n',
    "methods_info": [
        {"method_name": "put", "method_description": 'def put(self, x):\n        """Add x."""'},
        {"method_name": "count", "method_description": 'def count(self):\n        """How many there are."""'},
    ],
    "import_statement": ["import math"],
    "solution_code": "",
    "test": (
        "import unittest\n\nclass BoxTest(unittest.TestCase):\n    def test_box(self):\n        box = Box()\n"
        "        box.put(1)\n        self.assertEqual(box.count(), 1)\n"
    ),
    "test_classes": ["BoxTest"],
}
_PUT = "Sure:\n```python\ndef put(self, x):\n    self.values.append(x)\n\nBox().put(1)\n```"
_COUNT = "    def count(self):\n        return len(self.values)\n"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The bundled model's, with the project's chat template."""
    tokenizer = load_tokenizer("demo")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


class Model:
    """Says what it is given, call by call, and keeps what it was asked."""

    def __init__(self, *said: str) -> None:
        self.said, self.asked = list(said), list[Asked]()

    async def __call__(self, asked: Asked) -> str:
        self.asked.append(asked)
        return self.said.pop(0)


def _answer(benchmark: Benchmark, how: Format, model: Model, tokenizer: Any) -> str:
    task = benchmark.tasks[benchmark.task_ids[0]]
    return asyncio.run(prompts_of(benchmark).answer(how, task, tokenizer, model))


def _classeval(folder: Path, name: str) -> Benchmark:
    (folder / "classeval.json").write_text(json.dumps([_CLASS]))
    return load_benchmark(name, folder)


def test_a_class_is_put_together_from_methods(tmp_path: Path, tokenizer: Any) -> None:
    benchmark, model = _classeval(tmp_path, "classeval-incremental"), Model(_PUT, _COUNT)
    program = _answer(benchmark, "base", model, tokenizer)
    first, second = (asked.text for asked in model.asked)
    assert "please complete put method in the following class Box\n\nimport math\nclass Box: \n" in first
    assert 'def put(self, x):\n        """Add x."""\n\n### Response:\n' in first
    assert "self.values.append(x)\n\n\n    def count(self):" in second  # the method before, as it was written
    assert all(asked.max_tokens + len(tokenizer(asked.text).input_ids) == 2048 for asked in model.asked)
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    assert namespace["Box"]().count() == 0
    assert "Box().put(1)" not in program


def test_a_compositional_method_sees_the_signatures_of_the_others(tmp_path: Path, tokenizer: Any) -> None:
    benchmark, model = _classeval(tmp_path, "classeval-compositional"), Model(_PUT, _COUNT)
    program = _answer(benchmark, "sca", model, tokenizer)
    assert "    def put(self, x):\n        pass\n\n\n\n    def count(self):" in model.asked[1].text
    assert "append" not in model.asked[1].text
    assert "self.values.append(x)" in program
    assert "return len(self.values)" in program


def test_a_class_is_asked_for_at_once(tmp_path: Path, tokenizer: Any, grade_answers: Any) -> None:
    benchmark = _classeval(tmp_path, "classeval")
    put = "    def put(self, x):\n        self.values.append(x)\n"
    whole = f"```python\n{_CLASS['class_constructor']}{put}{_COUNT}```\nDone"
    model = Model(whole)
    program = _answer(benchmark, "base", model, tokenizer)
    assert model.asked[0].text.startswith("Below is an instruction that describes a task.")
    assert grade_answers(benchmark, [Answer("ClassEval_0", 0, solution=program)])[0].passed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nclass A: pass\n```\n```python\nclass B: pass\n```", "\nclass A: pass\n"),
        ("```python\nclass A: pass", ""),
        ("```\nclass A: pass\n```", "\nclass A: pass\n"),
        ("Here it is:\nimport os\n\nclass A:\n    pass", "import os\nclass A:\n    pass"),
        ("Look:\n    class A:\n        pass", "class A:\n    pass"),
    ],
)
def test_a_class_is_taken_out_of_a_completion_as_published(text: str, code: str) -> None:
    assert class_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(self):\n    return 1\nprint(2)", "    def f(self):\n        return 1\n"),
        (
            "class A:\n    def f(self):\n        return 1\n    def g(self):\n        return 2",
            "    def f(self):\n        return 1\n",
        ),
        ("def f(x):\n    return x", "    @staticmethod\n    def f(x):\n        return x\n"),
        ("def f(self):\n        return 1", "    def f(self):\n        return 1\n"),
        ("def g(self):\n    return 1", ""),
    ],
)
def test_a_method_is_taken_out_of_a_completion(text: str, code: str) -> None:
    assert method_code(text, "f") == code


def test_an_edit_is_asked_for_in_the_headings_of_its_authors(tmp_path: Path, tokenizer: Any) -> None:
    row = {"full_name": "1_add", "before": "x = 1", "after": "x = 2", "tests": "assert x == 2"}
    row |= {"instruction_descriptive": "Make it two.", "instruction_lazy": "two"}
    (tmp_path / "canitedit.jsonl").write_text(json.dumps(row))
    benchmark = load_benchmark("canitedit", tmp_path)
    model = Model("x = 2\n")
    assert _answer(benchmark, "base", model, tokenizer) == "x = 2\n"
    assert model.asked[0].text == "## Code Before:\nx = 1\n## Instruction:\nMake it two.\n## Code After:\n"
    model = Model("x = 2\n")
    assert _answer(benchmark, "sca", model, tokenizer) == "x = 2\n"
    assert model.asked[0].text.endswith("## Instruction\nMake it two.\n\n### Response\n```python\n")


def test_the_first_block_of_an_instructed_edit_is_taken(tmp_path: Path) -> None:
    from sca_hf.evaluation.prompts.canitedit import first_block

    assert first_block("Sure.\n```py\nx = 2\n```\n```py\nx = 3\n```") == "x = 2\n"
    assert first_block("```py\nx = 2") == "x = 2\n"
    assert first_block("x = 2") == ""


@pytest.mark.parametrize(
    ("prompt", "request_", "reply"),
    [
        (
            "Problem:\nDouble a.\n\nA:\n<code>\na = 1\n</code>\nb = ... # put it here\nBEGIN SOLUTION\n<code>\n",
            "Double a.",
            "```python\na = 1\n# b = ... # put it here\n# Solution\n",
        ),
        (
            "Problem:\nDouble a.\n\nA:\n<code>\ndef f(a):\n    # return b\n    # b = f(a)\n    ### BEGIN SOLUTION",
            "Double a.",
            "```python\ndef f(a):\n    # Solution\n",
        ),
        (
            "x = 1\n# Plot x\n# SOLUTION START\n",
            "Write a solution to the following problem:\n```python\nx = 1\n# Plot x\n```",
            "```python\nx = 1\n# Plot x\n# Solution\n",
        ),
    ],
)
def test_code_of_a_data_question_begins_the_reply(prompt: str, request_: str, reply: str) -> None:
    assert split_prompt(prompt) == (request_, reply)


def test_every_published_data_question_can_be_split(data: Path) -> None:
    benchmark = load_benchmark("ds1000", data)
    for task in benchmark.tasks.values():
        request, reply = split_prompt(task.prompt)
        assert request
        assert "```python\n" in reply
        assert reply.rstrip(" ").endswith("# Solution\n")
        assert reply.count("```") == 1


def _contest(folder: Path, starter: str) -> Benchmark:
    tests = json.dumps([{"input": "3", "output": "6", "testtype": "stdin"}])
    private = base64.b64encode(zlib.compress(pickle.dumps(tests))).decode()
    row = {"question_id": "q", "question_content": "Double it.", "contest_date": "2024-01-01T00:00:00"}
    row |= {"starter_code": starter, "public_test_cases": tests, "private_test_cases": private}
    row |= {"metadata": json.dumps({"func_name": "twice"} if starter else {})}
    (folder / "livecodebench").mkdir()
    (folder / "livecodebench" / "test.jsonl").write_text(json.dumps(row))
    return load_benchmark("livecodebench@v1", folder)


def test_a_problem_is_asked_with_a_solved_one_or_as_codellama_was(
    tmp_path: Path, tokenizer: Any, grade_answers: Any
) -> None:
    benchmark = _contest(tmp_path, "")
    model = Model("print(2 * int(input()))\n\n")
    program = _answer(benchmark, "base", model, tokenizer)
    assert model.asked[0].text.startswith("### Question\nYou have $n$ gifts")
    assert model.asked[0].text.endswith("### Question\nDouble it.\n\n### Answer\n\n")
    assert model.asked[0].stop == ("###",)
    assert grade_answers(benchmark, [Answer("q", 0, solution=program)])[0].passed
    model = Model("print(2 * int(input()))\n```\nThat is it.")
    program = _answer(benchmark, "sca", model, tokenizer)
    assert "needs to read from and write to standard IO. Please wrap your code answer using ```:\nDouble it.\n" in (
        model.asked[0].text
    )
    assert program == "print(2 * int(input()))\n"


def test_a_problem_with_starter_code_shows_it(tmp_path: Path, tokenizer: Any) -> None:
    benchmark = _contest(tmp_path, "class Solution:\n    def twice(self, x):\n        ")
    model = Model("")
    _answer(benchmark, "base", model, tokenizer)
    assert "class Solution:\n    def unequalTriplets" in model.asked[0].text
    assert model.asked[0].text.endswith(
        "### Starter Code\nclass Solution:\n    def twice(self, x):\n        \n\n### Answer\n\n"
    )


def test_formats_are_chosen_by_model_and_benchmark(tmp_path: Path, tokenizer: Any) -> None:
    benchmark = _classeval(tmp_path, "classeval")
    assert chosen_format(benchmark, tokenizer, None) == "sca"
    assert chosen_format(benchmark, load_tokenizer("demo"), None) == "base"
    with pytest.raises(InputError, match="--prompt evalplus is not a format of classeval; give one of sca, instruct"):
        chosen_format(benchmark, tokenizer, "evalplus")
    with pytest.raises(InputError, match="--prompt sca needs a chat template"):
        chosen_format(benchmark, load_tokenizer("demo"), "sca")
