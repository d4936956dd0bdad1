"""The rollout benchmark compares the same turns, and would notice if the two ways said different things."""

from __future__ import annotations

import pytest

from a3t.bench import rollout
from a3t.bench.rollout import Way, run
from a3t.errors import ModelError, RecipeError


def test_both_ways_answer_the_same_turns_alike():
    figures = run(5, 3, max_tokens=6, num_runs=2, num_reread=2, baseline_batches=(5, 2))
    assert figures.num_compared == 2 * 2 * 2 * 5
    assert figures.num_equal + figures.num_near_ties == figures.num_compared
    assert figures.written == 6
    assert [way.name for way in figures.theirs] == ["generate(), whole prompts, 5 rows", "generate(), whole prompts, 2 rows"]
    assert any(f"{figures.num_equal} of {figures.num_compared}" in line for line in figures.lines())


def test_episodes_are_long_games_with_an_observation_for_every_turn():
    episodes = rollout.play(3, 4, 150, 0, str.split)
    assert episodes == rollout.play(3, 4, 150, 0, str.split)
    for episode in episodes:
        assert sum(len(part.text.split()) for part in episode.opening) >= 150
        assert len(episode.observations) == 4
        assert "Your task is to" in episode.opening[0].text
    assert len({episode.opening for episode in episodes}) == 3


def test_a_way_that_says_something_else_is_noticed(monkeypatch):
    honest = rollout._reread

    def forgetful(model, turns, *arguments):
        return [[answer._replace(ids=[*answer.ids[:-1], 0]) for answer in turn] for turn in honest(model, turns, *arguments)]

    monkeypatch.setattr(rollout, "_reread", forgetful)
    figures = run(3, 2, max_tokens=5, num_runs=1, num_reread=1, baseline_batches=(3,))
    assert figures.num_equal < figures.num_compared
    assert "of the others" in figures.lines()[-1]


def test_a_folder_is_measured_with_its_own_tokenizer_up_to_the_newline(folder):
    figures = run(3, 2, model=str(folder), max_tokens=8, num_runs=1, num_reread=1, baseline_batches=(2,))
    assert figures.model == str(folder)
    assert figures.num_equal + figures.num_near_ties == figures.num_compared == 3


def test_ours_is_compared_with_the_best_of_theirs():
    figures = run(2, 1, max_tokens=2, num_runs=1, num_reread=1, baseline_batches=(2, 1))
    best = max(way.turns_per_cpu_s for way in figures.theirs)
    assert figures.ratio == figures.ours.turns_per_cpu_s / best
    assert isinstance(figures.ours, Way)


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(RecipeError, match="num_episodes = 0"):
        run(0)
    with pytest.raises(RecipeError, match="baseline_batches"):
        run(1, baseline_batches=())
    with pytest.raises(ModelError, match="no model folder"):
        run(1, model="no/such/folder")
