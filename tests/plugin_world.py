"""A complete plug-in environment: a corridor of rooms, and a treasure to reach and take."""

from a3t.errors import UnknownNameError, UnknownTaskError
from a3t.types import Task


class Corridor:
    splits = ("train", "test")

    def tasks(self, split):
        if split not in self.splits:
            raise UnknownNameError(f"corridor has no split {split!r}. Known: train, test.")
        return [Task(f"{split}-{far}", split, "walk", f"Take the treasure in room {far}.") for far in range(1, 6)]

    def reset(self, *, seed=None, options=None):
        task_id = (options or {}).get("task_id", "train-1")
        known = {task.task_id: task for split in self.splits for task in self.tasks(split)}
        if not isinstance(task_id, str) or task_id not in known:
            raise UnknownTaskError(f"corridor has no task {task_id!r}. Known: train-1 … test-5.")
        self.far, self.room, self.won = int(task_id[-1]), 0, False
        return f"You are in room 0. {known[task_id].instruction}", self._info(True)

    def step(self, action):
        valid = action in self._actions()
        self.room += {"east": 1, "west": -1}.get(action, 0) if valid else 0
        self.won = self.won or (valid and action == "take treasure")
        text = ("You have it!" if self.won else f"You are in room {self.room}.") if valid else "You cannot do that."
        return text, float(self.won), self.won, False, self._info(valid)

    def snapshot(self):
        return self.far, self.room, self.won

    def restore(self, state):
        self.far, self.room, self.won = state

    def solution(self, task_id):
        return ["east"] * int(task_id[-1]) + ["take treasure"]

    def _actions(self):
        moves = ["east"] if self.room < 6 else []
        return sorted([*moves, *(["west"] if self.room else []), *(["take treasure"] if self.room == self.far else [])])

    def _info(self, valid):
        return {"actions": [] if self.won else self._actions(), "valid": valid, "success": self.won}
