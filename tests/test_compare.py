"""The variants that ship fit the default recipe: a comparison does not stop at its fifth row, an hour in."""

import pytest

from a3t.cli.compare import VARIANTS, changed, load_variants
from a3t.cli.runs import DEFAULT_RECIPE
from a3t.config import load_recipe
from a3t.learning.objectives import make_objective


@pytest.mark.parametrize("name", load_variants(VARIANTS, []))
def test_a_variant_of_the_default_recipe_is_an_objective_with_options_of_its_own(name):
    recipe = changed(load_recipe(DEFAULT_RECIPE), load_variants(VARIANTS, [])[name])
    make_objective(recipe.objective.name, recipe.objective.options)
    assert ("failed_floor" in recipe.objective.options) == (name == "a3t-floor")


def test_the_table_reads_the_nll_that_the_trainer_writes():
    from a3t.cli.compare import _nll

    runs = [{"training": {"epochs": [{"success_nll": 9.0}, {"success_nll": 0.25, "failed_nll": 1.5}]}}]
    assert _nll(runs) == "0.250, 1.500"
