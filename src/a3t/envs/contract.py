"""What one answer of a world must be: five values of the right kinds, and an `info` that says what the contract asks of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from a3t.text.unicode import is_unicode


class Broken(Exception):
    """A rule does not hold; the text says how."""


class Seen(NamedTuple):
    """One answer of `step`, or of `reset` with nothing to reward."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    actions: tuple[str, ...] | None
    valid: bool
    success: bool

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated


def read_answer(answer: Any, to: str) -> Seen:
    """The answer of `step` as plain data, where it keeps the contract; `to` names the action in messages.

    Raises:
        Broken: it does not.
    """
    require(isinstance(answer, tuple) and len(answer) == 5, f"{to} is answered by {shown(repr(answer))}, expected five values")
    observation, reward, terminated, truncated, info = answer
    require(isinstance(observation, str), f"{to} is answered by a {type(observation).__name__}, expected text")
    require(is_unicode(observation), f"{to} is answered by text that no file can hold (a lone surrogate)")
    require(
        isinstance(reward, int | float) and not isinstance(reward, bool) and 0 <= reward <= 1,
        f"{to} is rewarded {reward!r}, expected a number from 0 to 1",
    )
    require(isinstance(terminated, bool) and isinstance(truncated, bool), f"{to}: terminated and truncated must be booleans")
    require(isinstance(info, dict), f"{to}: info is a {type(info).__name__}, expected a dict")
    for key in ("actions", "valid", "success"):
        require(key in info, f"{to}: info has no {key!r}")
    actions, valid, success = info["actions"], info["valid"], info["success"]
    require(isinstance(valid, bool) and isinstance(success, bool), f"{to}: info['valid'] and info['success'] must be booleans")
    if actions is not None:
        require(
            isinstance(actions, list | tuple), f"{to}: info['actions'] is a {type(actions).__name__}, expected a list or None"
        )
        require(all(isinstance(action, str) for action in actions), f"{to}: info['actions'] holds what is not text")
        require(list(actions) == sorted(set(actions)), f"{to}: info['actions'] is not sorted, or names an action twice")
    require(reward == 0 or terminated or truncated, f"{to} is rewarded {reward} before the end: the reward is terminal")
    require(success or reward < 1, f"{to}: reward is 1 without success; success is reward 1")
    require(not success or terminated or truncated, f"{to}: solved, yet the episode goes on")
    return Seen(observation, float(reward), terminated, truncated, None if actions is None else tuple(actions), valid, success)


def require(holds: object, how: str) -> None:
    if not holds:
        raise Broken(how)


def shown(text: str) -> str:
    """The beginning of a text, escaped, and how long it is where that is not all."""
    escaped = ascii(text[:100])
    if len(text) <= 100 and len(escaped) <= 120:
        return escaped
    return f"{escaped[:120]}… ({len(text):,} characters)"
