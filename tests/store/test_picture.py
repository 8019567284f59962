"""The picture of a card: numbers of any size fit, and that of executed programs says how many passed."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from matplotlib.image import imread
from numpy.typing import NDArray

from sca_hf.stage import REJECT_REASON, split
from sca_hf.stages import execute
from sca_hf.store import Build, Store
from sca_hf.store.cards.funnel import draw_funnel
from sca_hf.store.lineage import Making, Step

_KEPT, _REJECTED = (0x2A, 0x6F, 0x6B), (0xD0, 0x74, 0x3C)


def pixels(picture: bytes) -> NDArray[np.int64]:
    """Height x width x red, green and blue, 0 to 255."""
    image: NDArray[np.int64] = np.rint(imread(BytesIO(picture))[:, :, :3] * 255).astype(np.int64)
    return image


def step(stage: str, judged: int, rejected: dict[str, int]) -> Step:
    return Step(stage=stage, rows_in=judged, judged=judged, kept=judged - sum(rejected.values()), rejected=rejected)


@pytest.mark.parametrize("rows", [12, 12_000_000, 1_200_000_000])
def test_numbers_fit(rows: int) -> None:
    funnel = [
        step("seeds", 2 * rows, {"no-return-value": rows}),
        step(
            "a-stage-with-a-name-of-its-own",
            2 * rows,
            {f"a-reason-with-a-long-name-{n}": rows // 12 for n in range(12)},
        ),
    ]
    image = pixels(draw_funnel("an-organization-selfcodealign", funnel, {"passed": rows // 2, "failed": rows}))
    assert image.shape[1] == 1_600
    for edge in (image[:, :20], image[:, -20:], image[:20], image[-20:]):
        assert (edge == 255).all()


def executed(folder: Path, passed: int) -> NDArray[np.int64]:
    """The picture of a version of 8 executed programs."""
    features = execute.STAGE.features({})
    empty: dict[str, object] = dict.fromkeys(features)
    rows = [
        empty | {"id": f"row {n}", "status": "passed" if n < passed else "failed", "flags": [], REJECT_REASON: None}
        for n in range(8)
    ]
    judged = split(execute.STAGE, len(rows), Dataset.from_list(rows, features=features))
    build = Build(execute.STAGE, execute.STAGE.adds, judged, Making(stage="execute"), {"seconds": 0.0})
    return pixels((Store(folder).write("demo-execute", "f0", build).path / "funnel.png").read_bytes())


def test_the_picture_of_executed_programs_shows_passes(tmp_path: Path) -> None:
    def count(image: NDArray[np.int64], color: tuple[int, int, int]) -> int:
        return int((image == color).all(axis=2).sum())

    few, many = executed(tmp_path / "few", 2), executed(tmp_path / "many", 6)
    bar = count(executed(tmp_path / "none", 0), _REJECTED)
    assert count(few, _REJECTED) == pytest.approx(bar, rel=0.02), "the longest bar fills the width"
    assert count(many, _REJECTED) == pytest.approx(bar / 3, rel=0.02), "2 failed for 6 that passed"
    assert count(many, _KEPT) > count(few, _KEPT)
