"""Close the loop on the bundled model: it writes data, is tuned on them, and is asked what neither had in them.

    make loop
    .venv/bin/python scripts/loop.py --out build/loop --seeds 3

For each seed the demo recipe runs as a whole; then the model is tuned on as many passing, random and failing responses,
and every model answers the same held-out tasks, of families (operations and result) that no row to train on is from,
with names that are in none. Prints pass@1 with 95 % intervals over tasks, and paired differences from the base model.
Killed, it goes on where it was.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and run the loop."""
    from self_alignment.arguments import command_line, experiment_of
    from self_alignment.loop import close_loop

    given = command_line(__doc__, "build/loop").parse_args()
    print(close_loop(experiment_of(given)))


if __name__ == "__main__":
    main()
