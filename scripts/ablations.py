"""The paper's choices against their alternatives, at any scale: one table, the paper's figures beside ours.

    make ablations                       the bundled model and held-out tasks, an hour or so on two cores
    .venv/bin/python scripts/ablations.py --base Qwen/CodeQwen1.5-7B --recipe selfcodealign-fast \\
        --benchmark humaneval+ --seeds 1 --other org/another-model       as in the paper, on GPUs

Responses: all, a random subset, failures only, passes only. Seeds: with the paper's rules, or with none ("random
seeds"). With and without `mutants`, where the recipe has them. Own data, or another model's (by default, for the demo,
right answers to tasks of its grammar). All sets but "all responses" are of one size. Killed, it goes on where it was.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and run the ablations."""
    from self_alignment.ablations import ablate
    from self_alignment.arguments import add_model, command_line, experiment_of

    parser = command_line(__doc__, "build/ablations")
    add_model(parser)
    parser.add_argument("--recipe", metavar="NAME|FILE", help="needs --base")
    parser.add_argument("--other", metavar="ID|FOLDER", help="the model whose data are another's; needed with --base")
    given = parser.parse_args()
    if len({given.base is None, given.recipe is None, given.benchmark is None, given.other is None}) > 1:
        parser.error("give --base, --recipe, --benchmark and --other together, or none of them for the demo")
    experiment = experiment_of(given)
    if given.recipe is not None:
        experiment = replace(experiment, recipe=given.recipe)
    print(ablate(experiment, given.other))


if __name__ == "__main__":
    main()
