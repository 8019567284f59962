"""Responses: drawn until a pass, the chosen ones are distributed as a random choice among all passes."""

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.engines import Completion, EngineIdentity, Prompt, Sampling
from sca_hf.errors import SandboxUnavailable
from sca_hf.identity import digest
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Program, Verdict
from sca_hf.stage import split
from sca_hf.stages import execute, responses, select
from sca_hf.stages.context import Context

pytestmark = pytest.mark.slow

Row = dict[str, Any]


@dataclass
class Model:
    """An engine whose answers take as long as they are, and whose instructions differ in how often one passes."""

    calls: int = 0
    most_at_once: int = 0

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("model", "1", "model 1", "none")

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.calls += 1
        dice = random.Random(digest(str(prompt), sampling.seed))
        rate = random.Random(str(prompt)).betavariate(2, 3)
        length = dice.randint(1, 40)
        # The longer, the more likely to pass.
        passes = dice.random() < min(1.0, rate * (0.6 + length / 50))
        if length > 20:
            await asyncio.sleep(0.0002 * length)
        lines = "\n".join(f"x{number} = {number}" for number in range(length))
        text = f"Answer {dice.random()}\n```python\n{lines}\n```\n[Tests]\n```python\nassert {passes}\n```"
        if dice.random() < 0.1:
            text = text.replace("[Tests]", "")
        if str(prompt).endswith("[Tests]\n```python\n"):
            text = f"assert {passes}"
        return Completion(text, "stop", 1, length)

    def close(self) -> None:
        pass


class Judge:
    """Jails that read the verdict off the program."""

    def __init__(self) -> None:
        self.programs = 0

    async def run(self, program: Program) -> Verdict:
        self.programs += 1
        await asyncio.sleep(0)
        status: Any = "passed" if "assert True" in program.tests else "failed"
        return Verdict(status, None, None, 1, (), 0.0, 0.0, 0.0, "", "")


def given(count: int) -> Dataset:
    return Dataset.from_list([{"id": f"{number:020x}", "instruction": f"Task {number}"} for number in range(count)])


def attempts(tmp_path: Path, rows: Dataset, *changes: str, jails: Judge | None = None) -> tuple[list[Row], Model]:
    engine = Model()
    recipe = load_recipe("demo", ["responses.samples=10", "responses.parts=together", *changes])
    rule = select.STAGE.pass_rule(recipe["select"]) if select.STAGE.pass_rule else None
    context = Context(
        scratch=tmp_path,
        engine=engine,
        jails=jails,
        few_shot=load_few_shot("demo"),
        pass_rule=rule,
        concurrency=recipe.run.concurrency or 512,
        give_up_after=recipe["execute"].give_up_after,
    )
    return responses.responses(rows, recipe["responses"], context).to_list(), engine


def by_instruction(rows: list[Row]) -> Mapping[str, list[Row]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["instruction_id"]].append(row)
    return grouped


def passes(row: Row) -> bool:
    return row["reject_reason"] is None and "assert True" in row["tests"]


@pytest.mark.parametrize("until", [1, 3])
def test_it_stops_at_the_pass_that_was_wanted(tmp_path: Path, until: int) -> None:
    every, full = attempts(tmp_path / "all", given(300), jails=Judge())
    drawn, engine = attempts(tmp_path / "until", given(300), f"responses.until={until}", jails=Judge())
    assert full.calls == 3_000
    assert engine.calls == len(drawn)
    whole = by_instruction(every)
    for instruction, rows in by_instruction(drawn).items():
        assert [row | {"samples_drawn": 10} for row in rows] == whole[instruction][: len(rows)]
        assert {row["samples_drawn"] for row in rows} == {len(rows)}
        verdicts = [passes(row) for row in rows]
        if sum(verdicts) < until:
            assert len(rows) == 10
        else:
            assert verdicts[-1]
            assert sum(verdicts) == until


def test_a_sample_passes_with_any_of_its_suites(tmp_path: Path) -> None:
    changes = ("responses.parts=separate", "responses.suites=3", "responses.samples=4")
    every, _ = attempts(tmp_path / "all", given(200), *changes, jails=Judge())
    drawn, _ = attempts(tmp_path / "until", given(200), *changes, "responses.until=1", jails=Judge())
    whole = by_instruction(every)
    stopped_early = 0
    for instruction, rows in by_instruction(drawn).items():
        last = max(row["sample"] for row in rows)
        assert {row["samples_drawn"] for row in rows} == {last + 1}
        of_all = [row | {"samples_drawn": 4} for row in rows]
        assert of_all == [row for row in whole[instruction] if row["sample"] <= last]
        passing = {row["sample"] for row in rows if passes(row)}
        assert passing == {last} or (not passing and last == 3)
        stopped_early += last < 3
    assert stopped_early


def test_the_order_of_work_changes_no_row(tmp_path: Path) -> None:
    made = [
        attempts(tmp_path / str(n), given(100), "responses.until=2", f"run.concurrency={n}", jails=Judge())[0]
        for n in (1, 7, 512)
    ]
    assert made[0] == made[1] == made[2]


def test_an_instruction_that_nothing_passes_with_gets_one_sample(tmp_path: Path) -> None:
    drawn, _ = attempts(tmp_path, given(20), "responses.until=1", "select.max_instruction_words=1", jails=Judge())
    assert len(drawn) == 20


def test_a_pass_is_one_by_all_rules_of_selection(tmp_path: Path) -> None:
    strict, _ = attempts(tmp_path, given(40), "responses.until=1", "select.leftovers=[assert true]", jails=Judge())
    assert len(strict) == 400


def test_all_samples_run_while_others_are_drawn_if_there_are_jails(tmp_path: Path) -> None:
    jails = Judge()
    rows, _ = attempts(tmp_path, given(30), jails=jails)
    assert len(rows) == 300
    assert jails.programs == sum(row["reject_reason"] is None for row in rows)
    assert attempts(tmp_path / "none", given(30))[0] == rows


def test_until_needs_jails(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"responses\.until needs jails"):
        attempts(tmp_path, given(1), "responses.until=1")


def deviation(every: Mapping[str, list[Row]], chosen: Mapping[str, Row]) -> float:
    """How far the lengths of the chosen are, all together, from those of a random choice among all passes.

    In standard deviations: given all passes of an instruction, a random one has their mean length and their variance.
    """
    total, variance = 0.0, 0.0
    for instruction, rows in every.items():
        lengths = [len(row["response"]) for row in rows if passes(row)]
        if instruction in chosen and len(lengths) > 1:
            mean = sum(lengths) / len(lengths)
            total += len(chosen[instruction]["response"]) - mean
            variance += sum((length - mean) ** 2 for length in lengths) / len(lengths)
    return total / math.sqrt(variance)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_chosen_responses_are_distributed_as_a_random_choice_among_all_passes(tmp_path: Path) -> None:
    rows = given(3_300)
    every = by_instruction(attempts(tmp_path / "all", rows)[0])
    answered = {instruction for instruction, made in every.items() if any(map(passes, made))}
    assert len(answered) >= 3_000
    drawn, engine = attempts(tmp_path / "until", rows, "responses.until=1", jails=Judge())
    assert engine.calls < 0.6 * 33_000
    assert chosen_by_selection(tmp_path, drawn).keys() == answered
    assert abs(deviation(every, chosen_by_selection(tmp_path, drawn))) < 3
    three, _ = attempts(tmp_path / "three", rows.select(range(1_000)), "responses.until=3", jails=Judge())
    assert abs(deviation(every, chosen_by_selection(tmp_path, three))) < 3
    # The same test rejects a chooser of the shortest pass, in at least 99 of 100 samples of 3,000 instructions.
    dice = random.Random(0)
    rejected = 0
    for _ in range(200):
        some = {instruction: every[instruction] for instruction in dice.sample(sorted(answered), 3_000)}
        rejected += abs(deviation(some, shortest(some))) >= 3
    assert rejected >= 198


def shortest(every: Mapping[str, list[Row]]) -> Mapping[str, Row]:
    length: Callable[[Row], int] = lambda row: len(row["response"])  # noqa: E731
    return {instruction: min(filter(passes, rows), key=length) for instruction, rows in every.items()}


def chosen_by_selection(tmp_path: Path, drawn: list[Row]) -> Mapping[str, Row]:
    """The attempts that stage `select` chooses, by instruction."""
    kept = [row for row in drawn if row["reject_reason"] is None]
    rows = Dataset.from_list(kept).remove_columns("reject_reason")
    recipe = load_recipe("demo")
    context = Context(scratch=tmp_path / "select", jails=Judge())
    executed = split(execute.STAGE, len(rows), execute.execute(rows, recipe["execute"], context)).kept
    judged = select.select(executed, recipe["select"], context)
    return {row["instruction_id"]: row for row in judged.to_list() if row["reject_reason"] is None}


def test_a_row_says_that_its_tests_were_inferred(tmp_path: Path) -> None:
    rows, _ = attempts(tmp_path, given(60))
    inferred = [row for row in rows if row["tests_inferred"]]
    assert inferred
    assert all(row["reject_reason"] is None and row["tests"].startswith("```python\nassert ") for row in inferred)
    labelled = [row for row in rows if not row["tests_inferred"]]
    assert {row["reject_reason"] for row in labelled} == {None}
    plain, _ = attempts(tmp_path / "off", given(60), "responses.infer_tests=false")
    by_id = {row["id"]: row for row in plain}
    assert all(by_id[row["id"]]["reject_reason"] == "no-tests" for row in inferred)
    assert all(by_id[row["id"]] == row for row in labelled)


class Loops(Judge):
    """Jails in which no program ends that has an odd number of line breaks."""

    async def run(self, program: Program) -> Verdict:
        verdict = await super().run(program)
        return verdict if program.code.count("\n") % 2 == 0 else replace(verdict, status="timeout")


@pytest.mark.parametrize("concurrency", [1, 40])
def test_no_more_is_drawn_for_an_instruction_that_is_given_up(tmp_path: Path, concurrency: int) -> None:
    changes = ["responses.until=1", "execute.give_up_after=2", f"run.concurrency={concurrency}"]
    rows, _ = attempts(tmp_path, given(80), *changes, jails=Loops())
    lengths: Counter[bool] = Counter()
    for drawn in by_instruction(rows).values():
        answers = [row for row in drawn if row["reject_reason"] is None]
        timeouts = ["\n".join(code_blocks(row["response"])).count("\n") % 2 == 1 for row in answers]
        gave_up = len(timeouts) >= 2 and all(timeouts[:2])
        assert len(drawn) == 10 or gave_up or passes(answers[-1])
        assert not gave_up or len(answers) == 2
        lengths[gave_up] += 1
    assert min(lengths[False], lengths[True]) > 5


def test_samples_of_an_instruction_that_is_given_up_do_not_run(tmp_path: Path) -> None:
    jails = Loops()
    rows, _ = attempts(tmp_path, given(40), "execute.give_up_after=2", jails=jails)
    assert len(rows) == 400
    assert jails.programs < sum(row["reject_reason"] is None for row in rows)
