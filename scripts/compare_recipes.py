"""Ways to make data against each other, at any scale: one table, the paper's figures beside ours.

    .venv/bin/python scripts/compare_recipes.py            the bundled model, recipes that it can do, held-out tasks
    .venv/bin/python scripts/compare_recipes.py --base Qwen/CodeQwen1.5-7B --benchmark humaneval+ --seeds 1 \\
        --recipes selfcodealign-fast oss-instruct evol-instruct distill      as in the paper, on GPUs

Each recipe makes data with the base model, which is then tuned on each set, and all are evaluated alike. Sets are of
one size (--budget rows), or what as many tokens bought of each, read and written, as the cheapest run took (--budget
tokens). Killed, it goes on where it was.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and compare."""
    from self_alignment.arguments import add_model, command_line, experiment_of
    from self_alignment.recipes import DEMO_WAYS, Way, compare

    parser = command_line(__doc__, "build/recipes")
    add_model(parser)
    parser.add_argument("--budget", choices=["tokens", "rows"], default="tokens", help="what is equal (tokens)")
    parser.add_argument("--recipes", nargs="+", metavar="NAME|FILE", help="needs --base")
    given = parser.parse_args()
    if len({given.base is None, given.recipes is None, given.benchmark is None}) > 1:
        parser.error("give --base, --recipes and --benchmark together, or none of them for the demo")
    ways: tuple[Way, ...] = DEMO_WAYS
    if given.recipes is not None:
        ways = tuple(Way(Path(recipe).stem, recipe) for recipe in given.recipes)
    print(compare(experiment_of(given), ways, given.budget))


if __name__ == "__main__":
    main()
