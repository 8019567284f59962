"""Runs of the demo recipe: samples until a pass, of all samples."""

import json
import tempfile
from pathlib import Path
from typing import Any

from sca_hf.pipeline import Pipeline
from sca_hf.recipe import load_recipe
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
