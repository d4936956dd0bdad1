"""`a3t bench rollout`: turns per second of `LocalModel`, beside `generate()` reading each whole prompt anew.

Both answer the same turns of the same episodes: generated household games, played by a random player.
What the model says is recorded but not acted on, so that the text does not depend on how good the model is.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from a3t.envs import make
from a3t.errors import RecipeError
from a3t.learning.tokens import encode_prompt
from a3t.models import folder
from a3t.models.loading import end_ids, load_folder
from a3t.models.local import LocalModel
from a3t.types import Completion, Part

NEAR_TIE = 1e-3
"""Two likeliest tokens closer than this many nats are a tie that rounding may decide."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer the turns."""

    name: str
    turns_per_s: float
    """Median over the runs, wall clock."""
    turns_per_cpu_s: float
    """Median over the runs, CPU time of all threads: steadier where others use the machine."""


@dataclass(frozen=True, slots=True)
class RolloutFigures:
    """What was measured."""

    model: str
    num_parameters: int
    num_threads: int
    num_episodes: int
    num_turns: int
    context: float
    """Mean tokens of a prompt."""
    written: float
    """Mean tokens of a completion."""
    num_runs: int
    ours: Way
    theirs: tuple[Way, ...]
    num_compared: int
    """Completions that both ways wrote."""
    num_equal: int
    """Those of them with equal ids."""
    num_near_ties: int
    """Of the unequal ones: first differing where the model itself is undecided."""

    @property
    def ratio(self) -> float:
        """Turns per CPU-second, ours over the best of theirs."""
        return self.ours.turns_per_cpu_s / max(way.turns_per_cpu_s for way in self.theirs)

    def lines(self) -> list[str]:
        unequal = self.num_compared - self.num_equal
        return [
            f"{self.model}: {self.num_parameters / 1e6:.2f} M parameters, {self.num_threads} threads, {self.num_runs} runs",
            f"{self.num_episodes} episodes of {self.num_turns} turns: {self.context:.0f} tokens read, {self.written:.1f} written",
            f"{'':38}{'turns/s':>9}{'turns/CPU-s':>13}{'ours is':>10}",
            *(
                f"{way.name:38}{way.turns_per_s:9.1f}{way.turns_per_cpu_s:13.1f}"
                f"{self.ours.turns_per_cpu_s / way.turns_per_cpu_s:8.1f} x"
                for way in (self.ours, *self.theirs)
            ),
            f"equal greedy completions: {self.num_equal} of {self.num_compared}"
            + (f"; of the others {self.num_near_ties} part at a near tie (< {NEAR_TIE} nats)" if unequal else ""),
        ]


@dataclass(frozen=True, slots=True)
class Episode:
    """A game as text: what has been said so far, and what the world will say after each turn."""

    opening: tuple[Part, ...]
    observations: tuple[str, ...]


class _Answer(NamedTuple):
    prompt: list[int]
    ids: list[int]


class _Timed(NamedTuple):
    turns: list[list[_Answer]]
    """Turn by turn, episode by episode."""
    wall_s: float
    cpu_s: float
    """Of all threads."""


def run(
    num_episodes: int = 64,
    num_turns: int = 18,
    *,
    model: str = "random",
    context: int = 0,
    max_tokens: int = 25,
    num_runs: int = 3,
    num_reread: int = 3,
    baseline_batches: Sequence[int] = (64, 16),
    seed: int = 0,
) -> RolloutFigures:
    """Measure both ways, in turns, on the same episodes.

    Args:
        model: `random` (a Llama of hidden 128 x 4 layers x 4 heads with random weights; completions run to `max_tokens`), or
            `builtin:tiny`, or a folder (completions end at a newline).
        context: tokens that an episode has at least when the measurement begins; 0 measures episodes from their start.
        num_reread: turns of each run that `generate()` answers too.
        baseline_batches: rows per `generate()` call; the best of them is what we are compared with.

    Raises:
        RecipeError: a number is not positive.
        ModelError: the folder is not a model's.
    """
    for name, value in {
        "num_episodes": num_episodes,
        "num_turns": num_turns,
        "max_tokens": max_tokens,
        "num_runs": num_runs,
        "num_reread": num_reread,
    }.items():
        if value < 1:
            raise RecipeError(f"{name} = {value} does not fit: expected a positive number.")
    if not baseline_batches or min(baseline_batches) < 1:
        raise RecipeError(f"baseline_batches = {tuple(baseline_batches)} does not fit: expected positive numbers, at least one.")
    stop = () if model == "random" else ("\n",)
    if model == "random":
        texts = [part.text for episode in play(num_episodes, 1, 300, seed, str.split) for part in episode.opening]
        tokenizer = _tokenizer(texts)
        weights = _random_llama(len(tokenizer), seed)
    else:
        weights, tokenizer = load_folder(folder(model), device="cpu", dtype="float32")
    episodes = play(num_episodes, num_turns, context, seed, lambda text: encode_prompt(tokenizer, text))
    local = LocalModel(weights, tokenizer, name=model)
    endings = _ending_ids(weights, tokenizer, stop)
    ours: list[_Timed] = []
    theirs: dict[int, list[_Timed]] = {batch: [] for batch in baseline_batches}
    pairs: list[tuple[_Answer, _Answer]] = []
    for _ in range(num_runs):
        local.clear()
        ours.append(_timed(_play_turns, local, episodes, stop, max_tokens))
        # Re-reading everything takes minutes: a few turns, spread over the episodes, stand for all.
        sample = [ours[-1].turns[int((i + 0.5) * num_turns / num_reread)] for i in range(num_reread)]
        for batch in baseline_batches:
            theirs[batch].append(_timed(_reread, weights, sample, batch, max_tokens, endings))
            for turn, reread in zip(sample, theirs[batch][-1].turns, strict=True):
                pairs += zip(turn, reread, strict=True)
    said = [answer for turn in ours[-1].turns for answer in turn]
    unequal = [(one, other) for one, other in pairs if one.ids != other.ids]
    return RolloutFigures(
        model=model,
        num_parameters=sum(p.numel() for p in weights.parameters()),
        num_threads=torch.get_num_threads(),
        num_episodes=num_episodes,
        num_turns=num_turns,
        context=statistics.mean(len(answer.prompt) for answer in said),
        written=statistics.mean(len(answer.ids) for answer in said),
        num_runs=num_runs,
        ours=_way("LocalModel", ours),
        theirs=tuple(_way(f"generate(), whole prompts, {batch} rows", theirs[batch]) for batch in baseline_batches),
        num_compared=len(pairs),
        num_equal=len(pairs) - len(unequal),
        num_near_ties=sum(_is_near_tie(weights, one, other) for one, other in unequal),
    )


def play(num_episodes: int, num_turns: int, context: int, seed: int, encode: Callable[[str], Sequence[object]]) -> list[Episode]:
    """Household games played by a random player until their text has `context` tokens, and `num_turns` observations more."""
    env: Any = make("household")
    tasks = env.tasks("train")
    episodes = []
    for number in range(num_episodes):
        rng = random.Random(seed * num_episodes + number)
        observation, info = env.reset(seed=seed, options={"task_id": tasks[number % len(tasks)].task_id})
        said = [Part(f"{observation}\n>")]
        size = len(encode(said[0].text))
        observations: list[str] = []
        while len(observations) < num_turns:
            action = rng.choice(info["actions"])
            observation, _reward, terminated, truncated, info = env.step(action)
            if terminated or truncated:  # a lucky player goes on in the next game
                observation, info = env.reset(seed=seed, options={"task_id": rng.choice(tasks).task_id})
            if size >= context:
                observations.append(f"{observation}\n>")
            else:
                turn = [Part(f" {action}\n"), Part(f"{observation}\n>")]
                size += sum(len(encode(part.text)) for part in turn)
                said += turn
        episodes.append(Episode(tuple(said), tuple(observations)))
    return episodes


def _play_turns(local: LocalModel, episodes: Sequence[Episode], stop: tuple[str, ...], max_tokens: int) -> list[list[_Answer]]:
    talks = [list(episode.opening) for episode in episodes]
    turns: list[list[_Answer]] = []
    for turn in range(len(episodes[0].observations)):
        requests = [Completion(tuple(talk), stop, max_tokens, session=f"{i}") for i, talk in enumerate(talks)]
        turns.append([])
        for talk, episode, answer in zip(talks, episodes, local.complete(requests), strict=True):
            assert answer.tokens is not None
            turns[-1].append(_Answer(encode_prompt(local.tokenizer, tuple(talk)), list(answer.tokens.ids)))
            talk += [Part(answer.text, answer.tokens.ids), Part(episode.observations[turn])]
    return turns


def _reread(
    model: Any, turns: Sequence[Sequence[_Answer]], batch: int, max_tokens: int, endings: list[int]
) -> list[list[_Answer]]:
    """The same turns with `generate()`: left-padded batches of whole prompts."""
    answers: list[list[_Answer]] = []
    for turn in turns:
        answers.append([])
        for first in range(0, len(turn), batch):
            prompts = [answer.prompt for answer in turn[first : first + batch]]
            width = max(map(len, prompts))
            ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
            mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
            written = model.generate(
                ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, pad_token_id=0, eos_token_id=endings or None
            )
            for prompt, row in zip(prompts, written[:, width:].tolist(), strict=True):
                end = next((i + 1 for i, token in enumerate(row) if token in endings), len(row))
                answers[-1].append(_Answer(prompt, row[:end]))
    return answers


def _ending_ids(model: Any, tokenizer: Any, stop: tuple[str, ...]) -> list[int]:
    """Ids with which a completion ends in `LocalModel`, for `generate()`: exact for stop texts of one character."""
    ids = set(end_ids(model, tokenizer))
    return sorted(ids | {i for i in range(len(tokenizer)) for s in stop if s in tokenizer.decode([i])})


def _is_near_tie(model: Any, one: _Answer, other: _Answer) -> bool:
    """Whether the model hardly prefers the token where two answers to one prompt part."""
    same = next(
        (i for i, (a, b) in enumerate(zip(one.ids, other.ids, strict=False)) if a != b), min(len(one.ids), len(other.ids))
    )
    with torch.inference_mode():
        logits = model(torch.tensor([one.prompt + one.ids[:same]])).logits[0, -1].double()
    best = logits.log_softmax(-1).topk(2).values
    return bool(best[0] - best[1] < NEAR_TIE)


def _way(name: str, runs: Sequence[_Timed]) -> Way:
    num_answers = sum(map(len, runs[0].turns))
    return Way(
        name,
        statistics.median(num_answers / run.wall_s for run in runs),
        statistics.median(num_answers / run.cpu_s for run in runs),
    )


def _timed(work: Callable[..., list[list[_Answer]]], *arguments: Any) -> _Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    turns = work(*arguments)
    return _Timed(turns, time.perf_counter() - wall, time.process_time() - cpu)


def _tokenizer(texts: Sequence[str]) -> Any:
    """A byte-level BPE of at most 1,000 tokens, trained on the texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def _random_llama(vocabulary: int, seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()
