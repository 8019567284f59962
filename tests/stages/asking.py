"""What the tests of stages that ask a model share: a server on loopback that says what a test wants, and its engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import Dataset

from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.stage import REJECT_REASON, Stage
from sca_hf.stages.context import Context
from tests.engines.loopback_server import MODEL, Loopback

Row = dict[str, Any]


@contextmanager
def served(says: Callable[[str, int], str]) -> Iterator[Loopback]:
    """A server whose model says `says(prompt, seed)`."""
    server = Loopback()
    server.says = says
    try:
        yield server
    finally:
        server.close()


def rows_of(
    stage: Stage, server: Loopback, folder: Path, rows: list[Row], settings: Any = None, **context: Any
) -> list[Row]:
    """The rows that a stage makes of `rows` with the model of a server."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    try:
        lent = Context(scratch=folder, engine=engine, few_shot=load_few_shot("default"), **context)
        made: list[Row] = stage.run(Dataset.from_list(rows), settings or stage.settings(), lent).to_list()
    finally:
        engine.close()
    return made


def reasons(rows: list[Row]) -> list[str | None]:
    return [row[REJECT_REASON] for row in rows]
