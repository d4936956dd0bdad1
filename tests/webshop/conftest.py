"""A small generated catalogue for every test of the shop, and the real one where it lies beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.generate import generated_folder
from a3t.envs.webshop.importing import import_catalogue
from a3t.envs.webshop.product import Product


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `official/` and `catalogue/`: 2,300 products, enough goals for every official split."""
    folder = tmp_path_factory.mktemp("generated")
    generated_folder(2300, seed=1, folder=folder)
    return folder


@pytest.fixture(scope="session")
def catalogue(generated: Path) -> Catalogue:
    return Catalogue(generated / "catalogue")


@pytest.fixture(scope="session")
def real_files() -> Path:
    base = os.environ.get("A3T_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data"
    folder = Path(base) / "webshop"
    if not (folder / "items_shuffle_1000.json").is_file():
        pytest.skip(f"no real WebShop products in {folder} (set A3T_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def real_catalogue(real_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(import_catalogue(real_files, tmp_path_factory.mktemp("real")))


@pytest.fixture
def mug() -> Product:
    return Product(
        asin="B000000MUG",
        title="Stoneware Mug, Dishwasher Safe",
        description="A mug. Holds 12 ounces.",
        bullets=("Dishwasher safe ", "Made of clay"),
        prices=(9.5,),
        price_tag="$9.5",
        options=(("color", ("red", "dark blue")), ("size", ("12 ounce",))),
        attributes=("dishwasher safe", "lead free"),
        category="garden",
        query="coffee mugs",
        product_category="Home & Kitchen › Dining › Mugs",
        image="",
    )
