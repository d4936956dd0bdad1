"""A local model in several processes: each holds a copy of the weights and its own share of the conversations.

A small model writes no faster with a second thread, but two processes on two cores do (docs/decisions/0007). A conversation
stays where it began, for its keys and values are there; a new one goes where the fewest are. Who answers what hangs on the order
of the questions alone, never on the clock, so equal runs make equal batches.
"""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import count
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, TypeVar

from a3t import errors
from a3t.config import ModelConfig
from a3t.errors import A3TError, ModelError
from a3t.types import Completed, Completion, Scored, Scoring

Request = TypeVar("Request", Completion, Scoring)

ENDS_WITHIN_S = 5.0
"""A process that was told to end and has not is killed."""


class Copies:
    """Completes and scores as a `LocalModel` does; see there. Raises `ModelError` where one of its processes is gone."""

    def __init__(self, config: ModelConfig, weights: Path | None, num: int, num_threads: int) -> None:
        """
        Args:
            config: a `kind = "local"`.
            weights: a checkpoint made from it, to be used instead.
            num: processes.
            num_threads: of each process.

        Raises:
            ModelError, RecipeError, MissingExtraError: as `LocalModel.load`.
        """
        self._workers = workers(num, num_threads)
        self._key = next(_keys)
        self._of: dict[str, int] = {}
        self._loads = [0] * num
        facts = self._everyone("load", (config.model_dump_json(), weights))[0]
        self.name: str = facts["name"]
        self.fingerprint: str = facts["fingerprint"]
        self.max_context: int = facts["max_context"]
        weakref.finalize(self, _forget, self._workers, self._key)

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        """One answer per request, in order."""
        return self._shared_out("complete", requests)

    def score(self, requests: Sequence[Scoring]) -> list[Scored]:
        """Log-probability of each continuation's tokens after its prompt."""
        return self._shared_out("score", requests)

    def release(self, sessions: Iterable[str]) -> None:
        """These conversations are over: their memory is free. Unknown names are no error."""
        ended: list[list[str]] = [[] for _ in self._workers]
        for session in sessions:
            if session in self._of:
                place = self._of.pop(session)
                self._loads[place] -= 1
                ended[place].append(session)
        self._ask("release", {place: names for place, names in enumerate(ended) if names})

    def _shared_out(self, what: str, requests: Sequence[Any]) -> list[Any]:
        shares: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            shares.setdefault(self._place(request.session, index), []).append(index)
        told = self._ask(what, {place: [requests[i] for i in indices] for place, indices in shares.items()})
        answers: list[Any] = [None] * len(requests)
        for place, indices in shares.items():
            for index, answer in zip(indices, told[place], strict=True):
                answers[index] = answer
        return answers

    def _place(self, session: str, index: int) -> int:
        """Which process a question goes to; one without a conversation goes to each in turn."""
        if not session:
            return index % len(self._loads)
        if session not in self._of:
            self._of[session] = self._loads.index(min(self._loads))
            self._loads[self._of[session]] += 1
        return self._of[session]

    def _everyone(self, what: str, payload: object) -> list[Any]:
        told = self._ask(what, dict.fromkeys(range(len(self._workers)), payload))
        return [told[place] for place in sorted(told)]

    def _ask(self, what: str, payloads: dict[int, Any]) -> dict[int, Any]:
        """All are asked before the first is waited for; each answer is taken, also where another brought an error."""
        for place, payload in payloads.items():
            self._workers[place].send(what, self._key, payload)
        told = {place: self._workers[place].receive() for place in payloads}
        for answer in told.values():
            if isinstance(answer, _Failed):
                raise answer.error()
        return told


_keys = count()


class _Failed:
    """An error on its way from one process to another: by name and message, for not every error can be pickled."""

    def __init__(self, error: BaseException) -> None:
        known = isinstance(error, A3TError)
        self.kind = type(error).__name__ if known else "ModelError"
        self.message = str(error) if known else f"a model process failed: {type(error).__name__}: {error}"

    def error(self) -> A3TError:
        made: A3TError = getattr(errors, self.kind, ModelError)(self.message)
        return made


class Worker:
    """A process that holds models, and the line to it. It ends when its line does, whatever became of us."""

    def __init__(self, num_threads: int) -> None:
        ours, theirs = Pipe()
        # Not `multiprocessing.Process`: that imports the caller's main module again, which a plain script does not survive.
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from a3t.models.copies import serve; serve({theirs.fileno()}, {num_threads})"],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            # Out of reach of a Ctrl-C at the terminal from its first moment on.
            start_new_session=True,
        )
        theirs.close()
        self._line = ours
        self._dropped: deque[int] = deque()

    def forget(self, key: int) -> None:
        """Drop a model at the next message: this is called by the garbage collector, in the middle of whatever is said."""
        self._dropped.append(key)

    def send(self, what: str, key: int, payload: object) -> None:
        dropped = [self._dropped.popleft() for _ in range(len(self._dropped))]
        try:
            self._line.send((what, key, payload, dropped))
        except OSError:
            raise self._gone() from None

    def receive(self) -> Any:
        try:
            return self._line.recv()
        except (EOFError, OSError):
            raise self._gone() from None

    def end(self) -> None:
        self._line.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _gone(self) -> ModelError:
        self.end()
        # Whoever asks for workers next gets new ones.
        workers.cache_clear()
        code = self._process.returncode
        why = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return ModelError(
            f"a process that held a copy of the model is gone ({why}); what is stored is safe, and the run can go on.\n"
            "  If memory ran out: policy.processes=1."
        )


@cache
def workers(num: int, num_threads: int) -> tuple[Worker, ...]:
    """The processes of this program: all models of a run live in the same ones, for each costs seconds to start."""
    started = tuple(Worker(num_threads) for _ in range(num))
    for worker in started:
        atexit.register(worker.end)
    return started


def _forget(held_by: tuple[Worker, ...], key: int) -> None:
    for worker in held_by:
        worker.forget(key)


def serve(descriptor: int, num_threads: int) -> None:
    """What a worker does: answer until the line ends. Ctrl-C is for the program that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from a3t.models.local import LocalModel

    torch.set_num_threads(num_threads)
    models: dict[int, LocalModel] = {}
    line: Connection[Any, Any] = Connection(descriptor)
    doing: dict[str, Callable[[int, Any], Any]] = {
        "load": lambda key, told: _load(models, key, *told),
        "complete": lambda key, requests: models[key].complete(requests),
        "score": lambda key, requests: models[key].score(requests),
        "release": lambda key, sessions: models[key].release(sessions),
    }
    while True:
        try:
            what, key, payload, dropped = line.recv()
        except (EOFError, OSError):
            return
        for old in dropped:
            models.pop(old, None)
        try:
            answer = doing[what](key, payload)
        except Exception as error:  # whatever it is, the asker hears of it and the process lives on
            answer = _Failed(error)
        try:
            line.send(answer)
        except OSError:
            return


def _load(models: dict[int, Any], key: int, config: str, weights: Path | None) -> dict[str, Any]:
    from a3t.models.local import open_configured

    model = open_configured(ModelConfig.model_validate_json(config), weights)
    models[key] = model
    return {"name": model.name, "fingerprint": model.fingerprint, "max_context": model.max_context}
