"""Evol-Instruct (arXiv 2304.12244, for code arXiv 2306.08568): tasks are made over, round after round.

In each round a task is changed in one way, drawn at random: more depth, a constraint, another requirement, misleading
code, or more complexity. A change that fails is a row of its own, with its reason, and the next round goes on from the
last task that was none.
"""

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.filters.evolutions import leaks_prompt, says_the_same
from sca_hf.identity import row_id, row_random
from sca_hf.prompts.build import STOP
from sca_hf.prompts.chat_answers import is_refusal
from sca_hf.prompts.parts import PartPrompts, load_part_prompts
from sca_hf.settings import Weights
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import Part, ended
from sca_hf.stages.instructions import reject_reason
from sca_hf.stages.part_prompts import PartCopies, PartSettings

PARTS = ("Instruction", "Change", "New Instruction")

_STOP = (*STOP, "\n[Response]", "\n[Instruction]", "\n[Change]")


class EvolveSettings(PartSettings):
    """How tasks are made over. `rounds`: changes one after the other.

    `changes`: how often each kind of change is drawn, by the name that it has in the file of prompts. `keep_first`:
    whether the tasks as they were stay among the rows. `max_words`: words of a task, at most. `prompts`: file with the
    system text, the kinds of change and the exemplars (see `sca_hf.prompts.parts`), or "default".
    """

    rounds: int = Field(default=2, ge=1, le=100)
    changes: Weights = Field(default={"depth": 1, "constraint": 1, "replacement": 1, "misleading": 1, "complexity": 1})
    keep_first: bool = True
    max_words: int = Field(default=200, ge=1)
    max_tokens: int = Field(default=512, ge=1)
    shots: int = Field(default=5, ge=0, le=100)

    def load(self) -> PartPrompts:
        """Return the prompts. Raises InputError if there are none, or a kind of change is not among them."""
        prompts = load_part_prompts("evolve.prompts", self.prompts, "evolve.txt", PARTS, self.shots)
        prompts.check("evolve.prompts", self.prompts, "Change", self.changes)
        return prompts


def evolve(instructions: Dataset, settings: EvolveSettings, context: Context) -> Dataset:
    """Return each task (`generation` 0), followed by what each round made of it.

    Reasons: `first-generation` (where `keep_first` is false), `same-as-parent`, `leaks-prompt` (it speaks of the
    change, or of the task before it), `refusal`, `too-long`, `no-instruction`, `not-an-instruction`,
    `copied-exemplar-<number>`, `cut-off`, `repetition`, `prompt-too-long`, `engine-error`.
    """
    prompts = settings.load()
    copies = PartCopies(prompts, settings.max_copied)
    part = Part(STAGE.name, _STOP, settings.max_tokens)

    async def changed(row: Row, parent: Row, change: str, number: int) -> tuple[str, str | None]:
        """The next task, made of `parent`, and why it is none."""
        text = prompts.texts["Change"][change]
        prompt = prompts.of({"Instruction": parent["instruction"], "Change": text}, PARTS[-1])
        sampling = settings.sampling(part, context.seed, row["id"], number)
        try:
            said, finish_reason = await context.complete(prompt, sampling)
        except RowFailure as failure:
            return "", failure.reason
        evolved = said.strip()
        reason = reject_reason(evolved, ended(said, finish_reason, sampling))
        asked = [prompts.system, text]
        reason = reason or copies.reason("New Instruction", evolved) or copies.reason("Instruction", evolved)
        return evolved, reason or _fault(parent["instruction"], evolved, asked, settings.max_words)

    async def generations(row: Row) -> list[Row]:
        parent = {
            "instruction": row["instruction"],
            "instruction_by": row.get("instruction_by"),
            "generation": 0,
            "change": None,
            "parent_instruction": None,
            "parent_instruction_id": None,
            REJECT_REASON: None if settings.keep_first else "first-generation",
        }
        parent_id = row_id(row["id"], STAGE.name, 0)
        rows = [parent]
        for number in range(1, settings.rounds + 1):
            random = row_random(context.seed, "change", row["id"], number)
            change = random.choices(list(settings.changes), list(settings.changes.values()))[0]
            evolved, reason = await changed(row, parent, change, number)
            rows.append(
                {
                    "instruction": evolved,
                    "instruction_by": context.writer,
                    "generation": parent["generation"] + 1,
                    "change": change,
                    "parent_instruction": parent["instruction"],
                    "parent_instruction_id": parent_id,
                    REJECT_REASON: reason,
                }
            )
            if reason is None:
                parent, parent_id = rows[-1], row_id(row["id"], STAGE.name, number)
        return rows

    return context.map_rows(STAGE, instructions, generations)


def _fault(parent: str, evolved: str, asked: list[str], max_words: int) -> str | None:
    if is_refusal(evolved):
        return "refusal"
    if leaks_prompt(parent, evolved, asked):
        return "leaks-prompt"
    if says_the_same(parent, evolved):
        return "same-as-parent"
    return "too-long" if len(evolved.split()) > max_words else None


STAGE = Stage(
    name="evolve",
    version=1,
    title="Tasks made over in rounds: deeper, with constraints, other requirements, misleading code, more complex.",
    uses=("id", "instruction"),
    optional=("instruction_by",),
    adds=(
        Column("id", Value("string"), "hash of the first task's id, the stage and the round"),
        Column("first_instruction_id", Value("string"), "id of the task that all rounds go back to"),
        Column("instruction", Value("string"), "the task"),
        written_by("instruction"),
        Column("generation", Value("int32"), "changes that led to it; 0: the task as it was"),
        Column("change", Value("string"), "kind of change that made it of its parent"),
        Column("parent_instruction", Value("string"), "the task that it was made of"),
        Column("parent_instruction_id", Value("string"), "id of the row of that task, in this stage"),
    ),
    parent_id="first_instruction_id",
    settings=EvolveSettings,
    run=evolve,
    needs="engine",
    calls=lambda settings: int(settings.rounds),
    most_rows=lambda settings: 1 + int(settings.rounds),
    draws=True,
    check=EvolveSettings.load,
)
