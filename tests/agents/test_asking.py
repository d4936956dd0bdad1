"""The scheduler: episodes as coroutines, their questions in whole batches, and nobody left open whatever happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from a3t.agents.asking import Ask, Asking, complete, run, score
from a3t.errors import ModelError
from a3t.models.scripted import ScriptedModel
from a3t.types import Completed, Completion, Scored, Scoring, prompt_text


class Batches:
    """An echo that remembers which requests came together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        self.batches.append([prompt_text(r.prompt) for r in requests])
        return [Completed(prompt_text(r.prompt).upper()) for r in requests]


class ScoringBatches(Batches):
    def score(self, requests: Sequence[Scoring]) -> list[Scored]:
        self.batches.append([f"score {prompt_text(r.continuation)}" for r in requests])
        return [Scored((-1.0,)) for _ in requests]


class Closing:
    """Counts the episodes that were begun and those whose end came, one way or the other."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.all: list[Asking[str]] = []

    def episode(self, model: object, name: str, turns: int = 1, breaks: bool = False) -> Asking[str]:
        playing = self._play(model, name, turns, breaks)
        self.all.append(playing)  # or the garbage collector would close it, and nobody could tell who did
        return playing

    def _play(self, model: object, name: str, turns: int, breaks: bool) -> Asking[str]:
        self.opened += 1
        try:
            for turn in range(turns):
                yield Ask(model, Completion(f"{name}{turn}"))  # type: ignore[arg-type]
            if breaks:
                raise KeyError(name)
            return name
        finally:
            self.closed += 1


def asks(model: object, name: str, turns: int) -> Asking[str]:
    """Asks so many questions, and comes to the answers."""
    answers = []
    for turn in range(turns):
        answer = yield from complete(model, Completion(f"{name}{turn}"))  # type: ignore[arg-type]
        answers.append(answer.text)
    return " ".join(answers)


def test_each_episode_is_sent_the_answers_to_its_own_questions() -> None:
    model = Batches()
    assert sorted(run([asks(model, name, turns=3) for name in "abc"], width=2)) == ["A0 A1 A2", "B0 B1 B2", "C0 C1 C2"]


def test_no_more_than_width_episodes_play_at_once() -> None:
    model = Batches()
    list(run((asks(model, name, turns=3) for name in "abcdefg"), width=3))
    assert max(map(len, model.batches)) == 3
    assert all(len(set(batch)) == len(batch) for batch in model.batches)


def test_a_finished_episode_leaves_and_a_waiting_one_takes_its_place() -> None:
    model = Batches()
    results = list(run([asks(model, "a", 3), asks(model, "b", 1), asks(model, "c", 2), asks(model, "d", 1)], width=2))
    assert model.batches == [["a0", "b0"], ["a1", "c0"], ["a2", "c1"], ["d0"]]
    assert results == ["B0", "A0 A1 A2", "C0 C1", "D0"]


def test_an_episode_begins_only_when_there_is_room() -> None:
    model, seen = Batches(), Closing()
    results = run((seen.episode(model, name) for name in "abcde"), width=2)
    next(results)
    assert seen.opened == 2


def test_an_episode_without_questions_takes_no_place() -> None:
    model = Batches()
    assert list(run([asks(model, "a", 0), asks(model, "b", 1), asks(model, "c", 0)], width=1)) == ["", "B0", ""]
    assert model.batches == [["b0"]]


def test_no_episodes_ask_nothing() -> None:
    assert list(run([], width=4)) == []


def test_questions_reach_each_model_in_one_batch_per_kind_the_largest_first() -> None:
    one, other = ScoringBatches(), Batches()

    def mixed(name: str) -> Asking[str]:
        yield from complete(one, Completion(f"{name} thinks"))
        yield from complete(other, Completion(f"{name} explains"))
        if name == "a":
            yield from score(one, Scoring("p", f"{name} gate"))
        yield from complete(one, Completion(f"{name} acts"))
        return name

    assert list(run([mixed("a"), mixed("b"), mixed("c")], width=3)) == ["b", "c", "a"]
    assert one.batches == [["a thinks", "b thinks", "c thinks"], ["b acts", "c acts"], ["score a gate"], ["a acts"]]
    assert other.batches == [["a explains", "b explains", "c explains"]]


def test_a_lone_question_waits_until_it_has_company_or_the_others_are_done() -> None:
    policy, annotator = Batches(), Batches()

    def explained(name: str, after: int) -> Asking[str]:
        for turn in range(4):
            if turn == after:
                yield from complete(annotator, Completion(f"why {name}"))
            yield from complete(policy, Completion(f"{name}{turn}"))
        return name

    list(run([explained("a", 0), explained("b", 2), explained("c", 2)], width=3))
    assert annotator.batches == [["why a", "why b", "why c"]]


def test_equal_inputs_make_equal_batches() -> None:
    first, second = Batches(), Batches()
    turns = [3, 1, 2, 5, 1, 4, 2]
    for model in (first, second):
        list(run((asks(model, f"e{i}-", n) for i, n in enumerate(turns)), width=3))
    assert first.batches == second.batches


def test_stopping_closes_the_unfinished() -> None:
    model, seen, asked = Batches(), Closing(), iter([False, False, True])
    results = list(
        run([seen.episode(model, "a", 9), seen.episode(model, "b", 1), seen.episode(model, "c", 9)], 2, lambda: next(asked))
    )
    assert results == ["b"]
    assert (seen.opened, seen.closed) == (3, 3)
    assert len(model.batches) == 2, "it is asked between passes"


def test_an_episode_that_breaks_closes_the_others() -> None:
    model, seen = Batches(), Closing()
    with pytest.raises(KeyError, match="b"):
        list(run([seen.episode(model, "a", 9), seen.episode(model, "b", 2, breaks=True), seen.episode(model, "c", 9)], width=3))
    assert (seen.opened, seen.closed) == (3, 3)


def test_a_model_that_breaks_closes_them_all() -> None:
    class Broken:
        def complete(self, requests: Sequence[Completion]) -> list[Completed]:
            raise ModelError("out of memory")

    seen = Closing()
    with pytest.raises(ModelError, match="out of memory"):
        list(run([seen.episode(Broken(), name) for name in "abc"], width=2))
    assert (seen.opened, seen.closed) == (2, 2)


def test_a_caller_that_walks_away_leaves_no_episode_open() -> None:
    model, seen = Batches(), Closing()
    results = run([seen.episode(model, "a", 1), seen.episode(model, "b", 9), seen.episode(model, "c", 9)], width=3)
    assert next(results) == "a"
    results.close()  # type: ignore[attr-defined]
    assert (seen.opened, seen.closed) == (3, 3)


def test_a_model_that_answers_too_little_is_told_so() -> None:
    class Forgetful:
        def complete(self, requests: Sequence[Completion]) -> list[Completed]:
            return [Completed("x")]

    model = Forgetful()
    with pytest.raises(ModelError, match="Forgetful answered 1 of 2 requests"):
        list(run([asks(model, name, 1) for name in "ab"], width=2))


def test_a_model_that_cannot_score_is_named_with_a_way_out() -> None:
    def wants_a_score() -> Asking[float]:
        scored = yield from score(ScriptedModel({}), Scoring("p", "c"))  # type: ignore[arg-type]
        return scored.total

    with pytest.raises(ModelError, match=r"ScriptedModel cannot score .*\n.*annotator\.gate=off"):
        list(run([wants_a_score()], width=1))


def test_conversations_are_released_when_their_episode_is_over_or_dropped() -> None:
    model, other = ScriptedModel(lambda request: "x"), ScriptedModel(lambda request: "y")

    def talks(name: str, turns: int) -> Asking[str]:
        for _ in range(turns):
            yield from complete(model, Completion("p", session=name))  # type: ignore[arg-type]
        yield from complete(other, Completion("p", session=f"{name}#actre"))  # type: ignore[arg-type]
        return name

    results = run([talks("a", 2), talks("b", 9)], width=2)
    assert next(results) == "a"
    assert (model.released, other.released) == (["a"], ["a#actre"])
    results.close()  # type: ignore[attr-defined]
    assert (model.released, other.released) == (["a", "b"], ["a#actre"])
