"""A part of a run: its calls are made, into a journal of the part's own, and no version is written.

A version is a function of rows, settings and answers, and any process anywhere may answer. So many machines without a
common network each make the calls of some rows; their journals are united (`sca_hf.pipeline.journals`), and one process
replays them into the versions. What a part made for nothing costs its calls, and what no part made is made then: so
parts may overlap, be missing, or be killed and run again, and the bytes are those of a run in one process.
"""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from datasets import Dataset

from sca_hf.corpus.hub import FileStream
from sca_hf.errors import InputError
from sca_hf.identity import digest
from sca_hf.pipeline.resources import Answers
from sca_hf.pipeline.stage_work import StageWork
from sca_hf.stage import Counts, Judged, Stage
from sca_hf.stages.reading import ids
from sca_hf.store.temporary import temporary_folder

_FORM = re.compile(r"([1-9]\d{0,6})/([1-9]\d{0,6})")


@dataclass(frozen=True)
class Part:
    """Part `number` (from 1) of `count`. A row falls to a part by its id alone, so in any order and on any machine."""

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the part that "2/5" names. Raises InputError."""
        match = _FORM.fullmatch(text)
        part = cls(int(match[1]), int(match[2])) if match else None
        if part is None or part.number > part.count:
            raise InputError(f"--part {text!r} is not I/N with 1 <= I <= N, such as 2/5; give one of 1/N to N/N")
        return part

    def has(self, row_id: str) -> bool:
        """Return whether a row falls to this part."""
        return int(digest("part", row_id)[:15], 16) % self.count == self.number - 1

    def rows(self, rows: Dataset) -> Dataset:
        """Return the rows that fall to this part, in their order. Ready-made rows without ids go by their places."""
        if "id" not in rows.column_names:
            return rows.select(range(self.number - 1, len(rows), self.count))
        return rows.select([index for index, row_id in enumerate(ids(rows)) if self.has(row_id)])

    def journal(self, whole: Path) -> Path:
        """Return where the part's journal is, next to that of the whole run."""
        return whole.with_name(f"{whole.stem}.part-{self.number}-of-{self.count}{whole.suffix}")


@dataclass(frozen=True)
class PartOutcome:
    """What a part did. `journal`: its own, to be merged `into` that of the run; `all_rows`: those of all parts together
    where parts begin; `stages`: what came of this part's, stage by stage; `calls`, `programs`: this part's; `left`:
    stages that it leaves to the command without --part."""

    journal: Path
    into: Path
    all_rows: int
    stages: tuple[tuple[Stage, Counts], ...]
    calls: Answers
    programs: Answers
    left: tuple[Stage, ...]


def stages_of_a_part(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages that a part runs: all up to the first that compares rows, or that follows the last call.

    What duplicates what, or which attempt is chosen, can't be told from some of the rows.
    """
    end = next((place for place, stage in enumerate(stages) if stage.compares and not stage.origin), len(stages))
    while end and stages[end - 1].needs is None:
        end -= 1
    return tuple(stages[:end])


def run_part(
    part: Part,
    loaded: Dataset | FileStream,
    stages: Sequence[Stage],
    work: StageWork,
    announce: Callable[[Stage], object],
) -> tuple[int, list[tuple[Stage, Counts]]]:
    """Run stages on the part's rows; one that reads a source, on all of it. Return how many rows there are in all parts
    together, and what came of this part's."""
    outcomes: list[tuple[Stage, Counts]] = []
    rest = list(stages)
    # Not in the store, which may lie on a network and belong to many parts at once.
    with temporary_folder(Path(tempfile.gettempdir()) / "sca-hf-parts") as folder:

        def judged(stage: Stage, rows: Dataset | FileStream) -> Judged:
            announce(stage)
            scratch = folder / stage.name
            scratch.mkdir()
            return work.run(stage, rows, scratch).judged

        everything = judged(rest.pop(0), loaded).kept if rest[0].origin else loaded
        assert not isinstance(everything, FileStream)  # which only an origin reads
        rows = part.rows(everything)
        for stage in rest:
            if not len(rows):
                break
            result = judged(stage, rows)
            outcomes.append((stage, result.counts))
            rows = result.kept
    return len(everything), outcomes
