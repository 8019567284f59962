"""Selection: of all attempts at an instruction at most one is kept, drawn at random among those that pass all rules."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from datasets import Dataset, List, Value

from sca_hf.filters.decontaminate import check_benchmarks
from sca_hf.filters.near_duplicates import NearDuplicateSettings, near_duplicates
from sca_hf.identity import digest
from sca_hf.prompts import syntax
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.stage import BENCHMARK_ROW, REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.pass_rules import PASSED, WRONG, PassRules, PassSettings, sample_of
from sca_hf.stages.reading import rows_of

T = TypeVar("T")

_PART = 1000  # texts that are read at once


class SelectSettings(PassSettings):
    """Rules of selection: those for one attempt alone (`PassSettings`), and those that compare attempts.

    `once_per_names`: take a set of function and class names once; `near_duplicates`: how near two instructions, two
    responses, or the code of two responses without its comments may be (null: no such rule).
    """

    once_per_names: bool = True
    near_duplicates: NearDuplicateSettings | None = None


def select(attempts: Dataset, settings: SelectSettings, context: Context) -> Dataset:
    """Return all attempts, with the reason of those not chosen.

    One attempt alone: `execution-<status>` (did not pass), `vacuous-tests` (they notice no mutant of the response),
    `leftover` (in response or tests, by `leftover_rule`), `long-instruction`, `other-names` (it defines, or its tests
    use, other names than the instruction asks for), `contaminated-<benchmark>` (instruction or response contains a text
    of that benchmark). Among the rest of an instruction one is drawn, from those with the highest `agreement` where
    stage `cross` has run: the others are `not-chosen`. Among the chosen, in the order of rows, the first is kept:
    `duplicate-instruction`, `duplicate-response` (equal but for whitespace), `duplicate-names` (the same set of
    functions and classes); then, text by text, `near-duplicate-instruction`, `near-duplicate-response` and
    `near-duplicate-code`.

    A sample with several suites (`suite`) has an attempt for each. It passes if one of them does, and its chance to be
    chosen doesn't depend on how many do.

    `pass_rate` is the share of an instruction's samples that passed: of all that were drawn where rows say how many
    (`samples_drawn`), those that were cut off or have no tests included, else of those that are here. With
    `responses.until` they are drawn until enough pass, so it's higher than the share of many samples would be.
    `failed_response` of a kept row is drawn from the samples of its instruction that are wrong: they ended with an
    exception, or aren't Python, and passed no suite. One that a limit of the machine ended says nothing about its
    response.
    """
    rules = PassRules(settings)
    columns = [name for name in (*STAGE.uses, *STAGE.optional) if name in attempts.column_names]
    instructions = _instructions(attempts)
    reasons: list[str | None] = []
    others: list[tuple[str, ...]] = []
    benchmark_rows: list[str | None] = []
    for place, attempt in enumerate(rows_of(attempts, columns)):
        ruling = rules.ruling(attempt)
        reasons.append(ruling.reason)
        others.append(ruling.other_names)
        benchmark_rows.append("\n".join(text.quoted for text in ruling.benchmark_texts) or None)
        same = instructions[attempt["instruction_id"]]
        same.note_failure(attempt, place, context.seed)
        if ruling.reason is None and (loser := same.choose(attempt, place, context.seed)) is not None:
            reasons[loser] = "not-chosen"
    _reject_duplicates(attempts, reasons, settings, context)
    of_rows = [instructions[row["instruction_id"]] for row in rows_of(attempts, ["instruction_id"])]
    added: dict[str, Sequence[Any]] = {
        "pass_rate": [same.pass_rate for same in of_rows],
        "failed_response": _failed_responses(attempts, reasons, of_rows),
        REJECT_REASON: reasons,
        "other_names": others,
        "benchmark_row": benchmark_rows,
    }
    return context.add_columns(STAGE, attempts, added)


@dataclass(slots=True)
class _Attempts:
    """What selection knows of the attempts at one instruction. `samples`, `passed`: those that are here, and that did;
    `drawn`: how many samples there were, as far as rows tell; `chosen`: the best candidate so far (how it ranks, place
    of its row), `failure`: the same among the wrong ones.
    """

    samples: set[int | str] = field(default_factory=set)
    passed: set[int | str] = field(default_factory=set)
    drawn: int = 0
    chosen: tuple[tuple[float, str, str], int] | None = None
    failure: tuple[str, int] | None = None

    def note_failure(self, attempt: Row, place: int, seed: int) -> None:
        """Make an attempt a candidate for the failure, if its sample is wrong."""
        if attempt["status"] in WRONG and sample_of(attempt) not in self.passed:
            failure = digest(seed, "choice among failures", attempt["id"]), place
            self.failure = min(failure, self.failure or failure)

    def choose(self, attempt: Row, place: int, seed: int) -> int | None:
        """Make an attempt a candidate, and return the place of the one that is none any more."""
        own = digest(seed, "choice among passes", attempt["id"])
        several = attempt.get("suite") is not None
        drawn = digest(seed, "choice among passes", attempt["instruction_id"], sample_of(attempt)) if several else own
        rank = -(attempt.get("agreement") or 0.0), drawn, own
        before, self.chosen = self.chosen, min((rank, place), self.chosen or (rank, place))
        return None if before is None else place if before == self.chosen else before[1]

    @property
    def pass_rate(self) -> float:
        """The share of the samples drawn that passed; of those here, where rows don't say how many were drawn."""
        return len(self.passed) / (self.drawn or len(self.samples))


def _instructions(attempts: Dataset) -> dict[str, _Attempts]:
    """Read how the attempts at each instruction ended, all of them before the first is judged."""
    names = ("id", "instruction_id", "sample", "samples_drawn", "status")
    instructions: dict[str, _Attempts] = {}
    for attempt in rows_of(attempts, [name for name in names if name in attempts.column_names]):
        same = instructions.setdefault(attempt["instruction_id"], _Attempts())
        same.samples.add(sample_of(attempt))
        if attempt["status"] == PASSED:
            same.passed.add(sample_of(attempt))
        same.drawn = max(same.drawn, attempt.get("samples_drawn") or 0)
    return instructions


def _failed_responses(
    attempts: Dataset, reasons: Sequence[str | None], of_rows: Sequence[_Attempts]
) -> list[str | None]:
    """For each kept attempt the failure that was drawn, if its text is another one."""
    failed: list[str | None] = [None] * len(reasons)
    responses = attempts.select_columns(["response"])
    pairs = (
        (place, same.failure[1])
        for place, (reason, same) in enumerate(zip(reasons, of_rows, strict=True))
        if reason is None and same.failure is not None
    )
    for part in _parts(pairs):
        kept, wrong = (responses[list(places)]["response"] for places in zip(*part, strict=True))
        for (place, _), right, text in zip(part, kept, wrong, strict=True):
            failed[place] = text if text != right else None
    return failed


def _reject_duplicates(
    attempts: Dataset, reasons: list[str | None], settings: SelectSettings, context: Context
) -> None:
    """Give a reason to all candidates that are like an earlier one."""
    places = [place for place, reason in enumerate(reasons) if reason is None]
    candidates = attempts.select(places)

    def left(column: str) -> Iterator[tuple[int, str]]:
        """Candidates without a reason yet: place and text."""
        for place, attempt in zip(places, rows_of(candidates, [column]), strict=True):
            if reasons[place] is None:
                yield place, attempt[column]

    for reason, column, key in _duplicate_keys(settings):
        seen: set[str] = set()
        for place, text in left(column):
            text_key = key(text)
            if text_key in seen:
                reasons[place] = reason
            if text_key is not None:
                seen.add(text_key)
    if settings.near_duplicates is None:
        return
    for name, column, bare in _NEAR_TEXTS:
        near = [place for place in places if reasons[place] is None]
        texts = _parts(bare(text) for _, text in left(column))
        for place, original in zip(
            near, near_duplicates(texts, settings.near_duplicates, context.scratch), strict=True
        ):
            if original is not None:
                reasons[place] = f"near-duplicate-{name}"


def _duplicate_keys(settings: SelectSettings) -> Iterator[tuple[str, str, Callable[[str], str | None]]]:
    """Yield a reason, the column that it is about, and what is equal of duplicates; None: of nobody's."""
    yield "duplicate-instruction", "instruction", lambda text: digest("".join(text.split()))
    yield "duplicate-response", "response", lambda text: digest("".join(text.split()))
    if settings.once_per_names:
        yield "duplicate-names", "response", lambda text: " ".join(defined_names(text)) or None


def _code(response: str) -> str:
    return re.sub(r"#[^\n]*", "", "\n".join(code_blocks(response)))


_NEAR_TEXTS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("instruction", "instruction", str),
    ("response", "response", str),
    ("code", "response", _code),
)


def _parts(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while part := list(islice(rest, _PART)):
        yield part


def defined_names(response: str) -> list[str]:
    """Sorted names of the functions and classes that the code of a response defines at top level.

    Code that parses only together with its tests defines none.
    """
    return sorted(syntax.defined_names("\n".join(code_blocks(response))))


STAGE = Stage(
    name="select",
    version=6,
    title="One passing response per instruction, drawn at random; duplicates and leftovers go.",
    uses=("id", "instruction_id", "instruction", "response", "tests", "status"),
    optional=("mutants", "mutants_killed", "agreement", "sample", "samples_drawn", "suite"),
    adds=(
        Column("id", Value("string"), "hash of the executed attempt's id and the stage"),
        Column("execute_id", Value("string"), "id of the executed attempt"),
        Column("pass_rate", Value("float64"), "share of the samples drawn of its instruction that passed their tests"),
        Column(
            "failed_response", Value("string"), "a response to its instruction that failed its own tests, if there is"
        ),
    ),
    parent_id="execute_id",
    settings=SelectSettings,
    run=select,
    compares=True,
    draws=True,
    pass_rule=PassRules,
    check=lambda settings: check_benchmarks(settings.decontaminate),
    measured=(
        Column("other_names", List(Value("string")), "names asked for that it doesn't define, or its tests don't use"),
        BENCHMARK_ROW,
    ),
)
