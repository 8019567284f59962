"""The main command: runs a recipe's stages and prints what came of them."""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sca_hf.console.arguments import positive
from sca_hf.console.start import start
from sca_hf.errors import InputError

if TYPE_CHECKING:
    from sca_hf.stages.progress import Progress

EXAMPLES = """\
examples:
  python -m sca_hf.run --recipe demo
      offline on the bundled model, in a few minutes on two cores
  python -m sca_hf.run --recipe demo --set responses.samples=8 --set run.jails=4
      change settings; only the stages that they touch run again
  python -m sca_hf.run --settings responses
      what can be set there
  python -m sca_hf.run --recipe selfcodealign --model Qwen/CodeQwen1.5-7B --set seeds.source=functions.parquet
      a base model from the Hub, your own code as seeds
  python -m sca_hf.run --recipe selfcodealign --limit 100 --to responses
      the first stages, for 100 seeds
  python -m sca_hf.run --recipe selfcodealign --dry-run
      what is there already, what would run, how many calls
  python -m sca_hf.run --recipe selfcodealign --dry-run --pilot 100
      run 100 rows, and predict calls, tokens, rows and hours of the whole; what is made is not made again
      (--anew makes the calls of a pilot that the journal has already, to measure them)
  python -m sca_hf.run --recipe demo --from select --set select.once_per_names=true
      go on from the latest versions in the store
  python -m sca_hf.run --recipe demo --hub my-org/demo
      publish every stage; stages that are there already are pulled, not computed
  python -m sca_hf.run --recipe demo --from select --hub my-org/demo@v-0123456789abcdef
      go on from a version on the Hub
  python -m sca_hf.run --recipe demo --input bigcode/self-oss-instruct-sc2-exec-filter-50k
      ready-made rows; their columns tell the stage that reads them, unless --from does
  python -m sca_hf.run --recipe demo --part 1/3
      the calls of a third of the rows, on any machine; see python -m sca_hf.journal --help

A run that was killed goes on where it was: start it again.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    from sca_hf.recipe import recipe_names
    from sca_hf.stages import BUNDLED

    command = argparse.ArgumentParser(
        prog="python -m sca_hf.run",
        description="Let a base code model write its own instruction data, checked by execution.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--recipe", metavar="NAME|FILE.yaml", help=f"bundled: {', '.join(recipe_names())}; or a file; always needed"
    )
    command.add_argument("--model", metavar="ID|FOLDER", help="base model: Hub id (id@revision), a folder, or 'demo'")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help="change a setting; repeatable"
    )
    command.add_argument(
        "--store", type=Path, default=Path("store"), metavar="DIR", help="folder of versions (./store)"
    )
    command.add_argument(
        "--shard-mb",
        type=positive,
        default=500,
        metavar="MB",
        help="size at which a Parquet file ends (500); another size is another build of the same rows",
    )
    command.add_argument("--limit", type=positive, metavar="N", help="at most N seeds, or N rows of the --from stage")
    command.add_argument("--from", dest="first", metavar="STAGE", help=f"first stage: {', '.join(BUNDLED)}, or another")
    command.add_argument("--to", dest="last", metavar="STAGE", help="last stage")
    command.add_argument(
        "--input", metavar="PATH|REPO[@REVISION]", help="rows of your own: a folder, a file, a Hub dataset"
    )
    command.add_argument(
        "--hub", metavar="NS/NAME[@REVISION]", help="publish to NS/NAME-<stage>; with --from, @REVISION to start from"
    )
    visibility = command.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", help="new repositories are private (the default)")
    visibility.add_argument("--public", action="store_true", help="new repositories are public")
    command.add_argument(
        "--settings",
        nargs="?",
        const="",
        metavar="SECTION",
        help="list all settings, or a section's, with type, default and meaning; with --recipe those of its stages",
    )
    command.add_argument(
        "--part", metavar="I/N", help="make the calls of part I of N into a journal of its own; writes no version"
    )
    command.add_argument("--dry-run", action="store_true", help="print the plan, run nothing")
    command.add_argument(
        "--pilot", type=positive, metavar="N", help="with --dry-run: run N rows, and predict what the whole would take"
    )
    command.add_argument(
        "--anew", action="store_true", help="with --pilot: make calls again that are in the journal; keeps nothing"
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    command = parser()
    options = command.parse_args(arguments)
    if options.recipe is None and options.settings is None:
        command.error("--recipe NAME is needed (or --settings)")
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _run(options, sys.argv[1:] if arguments is None else arguments))


def _run(options: argparse.Namespace, arguments: list[str]) -> None:
    from sca_hf.console.commands import rows_command
    from sca_hf.console.progress import shown
    from sca_hf.console.run import Console
    from sca_hf.console.settings import page, settings
    from sca_hf.pipeline.forecast import forecast, scaled
    from sca_hf.pipeline.outcome import NoRowsLeft
    from sca_hf.pipeline.part import Part
    from sca_hf.pipeline.pipeline import Pipeline
    from sca_hf.recipe import complete_recipe, load_recipe
    from sca_hf.store import Store
    from sca_hf.store.hub.hub import Hub

    console = Console()
    if options.settings is not None:
        kind = type(load_recipe(options.recipe, options.changes)) if options.recipe else complete_recipe()
        print(page(settings(kind, options.settings)))
        return
    changes = [*options.changes, *([f"model={options.model}"] if options.model else [])]
    recipe = load_recipe(options.recipe, changes)
    name, _, revision = (options.hub or "").partition("@")
    if revision and (options.first in {None, recipe.chain[0].name} or options.input):
        raise InputError(f"--hub {options.hub}: @{revision} goes with --from STAGE alone, and is what it starts from")
    if options.pilot and not options.dry_run:
        raise InputError(f"--pilot {options.pilot} goes with --dry-run; to make that many rows for good: --limit")
    if options.anew and not options.pilot:
        raise InputError("--anew goes with --pilot N")
    if options.pilot and revision:
        raise InputError(f"--pilot {options.pilot} and --hub {options.hub}: run the pilot without @{revision}")
    part = Part.read(options.part) if options.part else None
    if part and options.dry_run:
        raise InputError(f"--part {options.part} and --dry-run: give --dry-run alone, or --part alone")
    hub = Hub(name, private=not options.public) if options.hub is not None else None
    store = Store(options.store, options.shard_mb * 1_000_000)
    pipeline_of = partial(
        Pipeline,
        recipe,
        store,
        first=options.first,
        last=options.last,
        hub=hub,
        revision=revision or None,
        rows=options.input,
    )
    pipeline = pipeline_of(limit=options.limit)
    for note in pipeline.notes:
        print(note, file=sys.stderr)

    def watch(stage: str, progress: "Progress") -> AbstractContextManager[None]:
        needs_engine = recipe.chain[recipe.place(stage)].needs == "engine"
        dataset = f"{recipe.name}-{stage}"
        return shown(
            stage,
            progress,
            lambda reason: rows_command(dataset, reason, options.store, prompt=needs_engine),
        )

    try:
        if part:
            console.part(part, pipeline.run_part(part, console.stage, watch))
            return
        if not options.dry_run:
            console.outcomes(pipeline.run(console.stage, watch), arguments, recipe.chain[-1].name)
            return
        planned = pipeline.plan()
        console.plan(planned, recipe.engine)
        if options.pilot:
            with store.apart() if options.anew else nullcontext() as apart:
                pilot = pipeline_of(limit=options.pilot, hub=None, pilot=True, apart=apart)
                outcomes = pilot.run(console.stage, watch)
                forecasts = forecast(recipe, outcomes, planned, options.limit)
                console.forecast(forecasts, scaled(recipe, forecasts, planned, (1, 8, 64)))
    except NoRowsLeft as error:
        if options.anew:
            raise InputError(f"{error.reasons}; nothing of it was kept: run the pilot without --anew") from error
        console.no_rows_left(error.outcomes)
        raise


if __name__ == "__main__":
    start()
    sys.exit(main())
