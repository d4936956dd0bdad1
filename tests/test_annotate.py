"""ActRe backfills reasons: what is asked, what is kept, and files that are whole whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from a3t.annotate import Annotation, annotate, annotate_file, lacks_reason
from a3t.config import AnnotatorConfig
from a3t.errors import BadDataError, Interrupted, MissingDataError, ModelError, RecipeError
from a3t.models.scripted import ScriptedModel
from a3t.store.jsonl import read_jsonl, write_jsonl
from a3t.text.react import HOUSEHOLD, render
from a3t.text.segments import segments_text
from a3t.types import Author, Completed, Completion, Cost, Scoring, Stage, Step, Stop, Tokens, Trajectory, prompt_text
from toy_world import TASK, annotator, policy

RECORD, OFF = AnnotatorConfig(), AnnotatorConfig(gate="off")
ENFORCE = AnnotatorConfig(gate="enforce")


def plan(*steps: Step, **fields: Any) -> Trajectory:
    told = {"task": TASK, "observation": "A room.", "reward": 1.0, "success": True, "stop": Stop.SUCCESS, "stage": Stage.IMPORT}
    return Trajectory(steps=steps, environment="corridor", **(told | fields))  # type: ignore[arg-type]


def done(action: str, thought: str = "", **fields: Any) -> Step:
    return Step(thought, action, f"After {action}.", Author.HUMAN, Author.SCRIPT, **fields)


def because(request: Completion) -> str:
    """Explains the action that it is asked about."""
    action = prompt_text(request.prompt).rsplit("Action: ", 1)[1].split("\n")[0]
    return f" Because of {action}."


def one(trajectory: Trajectory, config: AnnotatorConfig = OFF, who: Any = None, model: Any = None) -> Trajectory:
    (result,) = annotate([trajectory], annotator(model or ScriptedModel(because)), who, config)
    return result


def scoring(with_reason: float, without: float) -> Any:
    """A policy that finds actions this likely."""

    def scores(request: Scoring) -> list[float]:
        return [with_reason if "think:" in prompt_text(request.prompt).rsplit("After", 1)[-1] else without]

    return policy(ScriptedModel({}, scores=scores))


def test_every_action_without_a_thought_is_given_a_reason() -> None:
    result = one(plan(done("go east"), done("take flag")))
    assert [(s.thought, s.thought_by, s.action, s.action_by) for s in result.steps] == [
        ("Because of go east.", Author.ANNOTATOR, "go east", Author.SCRIPT),
        ("Because of take flag.", Author.ANNOTATOR, "take flag", Author.SCRIPT),
    ]
    assert result.annotator == "base"
    assert result.cost.model_calls == 2
    assert segments_text(render(result, HOUSEHOLD)).startswith("A room.\n> think: Because of go east.\nOK.\n> go east\n")


def test_the_history_holds_the_reasons_so_far() -> None:
    model = ScriptedModel(because)
    one(plan(done("go east"), done("take flag")), model=model)
    assert prompt_text(model.calls[-1].prompt) == (
        "Observation: A room.\nAction: go east\nReason: Because of go east.\n"
        "Observation: After go east.\nAction: take flag\nReason:"
    )


def test_thoughts_that_are_there_stay() -> None:
    tokens = Tokens((1,), (-1.0,))
    mine = done("go east", "I like the east.", action_tokens=tokens)
    result = one(plan(mine, done("take flag", action_tokens=tokens)))
    assert result.steps[0] == mine
    assert (result.steps[1].thought_tokens, result.steps[1].action_tokens) == (None, tokens)


def test_a_thought_just_before_an_action_is_its_reason() -> None:
    steps = (Step("East, then.", "", "OK."), done("go east"), done("take flag"))
    assert [lacks_reason(steps, i) for i in range(3)] == [False, False, True]
    result = one(plan(*steps))
    assert [s.thought for s in result.steps] == ["East, then.", "", "Because of take flag."]


def test_nothing_to_explain_changes_nothing() -> None:
    model = ScriptedModel(because)
    before = plan(done("go east", "East."), Step("", "", "Nothing happens.", valid=False))
    assert one(before, model=model) == before
    assert not model.calls


def test_an_annotator_without_a_word_leaves_the_action_as_it_was() -> None:
    before = plan(done("go east"))
    after = one(before, model=ScriptedModel(lambda request: "[]"))
    assert after.steps == before.steps
    assert after.annotator == ""


def test_broken_episodes_are_left_as_they_are() -> None:
    model = ScriptedModel(because)
    before = plan(done("go east"), success=False, reward=0.0, stop=Stop.ENVIRONMENT_ERROR, error="fire")
    assert one(before, model=model) == before
    assert not model.calls


def test_raw_logs_read_like_our_own_records() -> None:
    raw = "-= Welcome to TextWorld, ALFRED! =-\n\nA room.\n\nYour task is to: rest.\n"
    result = one(plan(Step("", "look", "Nothing.\n\n\x07"), observation=raw))
    assert (result.observation, result.steps[0].observation) == ("A room.\nYour task is to: rest.", "Nothing.")


def test_what_comes_first_goes_first_however_long_it_takes() -> None:
    plans = [plan(*[done("look")] * length, attempt=i) for i, length in enumerate((5, 1, 3, 1))]
    results = list(annotate(plans, annotator(ScriptedModel(because)), None, OFF, width=2))
    assert [t.attempt for t in results] == [0, 1, 2, 3]


def test_many_are_explained_in_whole_batches() -> None:
    sizes: list[int] = []

    class Counting(ScriptedModel):
        def complete(self, requests: Any) -> list[Completed]:
            sizes.append(len(requests))
            return super().complete(requests)

    list(annotate([plan(done("a"), done("b"))] * 6, annotator(Counting(because)), None, OFF, width=3))
    assert sizes == [3, 3, 3, 3]


# --- the gate -------------------------------------------------------------------------


def test_the_gate_is_recorded_and_decides_nothing() -> None:
    result = one(plan(done("go east")), RECORD, scoring(-5.0, -1.0))
    assert result.steps[0].thought == "Because of go east."
    assert result.steps[0].gate is not None and result.steps[0].gate.gain == -4.0


@pytest.mark.parametrize(("with_reason", "keeps"), [(-0.5, True), (-1.0, True), (-1.5, False), (float("nan"), False)])
def test_an_enforced_gate_drops_what_does_not_help_and_says_why(with_reason: float, keeps: bool) -> None:
    result = one(plan(done("go east")), ENFORCE, scoring(with_reason, -1.0))
    assert result.steps[0].thought == ("Because of go east." if keeps else "")
    assert result.steps[0].gate is not None


@pytest.mark.parametrize(("config", "who"), [(OFF, scoring(0.0, 0.0)), (RECORD, None)])
def test_without_a_gate_or_a_policy_nothing_is_measured(config: AnnotatorConfig, who: Any) -> None:
    assert one(plan(done("go east")), config, who).steps[0].gate is None


def test_a_gate_cannot_be_enforced_by_nobody() -> None:
    with pytest.raises(RecipeError, match=r"gate=off"):
        one(plan(done("go east")), ENFORCE)


# --- annotators that fail ---------------------------------------------------------------


class Failing(ScriptedModel):
    """Explains, but for certain actions."""

    def __init__(self, action: str, completed: Completed) -> None:
        super().__init__(because)
        self.action, self.completed = action, completed

    def _answer(self, request: Completion) -> Completed:
        asked = prompt_text(request.prompt).endswith(f"Action: {self.action}\nReason:")
        return self.completed if asked else super()._answer(request)


def test_a_failure_leaves_its_trajectory_without_reasons_and_the_others_whole() -> None:
    model = Failing("bad", Completed("", None, "error", 0, "refused"))
    told: list[str] = []
    plans = [plan(done("a"), done("bad")), plan(done("a"), done("b"))]
    first, second = annotate(plans, annotator(model), None, OFF, failed=lambda t, why: told.append(why))
    assert first == replace(plans[0], cost=first.cost) and first.cost.model_calls == 2
    assert all(step.thought for step in second.steps)
    assert told == ["refused"]


def test_a_full_context_keeps_the_reasons_so_far() -> None:
    result = one(plan(done("a"), done("bad"), done("c")), model=Failing("bad", Completed("", None, "context")))
    assert [bool(step.thought) for step in result.steps] == [True, False, False]
    assert result.annotator == "base"


# --- files --------------------------------------------------------------------------------


class Silent:
    """Progress that is kept for the test to look at."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.ended = False
        self.said: list[str] = []

    def begin(self, what: str, total: int) -> None:
        self.total = total

    def advance(self, num: int = 1, **shown: object) -> None:
        self.done += num

    def end(self) -> None:
        self.ended = True

    def say(self, text: str) -> None:
        self.said.append(text)


def run_file(source: Path, out: Path, model: Any = None, progress: Silent | None = None, **options: Any) -> Annotation:
    options = {"config": OFF, "policy": None} | options
    return annotate_file(source, out, annotator(model or ScriptedModel(because)), progress=progress or Silent(), **options)


def logs(path: Path, num: int = 5) -> Path:
    write_jsonl(path, [plan(done("go east"), done("take flag"), attempt=i) for i in range(num)])
    return path


def test_a_file_of_actions_becomes_a_file_of_reasons(tmp_path: Path) -> None:
    progress = Silent()
    result = run_file(logs(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", progress=progress)
    assert result == Annotation(num_trajectories=5, num_explained=10, num_without=0, first_failure="")
    assert [t.attempt for t in read_jsonl(tmp_path / "out.jsonl")] == [0, 1, 2, 3, 4]
    assert (progress.total, progress.done, progress.ended) == (5, 5, True)
    assert "10 steps explained" in progress.said[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_the_least_that_a_stranger_may_write_is_enough(tmp_path: Path) -> None:
    line = {
        "task_id": "t",
        "split": "train",
        "observation": "A room.",
        "steps": [{"action": "look", "observation": "."}],
        "reward": 1.0,
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(line) + "\n\n", encoding="utf-8")
    run_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    (result,) = read_jsonl(tmp_path / "out.jsonl")
    assert (result.steps[0].thought, result.steps[0].thought_by, result.stage) == (
        "Because of look.",
        Author.ANNOTATOR,
        Stage.IMPORT,
    )


def test_a_broken_line_is_named_before_any_model_is_asked(tmp_path: Path) -> None:
    source = logs(tmp_path / "in.jsonl", 2)
    source.write_text(source.read_text(encoding="utf-8") + '{"task_id": 3}\n', encoding="utf-8")
    model = ScriptedModel(because)
    with pytest.raises(BadDataError, match="line 3"):
        run_file(source, tmp_path / "out.jsonl", model)
    assert not model.calls and not (tmp_path / "out.jsonl").exists()


def test_a_file_that_is_not_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        run_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")


def test_a_file_is_not_written_over_itself(tmp_path: Path) -> None:
    source = logs(tmp_path / "in.jsonl")
    before = source.read_bytes()
    with pytest.raises(RecipeError, match="over itself"):
        run_file(source, tmp_path / "." / "in.jsonl")
    assert source.read_bytes() == before


def test_an_empty_file_makes_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("", encoding="utf-8")
    assert run_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == Annotation(0, 0, 0, "")
    assert (tmp_path / "out.jsonl").read_bytes() == b""


class Dies(ScriptedModel):
    """Explains so many actions, then the power goes out."""

    def __init__(self, after: int) -> None:
        super().__init__(because)
        self.left = after

    def _answer(self, request: Completion) -> Completed:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super()._answer(request)


def test_a_killed_run_goes_on_where_it_stood_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    source, out = logs(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_file(source, out, Dies(after=25), width=2)
    assert not out.exists()
    model, progress = ScriptedModel(because), Silent()
    run_file(source, out, model, progress, width=2)
    assert len(model.calls) == 40 - 16, "a chunk of eight trajectories was finished"
    assert progress.done == 20
    run_file(source, tmp_path / "whole.jsonl", width=2)
    assert without_costs(out) == without_costs(tmp_path / "whole.jsonl")
    assert not (tmp_path / "out.jsonl.annotating").exists()


def without_costs(path: Path) -> list[Trajectory]:
    return [replace(t, cost=Cost()) for t in read_jsonl(path)]


@pytest.mark.parametrize("change", ["source", "annotator", "config", "prompt"])
def test_what_was_begun_otherwise_is_begun_again(tmp_path: Path, change: str) -> None:
    source, out = logs(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_file(source, out, Dies(after=25), width=2)
    if change == "source":
        logs(source, 19)
    model = ScriptedModel(because)
    who = annotator(model, temperature=0.5 if change == "annotator" else 0.0, header="Explain.\n\n" if change == "prompt" else "")
    config = AnnotatorConfig(gate="off", gate_threshold=1.0) if change == "config" else OFF
    annotate_file(source, out, who, None, config, Silent(), width=2)
    assert len(model.calls) == (38 if change == "source" else 40)


def test_stopping_keeps_what_was_done(tmp_path: Path) -> None:
    asked = iter([False] * 5 + [True] * 100)
    with pytest.raises(Interrupted, match="the same command goes on"):
        run_file(logs(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl", width=4, should_stop=lambda: next(asked))
    assert not (tmp_path / "out.jsonl").exists()
    assert (tmp_path / "out.jsonl.annotating").is_dir()


def test_an_annotator_that_only_fails_stops_the_run_and_says_why(tmp_path: Path) -> None:
    model = ScriptedModel({})
    with pytest.raises(ModelError, match="failed on each of 5 trajectories; first: the script has no answer"):
        run_file(logs(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", model)
    assert not (tmp_path / "out.jsonl").exists()


def test_one_failure_among_many_is_counted_and_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", [plan(done("bad")), plan(done("go east"), attempt=1)])
    progress = Silent()
    result = run_file(
        tmp_path / "in.jsonl", tmp_path / "out.jsonl", Failing("bad", Completed("", None, "error", 0, "refused")), progress
    )
    assert result == Annotation(2, 1, 1, "refused")
    assert "1 actions still without a reason" in progress.said[0] and "refused" in progress.said[0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.annotating").write_text("in the way", encoding="utf-8")
    with pytest.raises(RecipeError, match="cannot write next to the result"):
        run_file(logs(tmp_path / "in.jsonl"), tmp_path / "out.jsonl")


@pytest.mark.parametrize("make", [lambda p: p / "nowhere" / "out.jsonl", lambda p: p / "out.jsonl"])
def test_folders_are_made_on_the_way(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    run_file(logs(tmp_path / "in.jsonl"), make(tmp_path))
    assert make(tmp_path).is_file()
