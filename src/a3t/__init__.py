"""a3t: a self-improvement engine for language agents. Importing it prints, reads and creates nothing, and leaves torch alone."""

from a3t.envs import make
from a3t.errors import A3TError
from a3t.types import (
    Author,
    Completed,
    Completion,
    Cost,
    Gate,
    Part,
    Round,
    Stage,
    Step,
    Stop,
    Task,
    Tokens,
    Trajectory,
    Weighted,
)

__all__ = [  # noqa: RUF022 (grouped)
    # worlds
    "make",
    # records
    "Author", "Cost", "Gate", "Round", "Stage", "Step", "Stop", "Task", "Tokens", "Trajectory", "Weighted",
    # models
    "Completed", "Completion", "Part",
    # errors
    "A3TError",
]  # fmt: skip

__version__ = "0.1.0"
