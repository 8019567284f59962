"""Demo tasks: an instruction, a response and tests about one pipeline, as a function, a class or a program.

The tests restate the instruction over tiny inputs or state what must always hold, since a model of this size can't
compute expected values.
"""

import random

from demo_model.class_tasks import class_task
from demo_model.function_tasks import function_task
from demo_model.program_tasks import program_task
from demo_model.task import CATEGORIES, DIFFICULTIES, Task


def draw_task(rng: random.Random) -> Task:
    """A task at random: function, class and program in 2 : 1 : 1, each difficulty alike."""
    category = rng.choice((CATEGORIES[0], *CATEGORIES))
    difficulty = rng.choice(DIFFICULTIES)
    draw = {CATEGORIES[0]: function_task, CATEGORIES[1]: class_task, CATEGORIES[2]: program_task}[category]
    return draw(rng, difficulty)
