"""Measures what the generation stages promise (issue 6), one figure a command:

    python scripts/bench_generation.py overhead [ROWS ...]   CPU a row and memory, with an engine that answers at once
    python scripts/bench_generation.py loops                 continuous against chunk-and-wait, on a model of a GPU
    python scripts/bench_generation.py overlap               generation and execution at once, on an engine that waits
    python scripts/bench_generation.py throughput            a stage against LLM.generate and chunk-and-wait, real vLLM
    python scripts/bench_generation.py decks                 64 decks against exemplars drawn per row, real vLLM
    python scripts/bench_generation.py until                 samples until a pass against all samples, real vLLM
    python scripts/bench_generation.py second-call [ROWS]    CPU of the call for the tests, with an instant engine
    python scripts/bench_generation.py parts [ROWS RUNS]     two calls an answer against LLM.generate, prefix hits
    python scripts/bench_generation.py loads                 generation and execution at once, real vLLM and real jails
    python scripts/bench_generation.py kills                 20 kills at random moments, real vLLM and real jails

The last six take `--model ID|FOLDER` (default: the bundled model) and run on any machine that vLLM runs on. Figures
that it printed: bench_generation.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", help="one of the commands above")
    parser.add_argument("rows", nargs="*", type=int, help="how many: rows (throughput: and runs), decks, seeds, kills")
    parser.add_argument("--model", default="demo", metavar="ID|FOLDER")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where temporary files go")
    given = parser.parse_args()
    if given.what == "overhead":
        from generation.overhead import measure

        measure(given.rows or [100_000, 1_000_000], given.scratch)
    elif given.what == "overhead-of":
        from generation.overhead import measure_one

        measure_one(given.rows[0], given.scratch)
    elif given.what == "loops":
        from generation.loops import measure_loops

        measure_loops(given.scratch)
    elif given.what == "overlap":
        from generation.loops import measure_overlap

        measure_overlap(given.scratch)
    elif given.what == "throughput":
        from generation.throughput import measure_throughput

        measure_throughput(given.model, [*given.rows, 2_000][0], given.scratch, *given.rows[1:2])
    elif given.what == "decks":
        from generation.throughput import measure_decks

        measure_decks(given.model, given.rows[0] if given.rows else 64, given.scratch)
    elif given.what == "until":
        from generation.runs import measure_until

        measure_until(given.model, given.rows[0] if given.rows else 320)
    elif given.what == "second-call":
        from generation.parts import measure_second_call

        measure_second_call([*given.rows, 20_000][0], given.scratch)
    elif given.what == "parts":
        from generation.parts import measure_parts

        measure_parts(given.model, [*given.rows, 200][0], given.scratch, *given.rows[1:2])
    elif given.what == "loads":
        from generation.runs import measure_loads

        measure_loads(given.model, [*given.rows, 320][0], given.scratch)
    elif given.what == "kills":
        from generation.kills import measure_kills

        measure_kills(given.model, [*given.rows, 20][0], [*given.rows[1:], 320][0], given.scratch)
    else:
        parser.error(f"no such command: {given.what}")


if __name__ == "__main__":
    main()
