"""WebShop in pure Python: the original's search, pages, actions and rewards over its own files, or over a catalogue we
generate."""

from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.env import WebshopEnv
from a3t.envs.webshop.importing import import_catalogue, open_catalogue

__all__ = ["Catalogue", "WebshopEnv", "import_catalogue", "open_catalogue"]
