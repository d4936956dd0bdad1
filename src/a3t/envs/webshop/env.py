"""WebShop as an environment: one shopper, one goal, text in and text out.

    env = a3t.make("webshop")                                  # the generated catalogue
    env = a3t.make("webshop", data="WebShop/data")             # the official files, imported on first use

`strict` refuses as ReAct's shop does (`Invalid action!`, search on the first page alone), `lenient` ignores a bad action as the
original's text environment does. Reward comes with the purchase, in [0, 1]; success is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from a3t.envs.webshop import observe
from a3t.envs.webshop.agentboard import RULE, read_boards
from a3t.envs.webshop.goals import ORDER_SEED, SPLITS, split_places
from a3t.envs.webshop.nouns import load_tagger
from a3t.envs.webshop.opening import file_hash, load_goals, open_shared
from a3t.envs.webshop.pages import BUTTONS, NEXT, PER_PAGE, PREVIOUS, SUB_PAGES, Kind, Page, done_page
from a3t.envs.webshop.prices import prices_from_file, seeded_prices
from a3t.envs.webshop.proposals import propose
from a3t.envs.webshop.reward import score_purchase
from a3t.envs.webshop.session import Session, Shop, is_purchase, parse_action
from a3t.envs.webshop.solving import solve
from a3t.errors import RecipeError, UnknownTaskError, nearest
from a3t.types import Task

Semantics = Literal["strict", "lenient"]
INVALID = "Invalid action!"
THOUGHT_ANSWER = "OK."
MAX_QUERY_CHARACTERS = 2_000
"""Of a query only this much is searched for; the original has no bound, and no query comes near."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that changes during an episode; a snapshot is this value itself."""

    place: int
    """Of the goal in the list."""
    session: Session = field(default_factory=Session)
    reward: float = 0.0
    reward_parts: dict[str, Any] | None = None
    observation: str = ""
    valid: bool = True

    @property
    def done(self) -> bool:
        return self.session.page == "done"


class WebshopEnv:
    """The shop for one shopper at a time. Snapshots cost nothing; any number of environments may share a catalogue folder.

    Args:
        data: an imported catalogue, or a folder of official files; None takes the generated catalogue.
        goals: `human`, `synthetic`, or a JSONL file whose line numbers, from 0, are then the task ids.
        prices: a JSON file, ASIN to price; None draws them from `price_seed`.
        observation: `react`, `text` or `text_rich`.
        products_shown: how many of the ten products of a results page are visible: 10 (A3T), or 3 (ReAct, which does not turn
        pages).
        semantics: `strict` or `lenient`.
        noun_tagger: see `a3t.envs.webshop.nouns.load_tagger`.
        price_seed: decides prices within a range, and price limits of goals that are not read from a file.
        show_attributes: the Attributes page, which the original hides by default.
        agentboard: index file of AgentBoard's easy and hard tasks; None parts them by our rule.

    Raises:
        RecipeError: an option that makes no sense.
        MissingDataError, BadDataError: files.
    """

    one_task_per_id = True
    """A task's id is its goal's place in the list, under whichever of the overlapping splits (`all`, `a3t_train`, …) it comes."""

    def __init__(
        self,
        data: Path | str | None = None,
        goals: Path | str = "human",
        prices: Path | str | None = None,
        observation: observe.Mode = "react",
        products_shown: int = PER_PAGE,
        semantics: Semantics = "strict",
        noun_tagger: str = "auto",
        price_seed: int = ORDER_SEED,
        show_attributes: bool = False,
        agentboard: Path | str | None = None,
    ) -> None:
        _check("observation", observation, observe.MODES)
        _check("semantics", semantics, get_args(Semantics))
        if not isinstance(products_shown, int) or isinstance(products_shown, bool) or not 1 <= products_shown <= PER_PAGE:
            raise RecipeError(
                f"webshop: products_shown = {products_shown!r} does not fit: expected a whole number from 1 to {PER_PAGE}."
            )
        if not isinstance(price_seed, int):
            raise RecipeError(f"webshop: price_seed = {price_seed!r} does not fit: expected a whole number.")
        self._tagger_name, self._tagger = load_tagger(noun_tagger)
        self.catalogue = open_shared(data)
        self.goals = load_goals(self.catalogue, goals, price_seed)
        self._goals_name = f"{goals}-{price_seed}" if goals in ("human", "synthetic") else file_hash(Path(goals))
        self._prices = seeded_prices(price_seed) if prices is None else prices_from_file(prices)
        self._prices_name = f"seed-{price_seed}" if prices is None else file_hash(Path(prices))
        self._shop = Shop(self.catalogue, price_seed, products_shown, show_attributes)
        self._observation: observe.Mode = observation
        self._strict = semantics == "strict"
        self._turns_pages = not self._strict or products_shown == PER_PAGE
        self._products_shown = products_shown
        self._agentboard = read_boards(Path(agentboard), len(self.goals)) if agentboard else None
        self._agentboard_name = file_hash(Path(agentboard)) if agentboard else RULE
        self._render = lru_cache(maxsize=256)(self._shop.render)
        self._state: State | None = None

    @property
    def name(self) -> str:
        """World, catalogue and tagger, for records."""
        return f"{self.catalogue.name} ({self._tagger_name})"

    @property
    def version(self) -> str:
        """What a result is made of; goals, prices and AgentBoard's splits by seed or rule, or by hashes of files."""
        return f"{self.name}, goals {self._goals_name}, prices {self._prices_name}, agentboard {self._agentboard_name}"

    @property
    def splits(self) -> list[str]:
        """The official splits that have tasks here; `a3t.envs.webshop.goals.split_names` lists all that `tasks` knows."""
        return [name for name in SPLITS if name != "all" and split_places(name, self.goals)]

    def tasks(self, split: str) -> Sequence[Task]:
        """Tasks of a split, in the list's order; `all` holds every one.

        Raises:
            UnknownNameError: no such split.
        """
        return [self._task(place, split) for place in split_places(split, self.goals, self._agentboard)]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Go to the search page of a task; without `task_id`, the seed chooses one.

        Raises:
            UnknownTaskError: no such task.
        """
        task_id = (options or {}).get("task_id")
        self._state = self._shown(State(place=(seed or 0) % len(self.goals) if task_id is None else self._place(task_id)))
        return self._state.observation, self._info(self._state)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Act. Any string will do; a bad one changes nothing."""
        if self._state is None:
            self.reset()
        before = self._state
        assert before is not None
        after = self._refused(before) if before.done or not isinstance(action, str) else self._next(before, action)
        self._state = after
        reward = after.reward if after.done and not before.done else 0.0
        return after.observation, reward, after.done, False, self._info(after)

    def solution(self, task_id: str) -> list[str] | None:
        """Actions that buy the goal's product with the options it asks for, where search finds it by its title; else None.

        Raises:
            UnknownTaskError: no such task.
        """
        return solve(self._shop, self.goals[self._place(task_id)], turns_pages=self._turns_pages)

    def snapshot(self) -> State:
        if self._state is None:
            self.reset()
        assert self._state is not None
        return self._state

    def restore(self, state: object) -> None:
        if not isinstance(state, State):
            raise TypeError(f"expected what snapshot() returned, found {type(state).__name__}")
        self._state = state

    def close(self) -> None:
        """Forget the shopper. The catalogue stays open, as others may use it."""
        self._state = None

    def _next(self, state: State, action: str) -> State:
        if self._strict and action.startswith("think"):
            return _with(state, observation=THOUGHT_ANSWER, valid=True)
        verb, argument = _parse_strictly(action) if self._strict else parse_action(action)
        # An empty query is a query: it finds nothing.
        if verb == "search" and argument is not None and (state.session.page == "index" or not self._strict):
            keywords = tuple(argument.lower()[:MAX_QUERY_CHARACTERS].split(" "))
            return self._shown(_with(state, session=self._shop.search(state.session, keywords)))
        if verb == "click" and argument is not None:
            return self._click(state, argument)
        return self._refused(state)

    def _click(self, state: State, argument: str) -> State:
        page, label = self.page(state), argument.lower()
        if self._strict and state.session.page == "item_page" and argument == SUB_PAGES[-1]:
            # ReAct's shop goes there, though no button leads to it.
            return self._shown(_with(state, session=self._shop.click(state.session, label, page)))
        if label not in page.clickables or not self._may_click(state, label):
            return self._not_there(state, argument)
        if self._strict and argument not in (label, page.clickables[label].text):
            # As it is listed or as it is shown; ReAct's shop minds capitals.
            return self._not_there(state, argument)
        if label == "search":
            # An empty search box searches for nothing: the page stays.
            return self._shown(_with(state, valid=True))
        if is_purchase(label):
            return self._buy(state)
        after = self._shown(_with(state, session=self._shop.click(state.session, label, page)))
        clicked = page.clickables[label]
        if (
            self._observation == "react"
            and clicked.kind is Kind.OPTION
            and after.session.options
            and after.session.page == "item_page"
        ):
            return _with(after, observation=f"You have clicked {clicked.text}.")
        return after

    def _buy(self, state: State) -> State:
        goal = self.goals[state.place]
        session = state.session
        product = self._shop.product(session)
        score = score_purchase(product, goal, self._prices(product), session.chosen, self._tagger, self._tagger_name)
        done = replace(session, page="done")
        return self._shown(_with(state, session=done, reward=score.reward, reward_parts=score.parts))

    def _not_there(self, state: State, argument: str) -> State:
        """A click on what the page does not have.

        ReAct's shop looks a label up where there are products or options to choose from. On the other pages it knows its own
        buttons alone, and shows the page again for any other label: an action that changes nothing, so it counts as refused.
        """
        if self._strict and state.session.page in ("index", "item_sub_page") and argument not in BUTTONS:
            return _with(self._shown(state), valid=False)
        return self._refused(state)

    def _refused(self, state: State) -> State:
        if self._strict:
            return _with(state, observation=INVALID, valid=False)
        return _with(self._shown(state), valid=False)

    def _shown(self, state: State) -> State:
        page, session = self.page(state), state.session
        match self._observation:
            case "text":
                text = observe.as_text(page)
            case "text_rich":
                text = observe.as_rich_text(page, session.url, session.visited)
            case _:
                address = observe.react_address(session.asin, session.query, session.number, session.chosen)
                text = observe.as_react(page, session.page == "index", address)
        return _with(state, observation=text, valid=True)

    def page(self, state: State) -> Page:
        """What is shown and what can be clicked; the observation is this page in words."""
        if state.done:
            return done_page(state.reward, state.session.asin, state.session.chosen)
        return self._render(state.session, self.goals[state.place].instruction_text)

    def _may_click(self, state: State, label: str) -> bool:
        turning = state.session.page == "search_results" and label in (NEXT.lower(), PREVIOUS.lower())
        return self._turns_pages or not turning

    def _info(self, state: State) -> dict[str, Any]:
        info: dict[str, Any] = {
            "actions": self._actions(state),
            "valid": state.valid,
            "success": state.done and state.reward == 1.0,
        }
        if state.session.page == "index":
            # Whatever is typed is a search: the list holds proposals.
            info["open"] = ["search["]
        if state.reward_parts is not None:
            info["reward_parts"] = dict(state.reward_parts)
        return info

    def _actions(self, state: State) -> list[str]:
        """Clicks on everything clickable; on the search page, proposed searches too."""
        page = self.page(state)
        labels = [label for label in page.clickables if self._may_click(state, label)]
        if self._strict and self._products_shown < PER_PAGE:
            # What cannot be seen can be clicked by who knows it, but is not suggested.
            visible = {piece.text for piece in page.pieces if piece.kind is Kind.PRODUCT}
            labels = [
                label
                for label in labels
                if page.clickables[label].kind is not Kind.PRODUCT or page.clickables[label].text in visible
            ]
        actions = [f"click[{label}]" for label in labels]
        if state.session.page == "index":
            actions += [f"search[{query}]" for query in self._proposals(self.goals[state.place].instruction_text)]
        return sorted(actions)

    @lru_cache(maxsize=256)  # noqa: B019 (an environment lives as long as its process)
    def _proposals(self, instruction: str) -> list[str]:
        return propose(instruction, self.catalogue.has_attribute)

    def _task(self, place: int, split: str) -> Task:
        goal = self.goals[place]
        return Task(task_id=str(place), split=split, task_type=goal.category, instruction=goal.instruction_text)

    def _place(self, task_id: object) -> int:
        text = task_id if isinstance(task_id, str) else repr(task_id)[:80]
        if (
            isinstance(task_id, str)
            and text.isascii()
            and text.isdigit()
            and len(text) < 10
            and int(text) < len(self.goals)
            and text == str(int(text))
        ):
            return int(text)
        close = nearest(text[:20], map(str, range(len(self.goals))), limit=1)
        hint = f"Nearest: {close[0]!r}. " if close else ""
        raise UnknownTaskError(
            f"webshop has no task {text!r:.80}.\n  {hint}Tasks are numbered from '0' to '{len(self.goals) - 1}'."
        )


def _with(state: State, **changes: Any) -> State:
    return replace(state, **changes)


def _parse_strictly(action: str) -> tuple[str, str | None]:
    """ReAct's reading: everything between the verb's bracket and the last one, so that an option may hold brackets."""
    verb, bracket, rest = action.strip().partition("[")
    return (verb, rest[:-1]) if bracket and rest.endswith("]") else (verb, None)


def _check(option: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        close = nearest(str(value), known, limit=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise RecipeError(f"webshop: {option} = {value!r} does not fit: expected one of {', '.join(known)}.{hint}")
