"""`a3t export` and `a3t import`: a run's trajectories to other people's formats, and back."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from a3t.config import Recipe
from a3t.errors import RecipeError
from a3t.exchange.chats import Encode
from a3t.exchange.item import Item, Read
from a3t.text.react import Speech
from a3t.text.segments import Segment
from a3t.types import Stage, Trajectory


def export(
    folder: Path,
    out: Path,
    to: str,
    what: Literal["auto", "all", "training"],
    with_failures: bool,
    tokenizer: Path | None = None,
) -> None:
    """Everything that was recorded, or the set that the last finished round was trained on; before one is, that of round 0."""
    from a3t.cli.assemble import recipe_of
    from a3t.cli.revise import load_chat
    from a3t.cli.speaking import speech_of
    from a3t.cli.telling import reading
    from a3t.exchange.formats import format_named, write_file
    from a3t.learning.mixture import training_set

    chosen = format_named(to, "export format")
    if not out.parent.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
    with reading(folder) as store:
        recipe = recipe_of(folder)
        if what == "training" or (what == "auto" and chosen.is_training):
            last = max(0, store.next_round() - 1)
            gathered = store.training_trajectories(rounds=range(last + 1))
            mixed, _selected = training_set(gathered, recipe, load_chat(recipe), last)
            items: Iterable[Item] = (Item(w.trajectory, w.weight, w.condition) for w in mixed.weighted)
            named = f"trajectories of the training set of round {last}"
        else:
            items = map(Item, store.trajectories())
            named = "trajectories"
        encode = None if tokenizer is None else _encoder(recipe, str(tokenizer))
        written = write_file(to, out, items, speech_of(recipe), with_failures=with_failures, encode=encode)
    print(f"{out}: {written.num} {named} as {to}.")
    if written.beside is not None:
        print(f"{written.beside}: what {to} has no place for; keep it beside, and the import is equal.")
    for why, num in written.lost.items():
        print(f"  {num} × {why}", file=sys.stderr)


def _encoder(recipe: Recipe, tokenizer: str) -> Encode:
    """Ids and mask as our own trainer makes them: the policy's header, its own ids where they are this tokenizer's."""
    from a3t.cli.assemble import Models
    from a3t.cli.speaking import speech_of
    from a3t.exchange.chats import Encoded
    from a3t.learning.chat import CHAT, chat_segments
    from a3t.learning.encode import encode_segments
    from a3t.models import folder
    from a3t.models.loading import load_tokenizer, tokenizer_fingerprint
    from a3t.text.react import render

    loaded = load_tokenizer(folder(tokenizer))
    fingerprint, speech = tokenizer_fingerprint(loaded), speech_of(recipe)

    def encode(item: Item) -> Encoded:
        row = encode_segments(segments(item), loaded, observation_loss=recipe.train.observation_loss)
        return Encoded(row.ids.tolist(), row.trained.tolist())

    def segments(item: Item) -> list[Segment]:
        trajectory = item.trajectory
        if trajectory.environment == CHAT:
            return chat_segments(trajectory, loaded)
        header = Models(recipe, trajectory.environment).header(recipe.agent.prompt)
        return render(
            trajectory,
            speech.of(trajectory.task),
            tokenizer=fingerprint,
            thoughts=recipe.agent.thoughts,
            header=header(trajectory.task, trajectory.observation),
            condition=item.condition,
        )

    return encode


def take_in(source: Path, target: Path, form: str, reward: float | None, split: str, text_format: str) -> None:
    """Into a file of records (`….jsonl`), or into a run, whose next training round learns from them."""
    from a3t.cli.assemble import recipe_of
    from a3t.cli.speaking import JOINT, speech_of
    from a3t.exchange.foreign import Defaults
    from a3t.exchange.formats import read_file
    from a3t.store import write_jsonl
    from a3t.text.react import dialect

    if reward is not None and not 0 <= reward <= 1:
        raise RecipeError(f"--reward {reward} does not fit: expected a number in [0, 1].")
    count: Counter[str] = Counter()
    spoken = dialect(text_format)
    if target.suffix != ".jsonl" and recipe_of(target).agent.format == JOINT:
        # What was exported from such a run knows its world, and is read back in that one's words.
        speech: Speech = speech_of(recipe_of(target))
    else:
        speech = spoken
    defaults = Defaults(reward=reward, split=split, name=source.stem, dialect=spoken, speech=speech)
    found = _told(read_file(form, source, defaults), count)
    if target.suffix == ".jsonl":
        num = write_jsonl(target, _numbered(item.trajectory for item in found))
        print(f"{target}: {num} trajectories, a line each (docs/records.md says what is in them).")
    else:
        num = _into_run(target, found, count)
        print(f"{target}: {num} trajectories taken in; the next round to be trained learns from them.")
    for what, times in count.items():
        print(f"  {times} × {what}", file=sys.stderr)


def _told(found: Iterable[Read], count: Counter[str]) -> Iterator[Item]:
    for read in found:
        if read.edited:
            count["edited since the export: read anew, without token ids"] += 1
        yield read.item


def _numbered(trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
    """Imported tries at one task are told apart by `attempt`; what a run recorded keeps its own numbers."""
    seen: Counter[object] = Counter()
    for trajectory in trajectories:
        if trajectory.stage is not Stage.IMPORT:
            yield trajectory
            continue
        key = (trajectory.task.split, trajectory.task.task_id)
        yield replace(trajectory, attempt=seen[key])
        seen[key] += 1


def _into_run(folder: Path, items: Iterable[Item], count: Counter[str]) -> int:
    """All or none. Trials of test tasks stay out, as the store demands of every training trajectory."""
    from a3t.cli.assemble import recipe_of
    from a3t.cli.speaking import speech_of
    from a3t.store import Store

    speech = speech_of(recipe_of(folder))
    with Store.open(folder) as store:
        index = store.next_round()
        numbers: Counter[object] = Counter()
        for row in store.rows(stages=(Stage.IMPORT,), rounds=(index,)):
            key = (row.split, row.task_id)
            numbers[key] = max(numbers[key], row.attempt + 1)
        taken = []
        for item in items:
            trajectory = item.trajectory
            if trajectory.stage is Stage.EVALUATE or trajectory.is_broken:
                count["left out: a trial, or an episode that broke"] += 1
                continue
            # A task of none of a joint run's worlds could not be told to the model.
            speech.of(trajectory.task)
            key = (trajectory.task.split, trajectory.task.task_id)
            taken.append(replace(trajectory, stage=Stage.IMPORT, round_index=index, attempt=numbers[key], duplicate=False))
            numbers[key] += 1
        store.add_many(taken)
    return len(taken)
