"""Household games made from a seed: ALFWorld's six kinds of task in rooms that nobody has seen before."""

from a3t.envs.household.difficulty import Difficulty, difficulty
from a3t.envs.household.env import HouseholdEnv
from a3t.envs.household.export import write_tw_pddl
from a3t.envs.household.generate import generate
from a3t.envs.household.solution import solution

__all__ = ["Difficulty", "HouseholdEnv", "difficulty", "generate", "solution", "write_tw_pddl"]
