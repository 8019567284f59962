"""Measures the CPU steps of `seeds` against peers and against their promises (issue 5), one command each:

    python scripts/bench_seeds.py types [FUNCTIONS]           ty, pyrefly and Pyright: verdicts, speed, memory
    python scripts/bench_seeds.py near [FUNCTIONS]            near-duplicates: exact recall, and datasketch's speed
    python scripts/bench_seeds.py extract [FILES]             extraction, tree-sitter as the reference, Python's parser
    python scripts/bench_seeds.py agree                       extraction against `ast`, and tree-sitter in broken files
    python scripts/bench_seeds.py decontaminate [FUNCTIONS]   against a plain loop of `in`, on the same rows
    python scripts/bench_seeds.py planted NAME=FILE ...       changed texts of benchmarks, and the standard library
    python scripts/bench_seeds.py scale [FUNCTIONS ...]       all steps: time, memory, disk; 100,000 against 1,000,000

All on functions of the standard library and of installed packages. The peers: `pip install datasketch scipy pyrefly`,
and `npm install pyright` with its folder `.bin` on the PATH. Figures are of this machine, at this moment: compare those
of one run only.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", help="one of the commands above")
    parser.add_argument("given", nargs="*", help="how many; for `planted` files of benchmarks")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where temporary files go")
    arguments = parser.parse_args()
    counts = [int(each) for each in arguments.given if each.isdecimal()]
    if not arguments.what.startswith("scale-"):  # those are steps of `scale`
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    if arguments.what == "types":
        from seeds.checkers import measure_types

        measure_types(*counts[:1])
    elif arguments.what == "near":
        from seeds.near import measure_near

        measure_near(*counts[:1])
    elif arguments.what == "extract":
        from seeds.extraction import measure_extraction

        measure_extraction(*counts[:1])
    elif arguments.what == "agree":
        from seeds.agreement import measure_agreement

        measure_agreement()
    elif arguments.what == "decontaminate":
        from seeds.contaminated import measure_decontamination

        measure_decontamination(*counts[:1])
    elif arguments.what == "planted":
        from seeds.contaminated import measure_planted

        measure_planted(dict(each.split("=", 1) for each in arguments.given))
    elif arguments.what == "scale":
        from seeds.scale import measure_scale

        measure_scale(counts or [100_000, 1_000_000], arguments.scratch)
    elif arguments.what == "scale-corpus":
        from seeds.scale import write_corpus

        write_corpus(counts[0], Path(arguments.given[1]))
    elif arguments.what == "scale-of":
        from seeds.scale import measure_scale_of

        measure_scale_of(counts[0], Path(arguments.given[1]), arguments.scratch)
    else:
        parser.error(f"no such command: {arguments.what}")


if __name__ == "__main__":
    main()
