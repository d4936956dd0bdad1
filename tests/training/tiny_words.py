"""A randomly initialised model of a real architecture, and trajectories for it: what the trainer's tests train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from a3t.text.segments import Role, Segment
from a3t.types import Author, Stage, Step, Stop, Task, Tokens, Trajectory, Weighted

TEXT = (
    "go to take from put in on open close drawer cabinet shelf desk vase safe lamp you see a 1 2 3 nothing happens . > OK think"
)
WORDS = TEXT.split()


def save_tokenizer(folder: Path) -> Any:
    """One token per word of `WORDS`; `<s>` opens a text, as Llama's tokenizer does it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_base(folder: Path, architecture: str = "Llama", **changes: Any) -> Path:
    """A base model's folder: weights in safetensors, configuration, tokenizer."""
    import torch
    import transformers

    tokenizer = save_tokenizer(folder)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    config = getattr(transformers, f"{architecture}Config")(**{**sizes, **changes})
    torch.manual_seed(0)
    getattr(transformers, f"{architecture}ForCausalLM")(config).save_pretrained(folder)
    return folder


def trajectory(task: str, actions: list[str], *, success: bool, logprob: float | None = None) -> Trajectory:
    """Every action is answered by `you see a vase`; `logprob` is recorded for each of its tokens."""
    steps = []
    for action in actions:
        tokens = None
        if logprob is not None:
            ids = tuple(3 + WORDS.index(word) for word in action.split())
            tokens = Tokens(ids, (logprob,) * len(ids))
        steps.append(Step("", action, "you see a vase", Author.POLICY, Author.POLICY, action_tokens=tokens))
    stop = Stop.SUCCESS if success else Stop.TURN_LIMIT
    return Trajectory(
        Task(task, "train"), "put a vase in safe 1", tuple(steps), float(success), success, stop, Stage.COLLECT, "words", 1
    )


def render(weighted: Weighted) -> list[Segment]:
    segments = [Segment(weighted.trajectory.observation, Role.OBSERVATION)]
    for index, step in enumerate(weighted.trajectory.steps):
        tokens = step.action_tokens
        segments += [
            Segment(">", Role.FORMAT, index),
            Segment(step.action, Role.ACTION, index, tokens.ids if tokens else None, logprobs=tokens.logprobs if tokens else ()),
            Segment(step.observation, Role.OBSERVATION, index),
        ]
    return segments


def dataset() -> list[Weighted]:
    """Twelve tasks solved in one to four steps, and four failures of six."""
    solved = [
        Weighted(trajectory(f"task-{n}", [f"go to drawer {1 + n % 3}"] * (1 + n % 4) + ["take vase"], success=True), 1.0)
        for n in range(12)
    ]
    failed = [
        Weighted(trajectory(f"task-{n}", ["go to shelf 2", "open safe 3"] * 3, success=False, logprob=-1.0), -1.0)
        for n in range(4)
    ]
    return solved + failed
