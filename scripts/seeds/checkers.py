"""The type checkers on the same functions: verdicts, speed, memory, and the checker's own time."""

from functools import partial

from seeds.corpus import functions
from seeds.tree import Tree, timed

from sca_hf.corpus.languages.python.types import Checker, TypeCheckSettings, type_errors

_CHECKERS: tuple[Checker, ...] = ("ty", "pyrefly", "pyright")


def measure_types(count: int = 3000) -> None:
    """One line a checker; that two agree is that both reject a function or neither does."""
    rows = functions(count)
    rejected: dict[Checker, list[bool]] = {}
    seconds: dict[Checker, float] = {}
    for checker in _CHECKERS:
        settings = TypeCheckSettings(checker=checker)
        type_errors([["x = 1"]], settings)  # the trial lines
        with Tree() as tree:
            verdicts, seconds[checker] = timed(partial(type_errors, [rows], settings))
        rejected[checker] = [verdict is not None for verdict in verdicts]
        agreed = {other: _share_of_same(rejected[checker], rejected[other]) for other in rejected}
        print(
            f"types: {settings.intent()['checker']}: {len(rows) / seconds[checker]:,.0f} functions/s "
            f"({tree.cpu_seconds:.1f} s of CPU), {tree.peak_mib:.0f} MiB, rejects {sum(rejected[checker])}, "
            "agrees with " + ", ".join(f"{other} {share:.1%}" for other, share in agreed.items()),
            flush=True,
        )
    print(f"types: ty is {seconds['pyright'] / seconds['ty']:.1f} x Pyright in batches of 250, {len(rows)} functions")


def _share_of_same(one: list[bool], other: list[bool]) -> float:
    return sum(first == second for first, second in zip(one, other, strict=True)) / len(one)
