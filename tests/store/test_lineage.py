"""Lineages are typed, say the same as before, and are read whatever wrote them."""

import json
from pathlib import Path

import pytest

from sca_hf.errors import StoreError
from sca_hf.store.lineage import SCHEMA, Lineage

# The versions of a demo, written before lineages had a schema number.
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_an_old_lineage_is_written_as_it_was_but_for_the_schema_number(file: Path) -> None:
    old = file.read_text()
    text = Lineage.read(old).text()
    assert f'  "schema": {SCHEMA},\n' in text
    assert text.replace(f'  "schema": {SCHEMA},\n', "") == old
    assert Lineage.read(text) == Lineage.read(old)


def test_the_golden_files_are_a_line_of_versions() -> None:
    lines = {file.stem: Lineage.read(file.read_text()) for file in GOLDEN}
    assert [step.stage for step in lines["sft"].funnel] == [
        *("seeds", "concepts", "instructions", "responses", "execute", "select", "sft")
    ]
    for lineage in lines.values():
        for parent in lineage.parents:
            made_from = lines[parent.dataset.removeprefix("demo-")]
            assert (made_from.fingerprint, made_from.manifest_sha) == (parent.fingerprint, parent.manifest_sha)
            assert lineage.funnel[:-1] == made_from.funnel
    assert lines["sft"].models == (lines["concepts"].model,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, "upgrade sca_hf"),
        ({"counts": None}, "counts"),
        ({"counts": {"rows_in": 3, "judged": 3, "kept": 1, "rejected": {"too-long": 1}}}, "don't add up"),
        ({"parents": [{"dataset": "demo-seeds"}]}, "parents.0.fingerprint"),
    ],
)
def test_a_lineage_that_cant_be_understood_says_why(change: dict[str, object], message: str) -> None:
    content = json.loads(GOLDEN[0].read_text()) | change
    with pytest.raises(StoreError) as caught:
        Lineage.read(json.dumps(content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_what_is_no_lineage_is_an_error(text: str) -> None:
    with pytest.raises(StoreError, match=r"lineage\.json can't be read"):
        Lineage.read(text)
