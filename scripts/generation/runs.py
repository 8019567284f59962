"""Runs of the demo recipe: samples until a pass, of all samples; generation and execution one by one and at once."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from generation.loops import run, timed

from sca_hf.engines import Sampling
from sca_hf.engines.registry import make_engine
from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.stages import execute, responses
from sca_hf.store import Store


def measure_until(model: str, seed_count: int) -> None:
    """Samples drawn until a pass, of all: the second run finds its calls in the journal of the first."""
    with tempfile.TemporaryDirectory() as folder:
        drawn: dict[str, Any] = {}
        for until in ("all", "1"):
            recipe = load_recipe("demo", ["responses.samples=10", f"responses.until={until}", f"model={model}"])
            pipeline = Pipeline(recipe, Store(Path(folder)), limit=seed_count, last="execute")
            outcomes = {outcome.stage.name: outcome.version for outcome in pipeline.run(lambda *_: None)}
            statuses = outcomes["execute"].load()["status"][:]
            drawn[until] = outcomes["responses"].counts.judged
            if until == "all":
                drawn["passes a sample"] = round(statuses.count("passed") / drawn["all"], 3)
        print(json.dumps(drawn | {"until a pass, of all": round(drawn["1"] / drawn["all"], 3)}))


def measure_loads(model: str, seed_count: int, folder: Path | None) -> None:
    """Responses drawn alone, executed alone, and both at once, with real vLLM and real jails."""
    recipe = load_recipe("demo", [f"model={model}"])
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pipeline = Pipeline(recipe, Store(Path(scratch) / "store"), limit=seed_count, last="instructions")
        rows = pipeline.run(lambda *_: None)[-1].version.load()
        engine = make_engine(model, recipe.engine)
        asyncio.run(engine.complete("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0)))  # loads the model

        def jails(name: str) -> JournaledJails:
            return JournaledJails(execute.jails(recipe["execute"], recipe.run.jails), Journal(Path(scratch) / name))

        alone, beside = jails("alone"), jails("beside")
        try:
            drawn = run(responses.STAGE, rows, recipe, folder, engine=engine)
            executed = drawn.filter(lambda row: row["reject_reason"] is None).remove_columns("reject_reason")
            generate = timed(lambda: run(responses.STAGE, rows, recipe, folder, engine=engine))
            execute_alone = timed(lambda: run(execute.STAGE, executed, recipe, folder, jails=alone))
            both = timed(lambda: run(responses.STAGE, rows, recipe, folder, engine=engine, jails=beside))
        finally:
            engine.close()
            alone.close()
            beside.close()
    figures = {
        "model": engine.identity.build,
        "samples": len(drawn),
        "generate alone s": round(generate, 1),
        "execute alone s": round(execute_alone, 1),
        "both at once s": round(both, 1),
        "of the larger": round(both / max(generate, execute_alone), 3),
        "of the sum": round(both / (generate + execute_alone), 3),
    }
    print(json.dumps(figures))
