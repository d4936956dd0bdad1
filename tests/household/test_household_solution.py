"""Every generated game can be won: its solution is played, action by action, to success."""

from collections import Counter

import pytest

from a3t.envs.alfworld.game import TaskType
from a3t.envs.alfworld.world import World
from a3t.envs.household.difficulty import DEFAULT, difficulty
from a3t.envs.household.generate import generate
from a3t.envs.household.solution import solution
from a3t.envs.household.tasks import SPLITS

EASY = difficulty(receptacles=(6, 8), distractors=(0, 3), closed_share=0)
HARD = difficulty(receptacles=(40, 60), distractors=(60, 100), closed_share=1)
NATURAL = difficulty(receptacles="natural", distractors="natural")


def play(game):
    """States from the start to the end of the solution: was the goal reached, and only there?"""
    world = World(game)
    state = world.start
    reached = [world.won(state)]
    for command in solution(game):
        assert command in world.actions(state), f"{game.task} {command!r} is not admissible"
        state, _, valid = world.play(state, command)
        assert valid
        reached.append(world.won(state))
    return reached


def test_more_than_a_thousand_games_of_all_splits_and_types_are_won_by_their_solution_and_not_before():
    won = Counter()
    for split in SPLITS:
        for index in range(360):
            game = generate(0, split, index)
            reached = play(game)
            assert reached[-1] and not any(reached[:-1])
            won[split, game.task_type] += 1
    assert won == {(split, task_type): 60 for split in SPLITS for task_type in TaskType}


@pytest.mark.parametrize("hardness", [EASY, HARD, NATURAL], ids=["easy", "hard", "natural"])
@pytest.mark.parametrize("text", ["2.1.2", "2.1.1"])
def test_games_of_every_difficulty_and_text_are_won_by_their_solution(hardness, text):
    for index in range(60):
        reached = play(generate(7, "train", index, hardness, text))
        assert reached[-1] and not any(reached[:-1])


def test_difficulty_makes_solutions_no_shorter():
    def lengths(hardness):
        return sum(len(generate(0, "train", index, hardness).walkthrough) for index in range(120))

    assert lengths(EASY) < lengths(DEFAULT) < lengths(HARD)


def test_a_game_without_what_its_goal_names_has_no_solution():
    game = generate(0, "train", 0)
    empty = type(game)(**{**{name: getattr(game, name) for name in game.__slots__}, "items": ()})
    with pytest.raises(ValueError, match=f"has no {game.goal.object_type}"):
        solution(empty)
