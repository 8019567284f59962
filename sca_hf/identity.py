"""Row ids, random choices and fingerprints: all of them derived from what made the row, none from when or where.

So the same inputs give the same bytes for any batch size, order, number of workers or restart.
"""

import hashlib
import json
import random
from pathlib import Path

RUN_SEED = 3407
"""The run's seed where none is given: the paper's."""


def digest(*parts: str | int) -> str:
    """SHA-256, hex, of the parts; each part is length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
    sha = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode("utf-8", "surrogatepass")
        sha.update(f"{len(encoded)}:".encode())
        sha.update(encoded)
    return sha.hexdigest()


def row_id(*parts: str | int) -> str:
    """The id of a row, 20 hex digits: of a seed from its content, else from parent id, stage and sample index."""
    return digest(*parts)[:20]


def row_seed(run_seed: int, stage: str, parent_id: str, sample: int = 0) -> int:
    """Return the sampling seed that an engine gets for one sample: 0 <= seed < 2**31."""
    return int(digest(run_seed, stage, parent_id, sample)[:8], 16) >> 1


def row_random(run_seed: int, purpose: str, parent_id: str, sample: int = 0) -> random.Random:
    """Return a generator of its own for one row and one purpose (exemplars, properties, choice among passes)."""
    return random.Random(digest(run_seed, purpose, parent_id, sample))


def fingerprint(intent: object) -> str:
    """16 hex digits of a JSON-able intent. Equal intents give equal fingerprints, whatever the order of keys."""
    text = json.dumps(intent, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return digest(text)[:16]


def published_name(name_or_path: str) -> str:
    """Return a name or Hub id as it is; of a path that exists here, its last part."""
    return Path(name_or_path).resolve().name if Path(name_or_path).exists() else name_or_path
