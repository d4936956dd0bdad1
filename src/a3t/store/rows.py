"""What can be asked without reading whole trajectories: the filter, the short row, the sums."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypedDict

from a3t.types import Cost, Stage


class Where(TypedDict, total=False):
    """Which trajectories; a key left out, or None, does not narrow."""

    stages: Collection[Stage] | None
    rounds: Collection[int] | None
    """A `range` will do."""
    success: bool | None
    """False also finds broken episodes, unless `include_broken` is False: nobody failed there."""
    split: str | None
    task_id: str | None
    task_type: str | None
    attempt: int | None
    duplicate: bool | None
    include_broken: bool
    """True by default: episodes that the environment or the model broke."""


class Done(NamedTuple):
    """A try that is in the store, within its stage and round."""

    task_id: str
    split: str
    attempt: int


class Row(NamedTuple):
    """A trajectory without its text."""

    round_index: int
    stage: Stage
    split: str
    task_id: str
    attempt: int
    task_type: str
    success: bool
    broken: bool
    duplicate: bool
    reward: float
    num_steps: int
    num_explored: int
    prompt_tokens: int
    completion_tokens: int
    model_calls: int
    seconds: float
    usd: float

    @property
    def cost(self) -> Cost:
        return Cost(*self[-5:])


class Summary(NamedTuple):
    """Sums over the trajectories of one round, stage, split and task type."""

    round_index: int
    stage: Stage
    split: str
    task_type: str
    num: int
    num_successes: int
    num_broken: int
    num_duplicates: int
    num_tasks: int
    """Different tasks tried."""
    num_tasks_solved: int
    """Different tasks with at least one success."""
    num_steps: int
    mean_reward: float
    """Broken episodes left out; 0 where all are broken."""
    cost: Cost


COST_COLUMNS = "prompt_tokens, completion_tokens, model_calls, seconds, usd"
ROW_COLUMNS = (
    "round_index, stage, split, task_id, attempt, task_type, success, broken, duplicate, reward, num_steps, num_explored, "
    + COST_COLUMNS
)
ORDER = "ORDER BY round_index, stage, split, task_id, attempt"
"""The one reading order. It follows from the keys alone, so it is the same whatever order episodes finished in."""

_SUMS = ", ".join(f"sum({column}) AS {column}" for column in COST_COLUMNS.split(", "))

# First by task, which the table's order gives for nothing, then by type: sorting every trajectory would take ten times as long.
SUMMARY = f"""
    SELECT round_index, stage, split, task_type, sum(num), sum(successes), sum(broken), sum(duplicate),
           count(*), sum(successes > 0), sum(num_steps), coalesce(sum(reward) / nullif(sum(num) - sum(broken), 0), 0.0), {_SUMS}
    FROM (
        SELECT round_index, stage, split, min(task_type) AS task_type, count(*) AS num, sum(success) AS successes,
               sum(broken) AS broken, sum(duplicate) AS duplicate, sum(num_steps) AS num_steps,
               sum(CASE WHEN broken THEN 0.0 ELSE reward END) AS reward, {_SUMS}
        FROM trajectories {{where}}
        GROUP BY round_index, stage, split, task_id
    )
    GROUP BY round_index, stage, split, task_type ORDER BY round_index, stage, split, task_type
"""

_STAGES = {stage.value: stage for stage in Stage}


def row(values: tuple[Any, ...]) -> Row:
    round_index, stage, split, task_id, attempt, task_type, success, broken, duplicate, *numbers = values
    flags = success == 1, broken == 1, duplicate == 1
    return Row(round_index, _STAGES[stage], split, task_id, attempt, task_type, *flags, *numbers)


def summary(values: tuple[Any, ...]) -> Summary:
    round_index, stage, split, task_type, num, successes, broken, duplicates, tasks, solved, steps, reward, *cost = values
    counts = num, successes, broken, duplicates, tasks, solved, steps
    return Summary(round_index, _STAGES[stage], split, task_type, *counts, reward, Cost(*cost))


class Condition(NamedTuple):
    sql: str
    """Empty, or `WHERE …` with a placeholder for every value: no text of anybody's ever becomes SQL."""
    values: list[Any]


def condition(
    *,
    stages: Collection[Stage] | None = None,
    rounds: Collection[int] | None = None,
    success: bool | None = None,
    split: str | None = None,
    task_id: str | None = None,
    task_type: str | None = None,
    attempt: int | None = None,
    duplicate: bool | None = None,
    include_broken: bool = True,
) -> Condition:
    terms: list[str] = []
    values: list[Any] = []

    def among(column: str, allowed: Collection[Any]) -> None:
        terms.append(f"{column} IN ({', '.join('?' * len(allowed))})")
        values.extend(allowed)

    if stages is not None:
        among("stage", [Stage(stage).value for stage in stages])
    if rounds is not None:
        among("round_index", sorted(set(rounds)))
    for column, value in (
        ("success", success),
        ("split", split),
        ("task_id", task_id),
        ("task_type", task_type),
        ("attempt", attempt),
        ("duplicate", duplicate),
    ):
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    if not include_broken:
        terms.append("broken = 0")
    return Condition(f"WHERE {' AND '.join(terms)}" if terms else "", values)
