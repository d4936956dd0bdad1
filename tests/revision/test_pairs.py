"""Pairs: who is good, who is bad, and where they part."""

from __future__ import annotations

from dataclasses import replace

import pytest
from larder import OPENING, TASK, played, terms, tries

from a3t.config import ReviseConfig, parse_recipe
from a3t.errors import RecipeError
from a3t.revision.pairs import find_pairs, is_good, is_worse, parting
from a3t.revision.tries import gathered_tries, tree_tries
from a3t.search.tree import Budget, Node, Rollout, Settings, Tree
from a3t.types import Step, Stop

EAT = ("open", "take", "eat")


def test_alpha_rises_by_iteration_and_the_last_stays():
    config = ReviseConfig(alpha=(0.5, 0.7, 1.0), first_round=1)
    assert [config.alpha_in(round_index) for round_index in range(6)] == [0.5, 0.5, 0.7, 1.0, 1.0, 1.0]
    assert ReviseConfig(first_round=0).alpha_in(1) == 0.7


def test_alpha_and_beta_are_compared_as_numbers():
    """As strings, '1e-05' would be above '0.5', and '0.10' below '0.9'."""
    assert not is_good(1e-05, 0.5) and is_good(0.5, 0.5) and is_good(1.0, 1.0)
    assert is_worse(1e-05, 0.5, 0.2) and not is_worse(0.4, 0.5, 0.2) and not is_worse(0.9, 0.10, 0.2)


def test_a_difference_of_beta_is_not_more_than_beta_however_its_floats_come_out():
    """0.9 - 0.7 is 0.20000000000000007, and 1.0 - 0.8 is 0.19999999999999996."""
    assert not is_worse(0.7, 0.9, 0.2) and not is_worse(0.8, 1.0, 0.2) and not is_worse(0.3, 0.5, 0.2)
    assert is_worse(0.69, 0.9, 0.2) and is_worse(0.0, 0.01, 0.0)


def test_alpha_in_a_recipe_is_a_number_or_refused():
    config = parse_recipe({"revise": {"alpha": [0.5, 1], "beta": 0.1}}).revise
    assert config.alpha == (0.5, 1.0) and all(isinstance(value, float) for value in (*config.alpha, config.beta))
    with pytest.raises(RecipeError, match="alpha"):
        parse_recipe({"revise": {"alpha": ["high"]}})
    with pytest.raises(RecipeError, match="beta"):
        parse_recipe({"revise": {"beta": 1.5}})
    assert ReviseConfig().alpha == (0.5, 0.7, 1.0) and ReviseConfig().beta == 0.2


def test_a_bad_try_is_paired_with_the_good_one_that_it_shares_the_most_with():
    """
    open ─┬─ take ─┬─ eat                 good, shares two actions with the bad one
          │        ╰─ lamp ─ lamp         bad
          ╰─ look ─ take ─ eat            good, shares one
    """
    bad = ("open", "take", "lamp", "lamp")
    (pair,) = find_pairs(tries(("open", "look", "take", "eat"), bad, EAT), 1.0, 0.2)
    assert pair.good.trajectory.actions == EAT
    assert pair.parting == (2, 2, 2)


def test_among_equals_the_shortest_ending_is_taken():
    (pair,) = find_pairs(tries(("lamp",), ("open", "look", "take", "eat"), EAT), 1.0, 0.2)
    assert pair.good.trajectory.actions == EAT


def test_what_is_bad_beside_one_is_good_beside_another():
    """0.6 is good for α = 0.5, bad beside 1.0, and not worse than itself by more than β."""
    sold = ("open", "take", "sell")
    pairs = find_pairs(tries(EAT, sold, ("drink",)), 0.5, 0.2)
    assert [(p.bad.reward, p.good.reward) for p in pairs] == [(0.6, 1.0), (0.0, 1.0)]
    assert [(p.bad.reward, p.good.reward) for p in find_pairs(tries(sold, ("drink",)), 0.5, 0.2)] == [(0.0, 0.6)]
    assert find_pairs(tries(sold, ("drink",)), 0.7, 0.2) == []


def test_thoughts_alone_are_passed_over_when_looking_where_two_part():
    bad = played("think: Hm.", "open", "lamp")
    good = played("open", "think: There it is.", "take", "eat")
    assert parting(bad, good) == (2, 1, 1)


def test_equal_actions_that_were_answered_otherwise_are_no_shared_beginning():
    bad, good = played("lamp", "look", "drink"), played("look", "open", "take", "eat")
    assert parting(bad, good).num_shared == 0
    assert parting(played("look"), played("lamp", "look")).num_shared == 0


def test_a_try_that_only_stopped_early_has_no_mistake_to_be_found():
    assert find_pairs(tries(("open", "take"), EAT), 1.0, 0.2) == []


def test_a_good_try_that_does_nothing_of_its_own_shows_no_other_way():
    """A world that pays before the end: the good try stopped where the bad one went on, with or without a last thought."""
    paid = replace(played("open", "take"), reward=0.8)
    mused = replace(played("open", "take", "think: Fine."), reward=0.8, attempt=1)
    for good in (paid, mused):
        assert find_pairs(gathered_tries([good, played("open", "take", "lamp", "lamp", attempt=2)]), 0.5, 0.2) == []
    other = replace(played("open", "look", attempt=3), reward=0.7)
    (pair,) = find_pairs(gathered_tries([paid, other, played("open", "take", "lamp", attempt=2)]), 0.5, 0.2)
    assert pair.good.trajectory == other, "one that shares less, and goes another way"


def test_a_bad_try_that_only_thought_on_has_no_mistake_to_be_found():
    assert find_pairs(tries(("open", "take", "think: Hm."), EAT), 1.0, 0.2) == []


def test_no_more_pairs_than_asked_for_and_those_that_share_the_most():
    every = tries(EAT, ("drink",), ("open", "drink"), ("open", "take", "drink"))
    assert [p.parting.num_shared for p in find_pairs(every, 1.0, 0.2, most=2)] == [1, 2]
    assert len(find_pairs(every, 1.0, 0.2)) == 3


def test_values_of_gathered_tries_are_the_mean_reward_of_what_went_through():
    """
    open ─┬─ take ─ eat      1
          ╰─ lamp            0        value after open: 1/2, after open take: 1, after open lamp: 0; at the start 1/3
    drink                    0
    """
    first, second, third = tries(EAT, ("open", "lamp"), ("drink",))
    assert first.values == pytest.approx((1 / 3, 1 / 2, 1, 1))
    assert second.values == pytest.approx((1 / 3, 1 / 2, 0))
    assert third.values == pytest.approx((1 / 3, 0))


def test_a_thought_alone_changes_no_value_and_repeated_tries_count_once():
    one, two = gathered_tries([played("think: Hm.", "open", "drink"), played("open", "drink"), played(*EAT)])
    assert one.values == pytest.approx((1 / 2, 1 / 2, 1 / 2, 0))
    assert two.trajectory.actions == EAT


def test_tries_of_a_tree_carry_the_values_of_its_nodes():
    """
    root 2 visits, 0.5 ── open 2, 0.5 ─┬─ take 1, 1.0       rollouts 0 and 1; rollout 2 repeats 0
                                       ╰─ (thought) drink 1, 0.0
    """
    good, bad = played("open", "take"), played("open", "think: Thirsty.", "drink")
    nodes = (
        Node(None, 0, children=(1,), visits=2, value_sum=1.0),
        Node(0, 1, good.steps[:1], children=(2, 3), visits=2, value_sum=1.0),
        Node(1, 2, good.steps[1:], reward=1.0, stop=Stop.SUCCESS, visits=1, value_sum=1.0),
        Node(1, 2, bad.steps[1:], stop=Stop.FAILURE, visits=1),
    )
    rollouts = (Rollout(0, 2, 1.0), Rollout(1, 3, 0.0), Rollout(1, 2, 1.0, duplicate=True))
    first, second = tree_tries(Tree(TASK, OPENING, Settings(), Budget(), nodes, rollouts), terms())
    assert first.values == (0.5, 0.5, 1.0) and first.trajectory.success and first.trajectory.attempt == 0
    assert second.values == (0.5, 0.5, 0.5, 0.0) and second.trajectory.steps == bad.steps


def test_a_line_without_any_words_is_a_turn_that_the_world_saw():
    silent = Step("", "", "Nothing happens.", valid=False)
    bad = played("open", "drink")
    steps = (silent, *bad.steps)
    assert parting(replace(bad, steps=steps), played(*EAT)).num_shared == 0
