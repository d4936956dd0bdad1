"""What stands before a task: an instruction and examples, read from text files and chosen by the task's type.

A prompt is `bare` (nothing), `few-shot` (the files that ship with a3t), or a path: one text file, used as it is for every task,
or a folder laid out as ours:

    instruction.txt                    on top
    instruction-without-thoughts.txt   on top instead, for an agent that never thinks; optional
    <task_type>.txt                    examples, a line of three dashes between them
    default.txt                        for types without a file of their own; without it they get a mix of all

Everything is read when the prompt is loaded: a file that changes later changes nothing in a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from a3t.errors import RecipeError, nearest
from a3t.text.react import THOUGHT_REPLY, Dialect
from a3t.text.react import dialect as dialect_named
from a3t.types import Task

Header: TypeAlias = Callable[[Task, str], str]
"""Instructions and examples for a task whose first observation is given; the empty string for none."""

Kind: TypeAlias = Literal["react", "actre"]

BARE, FEW_SHOT = "bare", "few-shot"

SHIPPED = Path(__file__).parent / "prompts"
"""`<dialect>/<generation>/<kind>/…`; a dialect of one generation has no such level."""

INSTRUCTION, WITHOUT_THOUGHTS, DEFAULT = "instruction", "instruction-without-thoughts", "default"

MOST_CHARACTERS = 1_000_000
"""A prompt longer than this was not meant as one: no model's context holds it."""

_BETWEEN_EXAMPLES = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SameForAll:
    """A header that does not look at the task."""

    text: str

    def __call__(self, task: Task, observation: str) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ByTaskType:
    """A header whose examples are those of the task's type."""

    texts: Mapping[str, str]
    default: str

    def __call__(self, task: Task, observation: str) -> str:
        return self.texts.get(task.task_type, self.default)


def load_header(
    prompt: str,
    *,
    kind: Kind,
    dialect: str,
    generation: str = "2.1.2",
    num_examples: int = 2,
    has_thoughts: bool = True,
) -> Header:
    """The header that a recipe's `prompt` names.

    Args:
        prompt: `bare`, `few-shot`, or the path of a text file or folder.
        kind: `react` shows reasons before actions, `actre` after them.
        generation: wording of the household world, `2.1.1` (`put X in/on R`) or `2.1.2` (`move X to R`).
        num_examples: examples a task at most; a text file of one's own is used as it is, whatever it holds.
        has_thoughts: False leaves the thoughts out of a folder's ReAct examples (the action-only ablation).

    Raises:
        RecipeError: nothing to read there, not UTF-8 text, empty, or no such generation.
        UnknownNameError: no such dialect.
    """
    spoken = dialect_named(dialect)
    if prompt == BARE:
        return SameForAll("")
    if prompt == FEW_SHOT:
        folder = shipped_folder(kind, dialect, generation)
    else:
        folder = Path(prompt or "(nothing)")  # or else it would be the current folder
        if _what_is(folder) != "folder":
            return SameForAll(_ended(read_prompt(folder)))
    without = None if has_thoughts or kind == "actre" else spoken
    return _by_task_type(folder, max(0, num_examples), without)


def shipped_folder(kind: Kind, dialect: str, generation: str) -> Path:
    """Where our examples are. Raises `RecipeError` for a generation that there is none of."""
    generations = sorted(path.name for path in (SHIPPED / dialect).glob("*") if path.is_dir() and path.name[0].isdigit())
    if not generations:
        return SHIPPED / dialect / kind
    if generation not in generations:
        known = ", ".join(generations)
        raise RecipeError(f"the few-shot prompts of {dialect!r} are written for the game texts {known}; got {generation!r}.")
    return SHIPPED / dialect / generation / kind


def read_prompt(path: Path) -> str:
    """A text file, its line ends made plain.

    Raises:
        RecipeError: it is not there, cannot be read, is not UTF-8 text, is empty, or is no prompt by its size.
    """
    what = _what_is(path)
    if what != "file":
        close = nearest(str(path), (BARE, FEW_SHOT), limit=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Or {BARE!r}, or {FEW_SHOT!r} for the examples that ship with a3t."
        raise RecipeError(f"prompt {str(path)!r}: expected a text file, or a folder of them; {what}.\n  {hint}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"cannot read the prompt {path}: {error.strerror or error}.") from None
    if len(data) > MOST_CHARACTERS:
        raise RecipeError(f"prompt {path}: {len(data):,} bytes are no prompt; at most {MOST_CHARACTERS:,} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"prompt {path}: expected UTF-8 text; byte {error.start} is not.") from None
    if "\0" in text:
        raise RecipeError(f"prompt {path}: expected text; byte {text.index(chr(0))} is zero.")
    if not text.strip():
        raise RecipeError(f"prompt {path} is empty.\n  For no prompt at all: {BARE!r}.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _what_is(path: Path) -> str:
    """`file`, `folder`, or what is the matter."""
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        return "it is neither" if path.exists() else f"there is nothing at {path.absolute()}"
    except OSError as error:
        return f"{error.strerror or error}"


def split_examples(text: str) -> tuple[str, ...]:
    """The examples of a file, without the lines between them."""
    return tuple(part.strip("\n") for part in _BETWEEN_EXAMPLES.split(text) if part.strip())


def join_header(instruction: str, examples: tuple[str, ...]) -> str:
    """Instruction and examples, an empty line after each: the task follows as one more example."""
    return "".join(f"{piece}\n\n" for piece in (instruction.strip("\n"), *examples) if piece)


def without_thoughts(example: str, dialect: Dialect) -> str:
    """A ReAct example with its thoughts, and the replies to them, taken out."""
    reply = re.escape(f"{dialect.before_observation}{THOUGHT_REPLY}{dialect.after_observation}")
    pattern = re.compile(rf"^{re.escape(dialect.cue)} {re.escape(dialect.thought_open)}.*\n{reply}", re.MULTILINE)
    return pattern.sub("", f"{example}{dialect.after_observation}").removesuffix(dialect.after_observation)


def _by_task_type(folder: Path, num_examples: int, without: Dialect | None) -> ByTaskType:
    texts = {path.stem: read_prompt(path) for path in sorted(folder.glob("*.txt"))}
    instruction = texts.pop(INSTRUCTION, "")
    instruction_without = texts.pop(WITHOUT_THOUGHTS, instruction)
    if not texts:
        raise RecipeError(f"prompt folder {folder}: expected <task_type>.txt or {DEFAULT}.txt in it; there is neither.")
    examples = {kind: split_examples(text) for kind, text in texts.items()}
    empty = next((kind for kind, parts in examples.items() if not parts), None)
    if empty is not None:
        raise RecipeError(f"prompt {folder / f'{empty}.txt'} holds no example.")
    if without is not None:
        instruction = instruction_without
        examples = {kind: tuple(without_thoughts(e, without) for e in parts) for kind, parts in examples.items()}
    default = examples.pop(DEFAULT, None) or mixed(examples)
    return ByTaskType(
        {kind: join_header(instruction, parts[:num_examples]) for kind, parts in examples.items()},
        join_header(instruction, default[:num_examples]),
    )


def mixed(examples: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The first example of every type, then the second, and so on: a beginning of it is as varied as its length allows."""
    longest = max(map(len, examples.values()))
    return tuple(parts[rank] for rank in range(longest) for parts in examples.values() if rank < len(parts))


def _ended(text: str) -> str:
    """With a line end, so that the task does not continue the last line of the prompt."""
    return text if text.endswith("\n") else f"{text}\n"
