"""ALFWorld in pure Python: the official games, answered word for word as the official engine answers them.

    env.py                  the environment (Gymnasium)
    folder.py, opening.py   the data folder; its games as worlds
    pddl.py, grammar.py     an official file -> Game
    game.py, wording.py     one game as plain data; its words, in two generations
    layout.py, state.py     a Game, numbered for play; where play stands
    world.py, naming.py     the engine: State -> State; names from ids
    expert.py               a plan that wins
    data.py, download.py, unpack.py     getting the official data

`game`, `layout` and `world` know nothing of files: `a3t.envs.household` runs its own games on them.
"""

from a3t.envs.alfworld.env import AlfworldEnv
from a3t.envs.alfworld.expert import plan
from a3t.envs.alfworld.game import Game, Goal, Item, Receptacle, Rules, TaskType
from a3t.envs.alfworld.pddl import load_game, parse_game
from a3t.envs.alfworld.state import State
from a3t.envs.alfworld.wording import WORDING_211, WORDING_212, Wording
from a3t.envs.alfworld.world import World

__all__ = [
    "WORDING_211",
    "WORDING_212",
    "AlfworldEnv",
    "Game",
    "Goal",
    "Item",
    "Receptacle",
    "Rules",
    "State",
    "TaskType",
    "Wording",
    "World",
    "load_game",
    "parse_game",
    "plan",
]
