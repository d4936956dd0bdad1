"""Episodes as coroutines: each yields what it asks of a model and is sent the answer; `run` batches the questions of many.

Code that plays an episode reads top to bottom, as if it were alone; whole batches still reach the model, whatever each episode
is busy with (thinking, acting, having an action explained). Finished episodes leave and waiting ones take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from a3t.errors import ModelError
from a3t.protocols import Model, ScoringModel
from a3t.types import Completed, Completion, Scored, Scoring

T = TypeVar("T")


class Ask(NamedTuple):
    """A question to one of the models in play."""

    model: Model
    request: Completion | Scoring


Answer: TypeAlias = Completed | Scored
Asking: TypeAlias = Generator[Ask, Answer, T]


def complete(model: Model, request: Completion) -> Asking[Completed]:
    answer = yield Ask(model, request)
    assert isinstance(answer, Completed)
    return answer


def score(model: Model, request: Scoring) -> Asking[Scored]:
    answer = yield Ask(model, request)
    assert isinstance(answer, Scored)
    return answer


def run(episodes: Iterable[Asking[T]], width: int, should_stop: Callable[[], bool] = lambda: False) -> Iterator[T]:
    """Drive episodes, at most `width` at once; yield results as they finish.

    Questions are grouped by model and kind, in the order of the episodes, and each pass answers the largest group; the others
    wait and grow, for a model takes nearly as long over three questions as over thirty. Equal inputs make equal batches.

    Args:
        width: episodes in flight.
        should_stop: asked between passes; True ends the iteration and drops what is unfinished.
    """
    waiting = iter(episodes)
    active: list[_Playing[T]] = []
    try:
        while True:
            while len(active) < width:
                episode = next(waiting, None)
                if episode is None:
                    break
                playing = _Playing(episode)
                if playing.goes_on(None):
                    active.append(playing)
                else:
                    yield playing.result
            if not active or should_stop():
                return
            for playing, answer in _answered(active):
                if not playing.goes_on(answer):
                    active.remove(playing)
                    yield playing.result
    finally:
        # Stopped, abandoned by the caller, or something broke: whoever is still playing gives back what it borrowed.
        for playing in active:
            playing.episode.close()
            playing.release()


class _Playing(Generic[T]):
    """An episode in flight, its question, and the conversations it has had."""

    ask: Ask
    result: T

    def __init__(self, episode: Asking[T]) -> None:
        self.episode = episode
        self._sessions: dict[int, tuple[Model, set[str]]] = {}

    def goes_on(self, answer: Answer | None) -> bool:
        """Hand over the answer; False where the episode ended with it, and its `result` is there."""
        try:
            self.ask = next(self.episode) if answer is None else self.episode.send(answer)
        except StopIteration as finished:
            self.result = finished.value
            self.release()
            return False
        if self.ask.request.session:
            self._sessions.setdefault(id(self.ask.model), (self.ask.model, set()))[1].add(self.ask.request.session)
        return True

    def release(self) -> None:
        """Nobody comes back to these conversations: models need not keep their prefixes."""
        for model, sessions in self._sessions.values():
            if hasattr(model, "release"):
                model.release(sorted(sessions))
        self._sessions.clear()


def _answered(active: Sequence[_Playing[T]]) -> list[tuple[_Playing[T], Answer]]:
    """Those of the largest group, the first of equals, each with its answer."""
    groups: dict[tuple[int, type], list[_Playing[T]]] = {}
    for playing in active:
        groups.setdefault((id(playing.ask.model), type(playing.ask.request)), []).append(playing)
    chosen = max(groups.values(), key=len)
    model, requests = chosen[0].ask.model, [playing.ask.request for playing in chosen]
    results: Sequence[Answer]
    if isinstance(requests[0], Completion):
        results = model.complete(requests)  # type: ignore[arg-type]
    elif isinstance(model, ScoringModel):
        results = model.score(requests)  # type: ignore[arg-type]
    else:
        raise ModelError(
            f"{type(model).__name__} cannot score text, which the consistency gate needs.\n  Try annotator.gate=off."
        )
    if len(results) != len(requests):
        raise ModelError(f"{type(model).__name__} answered {len(results)} of {len(requests)} requests.")
    return list(zip(chosen, results, strict=True))
