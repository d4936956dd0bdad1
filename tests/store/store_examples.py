"""Trajectories to try the store with: one by hand, many by hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from a3t.types import Author, Cost, Gate, Stage, Step, Stop, Task, Tokens, Trajectory

FULL = Trajectory(
    task=Task("pick-Mug/trial_1", "train", "pick", "put a mug on the desk"),
    observation="You are in a room.\nYour task is to: put a mug on the desk.",
    steps=(
        Step("", "go to desk 1", "On the desk 1, you see nothing.", Author.SCRIPT, Author.EXPLORER),
        Step(
            thought="Mugs are often in cabinets.",
            action="open cabinet 1",
            observation="Nothing happens.",
            thought_by=Author.ANNOTATOR,
            action_by=Author.SEARCH,
            valid=False,
            thought_tokens=Tokens((1, 2, 3), (-0.1, -0.25, -3e-9)),
            action_tokens=Tokens((70_000,), ()),
            gate=Gate(-1.25, -2.5),
            trained=False,
        ),
    ),
    reward=0.5,
    success=True,
    stop=Stop.MODEL_ERROR,
    stage=Stage.EXPLORE,
    environment="household-1",
    round_index=2,
    attempt=3,
    agent="rounds/01",
    annotator="gpt",
    tokenizer="abc",
    seed=7,
    duplicate=True,
    cost=Cost(10, 20, 30, 0.125, 0.5),
    error="the server hung up",
)
"""No field has its default value, so that one forgotten on the way shows."""


def attempt(
    index: int = 0,
    *,
    task_id: str = "pick-1",
    split: str = "train",
    stage: Stage = Stage.COLLECT,
    round_index: int = 0,
    success: bool = True,
    seconds: float = 0.0,
    num_steps: int = 2,
) -> Trajectory:
    """A small, sound trajectory."""
    return Trajectory(
        task=Task(task_id, split, "pick", "put a mug on the desk"),
        observation="You are in a room.",
        steps=tuple(Step("", f"go to desk {i}", f"You see mug {index}.") for i in range(num_steps)),
        reward=float(success),
        success=success,
        stop=Stop.SUCCESS if success else Stop.TURN_LIMIT,
        stage=stage,
        environment="household-1",
        round_index=round_index,
        attempt=index,
        cost=Cost(prompt_tokens=100, completion_tokens=10, model_calls=2, seconds=seconds),
    )


# Everything Python calls text, NULs and half characters included.
any_text = st.text(st.characters(exclude_categories=()), max_size=40)
unicode_text = st.text(max_size=20)
# JSON cannot tell a high half followed by a low half from the whole character, so files are tried with low halves alone.
file_text = st.text(st.one_of(st.characters(), st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)), max_size=40)

counts = st.integers(0, 2**40)
reals = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
single = st.floats(allow_nan=False, width=32)


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    ids = draw(st.lists(st.one_of(st.integers(0, 150_000), st.integers(-(2**63), 2**63 - 1)), max_size=6))
    numbers = draw(st.sampled_from([single, reals]))
    logprobs = draw(st.one_of(st.just([]), st.lists(numbers, min_size=len(ids), max_size=len(ids))))
    return Tokens(tuple(ids), tuple(logprobs))


def steps(text: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    author = st.sampled_from(Author)
    maybe_tokens = st.none() | tokens()
    gate = st.none() | st.builds(Gate, reals, reals)
    return st.builds(Step, text, text, text, author, author, st.booleans(), maybe_tokens, maybe_tokens, gate, st.booleans())


def trajectories(text: st.SearchStrategy[str] = any_text) -> st.SearchStrategy[Trajectory]:
    return st.builds(
        Trajectory,
        task=st.builds(Task, unicode_text.filter(bool), unicode_text, unicode_text, text),
        observation=text,
        steps=st.lists(steps(text), max_size=4).map(tuple),
        reward=st.floats(0, 1),
        success=st.booleans(),
        stop=st.sampled_from(Stop),
        stage=st.sampled_from(Stage),
        environment=text,
        round_index=st.integers(-1, 3),
        attempt=st.integers(0, 3),
        agent=text,
        annotator=text,
        tokenizer=text,
        seed=st.integers(-(2**100), 2**100),
        duplicate=st.booleans(),
        cost=st.builds(Cost, counts, counts, counts, finite, finite),
        error=text,
    )


def key(trajectory: Trajectory) -> tuple[int, str, str, str, int]:
    """The documented reading order, the slow obvious way."""
    task = trajectory.task
    return (trajectory.round_index, trajectory.stage.value, task.split, task.task_id, trajectory.attempt)


def with_task(trajectory: Trajectory, task_id: str) -> Trajectory:
    return replace(trajectory, task=replace(trajectory.task, task_id=task_id))
