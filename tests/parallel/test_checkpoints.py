"""Finished parts: made once, made again when only a piece of one is left, and gone when they are forgotten."""

from pathlib import Path

from sca_hf.parallel.checkpoints import Checkpoints


def test_a_part_is_made_once_for_its_scope_and_key(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str) -> list[str]:
        made.append(name)
        return [name]

    for _ in range(2):
        finished = Checkpoints(tmp_path / "parts", "stage", "settings")
        assert finished.part(["a"], lambda: make("a")) == ["a"]
        assert finished.part(["b"], lambda: make("b")) == ["b"]
    assert Checkpoints(tmp_path / "parts", "stage", "others").part(["a"], lambda: make("c")) == ["c"]
    assert made == ["a", "b", "c"]
    finished.forget()
    assert not (tmp_path / "parts").exists()
    assert Checkpoints(None, "stage").part(["a"], lambda: make("d")) == ["d"]


def test_a_part_of_which_a_piece_is_left_is_made_again(tmp_path: Path) -> None:
    finished = Checkpoints(tmp_path, "stage")
    finished.part(["a"], lambda: ["a", "long", "part"])
    (kept,) = tmp_path.iterdir()
    for piece in (b"", kept.read_bytes()[:8]):
        kept.write_bytes(piece)
        assert finished.part(["a"], lambda: ["again"]) == ["again"]
        assert finished.part(["a"], lambda: ["never"]) == ["again"]
