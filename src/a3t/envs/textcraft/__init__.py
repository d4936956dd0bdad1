"""TextCraft: craft an item from a list of recipes, some of which lead nowhere; generated, or read from Minecraft's files."""

from a3t.envs.textcraft.book import Book, Ingredient, Recipe
from a3t.envs.textcraft.env import TextCraftEnv
from a3t.envs.textcraft.folder import load
from a3t.envs.textcraft.generate import generate
from a3t.envs.textcraft.names import split_of
from a3t.envs.textcraft.plan import plan

__all__ = ["Book", "Ingredient", "Recipe", "TextCraftEnv", "generate", "load", "plan", "split_of"]
