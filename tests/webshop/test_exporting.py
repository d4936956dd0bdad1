"""`a3t data export webshop`: a task set as files, which name it for good."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from a3t.cli.worlds import export_data
from a3t.envs.webshop import WebshopEnv
from a3t.errors import RecipeError, UnknownNameError


@pytest.mark.parametrize("kind", ["human", "synthetic"])
def test_exported_goals_and_prices_are_the_seeds_own_and_their_hashes_stand_in_the_version(
    generated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    data, to = generated / "catalogue", tmp_path / "made" / "here"
    export_data("webshop", data, to, kind, 7)
    told = capsys.readouterr().out.splitlines()
    digests = [hashlib.sha256((to / name).read_bytes()).hexdigest() for name in ("goals.jsonl", "prices.json")]
    assert told[:2] == [f"{digests[0]}  goals.jsonl", f"{digests[1]}  prices.json"]
    assert (to / "SHA256SUMS").read_text().splitlines() == told[:2]
    seeded = WebshopEnv(data=data, goals=kind, price_seed=7)
    filed = WebshopEnv(data=data, goals=to / "goals.jsonl", prices=to / "prices.json")
    assert list(filed.goals) == list(seeded.goals)
    assert f"goals {digests[0][:8]}, prices {digests[1][:8]}" in filed.version


def test_what_was_exported_is_not_written_over(generated: Path, tmp_path: Path) -> None:
    (tmp_path / "goals.jsonl").write_text("mine")
    with pytest.raises(RecipeError, match=r"goals\.jsonl is there already"):
        export_data("webshop", generated / "catalogue", tmp_path, "human", 233)
    assert [path.name for path in tmp_path.iterdir()] == ["goals.jsonl"] and (tmp_path / "goals.jsonl").read_text() == "mine"


def test_only_what_there_is_can_be_exported(generated: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'alfworld'"):
        export_data("alfworld", None, tmp_path, "human", 233)
    with pytest.raises(UnknownNameError, match=r"no kind of goals named 'humans'.\n  Nearest: 'human'"):
        export_data("webshop", generated / "catalogue", tmp_path, "humans", 233)
