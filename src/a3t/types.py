"""The words of the program: every record that passes between its parts, as frozen data.

Read this file, then `loop.py`, and you know a3t. A *task* is one problem; an *episode* is one run at it; a *trajectory* is the
record of an episode, made of *steps*; a *round* is collect, explore, (search, revise), train, evaluate: each a `Stage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Author(StrEnum):
    """Who wrote a thought or chose an action: masks, weights and reports tell them apart."""

    POLICY = "policy"
    """The agent that is being improved."""
    ANNOTATOR = "annotator"
    """ActRe: explained an action after it had been chosen."""
    EXPLORER = "explorer"
    """Sampled the action from the action space instead of asking the policy."""
    REVISER = "reviser"
    """Wrote a revision thought (Agent-R)."""
    SEARCH = "search"
    """Tree search chose the action."""
    HUMAN = "human"
    """A person at the keyboard, or somebody else's log."""
    SCRIPT = "script"
    """A program: a planner or a scripted player."""


class Stage(StrEnum):
    """Which part of the loop made a trajectory."""

    COLLECT = "collect"
    """The policy's own try at a training task."""
    EXPLORE = "explore"
    """A composition: policy steps mixed with explored, annotated ones."""
    SEARCH = "search"
    """A rollout of tree search: the policy from the root to the end, its beginning shared with other rollouts."""
    REVISE = "revise"
    """A revision grown by tree search."""
    RECOVER = "recover"
    """A greedy trial of a held-out task that begins after a recorded wrong beginning; never trained on."""
    EVALUATE = "evaluate"
    """A greedy trial of a task that is never trained on."""
    IMPORT = "import"
    """Brought from outside: demonstrations, human sessions, other people's logs."""


class Stop(StrEnum):
    """Why an episode ended."""

    SUCCESS = "success"
    """The environment says the task is solved."""
    FAILURE = "failure"
    """The environment ended the episode with the task unsolved (a wrong purchase, say)."""
    TURN_LIMIT = "turn_limit"
    """The agent used up its turns."""
    TOKEN_LIMIT = "token_limit"
    """The model's context is full."""
    ENVIRONMENT_ERROR = "environment_error"
    """The environment crashed, hung or answered nonsense: costs the episode, never trained on."""
    MODEL_ERROR = "model_error"
    """The model could not answer even after retries: never trained on."""


BROKEN_STOPS = frozenset({Stop.ENVIRONMENT_ERROR, Stop.MODEL_ERROR})
"""Episodes that say nothing about the agent: neither trained on nor counted as its failures."""


@dataclass(frozen=True, slots=True)
class Task:
    """One problem instance of an environment."""

    task_id: str
    split: str
    task_type: str = ""
    instruction: str = ""
    """The goal in words; may be empty where only `reset` tells it."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the model really produced: the record, of which text is a view."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log of each id's probability as it was drawn (temperature applied); empty where the server gives none."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Consistency of an explanation: does it make its action likelier than no explanation would?"""

    logprob_with: float
    """log p(action | history, explanation), nats, under the policy."""
    logprob_without: float
    """log p(action | history), nats, under the policy."""

    @property
    def gain(self) -> float:
        """Nats by which the explanation raised the action; positive where it helps."""
        return self.logprob_with - self.logprob_without


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: the agent thinks, acts, and sees what came of it."""

    thought: str
    """Internal reasoning RS_t; empty where the agent acted without a word."""
    action: str
    """External action EA_t: exactly the text sent to the environment. Empty in a turn of thought alone (answered `OK.`)."""
    observation: str
    """o_{t+1}: what the environment answered."""
    thought_by: Author = Author.POLICY
    """POLICY, ANNOTATOR, REVISER, HUMAN or SCRIPT."""
    action_by: Author = Author.POLICY
    """POLICY, EXPLORER, SEARCH, HUMAN or SCRIPT."""
    valid: bool = True
    """False where the environment refused the action, or the completion was malformed."""
    thought_tokens: Tokens | None = None
    """Ids of the completion that wrote the thought, where the policy sampled it and the model tells."""
    action_tokens: Tokens | None = None
    """Ids of the completion that wrote the action, likewise."""
    gate: Gate | None = None
    """Set on explained steps."""
    trained: bool = True
    """False where the step is kept for context but stays out of the loss: a masked mistake, the bad beginning of a revision."""

    @property
    def is_explored(self) -> bool:
        return self.action_by is Author.EXPLORER


@dataclass(frozen=True, slots=True)
class Cost:
    """What making something took."""

    prompt_tokens: int = 0
    """Tokens of context sent, a cached prefix included."""
    completion_tokens: int = 0
    model_calls: int = 0
    seconds: float = 0.0
    """Wall-clock seconds of the episode; informative only, never part of what must be reproducible."""
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.model_calls + other.model_calls,
            self.seconds + other.seconds,
            self.usd + other.usd,
        )


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The record of one episode."""

    task: Task
    observation: str
    """o_1: the text `reset` showed, the instruction in it."""
    steps: tuple[Step, ...]
    reward: float
    """Terminal reward in [0, 1]; success is reward 1."""
    success: bool
    stop: Stop
    stage: Stage
    environment: str
    """Name and version of the world, its text generation or catalogue included."""
    round_index: int = 0
    attempt: int = 0
    """Which of several tries at this task in this stage and round, from 0."""
    agent: str = ""
    """The policy's checkpoint, as the run names it."""
    annotator: str = ""
    """The model behind ActRe; empty where nothing was explained."""
    tokenizer: str = ""
    """Fingerprint of the tokenizer that the steps' token ids belong to."""
    seed: int = 0
    duplicate: bool = False
    """Same task and same actions as an earlier trajectory of this run."""
    cost: Cost = field(default_factory=Cost)
    error: str = ""
    """What broke, for ENVIRONMENT_ERROR and MODEL_ERROR."""

    @property
    def num_steps(self) -> int:
        return len(self.steps)

    @property
    def num_explored(self) -> int:
        return sum(step.is_explored for step in self.steps)

    @property
    def is_composed(self) -> bool:
        """Holds at least one explored action whose thought the annotator wrote."""
        return any(s.is_explored and s.thought_by is Author.ANNOTATOR for s in self.steps)

    @property
    def is_revision(self) -> bool:
        """Holds a thought in which the agent sees its own mistake (Agent-R)."""
        return any(s.thought_by is Author.REVISER for s in self.steps)

    @property
    def is_broken(self) -> bool:
        return self.stop in BROKEN_STOPS

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(step.action for step in self.steps)


class Part(NamedTuple):
    """A piece of a prompt whose ends are token boundaries.

    The KV cache and the trainer both depend on it: a conversation is its parts' ids one after the other, never the joined text
    encoded afresh.
    """

    text: str
    ids: tuple[int, ...] | None = None
    """The ids the model itself produced for this text; None where the tokenizer is to encode it (special tokens off)."""


Prompt: TypeAlias = str | tuple[Part, ...]
"""Text, or pieces of text whose ends are token boundaries."""


def prompt_text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "".join(part.text for part in prompt)


@dataclass(frozen=True, slots=True)
class Completion:
    """A request: continue this text."""

    prompt: Prompt
    stop: tuple[str, ...] = ()
    """The completion ends with the first of these that it produces; the stop text is left out of `Completed.text`."""
    max_tokens: int = 64
    temperature: float = 0.0
    """0 is greedy."""
    seed: int = 0
    """Decides the draw for this request alone, whatever else is in its batch."""
    session: str = ""
    """Names the conversation, so that a model can keep its prefix (KV cache, server affinity). Empty: stand-alone."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer to a `Completion`."""

    text: str
    tokens: Tokens | None = None
    """All ids produced, those of the stop text included; None where the model does not tell."""
    finish: str = "stop"
    """`stop` (a stop text came), `end` (end-of-sequence came instead), `length` (max_tokens used up), `context` (no room left) or
    `error`."""
    num_prompt_tokens: int = 0
    error: str = ""
    num_completion_tokens: int | None = None
    """As a server counts them; None: as many as there are `tokens`."""
    usd: float = 0.0
    """What a server charges for it."""

    @property
    def cost(self) -> Cost:
        """What this one answer took."""
        written = self.num_completion_tokens
        if written is None:
            written = len(self.tokens.ids) if self.tokens is not None else 0
        return Cost(self.num_prompt_tokens, written, model_calls=1, usd=self.usd)


@dataclass(frozen=True, slots=True)
class Scoring:
    """A request: how likely is this continuation?"""

    prompt: Prompt
    continuation: Prompt
    session: str = ""


class Scored(NamedTuple):
    logprobs: tuple[float, ...]
    """One per token of the continuation, nats, temperature 1."""
    num_prompt_tokens: int = 0
    """Tokens of context, the continuation's included; 0 where the model does not tell."""
    usd: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.logprobs)

    @property
    def cost(self) -> Cost:
        """What this one answer took."""
        return Cost(self.num_prompt_tokens, model_calls=1, usd=self.usd)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A trajectory and R(τ), its weight in the objective: +1 imitates, −1 pushes away, 0 leaves out."""

    trajectory: Trajectory
    weight: float
    condition: str = ""
    """A label shown to the model before the task (Table 7's label-conditioned variant); empty otherwise."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one turn of the loop came to."""

    round_index: int
    checkpoint: str
    """Folder of the trained policy, relative to the run directory."""
    metrics: Mapping[str, object] = field(default_factory=dict)
    """JSON-serialisable: scores, dataset statistics (Tables 16, 17), training curves, costs."""
