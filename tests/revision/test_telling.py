"""What `a3t show` says of a task's revisions."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from larder import OPENING, TASK, played, tries
from test_revise import REFUSED, knowing, make, shop

from a3t.revision.records import Outcome, ref
from a3t.revision.telling import draw, tell
from a3t.search.tree import Budget, Node, Rollout, Settings, Tree
from a3t.types import Step, Stop

EAT = ("open", "take", "eat")


def shown(renderable) -> str:
    console = Console(width=140, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def told(ways, **config):
    lessons, kept = make(ways, shop(knowing(plays="x x take eat"), **config))
    known = {ref(one): one for one in [*(way.trajectory for way in ways), *kept]}
    return shown(tell(lessons, known))


def test_the_pair_the_judged_steps_with_reasons_the_splice_and_the_environments_word():
    text = told(tries(EAT, ("open", "lamp", "drink")))
    assert "Round 1 · revisions · 2 tries, 1 good (reward ≥ 1)" in text
    assert "Pair 1 · bad: collect try 1, reward 0 · good: collect try 0, reward 1 · confirmed" in text
    assert "They part after 1 action: open." in text
    assert "2 > lamp  bad  It does not feed anyone." in text
    assert "The values of the tries put the first mistake at turn 2." in text
    assert "Splice: open → lamp" in text
    assert "+  I fumbled; the apple comes first.  [model  gate +1.00 nats]" in text
    assert "+  take → eat" in text
    assert "The environment: as recorded, to the last word and the reward." in text
    assert "Kept as revise try 0, reward 1." in text


def test_a_repaired_splice_says_where_it_differed_and_what_was_found():
    text = told(tries(*REFUSED))
    assert "repaired" in text and "another ending was found (first at action 3 of the splice); 1 rollout of a search" in text
    assert "+  take → eat" in text, "the ending that was found, and not the one that was refused"


def test_it_is_said_where_a_mistake_was_noticed_late_and_which_round_it_is_of():
    ways = tries(EAT, ("open", "lamp", "look", "drink"))
    lessons, kept = make(ways, shop(knowing(), late=1.0))
    known = {ref(one): one for one in [*(way.trajectory for way in ways), *kept]}
    text = shown(tell(replace(lessons, round_index=3), known))
    assert "bad: collect try 1 of round 1, reward 0" in text and "Noticed late, after turn 3." in text
    assert "Splice: open → lamp → look" in text and "+  take → eat" in text
    assert "Noticed late" not in told(ways) and "of round" not in told(ways)


def test_what_earlier_rounds_revised_is_said_to_be_left_alone():
    ways = tries(EAT, ("open", "lamp", "drink"))
    lessons, _ = make(ways, shop(knowing()), settled={ref(ways[1].trajectory)})
    text = shown(tell(lessons, {}))
    assert "No pair: no other is worse than a good one by more than 0.2." in text
    assert "Revised in earlier rounds, and left alone: 1 bad try." in text


def test_pairs_that_the_tokens_did_not_reach_are_said_to_be_left():
    ways = tries(("open", "take", "eat"), ("open", "lamp", "drink"), ("lamp", "open", "drink"))
    assert "Not looked at, as the task's share of tokens was spent: 1 pair." in shown(
        tell(make(ways, shop(knowing()), max_tokens=1)[0], {})
    )


def test_nothing_to_revise_is_said_in_words():
    assert "No step was judged bad: nothing is spliced." in told(tries(EAT, ("open", "look", "drink")))
    assert "No pair: no try is good." in told(tries(("drink",)))
    assert "No pair: none is worse than a good one by more than 0.2." in told(tries(EAT))
    assert "Direct-Revision" in told(tries(EAT, ("open", "lamp", "drink")), judge="end")


def test_a_duplicate_is_said_to_be_one_and_not_by_the_environment():
    text = told(tries(EAT, ("open", "lamp", "drink"), ("open", "lamp", "look")))
    second = text[text.index("Pair 2") :]
    assert "The same splice as that of an earlier pair" in second and "The environment" not in second
    assert "The environment: as recorded" in text[: text.index("Pair 2")]


def test_where_the_judge_could_not_answer_it_is_said_why():
    lessons, _ = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    unjudged = replace(
        lessons.lessons[0], outcome=Outcome.UNJUDGED, why="the server said 500\n[bold]", transition=None, revision=None
    )
    ways = tries(EAT, ("open", "lamp", "drink"))
    text = shown(tell(replace(lessons, lessons=(unjudged,)), {ref(way.trajectory): way.trajectory for way in ways}))
    assert "The judge could not answer (the server said 500" in text and "[bold]): nothing is spliced." in text
    assert "The environment" not in text


def test_a_tree_shows_values_visits_and_ends_and_words_from_outside_are_never_markup():
    """
    root ─┬─ open → … 2 turns … → eat      success 1
          ╰─ [bold]x\\x1b                    failure 0
    """
    good = played("open", "look", "take", "eat").steps
    evil = Step("", "[bold]x\x1b", "Nothing happens.", valid=False)
    nodes = [Node(None, 0, children=(1, 5), visits=2, value_sum=1.0)]
    for depth, step in enumerate(good, start=1):
        last = depth == len(good)
        children = () if last else (depth + 1,)
        stop = Stop.SUCCESS if last else None
        nodes.append(Node(depth - 1, depth, (step,), float(last), stop, children, visits=1, value_sum=1.0))
    nodes.append(Node(0, 1, (evil,), stop=Stop.FAILURE, visits=1))
    tree = Tree(TASK, OPENING, Settings(), Budget(), tuple(nodes), (Rollout(0, 4, 1.0), Rollout(0, 5, 0.0)))
    text = shown(draw(tree))
    assert "tree: 2 rollouts, 6 nodes, value of the root 0.50" in text
    assert "open → … 2 turns … → eat  Q 1.00 n 1  success 1" in text
    assert "[bold]x\\x1b  Q 0.00 n 1  failure 0" in text and "\x1b" not in text


def test_a_trajectory_that_is_missing_is_named_and_nothing_breaks():
    lessons, _ = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    assert "Its trajectories are not in this store." in shown(tell(lessons, {}))
