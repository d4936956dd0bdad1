"""What a run is told: one TOML file, read into frozen models. Unknown keys are refused with the nearest known one."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from a3t.errors import RecipeError
from a3t.misfits import explain
from a3t.toml import to_toml

MOST_HEAT = 100.0
"""Of a temperature: far above what anybody samples at, and far below where dividing by it loses the logits."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class EnvironmentConfig(Section):
    """Which world, and which of its tasks."""

    name: str = "household"
    """A registered name, 'module:Class' or 'gym:ID'."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the environment's constructor."""
    train_split: str = "train"
    num_train_tasks: int = Field(600, ge=1)
    """A seeded sample, stratified by task type; fewer where the split holds fewer."""
    validation_split: str = "train"
    """Where validation tasks come from; if it is the training split, they are drawn apart from the training tasks."""
    num_validation_tasks: int = Field(60, ge=0)
    test_splits: tuple[str, ...] = ("valid_unseen",)
    num_test_tasks: int | None = Field(None, ge=1)
    """Per test split; None takes all."""
    step_timeout_s: float = Field(30.0, gt=0, le=86_400)
    """An environment that takes longer over one step costs its episode."""


class ModelConfig(Section):
    """A language model: where it is and how it is run."""

    kind: str = "local"
    """`local` (transformers), `openai` (behind a URL), `scripted`, or a plug-in's name."""
    path: str = "builtin:tiny"
    """A folder of weights and tokenizer, or `builtin:tiny` for the base that ships with a3t; a server's: docs/servers.md."""
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    quantization: Literal["none", "nf4"] = "none"
    max_context: int | None = Field(None, ge=16)
    """Tokens; None takes the model's own limit."""
    processes: int = Field(1, ge=1, le=64)
    """`local` on a CPU: so many copies, each in a process of its own with its share of the conversations; a GPU has one."""
    options: dict[str, Any] = Field(default_factory=dict)


class AgentConfig(Section):
    """How the policy is prompted and bounded."""

    format: Literal["household", "webshop", "textcraft", "scienceworld", "joint"] = "household"
    """How turns are written as text: see `a3t.text.react`. Unsaid, it is the world's own where one has its name; `joint` is each
    world's own."""
    prompt: str = "bare"
    """`bare` (no example), `few-shot` (ours, chosen by task type and text generation), or a path to a text file or folder."""
    num_examples: int = Field(2, ge=0)
    """Examples of `few-shot`."""
    max_turns: int = Field(50, ge=1)
    """Actions per episode; thoughts are free but bounded by `max_thoughts_in_a_row`."""
    max_thoughts_in_a_row: int = Field(3, ge=1)
    max_tokens: int = Field(100, ge=1)
    """Per completion (one line)."""
    thoughts: bool = True
    """False: the agent never thinks (the LM-BUTLER ablation); thoughts are neither asked for nor trained on."""
    drop_banner: bool = True
    """Leave out the environment's welcome line."""


class BootstrapConfig(Section):
    """Round 0: ReAct prompting of the base."""

    model: ModelConfig | None = None
    """None: the policy's own base."""
    prompt: str | None = None
    """None: the policy's prompt."""
    num_attempts: int = Field(1, ge=1)
    """Tries per training task; the paper makes one."""
    temperature: float = Field(0.0, ge=0, le=MOST_HEAT)
    """Of the first try; later tries use `retry_temperature`."""
    retry_temperature: float = Field(1.0, ge=0, le=MOST_HEAT)


class AnnotatorConfig(Section):
    """ActRe: who explains explored actions."""

    model: ModelConfig | None = None
    """None: the policy's own base model, untuned."""
    prompt: str = "bare"
    temperature: float = Field(0.0, ge=0, le=MOST_HEAT)
    max_tokens: int = Field(100, ge=1)
    gate: Literal["record", "enforce", "off"] = "record"
    """Consistency gate; `enforce` drops an explanation that makes its action less likely (the step then carries no thought)."""
    gate_threshold: float = 0.0
    """Nats that an explanation must add, for `enforce`."""


class ExploreConfig(Section):
    """Composition of new trajectories on failed tasks (§2.1 and Appendix A of the paper)."""

    probability: float = Field(0.5, ge=0, le=1)
    """Chance at each step that the action is sampled from the action space."""
    num_compositions: int = Field(40, ge=0)
    """At most, per failed task and round."""
    min_compositions: int = Field(40, ge=0)
    """Made whatever comes; after these the first success ends the task (WebShop: 3 of 20)."""
    rescue_after: int = Field(3, ge=1)
    """Consecutive invalid actions of the policy that force one sampled action."""
    sampler: str = "uniform"
    """`uniform` over admissible actions, `verbs` (balanced by verb), `novelty` (untried at this state first), or a plug-in."""
    temperature: float = Field(0.0, ge=0, le=MOST_HEAT)
    """Of the policy's own steps in a composition."""
    max_turns: int | None = Field(None, ge=1)
    """None: as the agent's."""
    round_tokens: int | None = Field(None, ge=1)
    """Model tokens that a round's compositions may take, read and written, shared alike among the failed tasks; each is composed
    on at least once, and the composition that goes past its share is finished. None sets no bound."""


class SearchConfig(Section):
    """How a search tree grows over the training tasks (Agent-R); the words are those of `a3t.search.tree`."""

    num_rollouts: int = Field(8, ge=1)
    max_depth: int | None = Field(None, ge=1)
    """Turns from the root (Agent-R: 20); None takes the agent's `max_turns`."""
    num_actions: int = Field(4, ge=1)
    """Draws from the actor at a node; equal ones are one."""
    exploration: float = Field(0.25, ge=0)
    """c of UCT."""
    temperature: float = Field(1.0, ge=0, le=MOST_HEAT)
    explore_probability: float = Field(0.0, ge=0, le=1)
    """Chance that a draw is sampled from the action space and explained by ActRe instead."""
    sampler: str = "uniform"
    """As in `explore`."""
    max_tokens: int | None = Field(None, ge=1)
    """Model tokens a tree, read and written; None sets no bound."""
    round_tokens: int | None = Field(None, ge=1)
    """Model tokens that a round's trees may take, shared alike among the tasks; the rollout that goes past a tree's share is
    finished. None sets no bound."""
    max_seconds: float | None = Field(None, gt=0)
    """Wall-clock seconds a tree, the turns of trees that grow beside it included; the rollout that goes past them is finished.
    A bound in seconds makes a run irreproducible: equal seeds need not give equal trees. None sets no bound."""


class ReviseConfig(Section):
    """Revisions of mistakes (Agent-R): which tries they are made from, who judges, and what is kept."""

    source: Literal["off", "search", "gathered"] = "off"
    """`search` grows a tree on training tasks; `gathered` pairs what collect and explore just brought; `off` makes none."""
    first_round: int = Field(1, ge=0)
    """The iterations of Agent-R begin here: before it, no revisions."""
    num_tasks: int | None = Field(None, ge=1)
    """Training tasks to grow trees on, the first of the run's; None takes all. `gathered` and `earlier` look at all of them."""
    earlier: bool = False
    """Whether tries of all rounds so far are paired, the bootstrap's, collect's and explore's among them: a mistake that nobody
    could set right then may have a good ending now. A try is left alone while a revision of it is trained on."""
    alpha: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field((0.5, 0.7, 1.0), min_length=1)
    """What a good reward is at least, by iteration; the last stays."""
    beta: float = Field(0.2, ge=0, lt=1)
    """A bad trajectory's reward is below the good one's by more than this."""
    max_pairs_per_task: int | None = Field(None, ge=1)
    """Those that were not tried in an earlier round first, and of these the longest shared beginnings; None takes all."""
    judge: Literal["actor", "value", "end"] = "actor"
    """Who finds the first wrong step: the actor, step by step with reasons; the values of the tries; or nobody (Direct-Revision:
    the splice comes at the end of the bad trajectory)."""
    judge_prompt: str = "few-shot"
    """`few-shot` (ours, by world), `bare`, or the path of a text file."""
    num_votes: int = Field(3, ge=1)
    """Of the actor on each step; a step is bad if more than half say so. One vote is greedy."""
    vote_temperature: float = Field(0.7, ge=0, le=MOST_HEAT)
    value_drop: float = Field(0.4, ge=0, lt=1)
    """For the judge by value: the share of its value that a moment must lose over a step for the step to be bad. Where half the
    tries go well, as at an ordinary parting, 0.4 is a fall of 0.2; where one in eight does, it is 0.05, so that hard tasks have
    mistakes too."""
    late: float = Field(0.0, ge=0, le=1)
    """Share of the splices whose thought comes some actions after the mistake, anywhere up to the end of the bad trajectory: not
    every mistake is seen at once. In the rest it follows directly."""
    thoughts: Literal["model", "actre", "stock"] = "model"
    """Who writes the revision thought: the actor, about this mistake; the annotator, as the reason of the next action; or nobody:
    a stock phrase."""
    thought_prompt: str = "few-shot"
    phrases: tuple[Annotated[str, Field(pattern=r"^[^\r\n]*\S[^\r\n]*$")], ...] = ()
    """Stock phrases, a line each, in words that the base knows; where there are none, ours, in English."""
    max_tokens: int = Field(120, ge=1)
    """Of an assessment or a thought (one line)."""
    gate: Literal["record", "enforce", "off"] = "record"
    """Consistency gate of revision thoughts; one that `enforce` drops is replaced by a stock phrase."""
    gate_threshold: float = 0.0
    num_repairs: int = Field(4, ge=0)
    """Rollouts of the search for another ending, where the good one does not execute after the mistake."""
    round_tokens: int | None = Field(None, ge=1)
    """Model tokens that a round's judging, thoughts and repairs may take, shared alike among the tasks that have pairs; untried
    ones come first, as under a cap, and the one that goes past a task's share is finished. None sets no bound."""

    def alpha_in(self, round_index: int) -> float:
        """α of a round: the first before and in `first_round`, then one after the other; the last stays."""
        return self.alpha[min(max(0, round_index - self.first_round), len(self.alpha) - 1)]


class MixtureConfig(Section):
    """What is trained on beside what the run gathered, and how much of it."""

    revisions: bool = True
    """False leaves revisions out: good trajectories alone, for comparison."""
    plain_share: float | None = Field(None, ge=0, lt=1)
    """At most this share of the successes are plain ReAct trajectories, where there are revisions; None takes all there are."""
    chat: str | None = None
    """Your own chat data: JSONL, `{"messages": [{"role": "user", "content": "…"}, …]}` a line."""
    chat_share: float = Field(0.2, ge=0, lt=1)
    """Of all that is trained on, in conversations (Agent-R: 20 %)."""


class ObjectiveConfig(Section):
    """What the gathered trajectories are worth: selection, weights and loss."""

    name: str = "a3t"
    """`a3t` (Eq. 1), `sft`, `topr`, `asymre`, `dpo`, `kto`, or a plug-in."""
    selection: str = "binarized"
    """Table 7 by name: `binarized` (1; -1), `supervised-1.0`, `supervised-0.75`, `supervised-0.5`, `label-conditioned`,
    `original` (=1; R), `original-0.75` (>=0.75; R), `small-positive` (1; 0.1)."""
    failed_weight: float = Field(-1.0, le=1)
    """R of the policy's own failures under `binarized`."""
    max_successes_per_task: int | None = Field(None, ge=1)
    """K at most, the best of each task first and of equals the shortest, revisions counted apart; None keeps all."""
    min_successes_per_failure: int = Field(1, ge=1)
    """A failure is paired only where the task has at least this many successes (Remark 3: K > 1)."""
    max_failures_per_task: int | None = Field(None, ge=1)
    """The last so many failures of each task, those of the latest policies; None keeps all, as the paper does."""
    max_failed_share: float | None = Field(None, ge=0, le=1)
    """Failures' weights are scaled so that their share of |weight| x tokens stays below this; None leaves them."""
    learn_refused: bool = True
    """False: of a success, actions that the world refused are context, with their thoughts: read, and never imitated."""
    options: dict[str, float] = Field(default_factory=dict)
    """The loss's own numbers: `beta` (dpo, kto), `baseline_offset` (asymre), …"""


class HostedConfig(Section):
    """A fine-tuning service that speaks OpenAI's API; its models are played as chats (docs/hosted.md)."""

    url: str = "https://api.openai.com/v1"
    """Base URL, `/v1` included."""
    model: str = Field(min_length=1)
    """The base that every round is tuned from, as the service names it."""
    key_env: str | None = None
    key_file: str | None = None
    """Where the key is; never the key itself."""
    usd_per_million_tokens: float | None = Field(None, ge=0)
    """Of training; a token counts once per epoch."""
    max_cost_usd: float | None = Field(None, gt=0)
    """For the training of the whole run; a job that could exceed it is not begun."""
    batch_size: int | None = Field(None, ge=1)
    learning_rate_multiplier: float | None = Field(None, gt=0)
    """None leaves both to the service."""
    poll_s: float = Field(15.0, gt=0)
    timeout_s: float = Field(120.0, gt=0)
    """Wall-clock seconds per request."""
    max_attempts: int = Field(10, ge=1)
    """Tries per request."""

    @field_validator("url")
    @classmethod
    def _url_holds_no_secret(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or "@" in url or "?" in url or "#" in url:
            raise ValueError("a base URL looks like https://api.openai.com/v1, without user, password or query")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _a_cap_needs_a_price(self) -> HostedConfig:
        if self.max_cost_usd is not None and self.usd_per_million_tokens is None:
            raise ValueError("max_cost_usd needs usd_per_million_tokens: what training costs there")
        if self.key_env and self.key_file:
            raise ValueError("key_env and key_file are both given; one is enough")
        return self


class TrainConfig(Section):
    """How weights are fitted."""

    method: Literal["full", "lora", "qlora", "hosted"] = "full"
    """`hosted`: by a service, supervised only; see `hosted`."""
    hosted: HostedConfig | None = None
    lora_rank: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_modules: tuple[str, ...] = ("q_proj", "v_proj")
    epochs_first: float = Field(10, gt=0, le=1000)
    """Round 0 (the paper: 10)."""
    epochs: float = Field(6, gt=0, le=1000)
    """Later rounds (the paper: 6)."""
    lr: float = Field(1e-4, gt=0, le=1)
    optimizer: Literal["adamw", "paged_adamw_32bit"] = "adamw"
    weight_decay: float = Field(0.0, ge=0)
    warmup_share: float = Field(0.03, ge=0, lt=1)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    max_grad_norm: float = Field(1.0, gt=0)
    batch_tokens: int = Field(8192, ge=64)
    """Tokens per optimiser step, before accumulation splits them."""
    micro_batch_tokens: int | None = Field(None, ge=64)
    """Tokens per forward; None probes what fits."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool = False
    observation_loss: bool = True
    """Joint world model: observations are trained on (Eq. 1)."""
    average: Literal["all", "last"] = "all"
    """Average the checkpoints of the whole run, or take the last."""
    checkpoints_per_epoch: int = Field(1, ge=1)
    max_success_nll_rise: float | None = Field(None, ge=0)
    """Nats per token: training ends with the epoch whose NLL of *successes* is this much above the best epoch's; None never."""
    save_every_s: float = Field(60.0, gt=0)
    """How often the exact resume state is written."""


class EvaluateConfig(Section):
    batch_size: int = Field(64, ge=1)
    """Episodes at once, in every stage."""
    base: bool = True
    """Try the test tasks with the untuned base, before round 0, for comparison."""
    confidence: float = Field(0.95, gt=0, lt=1)
    num_recoveries: int = Field(0, ge=0)
    """Wrong beginnings (the base's failed draws, cut in half) that each round's policy is put after, at most; 0: none."""


class Recipe(Section):
    """Everything that decides a run, its seed included."""

    name: str = "household"
    seed: int = Field(0, ge=0)
    num_rounds: int = Field(4, ge=1)
    """Round 0 is the bootstrap."""
    num_threads: int | None = Field(None, ge=1, le=1024)
    """CPU threads of the model library; None leaves its own choice. A model of a million parameters is fastest with one."""
    environment: EnvironmentConfig = EnvironmentConfig()
    policy: ModelConfig = ModelConfig()
    agent: AgentConfig = AgentConfig()
    bootstrap: BootstrapConfig = BootstrapConfig()
    annotator: AnnotatorConfig = AnnotatorConfig()
    explore: ExploreConfig = ExploreConfig()
    search: SearchConfig = SearchConfig()
    revise: ReviseConfig = ReviseConfig()
    mixture: MixtureConfig = MixtureConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="before")
    @classmethod
    def _format_of_the_world(cls, data: Any) -> Any:
        world = data.get("environment", {}) if isinstance(data, dict) else None
        name = world.get("name") if isinstance(world, dict) else None
        agent = data.get("agent", {}) if isinstance(data, dict) else None
        formats = AgentConfig.model_fields["format"].annotation
        if name in get_args(formats) and isinstance(agent, dict) and "format" not in agent:
            return {**data, "agent": {**agent, "format": name}}
        return data

    @field_validator("name")
    @classmethod
    def _name_is_a_word(cls, name: str) -> str:
        if name.strip() in ("", ".", "..") or not name.isprintable() or any(c in name for c in "/\\"):
            raise ValueError("a recipe's name is a line of printable characters without slashes; it names a folder")
        return name

    @property
    def hash(self) -> str:
        """Twelve hex digits that change whenever anything that decides the run does."""
        data = self.model_dump(mode="json")
        for section, key in CAME_LATER:
            # At its default it decides nothing, so that a run begun before it was known can go on.
            told, known = getattr(self, section), type(self).model_fields[section].default
            if key and getattr(told, key) == getattr(known, key):
                del data[section][key]
            elif not key and told in (known, known.model_copy(update=EARLIER_DEFAULTS.get(section, {}))):
                del data[section]
        text = json.dumps(data, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_toml(self) -> str:
        """The resolved recipe, loadable by `load_recipe`."""
        return to_toml(self.model_dump(mode="json", exclude_none=True))


CAME_LATER = (
    ("train", "hosted"),
    ("objective", "max_failures_per_task"),
    ("objective", "learn_refused"),
    ("explore", "round_tokens"),
    ("search", "round_tokens"),
    ("search", "max_seconds"),
    ("search", ""),
    ("revise", "phrases"),
    ("revise", "earlier"),
    ("revise", "late"),
    ("revise", "round_tokens"),
    ("revise", ""),
    ("mixture", ""),
    ("evaluate", "num_recoveries"),
    ("policy", "processes"),
)
"""Sections and keys that recipes of the first runs did not have; an empty key is the whole section, after its own keys."""

EARLIER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"revise": {"value_drop": 0.2}}
"""What the recipes of earlier runs have written out, by section, where nobody chose it."""


def load_recipe(path: Path | str | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `key.sub=value` overrides (values are TOML; a bare word is a string).

    Raises:
        RecipeError: unreadable file, bad TOML, unknown key (with the nearest known one) or a value out of range.
    """
    where = str(path) if path is not None else "the built-in defaults"
    data: dict[str, Any] = {}
    if path is not None:
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecipeError(f"there is no recipe at {path}.\n  `ls recipes/` shows those that ship with a3t.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"cannot read the recipe {path}: {error}.") from None
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{path} is not valid TOML: {error}.") from None
        except RecursionError:
            raise RecipeError(f"{path} is nested too deeply: {_SHALLOW}.") from None
    overrides = list(overrides)
    _forget_options_of_another_world(data, overrides)
    for override in overrides:
        apply_override(data, override)
    return parse_recipe(data, where, overrides)


def _forget_options_of_another_world(data: dict[str, Any], overrides: Iterable[str]) -> None:
    """A recipe's options are for its own world: where an override names another one, they would only be refused."""
    table = data.get("environment")
    if not isinstance(table, dict):
        return
    world = table.get("name", EnvironmentConfig().name)
    for override in overrides:
        key, _, value = override.partition("=")
        if key.strip() == "environment.name" and value.strip("\"' ") != world:
            table.pop("options", None)


def parse_recipe(data: Mapping[str, Any], where: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """Check a recipe's tables; what `overrides` (already applied) set is blamed on them, not on `where`. Raises `RecipeError`."""
    overridden = [override.partition("=")[0].strip() for override in overrides]

    def source(item: Mapping[str, Any]) -> str:
        dotted = ".".join(map(str, item["loc"]))
        # A table that only the command line wrote lacks what the command line did not say.
        table = dotted.rpartition(".")[0] if item["type"] == "missing" else ""
        told = any(dotted == key or dotted.startswith(f"{key}.") or (table and key.startswith(f"{table}.")) for key in overridden)
        return "the command line" if told else where

    if _is_deeper(data, MAX_DEPTH):
        raise RecipeError(f"{where}{' with the overrides' if overridden else ''} is nested too deeply: {_SHALLOW}.")
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(item, Recipe, source(item)) for item in error.errors())) from None


MAX_DEPTH = 32
"""Of tables and lists within one another; options of a world may have tables of their own."""

_SHALLOW = f"expected tables and lists at most {MAX_DEPTH} within one another"


def _is_deeper(value: Any, limit: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(limit == 0 or _is_deeper(one, limit - 1) for one in inner)


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set one `key.sub=value` in nested tables; the value is TOML, a bare word a string. Raises `RecipeError`."""
    key, equals, text = override.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise RecipeError(f"cannot read the override {override!r}: expected key.sub=value, such as train.lr=1e-4.")
    if "\n" in override or "\r" in override:
        # As TOML, what comes after the line would be other keys, and go unheard.
        raise RecipeError(f"cannot read the override {override!r}: expected one line; each key is an override of its own.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    except RecursionError:
        raise RecipeError(f"cannot read the override of {key.strip()!r}: {_SHALLOW}.") from None
    *parents, leaf = names
    table = data
    for name in parents:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise RecipeError(f"cannot set {key!r}: {name!r} is a value, not a table.")
    table[leaf] = value
