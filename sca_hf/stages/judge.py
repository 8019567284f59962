"""The docstring judge: the base model says whether a seed's docstring is good enough (METHOD.md, section 1, step 7).

Good enough is a docstring from which the function could be written again, and which is true of it. The model sees a few
functions with verdicts, then the seed, and answers in a word, without chance (temperature 0).

A row keeps the seed's id, so that what is made of a seed does not depend on whether a judge came before: put into a
recipe later, it costs its own calls and no other.
"""

import re
from typing import Any

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure, Sampling
from sca_hf.identity import published_name
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.stage import REJECT_REASON, Column, Counts, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.own_model import ModelSettings

STOP = ("\n\n",)

# An answer with both words, as in "Yes/No" or "Yes or no", is not a verdict.
_VERDICT = re.compile(r"\W*(?P<word>yes|no)\b(?!\s*(?:/|or\b|and\b))", re.IGNORECASE)
_ONE_SIDED = 0.95
_MIN_JUDGED = 20
_REASONS = {"yes": None, "no": "judged-no"}


class JudgeSettings(ModelSettings):
    """How the judge is asked; the defaults are the paper's 5 tokens, and all bundled exemplars.

    `shots`: exemplars a prompt; `max_tokens`: longest completion in tokens; `prompts`: file with the system text and
    the exemplars (see `sca_hf.prompts.judge`), or "default".
    """

    shots: int = Field(default=8, ge=0, le=100)
    max_tokens: int = Field(default=5, ge=1, le=100)
    prompts: str = Field(default="default", min_length=1)

    def intent(self) -> dict[str, Any]:
        """Return what of the file the prompts show, in place of its name."""
        shown = load_judge_prompts(self.prompts, self.shots)
        return {"shots": self.shots, "max_tokens": self.max_tokens, "prompts": shown.sha}

    def published(self) -> dict[str, Any]:
        """Return the settings with the name of the file alone."""
        return super().published() | {"prompts": published_name(self.prompts)}


def judge(seeds: Dataset, settings: JudgeSettings, context: Context) -> Dataset:
    """Return all seeds, in their order, with `verdict`: what the model answered.

    Reasons: `judged-no`; `judged-neither` (the answer begins with neither Yes nor No, offers both, or is empty);
    `prompt-too-long`, `undecodable-completion`, `engine-error`.

    Whatever the seed is, its prompt begins with the same words, the function alone differs: so there are no decks, rows
    are sent as they come, and an engine's prefix cache serves system text and exemplars.
    """
    prompts = load_judge_prompts(settings.prompts, settings.shots)
    # At temperature 0 the sampling seed means nothing: with one for all, a run with another seed asks nothing again.
    sampling = Sampling(temperature=0.0, max_tokens=settings.max_tokens, stop=STOP, seed=0)

    async def verdict_on(seed: Row) -> Row:
        try:
            text, _ = await context.complete(prompts.of(seed["seed"]), sampling)
        except RowFailure as failure:
            return {"verdict": "", REJECT_REASON: failure.reason}
        return {"verdict": text.strip(), REJECT_REASON: reject_reason(text)}

    return context.map_rows(STAGE, seeds, verdict_on)


def reject_reason(answer: str) -> str | None:
    """Return why an answer rejects its row, None if it keeps it. The first word counts: "Yes, no doubt" is a Yes."""
    verdict = _VERDICT.match(answer)
    return _REASONS[verdict["word"].lower()] if verdict else "judged-neither"


def one_sided(counts: Counts) -> str | None:
    """Return a warning if more than 95 % of the answers, of at least 20, are the same."""
    answers = {"yes": counts.kept, "no": counts.rejected.get("judged-no", 0)}
    word, most = max(answers.items(), key=lambda answer: answer[1])
    if counts.judged < _MIN_JUDGED or most <= _ONE_SIDED * counts.judged:
        return None
    return (
        f"the judge said {word} to {most:,} of {counts.judged:,} seeds, so it tells little; leave it out (judge=null)"
    )


STAGE = Stage(
    name="judge",
    version=2,
    title="The base model judges whether each function could be written again from its docstring alone.",
    uses=("seed",),
    adds=(Column("verdict", Value("string"), "what the model answered when asked about the docstring"),),
    settings=JudgeSettings,
    run=judge,
    needs="engine",
    writes=False,
    warning=one_sided,
    check=lambda settings: load_judge_prompts(settings.prompts, settings.shots),
)
