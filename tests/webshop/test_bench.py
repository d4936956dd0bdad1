"""The benchmark measures what it says; how fast the machine is, is no test's business."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from a3t.bench.webshop import build, measure, measure_apart, queries, table
from a3t.envs.webshop import WebshopEnv
from a3t.errors import BadDataError


def test_figures_come_from_a_real_catalogue_and_make_a_table(generated: Path) -> None:
    figures = measure(generated / "catalogue", num_steps=60, num_searches=30)
    assert figures.num_products == 2300 and figures.num_searches == 30
    assert figures.steps_per_s > 0 and 0 <= figures.search_p50_ms <= figures.search_p99_ms and figures.disk_mb > 0.1
    lines = table([figures]).splitlines()
    assert lines[0] == "| | 2,300 | original |" and len({line.count("|") for line in lines}) == 1


def test_no_search_that_is_timed_comes_out_of_the_cache(generated: Path, tmp_path: Path) -> None:
    """Few goals, one of them twice, and many goals."""
    from a3t.envs.webshop.catalogue import Catalogue
    from a3t.envs.webshop.goals import human_goals, write_goals

    few = human_goals(Catalogue(generated / "catalogue"))[:13]
    write_goals([*few, few[0]], tmp_path / "goals.jsonl")
    for goals in (tmp_path / "goals.jsonl", "human"):
        env = WebshopEnv(data=generated / "catalogue", goals=goals, noun_tagger="small")
        search = env.catalogue._index.search
        search.cache_clear()
        warming, timed = queries(env, 400, random.Random(0))
        assert (len(warming), len(timed)) == (50, 400)
        for query in (*warming, *timed):
            env.catalogue.search_numbers(query)
        assert search.cache_info().hits == 0


def test_where_queries_are_few_half_of_them_are_timed(tmp_path: Path) -> None:
    build(40, tmp_path)
    env = WebshopEnv(data=tmp_path / "40" / "catalogue", noun_tagger="small")
    warming, timed = queries(env, 1000, random.Random(0))
    assert len(warming) in (len(timed), len(timed) - 1) and not {*warming} & {*timed}


def test_a_catalogue_is_built_once_with_as_many_goals_as_the_official_one_has(tmp_path: Path) -> None:
    assert build(40, tmp_path) > 0
    assert build(40, tmp_path) == 0.0
    assert not (tmp_path / "40" / "official").exists()


def test_a_catalogue_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="holds no WebShop catalogue"):
        measure_apart(tmp_path, 1, 1)
