"""One task's revisions in the terminal: the tree, the pairs, who judged what and why, the splice, what the environment said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree as Branches

from a3t.report.table import signed
from a3t.report.visible import one_line
from a3t.revision.records import KEPT, Lesson, Lessons, Outcome, Ref
from a3t.revision.tries import acts
from a3t.search.tree import ROOT, Tree
from a3t.text.judging import Verdict
from a3t.types import Step, Trajectory

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.UNCERTAIN: "yellow"}
LONGEST = 100
"""Characters of an action or an observation that are shown."""


def tell(lessons: Lessons, tries: Mapping[Ref, Trajectory], tree: Tree | None = None) -> RenderableType:
    """Everything that one round learned from the mistakes at one task. What environments and models wrote is never markup.

    Args:
        tries: the trajectories that the lessons name; one that is missing is named without being told.
        tree: where they came from, if that was a search.
    """
    counts = f"{lessons.num_tries} tries, {lessons.num_good} good (reward ≥ {lessons.alpha:g})"
    parts: list[RenderableType] = [Text(f"Round {lessons.round_index} · revisions · {counts}", style="bold")]
    if tree is not None:
        parts += [draw(tree), Text("")]
    if not lessons.lessons:
        none = "none is" if not lessons.num_settled else "no other is"
        why = "no try is good" if not lessons.num_good else f"{none} worse than a good one by more than {lessons.beta:g}"
        parts.append(Text(f"No pair: {why}.", style="dim"))
    if lessons.num_settled:
        settled = _many(lessons.num_settled, "bad try", "bad tries")
        parts.append(Text(f"Revised in earlier rounds, and left alone: {settled}.", style="dim"))
    if lessons.num_left:
        left = _many(lessons.num_left, "pair", "pairs")
        parts.append(Text(f"Not looked at, as the task's share of tokens was spent: {left}.", style="dim"))
    for number, lesson in enumerate(lessons.lessons, start=1):
        parts += [Text(""), *_lesson(number, lesson, tries, lessons.round_index)]
    return Group(*parts)


def draw(tree: Tree) -> RenderableType:
    """A search tree: each node with its value Q and its visits; turns that nothing branches off share a line."""
    root = tree.root
    title = f"tree: {len(tree.rollouts)} rollouts, {len(tree.nodes)} nodes, value of the root {root.value:.2f}"
    branches = Branches(Text(title, style="dim"), guide_style="dim")
    # Depth first, without recursion: a tree may be as deep as an episode is long.
    waiting = [(child, branches) for child in reversed(root.children)]
    while waiting:
        index, above = waiting.pop()
        chain = [index]
        while tree.nodes[index].stop is None and len(tree.nodes[index].children) == 1:
            index = tree.nodes[index].children[0]
            chain.append(index)
        here = above.add(_node(tree, chain))
        waiting += [(child, here) for child in reversed(tree.nodes[index].children)]
    return branches


def _node(tree: Tree, chain: Sequence[int]) -> Text:
    first, last = tree.nodes[chain[0]], tree.nodes[chain[-1]]
    actions = [one_line(tree.nodes[index].action, LONGEST) or "(no action)" for index in chain if index != ROOT]
    if len(actions) > 3:
        actions = [actions[0], f"… {len(actions) - 2} turns …", actions[-1]]
    text = Text(" → ".join(actions))
    text.append(f"  Q {first.value:.2f} n {first.visits}", style="dim")
    if last.stop is not None:
        text.append(f"  {last.stop.replace('_', ' ')} {last.reward:g}", style="green" if last.stop == "success" else "red")
    return text


def _lesson(number: int, lesson: Lesson, tries: Mapping[Ref, Trajectory], now: int) -> Iterator[RenderableType]:
    bad, good = tries.get(lesson.bad), tries.get(lesson.good)
    outcome = Text(lesson.outcome.value, style="green" if lesson.outcome in KEPT else "red")
    yield Text(
        f"Pair {number} · bad: {_named(lesson.bad, bad, now)} · good: {_named(lesson.good, good, now)} · ", style="bold"
    ).append_text(outcome)
    if bad is None or good is None:
        yield _line("Its trajectories are not in this store.", "dim")
        return
    shared = [step.action for step in bad.steps[: lesson.bad_from] if acts(step)]
    yield _line(f"They part after {_many(len(shared), 'action')}{': ' + _chain(shared) if shared else ''}.")
    yield from _judged(lesson, bad)
    yield from _spliced(lesson, bad, good, tries, now)


def _judged(lesson: Lesson, bad: Trajectory) -> Iterator[RenderableType]:
    if lesson.judge == "end":
        yield _line("Judged: nobody was asked; the splice comes at the end (Direct-Revision).")
        return
    who = "the actor" if lesson.judge == "actor" else "the values of the tries"
    yield _line(f"Judged by {who}, action by action:")
    for one in lesson.judgements:
        text = Text(f"  {one.step + 1:>3} > {_action(bad.steps[one.step])}  ")
        text.append(one.verdict.value, style=STYLES[one.verdict])
        if len(one.votes) > 1:
            text.append(f" ({', '.join(one.votes)})", style="dim")
        text.append(f"  {one_line(one.reason, 2 * LONGEST)}", style="italic")
        yield Padding(text, (0, 0, 0, 2))
    if lesson.judge == "actor":
        at = "nowhere" if lesson.value_transition is None else f"at turn {lesson.value_transition + 1}"
        yield _line(f"The values of the tries put the first mistake {at}.", "dim")
    if lesson.outcome is Outcome.NO_TRANSITION:
        yield _line("No step was judged bad: nothing is spliced.")
    if lesson.outcome is Outcome.UNJUDGED:
        # A server's words: they may be anything.
        why = one_line(lesson.why, 2 * LONGEST) or "it said nothing of why"
        yield _line(f"The judge could not answer ({why}): nothing is spliced.", "yellow")


def _spliced(
    lesson: Lesson, bad: Trajectory, good: Trajectory, tries: Mapping[Ref, Trajectory], now: int
) -> Iterator[RenderableType]:
    if lesson.transition is None:
        return
    at = lesson.transition if lesson.noticed is None else lesson.noticed
    if at > lesson.transition:
        yield _line(f"Noticed late, after turn {at + 1}.")
    beginning = [_action(step) for step in bad.steps[: at + 1] if acts(step)]
    yield _line(f"Splice: {_chain(beginning)}", "red")
    if lesson.thought:
        gate = "" if lesson.gain is None else f"  gate {signed(lesson.gain, 2)} nats"
        yield _line(f"      +  {one_line(lesson.thought)}  [{lesson.thought_source}{gate}]", "magenta")
    kept = tries.get(lesson.revision) if lesson.revision else None
    ending = kept.steps[at + 1 :] if kept else good.steps[lesson.good_from :]
    yield _line(f"      +  {_chain([_action(step) for step in ending if acts(step)])}", "green")
    if lesson.outcome is Outcome.DUPLICATE:
        yield _line("The same splice as that of an earlier pair: it was not played again.", "dim")
        return
    said = "as recorded, to the last word and the reward" if lesson.outcome is Outcome.CONFIRMED else lesson.why
    where = f" (first at action {lesson.differs_at + 1} of the splice)" if lesson.differs_at is not None else ""
    searched = f"; {_many(lesson.num_rollouts, 'rollout')} of a search" if lesson.num_rollouts else ""
    yield _line(f"The environment: {said or lesson.outcome.value}{where}{searched}.")
    if lesson.revision:
        yield _line(f"Kept as {_named(lesson.revision, kept, now)}.")


def _named(where: Ref, trajectory: Trajectory | None, now: int) -> str:
    earlier = "" if where.round_index == now else f" of round {where.round_index}"
    reward = "" if trajectory is None else f", reward {trajectory.reward:g}"
    return f"{where.stage} try {where.attempt}{earlier}{reward}"


def _many(number: int, what: str, several: str = "") -> str:
    return f"{number} {what if number == 1 else several or what + 's'}"


def _chain(actions: Sequence[str]) -> str:
    return " → ".join(one_line(action, LONGEST) for action in actions)


def _action(step: Step) -> str:
    return one_line(step.action, LONGEST) or "(no action)"


def _line(text: str, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
