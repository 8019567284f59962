"""Preferences: of the attempts at an instruction, those that passed next to those that failed, as pairs for DPO.

It comes in the place of `select` and `sft`, behind `execute`, and needs attempts that go on after the first pass.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from datasets import Dataset, Features, Value
from pydantic import Field

from sca_hf.identity import digest
from sca_hf.stage import REJECT_REASON, Column, Format, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.formats import MESSAGES
from sca_hf.stages.pass_rules import PASSED, WRONG, PassRules, PassSettings
from sca_hf.stages.reading import rows_of


class PreferencesSettings(PassSettings):
    """What passes (`PassSettings`). `pairs`: pairs an instruction, at most; no attempt is in two of them."""

    pairs: int = Field(default=1, ge=1, le=10_000)


def preferences(attempts: Dataset, settings: PreferencesSettings, context: Context) -> Dataset:
    """Return all attempts; those kept passed, and have a failed one at their side: `prompt`, `chosen`, `rejected`.

    Failed is what ended with an exception, or isn't Python: what a limit of the machine ended says nothing about its
    response. Passes and failures are paired at random, equal responses (but for whitespace) count once.

    Reasons: those of one attempt alone in `select` (`execution-<status>`, `vacuous-tests`, `leftover`, …), and, of what
    passes, `same-response` (as another pass), `no-failure` (none is left to pair it with), `not-chosen` (beyond
    `pairs`).
    """
    rules = PassRules(settings)
    reasons: dict[str, str | None] = {}
    passes: dict[str, dict[str, str]] = defaultdict(dict)
    failures: dict[str, dict[str, str]] = defaultdict(dict)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    columns = [name for name in (*STAGE.uses, *STAGE.optional) if name in attempts.column_names]
    for attempt in rows_of(attempts, columns):
        name, own = attempt["instruction_id"], attempt["id"]
        reasons[own] = rules.ruling(attempt).reason
        counts[name][attempt["status"] == PASSED] += 1
        text = digest("".join(attempt["response"].split()))
        if reasons[own] is None:
            reasons[own] = "same-response" if text in passes[name] else None
            passes[name].setdefault(text, own)
        elif attempt["status"] in WRONG:
            failures[name].setdefault(text, own)
    partners: dict[str, str] = {}
    for name, passing in passes.items():
        wrong = [own for text, own in failures[name].items() if text not in passing]
        chosen = sorted(passing.values(), key=partial(digest, context.seed, "preferred"))
        wrong.sort(key=partial(digest, context.seed, "not preferred"))
        for number, own in enumerate(chosen):
            if number >= len(wrong):
                reasons[own] = "no-failure"
            elif number >= settings.pairs:
                reasons[own] = "not-chosen"
            else:
                partners[own] = wrong[number]
    needed = set(partners.values())
    texts = {row["id"]: row["response"] for row in rows_of(attempts, ["id", "response"]) if row["id"] in needed}

    def judged(batch: Row) -> Row:
        others = [partners.get(own) for own in batch["id"]]
        rates = [counts[name] for name in batch["instruction_id"]]
        return {
            "rejected_id": others,
            "prompt": [_said("user", text) for text in batch["instruction"]],
            "chosen": [_said("assistant", text) for text in batch["response"]],
            "rejected": [_said("assistant", texts[other]) if other else [] for other in others],
            "pass_rate": [passed / (passed + others) for others, passed in rates],
            REJECT_REASON: [reasons[own] for own in batch["id"]],
        }

    return context.map_batches(STAGE, attempts, judged)


def _said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _pair(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: row[name] for name in ("id", "prompt", "chosen", "rejected")}


STAGE = Stage(
    name="preferences",
    version=1,
    title="Attempts that passed, each with one at the same task that failed: pairs for DPO.",
    uses=("id", "instruction_id", "instruction", "response", "tests", "status"),
    optional=("mutants", "mutants_killed"),
    adds=(
        Column("id", Value("string"), "hash of the executed attempt's id and the stage"),
        Column("execute_id", Value("string"), "id of the executed attempt that passed"),
        Column("rejected_id", Value("string"), "id of the executed attempt that failed"),
        Column("prompt", MESSAGES, "the instruction, without tests: each attempt was written for that"),
        Column("chosen", MESSAGES, "the response that passed its tests"),
        Column("rejected", MESSAGES, "a response to the same instruction that failed its own tests"),
        Column("pass_rate", Value("float64"), "share of the attempts at its instruction that passed their tests"),
    ),
    parent_id="execute_id",
    settings=PreferencesSettings,
    run=preferences,
    draws=True,
    pass_rule=PassRules,
    shows=("instruction", "response", "rejected"),
    formats=(
        Format(
            "dpo",
            Features({"id": Value("string"), "prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES}),
            _pair,
            "for `DPOTrainer`: what was asked, a response that passed its tests, and one that failed its own",
        ),
    ),
)
