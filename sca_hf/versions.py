"""The command for dataset versions: what is there, what it came from, how two differ, push, pull, verify, remove.

And for the card of a model that was tuned on one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sca_hf.console.arguments import positive
from sca_hf.console.start import start
from sca_hf.errors import StoreError

if TYPE_CHECKING:
    from sca_hf.console.versions import VersionsConsole
    from sca_hf.store import Store, Version
    from sca_hf.store.lineage import Lineage

EXAMPLES = """\
examples:
  python -m sca_hf.versions list
  python -m sca_hf.versions show demo-sft
  python -m sca_hf.versions show store/demo-sft/0123456789abcdef          # the path that a run printed
  python -m sca_hf.versions rows demo-select --rejected execution-failed -n 3 --prompt
  python -m sca_hf.versions diff demo-sft/0123456789abcdef demo-sft/fedcba9876543210
  python -m sca_hf.versions verify                        # all of the store
  python -m sca_hf.versions push demo-sft --hub my-org/demo
  python -m sca_hf.versions pull my-org/demo-sft@v-0123456789abcdef
  python -m sca_hf.versions rm demo-sft/0123456789abcdef                  # --with-children: and what was made from it
  python -m sca_hf.versions gc --dry-run                  # what is in the journal and led to no version
  python -m sca_hf.versions card --model my-model --data my-org/demo-sft@v-0123456789abcdef --license apache-2.0

A version is DATASET/FINGERPRINT (a unique prefix is enough), or DATASET for its latest one, or its path in a store.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(
        prog="python -m sca_hf.versions",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--store", type=Path, metavar="DIR", help="folder of versions (that of a version's path, or ./store)"
    )
    hub = argparse.ArgumentParser(add_help=False)
    hub.add_argument("--hub", required=True, metavar="NS/NAME", help="publish to NS/NAME-<stage>")
    visibility = hub.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", help="new repositories are private (the default)")
    visibility.add_argument("--public", action="store_true", help="new repositories are public")
    commands = command.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = commands.add_parser(
        "list", parents=[store], help="all versions, the oldest first, with rows, size and date"
    )
    listing.add_argument("dataset", nargs="?", help="of this dataset only")
    listing.add_argument("--pilots", action="store_true", help="and those that were made by --dry-run --pilot alone")
    show = commands.add_parser("show", parents=[store], help="what a version is and what it came from")
    show.add_argument("version", metavar="VERSION")
    rows = commands.add_parser(
        "rows", parents=[store], help="some rows, and the calls of the model that they came from"
    )
    rows.add_argument("version", metavar="VERSION")
    rows.add_argument("--rejected", metavar="REASON", help="rows rejected for this reason, in place of kept ones")
    rows.add_argument("-n", type=positive, default=3, metavar="N", dest="count", help="at most N rows (3)")
    rows.add_argument("--prompt", action="store_true", help="prompts too, as they were sent")
    rows.add_argument(
        "--prompts", metavar="FILE", help="the exemplars of the run, where its recipe names a file of your own"
    )
    diff = commands.add_parser("diff", parents=[store], help="settings, counts and rows that differ")
    diff.add_argument("old", metavar="VERSION")
    diff.add_argument("new", metavar="VERSION")
    verify = commands.add_parser("verify", parents=[store], help="check bytes and lineage, back to the source")
    verify.add_argument("version", nargs="*", metavar="VERSION", help="all of the store by default")
    push = commands.add_parser("push", parents=[store, hub], help="publish versions")
    push.add_argument("version", nargs="+", metavar="VERSION")
    push.add_argument("--parents", action="store_true", help="and all that they were made from")
    pull = commands.add_parser("pull", parents=[store], help="bring a version from the Hub into the store")
    pull.add_argument("version", metavar="REPO[@REVISION]")
    pull.add_argument("--name", metavar="DATASET", help="its dataset in the store; by default the repository's name")
    remove = commands.add_parser("rm", parents=[store], help="remove versions that no other was made from")
    remove.add_argument("version", nargs="+", metavar="VERSION")
    remove.add_argument("--with-children", action="store_true", help="and all that was made from them")
    gc = commands.add_parser(
        "gc",
        parents=[store],
        help="remove completions and verdicts from the journal that led to no version; a run that was interrupted asks "
        "for its own again then",
    )
    gc.add_argument("--dry-run", action="store_true", help="count them, remove nothing")
    gc.add_argument("--journal", type=Path, metavar="FILE", help="where the recipe's run.journal is (the store's)")
    card = commands.add_parser(
        "card", parents=[store], help="write the README.md of a model that was tuned on a version"
    )
    card.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="as the trainer saved it")
    card.add_argument("--data", required=True, metavar="VERSION|REPO@REVISION", help="what it was tuned on")
    card.add_argument(
        "--base", default="", metavar="MODEL[@REVISION]", help="what was tuned; default: who wrote the data"
    )
    card.add_argument("--license", metavar="ID", help="of the base model")
    card.add_argument("--training", metavar="FILE", help="settings of the training, YAML or JSON")
    card.add_argument("--results", metavar="FILE", help="scores, JSON: a list of huggingface_hub's EvalResult")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    options = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _act(options))


def _act(options: argparse.Namespace) -> None:
    from sca_hf.console.versions import VersionsConsole
    from sca_hf.pipeline.unused import unused_calls
    from sca_hf.store import Store, history
    from sca_hf.store.cards.model import model_card, read_tuned, write_model_card
    from sca_hf.store.hub.hub import Hub

    # A card can be made from a version on the Hub alone.
    from_hub = options.command == "pull" or (options.command == "card" and "@" in options.data)
    root = options.store or _store_of(options)
    if not from_hub and not root.is_dir():
        raise StoreError(f"there is no store {root}; give the folder of one with --store")
    console, store = VersionsConsole(), Store(root)
    match options.command:
        case "list":
            listed = history.listed(store, options.dataset)
            shown = [each for each in listed if options.pilots or not each.is_pilot]
            console.versions(shown, history.latest_paths(store), len(listed) - len(shown))
        case "show":
            version = history.named(store, options.version)
            console.show(version, history.ancestors(store, version))
        case "rows":
            _rows(store, options)
        case "diff":
            console.difference(history.difference(history.named(store, options.old), history.named(store, options.new)))
        case "verify":
            _verify(console, store, options.version)
        case "push":
            hub = Hub(options.hub, private=not options.public)
            named = [history.named(store, name) for name in options.version]
            for version in history.with_parents(store, named) if options.parents else named:
                console.pushed(version, hub.push(version))
        case "pull":
            repo, _, revision = options.version.partition("@")
            hub = Hub.behind(repo)
            console.pulled(hub.pull(hub.at(repo, revision or "main"), store, options.name or repo.rpartition("/")[2]))
        case "rm":
            named = [history.named(store, name) for name in options.version]
            for version in history.with_children(store, named) if options.with_children else named:
                store.remove(version)
                console.removed(version)
        case "gc":
            journal = options.journal or store.root / "journal.sqlite"
            console.unused(unused_calls(store, journal, remove=not options.dry_run), removed=not options.dry_run)
        case "card":
            lineage, data = _tuned_on(store, options.data)
            tuned = read_tuned(options.model, options.base, options.license, options.training, options.results)
            text = model_card(options.model.resolve().name, lineage, tuned, data)
            console.written(write_model_card(options.model, text))


def _verify(console: "VersionsConsole", store: "Store", names: Sequence[str]) -> None:
    """Check all that can be: a version that can't be read costs its own line, and an error at the end."""
    from sca_hf.store import history

    if names:
        versions: list[Version | StoreError] = [history.named(store, name) for name in names]
    else:
        versions = [each.version for each in history.listed(store)]
    wrong: list[StoreError] = []
    for version in versions:
        try:
            if isinstance(version, StoreError):
                raise version
            console.verified(version, history.verify(store, version))
        except StoreError as error:
            wrong.append(error)
    if wrong:
        raise StoreError("\n".join(map(str, wrong)))


def _rows(store: "Store", options: argparse.Namespace) -> None:
    from sca_hf.console.rows import RowsConsole
    from sca_hf.reporting.calls import Calls
    from sca_hf.reporting.runs import journal_in, run_named
    from sca_hf.reporting.samples import samples

    run = run_named(store, options.version)
    counts = run.last.version.counts
    total = counts.rejected.get(options.rejected, 0) if options.rejected else counts.kept
    with Calls(run, journal_in(store.root), options.prompts) as calls:
        shown = samples(run, calls, options.rejected, options.count)
        RowsConsole(options.prompt).rows(run.last.name, total, shown)


def _store_of(options: argparse.Namespace) -> Path:
    """The store that a version named by its path is in; else ./store."""
    names = getattr(options, "version", None) or getattr(options, "old", None) or getattr(options, "data", None) or ""
    first = Path(names if isinstance(names, str) else names[0])
    return first.parents[1] if len(first.parts) > 2 and first.is_dir() else Path("store")


def _tuned_on(store: "Store", name: str) -> "tuple[Lineage, str | None]":
    """Return the lineage of a version in the store or on the Hub, and where it is on the Hub."""
    from sca_hf.store import history
    from sca_hf.store.hub.hub import Hub

    repo, _, revision = name.partition("@")
    if not revision:
        return history.named(store, name).lineage, None
    remote = Hub.behind(repo).at(repo, revision)
    return remote.lineage, f"{repo}@{remote.revision}"


if __name__ == "__main__":
    start()
    sys.exit(main())
