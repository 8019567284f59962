"""What HumanEval and MBPP have in common: a function, and assertions on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import Runner
from sca_hf.benchmarks.one_process import held, names_in, refusal, run_together
from sca_hf.benchmarks.replay import NotReplayable, Replays, Tested
from sca_hf.sandbox import Limits


@dataclass(frozen=True)
class AssertedTask:
    """`tested`: its reference, entry and tests. `alone`: whether the tests compare results of the entry alone."""

    id: str
    prompt: str
    tested: Tested
    alone: bool = True

    @property
    def entry(self) -> str:
        """The function asked for."""
        return self.tested.entry


class AssertedGrader:
    """Passes an answer where its tests raise nothing: by replay where the tests allow it, else in one process."""

    defective: Mapping[str, str] = MappingProxyType({})

    def __init__(self, tasks: Mapping[str, AssertedTask], seconds: float, limits: Limits) -> None:
        self.tasks = tasks
        self.limits = limits
        self._replays = Replays(seconds)
        self.together: dict[str, str] = {}
        """Tasks whose answers ran in one process with the tests, and why."""

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    def program(self, answer: Answer) -> str:
        """The solution, or the prompt with the completion behind it."""
        if answer.solution is not None:
            return answer.solution
        return self.tasks[answer.task].prompt + (answer.completion or "")

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Pass where nothing was raised."""
        task, program = self.tasks[answer.task], self.program(answer)
        if task.alone and task.id not in self.together:
            try:
                wrong = await self._replays.grade(task.id, task.tested, program, jails)
                return Grade(not wrong, status_of(wrong) if wrong else "passed", wrong)
            except NotReplayable as reason:
                self.together[task.id] = str(reason)
        return await self._together(task, program, jails)

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Nothing beside pass@k."""
        return {}

    async def _together(self, task: AssertedTask, program: str, jails: Runner) -> Grade:
        tested = task.tested
        self.together.setdefault(task.id, "the tests need more than the function")
        refused = refusal(program, names_in(tested.reference + task.prompt))
        if refused:
            return Grade(False, "failed", f"refused: {refused}")
        verdict = await run_together(program, f"{tested.setup}\n{tested.tests}", jails)
        reason = "" if held(verdict) else verdict.exception or verdict.status
        return Grade(held(verdict), "passed" if held(verdict) else status_of(reason), reason)
