"""S->I: the model writes a task straight from a piece of code, as OSS-Instruct does (arXiv 2312.02120).

On the seeds of `seeds` this is the paper's own ablation of the concepts between code and task, S->I; on those of
`excerpts`, OSS-Instruct.
"""

from datasets import Dataset, Value

from sca_hf.engines import RowFailure
from sca_hf.prompts.build import INSTRUCTION_STOP, snippet_prompt
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, Part, WritingSettings
from sca_hf.stages.instructions import reject_reason


class OssInstructSettings(WritingSettings):
    """How tasks are asked for."""


def oss_instruct(seeds: Dataset, settings: OssInstructSettings, context: Context) -> Dataset:
    """Return a row a seed, with `instruction`.

    Reasons: those of `instructions`.
    """
    step = FewShotStep(context, settings, STAGE.name, snippet_prompt)
    part = Part(STAGE.name, INSTRUCTION_STOP, settings.max_tokens)

    async def instruction_of(seed: Row) -> Row:
        try:
            text, finish_reason = await step.sample(part, step.prompt(seed["id"], seed["seed"]), seed["id"])
        except RowFailure as failure:
            return {"instruction": "", "instruction_by": context.writer, REJECT_REASON: failure.reason}
        instruction = text.strip()
        reason = reject_reason(instruction, finish_reason) or step.copied("instruction", instruction, seed["id"])
        return {"instruction": instruction, "instruction_by": context.writer, REJECT_REASON: reason}

    return context.map_rows(STAGE, seeds, instruction_of, step.order(seeds))


STAGE = Stage(
    name="oss_instruct",
    version=1,
    title="The model writes a task to which a piece of code led it (S->I, OSS-Instruct).",
    uses=("id", "seed"),
    adds=(
        Column("id", Value("string"), "hash of the seed's id and the stage"),
        Column("seed_id", Value("string"), "id of the seed"),
        Column("instruction", Value("string"), "the task, as the model wrote it"),
        written_by("instruction"),
    ),
    parent_id="seed_id",
    settings=OssInstructSettings,
    run=oss_instruct,
    needs="engine",
    draws=True,
    step="S->I",
)
