"""The folder of a training: what it is, how far it is, and whether it may go on.

<out>/training.json     what was asked for, what came of it, whether it is finished
<out>/checkpoints/      checkpoint-<step>/ while it runs
<out>/                  the model, once it is finished: weights, tokenizer, card, loss.png, trainer_state.json
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sca_hf.errors import InputError, StoreError
from sca_hf.store.disk import store_errors

STATE = "training.json"
TRAINER_STATE = "trainer_state.json"


@dataclass(frozen=True)
class TrainingFolder:
    """`path`: of the model that is to be. `intent`: what was asked for, JSON-able: another one is another training."""

    path: Path
    intent: Mapping[str, Any]

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are while it runs."""
        return self.path / "checkpoints"

    def open(self) -> bool:
        """Make the folder, or check that it is of this training; whether that is finished.

        Raises InputError if it holds something else, StoreError if it can't be written.
        """
        with store_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            held = self._read()
            if held is None:
                if any(self.path.iterdir()):
                    raise InputError(f"--out {self.path} holds something else; give a new or an empty folder")
                self._write({"intent": self.intent, "finished": False})
                return False
        if held["intent"] != json.loads(json.dumps(self.intent)):
            changed = ", ".join(_differences(held["intent"], json.loads(json.dumps(self.intent))))
            raise InputError(f"--out {self.path} is of another training ({changed}); give another folder")
        return bool(held["finished"])

    def last_checkpoint(self) -> Path | None:
        """The newest complete checkpoint, None if there is none. One that a kill left half-written is passed over."""
        numbered = sorted(
            (int(path.name.rpartition("-")[2]), path) for path in self.checkpoints.glob("checkpoint-[0-9]*")
        )
        return next((path for _, path in reversed(numbered) if _is_complete(path)), None)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Note what came of it, by name, for the card."""
        self._write({"intent": self.intent, "facts": facts, "finished": False})

    def finish(self) -> None:
        """Note that all of the model is there, and remove the checkpoints."""
        held = self._read()
        assert held is not None, "an opened folder"
        with store_errors(self.path):
            self._write({**held, "finished": True})
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _read(self) -> dict[str, Any] | None:
        path = self.path / STATE
        if not path.is_file():
            return None
        try:
            held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{path} can't be read ({error}); remove the folder, or give another --out") from error
        return held

    def _write(self, content: Mapping[str, Any]) -> None:
        partial = self.path / f".{STATE}"
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(self.path / STATE)


def _is_complete(checkpoint: Path) -> bool:
    # The trainer writes its state last.
    try:
        json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The names whose values differ, with both."""
    found = []
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name} {before} there, {after} now")
    return found
