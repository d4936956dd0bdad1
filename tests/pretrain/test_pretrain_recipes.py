"""What a pretraining recipe may say: all of it is checked before the first transcript is written, the last lesson too."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from a3t.errors import RecipeError
from a3t.pretrain.command import DEFAULT, load
from a3t.pretrain.household import told
from a3t.text.segments import segments_text

CRAFT, SHOP = DEFAULT.with_name("pretrain-craft.toml"), DEFAULT.with_name("pretrain-shop.toml")


@pytest.mark.parametrize("path", [DEFAULT, CRAFT, SHOP])
def test_the_recipes_that_ship_are_read(path: Path) -> None:
    assert load(path, []).lessons


@pytest.mark.parametrize(
    ("path", "override", "said"),
    [
        (DEFAULT, "shape.hiden=3", r"shape has an unknown key 'hiden': did you mean 'hidden'"),
        (DEFAULT, "shape.hidden=wide", r"shape\.hidden = 'wide' does not fit: expected a whole number"),
        (DEFAULT, "lessons=[{}, {schedule={muon=0.1}}]", r"lessons\.1\.schedule .* did you mean 'muon_lr'"),
        (DEFAULT, "lessons=[{}, {mixture={slip=0.1}}]", r"lessons\.1\.mixture .* did you mean 'slips'"),
        (SHOP, "lessons=[{mixture={slip=0.1}}]", r"lessons\.0\.mixture"),
        (CRAFT, "lessons=[{mixture={graps=0.1}}]", r"lessons\.0\.mixture .* did you mean 'grabs'"),
        (CRAFT, "lessons=[{mixture={household_mixture={slip=0.1}}}]", r"household_mixture .* did you mean 'slips'"),
        (CRAFT, "lessons=[{mixture={household=1.5}}]", r"household = 1\.5 does not fit"),
        (CRAFT, "lessons=[{keep={heat=0.1}}]", r"lessons\.0\.keep is about the household"),
        (CRAFT, "lessons=[{environments=[{seed=1}]}]", r"lessons\.0\.environments are household rooms"),
        (DEFAULT, "lessons=[{environments=[{seed=1}, {seed=2}]}]", r"has 2 rooms; .* each room would see some types only"),
        (CRAFT, "base=builtin:tiny", r"a base that reads on keeps its own shape"),
        (SHOP, "base=builtin:tiny", r"begins from nothing"),
        (DEFAULT, "lessons=[{max_tokens=0}]", r"max_tokens = 0 does not fit: expected at least 16"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_played(path: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load(path, [override])


def test_a_lessons_own_rooms_are_read_in_it() -> None:
    rooms = ", ".join(f"{{seed={seed}, receptacles=6, distractors={seed}}}" for seed in range(5))
    recipe = load(DEFAULT, [f"lessons=[{{}}, {{environments=[{rooms}], mixture={{slips=0.0}}}}]"])
    rows = islice(told(recipe, 1), 30)
    # Six receptacles, where the recipe's own rooms have up to 24.
    assert {len(segments_text(row).split("you see a ")[1].split(".")[0].split(",")) for row in rows} <= {5, 6}
