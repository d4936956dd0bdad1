"""One simulator: a Java process of its own that may be killed at any time, spoken to over a local socket.

Nothing here knows about episodes. Whatever goes wrong with the process (it dies, it hangs, it answers nonsense) is
`EnvironmentFailure`; the process is then gone, and the next `load` starts another.
"""

from __future__ import annotations

import json
import logging
import subprocess
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from a3t.envs.scienceworld.java import Java
from a3t.errors import EnvironmentFailure, missing_extra

T = TypeVar("T")


class SimulatorDied(EnvironmentFailure):
    """The process ended by itself, or somebody killed it: another one may do better."""


class Answer(NamedTuple):
    text: str
    score: int
    """0 to 100; below 0 where the task was spoilt for good (the wrong thing was focused on)."""
    over: bool


class Simulator:
    """Started when first needed.

    Args:
        timeout_s: wall-clock seconds that one call may take.
        heap_mb: memory that Java may use for its objects; the process takes some 200 MB more.
    """

    def __init__(self, java: Java, *, timeout_s: float, heap_mb: int) -> None:
        self._java, self._timeout_s, self._heap_mb = java, timeout_s, heap_mb
        self._server: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = lambda: None

    @property
    def pid(self) -> int | None:
        """Of the Java process; None while there is none."""
        return self._process.pid if self._process is not None else None

    def load(self, task_type: str, variation: int, simplifications: str, *, gold: bool = False) -> tuple[str, Answer]:
        """Begin a task; what it asks for, and what is seen first. Takes seconds, with `gold` many."""

        def begin(server: Any) -> tuple[str, Answer]:
            server.load(task_type, variation, simplifications, gold)
            server.reset()
            return str(server.freeActionTaskDesc()), self._stepped(server, "look around")

        return self._call(begin, fresh=True)

    def step(self, action: str) -> Answer:
        return self._call(lambda server: self._stepped(server, action))

    def actions(self) -> list[str]:
        """Everything that can be said here, in no order, perhaps twice."""
        # One call for all: the package's own list asks again for each of a thousand entries.
        told = self._call(lambda server: str(server.getValidActionObjectCombinationsJSON()))
        try:
            return [str(entry["action"]) for entry in json.loads(told)["validActions"]]
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentFailure(f"the ScienceWorld simulator's list of actions cannot be read: {error}") from error

    def gold_actions(self) -> list[str]:
        """A way to solve what was loaded with `gold`."""
        return self._call(lambda server: [str(action) for action in server.getGoldActionSequence()])

    def kill(self) -> None:
        """End the process at once. Harmless where there is none."""
        self._end()
        self._server = self._process = None
        self._end = lambda: None

    @staticmethod
    def _stepped(server: Any, action: str) -> Answer:
        text = str(server.step(action))
        return Answer(text, round(100 * float(server.getScore())), bool(server.getCompleted()))

    def _call(self, question: Callable[[Any], T], *, fresh: bool = False) -> T:
        """Raises `EnvironmentFailure`; the process is gone then.

        Args:
            fresh: a process may be started for it; otherwise there is nothing to ask where none is running.
        """
        if self._server is None and not fresh:
            raise EnvironmentFailure("the ScienceWorld simulator is not running.")
        try:
            if self._server is None:
                self._start()
            with _without_py4js_own_words():
                return question(self._server)
        except EnvironmentFailure:
            self.kill()
            raise
        except BaseException as error:
            # A time-out of whoever plays (an alarm) may strike in the middle of an answer: the socket is of no use after it.
            code = _ended(self._process)
            self.kill()
            if not isinstance(error, Exception):
                raise
            if code is not None:
                raise SimulatorDied(f"the ScienceWorld simulator died (exit code {code}).") from error
            how = f"{type(error).__name__}: {_first_line(error)}"
            raise EnvironmentFailure(f"the ScienceWorld simulator does not answer ({how}).") from error

    def _start(self) -> None:
        try:
            from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
            from scienceworld.constants import BASEPATH, JAR_PATH
        except ImportError:
            raise missing_extra("scienceworld", "scienceworld", "scienceworld") from None
        # What it complains of rises here as an error of ours; it would be told twice.
        logging.getLogger("py4j.java_gateway").setLevel(logging.CRITICAL)
        # Plain garbage collection and the quick compiler: a simulator of one player needs no more, and leaves the cores alone.
        options = [f"-Xmx{self._heap_mb}m", "-Xss8m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        port, process = launch_gateway(
            classpath=JAR_PATH,
            java_path=self._java.path,
            javaopts=options,
            cwd=str(Path(BASEPATH)),
            die_on_exit=True,
            return_proc=True,
        )
        self._process = process
        self._end = weakref.finalize(self, _terminate, process)
        parameters = GatewayParameters(port=port, auto_field=True, read_timeout=self._timeout_s)
        gateway = JavaGateway(gateway_parameters=parameters, java_process=process)
        self._server = gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface()


@contextmanager
def _without_py4js_own_words() -> Iterator[None]:
    """Tracebacks that py4j logs as everybody's (on the root logger) are dropped meanwhile: they rise as errors of ours."""
    root = logging.getLogger()

    def is_somebody_elses(record: logging.LogRecord) -> bool:
        return Path(record.pathname).parts[-2:] != ("py4j", "java_gateway.py")

    # `logging.exception` gives a root without handlers one for good; this is what Python uses where there is none.
    stand_in = None if root.handlers else logging.lastResort
    root.addFilter(is_somebody_elses)
    if stand_in is not None:
        root.addHandler(stand_in)
    try:
        yield
    finally:
        root.removeFilter(is_somebody_elses)
        if stand_in is not None:
            root.removeHandler(stand_in)


def _ended(process: subprocess.Popen[bytes] | None) -> int | None:
    """Its exit code; None where it lives. A process that was just killed may take a moment."""
    if process is None:
        return None
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """Kill, and wait, so that no dead process stays behind."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no message"
