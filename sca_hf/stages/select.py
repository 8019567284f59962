"""Selection: of all attempts at an instruction at most one is kept, drawn at random among those that pass all rules."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from datasets import Dataset, List, Value

from sca_hf.filters.near_duplicates import NearDuplicateSettings, near_duplicates
from sca_hf.identity import digest
from sca_hf.prompts import syntax
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.pass_rules import PASSED, WRONG, PassRules, PassSettings, Ruling

_NOTHING = Ruling(None)
_READ_ROWS = 1000


class SelectSettings(PassSettings):
    """Rules of selection: those for one attempt alone (`PassSettings`), and those that compare attempts.

    `once_per_names`: take a set of function and class names once; `near_duplicates`: how near two instructions, two
    responses, or the code of two responses without its comments may be (null: no such rule).
    """

    once_per_names: bool = True
    near_duplicates: NearDuplicateSettings | None = None

    def intent(self) -> dict[str, Any]:
        """Return the settings with the texts of the benchmarks in place of where they come from."""
        return self.model_dump(mode="json", exclude={"decontaminate", "near_duplicates"}) | {
            "decontaminate": self.decontaminate and self.decontaminate.intent(),
            "near_duplicates": self.near_duplicates and self.near_duplicates.intent(),
        }

    def published(self) -> dict[str, Any]:
        """Return the settings with the names of files alone."""
        return super().published() | {"decontaminate": self.decontaminate and self.decontaminate.published()}


def select(attempts: Dataset, settings: SelectSettings, context: Context) -> Dataset:
    """Return all attempts, with the reason of those not chosen.

    One attempt alone: `execution-<status>` (did not pass), `vacuous-tests` (they notice no mutant of the response),
    `leftover` (in response or tests, by `leftover_rule`), `long-instruction`, `other-names` (it defines, or its tests
    use, other names than the instruction asks for), `contaminated-<benchmark>` (instruction or response contains a text
    of that benchmark). Among the rest of an instruction one is drawn: `not-chosen`. Among the chosen, in the order of
    rows, the first is kept:
    `duplicate-instruction`, `duplicate-response` (equal but for whitespace), `duplicate-names` (the same set of
    functions and classes); then, text by text, `near-duplicate-instruction`, `near-duplicate-response` and
    `near-duplicate-code`.

    `pass_rate` is the share of an instruction's attempts whose program passed. `failed_response` of a kept row is drawn
    from the attempts at its instruction that are wrong: they ended with an exception, or aren't Python. One that a
    limit of the machine ended says nothing about its response.
    """
    rules = PassRules(settings)
    columns = [name for name in (*STAGE.uses, *STAGE.optional) if name in attempts.column_names]
    reasons: dict[str, str | None] = {}
    rulings: dict[str, Ruling] = {}
    candidates: dict[str, list[str]] = defaultdict(list)
    passes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    failures: dict[str, tuple[str, str]] = {}
    for attempt in _rows(attempts, columns):
        ruling = rules.ruling(attempt)
        if ruling.other_names or ruling.benchmark_texts:
            rulings[attempt["id"]] = ruling
        reasons[attempt["id"]] = ruling.reason
        if ruling.reason is None:
            candidates[attempt["instruction_id"]].append(attempt["id"])
        passes[attempt["instruction_id"]][attempt["status"] == PASSED] += 1
        if attempt["status"] in WRONG:
            drawn = digest(context.seed, "choice among failures", attempt["id"]), attempt["id"]
            failures[attempt["instruction_id"]] = min(drawn, failures.get(attempt["instruction_id"], drawn))
    for ids in candidates.values():
        chosen = min(ids, key=partial(digest, context.seed, "choice among passes"))
        reasons |= {attempt_id: "not-chosen" for attempt_id in ids if attempt_id != chosen}
    chosen_rows = attempts.select([index for index, reason in enumerate(reasons.values()) if reason is None])
    for name, key in _duplicate_keys(settings):
        seen: set[str] = set()
        for attempt in _rows(chosen_rows, columns):
            if reasons[attempt["id"]] is None:
                attempt_key = key(attempt)
                if attempt_key in seen:
                    reasons[attempt["id"]] = name
                seen.add(attempt_key)
    if settings.near_duplicates:
        for name, text in _NEAR_TEXTS.items():
            _reject_near(chosen_rows, columns, reasons, name, text, settings.near_duplicates)

    failed = _failed_responses(attempts, reasons, failures)

    def judged(batch: Row) -> Row:
        counts = [passes[instruction_id] for instruction_id in batch["instruction_id"]]
        found = [rulings.get(attempt_id, _NOTHING) for attempt_id in batch["id"]]
        return {
            "pass_rate": [passed / (passed + others) for others, passed in counts],
            "failed_response": [failed.get(attempt_id) for attempt_id in batch["id"]],
            REJECT_REASON: [reasons[attempt_id] for attempt_id in batch["id"]],
            "other_names": [list(ruling.other_names) for ruling in found],
            "benchmark_row": ["\n".join(text.quoted for text in ruling.benchmark_texts) or None for ruling in found],
        }

    return context.map_batches(STAGE, attempts, judged)


def _failed_responses(
    attempts: Dataset, reasons: dict[str, str | None], failures: dict[str, tuple[str, str]]
) -> dict[str, str]:
    """The text of the failure that was drawn, by the id of the kept attempt at the same instruction."""
    columns = ["id", "instruction_id", "response"]
    kept = {row["instruction_id"]: row for row in _rows(attempts, columns) if reasons[row["id"]] is None}
    drawn = {failures[instruction_id][1] for instruction_id in kept if instruction_id in failures}
    return {
        kept[row["instruction_id"]]["id"]: row["response"]
        for row in _rows(attempts, columns)
        if row["id"] in drawn and row["response"] != kept[row["instruction_id"]]["response"]
    }


def _duplicate_keys(settings: SelectSettings) -> Iterator[tuple[str, Callable[[Row], str]]]:
    yield "duplicate-instruction", lambda attempt: digest("".join(attempt["instruction"].split()))
    yield "duplicate-response", lambda attempt: digest("".join(attempt["response"].split()))
    if settings.once_per_names:
        # What defines no name is compared by its id, so it is nobody's duplicate.
        yield "duplicate-names", lambda attempt: digest(*defined_names(attempt["response"]) or ["", attempt["id"]])


def _reject_near(
    attempts: Dataset,
    columns: list[str],
    reasons: dict[str, str | None],
    name: str,
    text: Callable[[Row], str],
    settings: NearDuplicateSettings,
) -> None:
    left = [(attempt["id"], text(attempt)) for attempt in _rows(attempts, columns) if reasons[attempt["id"]] is None]
    batches = ([text for _, text in left[begin : begin + 1000]] for begin in range(0, len(left), 1000))
    for (attempt_id, _), original in zip(left, near_duplicates(batches, settings), strict=True):
        if original is not None:
            reasons[attempt_id] = f"near-duplicate-{name}"


_NEAR_TEXTS: dict[str, Callable[[Row], str]] = {
    "instruction": lambda attempt: str(attempt["instruction"]),
    "response": lambda attempt: str(attempt["response"]),
    "code": lambda attempt: re.sub(r"#[^\n]*", "", "\n".join(code_blocks(attempt["response"]))),
}


def defined_names(response: str) -> list[str]:
    """Sorted names of the functions and classes that the code of a response defines at top level.

    Code that parses only together with its tests defines none.
    """
    return sorted(syntax.defined_names("\n".join(code_blocks(response))))


def _rows(attempts: Dataset, columns: list[str]) -> Iterator[Row]:
    """Row by row, read in parts: `datasets` takes six times as long for single rows."""
    for batch in attempts.select_columns(columns).with_format("arrow").iter(batch_size=_READ_ROWS):
        yield from batch.to_pylist()


STAGE = Stage(
    name="select",
    version=5,
    title="One passing response per instruction, drawn at random; duplicates and leftovers go.",
    uses=("id", "instruction_id", "instruction", "response", "tests", "status"),
    optional=("mutants", "mutants_killed"),
    adds=(
        Column("id", Value("string"), "hash of the executed attempt's id and the stage"),
        Column("execute_id", Value("string"), "id of the executed attempt"),
        Column("pass_rate", Value("float64"), "share of the attempts at its instruction that passed their tests"),
        Column(
            "failed_response", Value("string"), "a response to its instruction that failed its own tests, if there is"
        ),
    ),
    parent_id="execute_id",
    settings=SelectSettings,
    run=select,
    draws=True,
    pass_rule=PassRules,
    measured=(
        Column("other_names", List(Value("string")), "names asked for that it doesn't define, or its tests don't use"),
        Column(
            "benchmark_row",
            Value("string"),
            "texts of benchmarks that it contains, one a line: benchmark, row, column, text",
        ),
    ),
)
