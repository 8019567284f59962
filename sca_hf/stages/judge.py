"""The docstring judge: the base model says whether a seed's docstring is good enough (METHOD.md, section 1, step 7).

Good enough is a docstring from which the function could be written again, and which is true of it. The model sees a few
functions with verdicts, then the seed, and answers in a word, without chance (temperature 0). A small model leans to
one of the words. So a judge with a `threshold` goes by how likely the model makes the one and the other, less what it
makes of them where there is no function.

A row keeps the seed's id, so that what is made of a seed does not depend on whether a judge came before: put into a
recipe later, it costs its own calls and no other.
"""

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure, Sampling
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.settings import PATH
from sca_hf.stage import REJECT_REASON, Column, Counts, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.own_model import ModelSettings
from sca_hf.wording import counted

STOP = ("\n\n",)

# An answer with both words, as in "Yes/No" or "Yes or no", is not a verdict.
_VERDICT = re.compile(r"\W*(?P<word>yes|no)\b(?!\s*(?:/|or\b|and\b))", re.IGNORECASE)
_ALTERNATIVES = 20  # vLLM's most; other servers may give fewer
_ONE_SIDED = 0.95
_MIN_JUDGED = 20
_REASONS = {"yes": None, "no": "judged-no"}


class JudgeSettings(ModelSettings):
    """How the judge is asked; the defaults are the paper's 5 tokens, and all bundled exemplars.

    `shots`: exemplars a prompt; `max_tokens`: longest completion in tokens; `prompts`: file with the system text and
    the exemplars (see `sca_hf.prompts.judge`), or "default". `threshold`: keep a function whose score is above it (see
    `judge`), where the engine tells log-probabilities; null goes by the word, as the paper does.
    """

    shots: int = Field(default=8, ge=0, le=100)
    max_tokens: int = Field(default=5, ge=1, le=100)
    prompts: str = Field(default="default", min_length=1, json_schema_extra=PATH)
    threshold: float | None = None

    def intent(self) -> dict[str, Any]:
        """Return what of the file the prompts show, in place of its name."""
        shown = load_judge_prompts(self.prompts, self.shots)
        intent = {"shots": self.shots, "max_tokens": self.max_tokens, "prompts": shown.sha}
        return intent if self.threshold is None else intent | {"threshold": self.threshold}


def judge(seeds: Dataset, settings: JudgeSettings, context: Context) -> Dataset:
    """Return all seeds, in their order, with `verdict`, what the model answered, and `judge_score`.

    The score is the logarithm of how much likelier Yes is than No, less the same for an empty function: above 0, the
    function speaks for Yes. It is null where the engine tells no log-probabilities, or none of both words; there the
    word counts. With it `judged-no` is a score that isn't above the threshold.

    Reasons: `judged-no`; `judged-neither` (the answer begins with neither Yes nor No, offers both, or is empty);
    `prompt-too-long`, `undecodable-completion`, `engine-error`.

    Whatever the seed is, its prompt begins with the same words, the function alone differs: so there are no decks, rows
    are sent as they come, and an engine's prefix cache serves system text and exemplars.
    """
    prompts = load_judge_prompts(settings.prompts, settings.shots)
    sampling = sampling_of(settings)
    empty: list[asyncio.Task[float | None]] = []  # asked for once, by the first row

    async def of_none() -> float | None:
        try:
            return yes_over_no((await context.completion(prompts.of(""), sampling)).first_tokens)
        except RowFailure:
            return None

    async def verdict_on(seed: Row) -> Row:
        try:
            answer = await context.completion(prompts.of(seed["seed"]), sampling)
        except RowFailure as failure:
            return {"verdict": "", "judge_score": None, REJECT_REASON: failure.reason}
        score, reason = None, reject_reason(answer.text)
        if settings.threshold is not None:
            empty[:] = empty or [asyncio.ensure_future(of_none())]
            none, own = await empty[0], yes_over_no(answer.first_tokens)
            if none is not None and own is not None:
                score = own - none
                reason = None if score > settings.threshold else "judged-no"
        return {"verdict": answer.text.strip(), "judge_score": score, REJECT_REASON: reason}

    return context.map_rows(STAGE, seeds, verdict_on)


def sampling_of(settings: JudgeSettings) -> Sampling:
    """Return how the judge is asked. At temperature 0 the sampling seed means nothing: with one for all, a run with
    another seed asks nothing again."""
    alternatives = 0 if settings.threshold is None else _ALTERNATIVES
    return Sampling(temperature=0.0, max_tokens=settings.max_tokens, stop=STOP, seed=0, alternatives=alternatives)


def reject_reason(answer: str) -> str | None:
    """Return why an answer rejects its row, None if it keeps it. The first word counts: "Yes, no doubt" is a Yes."""
    verdict = _VERDICT.match(answer)
    return _REASONS[verdict["word"].lower()] if verdict else "judged-neither"


def yes_over_no(first_tokens: Mapping[str, float] | None) -> float | None:
    """Return the logarithm of how much likelier Yes is than No as the first token; None if neither is among these.

    A word that isn't counts as much as the least likely of these.
    """
    if not first_tokens:
        return None
    words = {"yes": 0.0, "no": 0.0}
    for token, logarithm in first_tokens.items():
        if (word := token.strip().lower()) in words:
            words[word] += math.exp(logarithm)
    if not any(words.values()):
        return None
    least = math.exp(min(first_tokens.values()))
    return math.log(words["yes"] or least) - math.log(words["no"] or least)


def one_sided(counts: Counts) -> str | None:
    """Return a warning if more than 95 % of the answers, of at least 20, are the same."""
    answers = {"yes": counts.kept, "no": counts.rejected.get("judged-no", 0)}
    word, most = max(answers.items(), key=lambda answer: answer[1])
    if counts.judged < _MIN_JUDGED or most <= _ONE_SIDED * counts.judged:
        return None
    seeds = counted(counts.judged, "seed")
    return f"the judge said {word} to {most:,} of {seeds}, so it tells little; leave it out (judge=null)"


STAGE = Stage(
    name="judge",
    version=3,
    title="The base model judges whether each function could be written again from its docstring alone.",
    uses=("seed",),
    adds=(
        Column("verdict", Value("string"), "what the model answered when asked about the docstring"),
        Column("judge_score", Value("float64"), "how much likelier than for no function it makes Yes, as a logarithm"),
    ),
    settings=JudgeSettings,
    run=judge,
    needs="engine",
    writes=False,
    warning=one_sided,
    check=lambda settings: load_judge_prompts(settings.prompts, settings.shots),
)
