"""The variants that ship fit the default recipe: a comparison does not stop at its fifth row, an hour in."""

from pathlib import Path

import pytest

from a3t.cli.compare import SHOP_VARIANTS, VARIANTS, changed, load_variants, shipped, variants_for
from a3t.cli.runs import DEFAULT_RECIPE
from a3t.config import load_recipe
from a3t.errors import RecipeError
from a3t.learning.objectives import make_objective


@pytest.mark.parametrize("name", load_variants(VARIANTS, []))
def test_a_variant_of_the_default_recipe_is_an_objective_with_options_of_its_own(name):
    recipe = changed(load_recipe(DEFAULT_RECIPE), load_variants(VARIANTS, [])[name])
    make_objective(recipe.objective.name, recipe.objective.options)
    assert ("failed_floor" in recipe.objective.options) == (name in {"recipe", "k-1", "k-more"})


def test_the_table_reads_the_nll_that_the_trainer_writes():
    from a3t.cli.compare import _nll

    runs = [{"training": {"epochs": [{"success_nll": 9.0}, {"success_nll": 0.25, "failed_nll": 1.5}]}}]
    assert _nll(runs) == "0.250, 1.500"


def run_of(folder, world):
    folder.mkdir()
    (folder / "recipe.toml").write_text(f'[environment]\nname = "{world}"\n')
    return folder


def test_runs_of_the_shop_are_compared_as_the_papers_table_7_compares_and_others_as_ever(tmp_path):
    shop, house = run_of(tmp_path / "shop", "webshop"), run_of(tmp_path / "house", "household")
    assert variants_for([shop, shop]) == SHOP_VARIANTS
    assert variants_for([house]) == variants_for([house, shop]) == VARIANTS


def test_variants_that_ship_are_found_by_their_bare_name_and_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped(Path("variants-webshop")) == shipped(Path("variants-webshop.toml")) == SHOP_VARIANTS
    assert shipped(Path("variants")) == VARIANTS
    for mine in ("mine.toml", "household", "elsewhere/variants.toml"):
        assert shipped(Path(mine)) == Path(mine)
    (tmp_path / "variants.toml").touch()
    assert shipped(Path("variants.toml")) == Path("variants.toml")
    with pytest.raises(RecipeError, match="Those that ship: variants, variants-webshop"):
        load_variants(Path("nowhere.toml"), [])


def result_in_the_shop(selection, rewards, round_index=3):
    from a3t.evaluate import score
    from a3t.types import Stage, Stop, Task, Trajectory

    played = [
        Trajectory(Task(str(i), "test", "beauty"), "", (), r, r == 1, Stop.FAILURE, Stage.EVALUATE, "webshop")
        for i, r in enumerate(rewards)
    ]
    return {
        "selection": selection,
        "round": round_index,
        "environment": "webshop-5000",
        "scores": score(played).to_json(),
        "dataset": {"mean_successes_per_failed_task": 2.0},
        "training": {"epochs": []},
    }


def test_table_7_of_the_shop_stands_beside_ours_and_is_marked():
    from a3t.cli.compare import table

    plain = result_in_the_shop("supervised-1.0", [0.5, 0.5, 0.5, 0.5, 0.5, 1.0])
    pushed = result_in_the_shop("binarized", [1.0, 0.75, 0.75, 0.75, 0.75, 1.0])
    head, _rule, first, second = table({"supervised-1_0": [plain], "binarized": [pushed]}).split("\n")
    assert head.endswith("| reward / success (paper, 7B) |")
    assert first.endswith("| 58.3 | 73.2 / 45.6 |")
    # Five rewards rose and none fell: p = 2/32.
    assert second.endswith("| 83.3, 0.0625 | 73.1 / 49.0 |")


def test_every_selection_of_table_7_is_a_variant_that_fits_the_shops_recipe():
    from a3t.learning.dataset import SELECTIONS

    variants = load_variants(SHOP_VARIANTS, [])
    chosen = {
        changed(load_recipe(Path(__file__).parents[1] / "recipes" / "webshop.toml"), over).objective.selection
        for over in variants.values()
    }
    assert chosen == set(SELECTIONS)
