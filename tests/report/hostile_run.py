"""A run in which everything that comes from outside says the same wicked thing."""

from __future__ import annotations

from dataclasses import replace

from made_run import make_run

from a3t.report.cases import Case
from a3t.report.view import RunView, view_run
from a3t.types import Author, Gate, Stage, Step, Stop, Task, Trajectory

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> \"' {{ 7*7 }} \x1b[31m \u202e &amp; </style></svg>"
SHOWN = "<script>alert(1)</script> <img src=x onerror=alert(2)> \"' {{ 7*7 }} \\x1b[31m \\u202e &amp; </style></svg>"


def hostile_run() -> RunView:
    """Everything that comes from outside says the same wicked thing."""
    rounds, _trajectories = make_run(num_rounds=2, num_test=12, num_train=12)
    run = view_run(HOSTILE, rounds, provenance={HOSTILE: HOSTILE})
    task = Task(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    step = Step(HOSTILE, HOSTILE, HOSTILE, Author.ANNOTATOR, Author.EXPLORER, gate=Gate(-1.0, -2.0))
    own = Step(HOSTILE, HOSTILE, HOSTILE * 9, valid=False)
    common = {"task": task, "observation": HOSTILE, "environment": HOSTILE, "round_index": 1, "agent": HOSTILE}
    failed = Trajectory(steps=(own,) * 30, reward=0.5, success=False, stop=Stop.FAILURE, stage=Stage.COLLECT, **common)  # type: ignore[arg-type]
    won = Trajectory(steps=(step,), reward=1.0, success=True, stop=Stop.SUCCESS, stage=Stage.EXPLORE, **common)  # type: ignore[arg-type]
    scores = next(iter(run.rounds[0].scores.values()))
    wicked = replace(
        run.rounds[1], scores={HOSTILE: replace(scores, by_type={HOSTILE: scores.total})}, cost={HOSTILE: {"seconds": 3.0}}
    )
    return replace(run, rounds=(run.rounds[0], wicked), cases=(Case(failed, won),))
