"""Scripted crafters: what they know, what they do and say, what their habits cost, and that a base keeps what it had."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3t.envs.textcraft import TextCraftEnv, split_of
from a3t.models import BASES, RECIPES, TINY
from a3t.pretrain.command import load as load_pretraining
from a3t.pretrain.craft.knowledge import Knowledge, Line, Taken
from a3t.pretrain.craft.players import Habits, decide
from a3t.pretrain.craft.reasons import reason
from a3t.pretrain.craft.transcripts import CraftMixture, actre_row, craft_transcript, good_player, habits_for, play
from a3t.text.segments import Role, segments_text

OPENING = """Crafting commands:
craft 1 oak door using 2 oak panel, 1 clay
craft 1 oak stool using 3 oak log
craft 1 oak panel using 3 planks
craft 2 birch planks using 1 birch log
craft 4 oak planks using 1 oak log, 1 resin
Goal: craft oak door."""

GOOD = Habits()


def known(*seen: tuple[str, str]) -> Knowledge:
    knowledge = Knowledge.from_reset(OPENING)
    for action, observation in seen:
        knowledge.see(action, observation)
    return knowledge


LOG = ("get 1 birch log", "Got 1 birch log")
PLANKS = ("craft 2 birch planks using 1 birch log", "Crafted 2 minecraft:birch_planks")


def test_the_opening_is_read_and_a_sort_is_the_first_that_is_shown() -> None:
    knowledge = known()
    assert knowledge.goal == "oak door"
    assert knowledge.lines[0] == Line(1, "oak door", (Taken(2, "oak panel"), Taken(1, "clay")))
    assert knowledge.meant("planks") == "birch planks" and knowledge.meant("clay") == "clay"
    assert knowledge.line_for("resin") is None


def test_what_is_carried_follows_from_what_was_answered() -> None:
    knowledge = known(LOG, ("get 3 clay", "Got 3 clay"), PLANKS)
    assert knowledge.carried == {"clay": 3, "birch planks": 2} and knowledge.has("planks") == 2
    knowledge.see("craft 1 oak panel using 3 planks", "Could not find enough items to craft minecraft:oak_panel")
    assert knowledge.refused and knowledge.carried == {"clay": 3, "birch planks": 2}


def test_the_way_down_is_said_and_its_end_is_done() -> None:
    decision = decide(known(), GOOD)
    assert decision.action == "get 1 birch log"
    assert reason(known(), decision.action, GOOD) == (
        "need oak door: 2 oak panel, 1 clay. lack oak panel: 3 planks. lack birch planks: 1 birch log. get 1 birch log."
    )


def test_what_is_there_but_not_enough_is_counted() -> None:
    knowledge = known(LOG, PLANKS)
    assert reason(knowledge, "get 1 birch log", GOOD) == (
        "need oak door: 2 oak panel, 1 clay. lack oak panel: 3 planks. 2 here, lack birch planks: 1 birch log. get 1 birch log."
    )


def test_a_sort_is_named_in_the_command() -> None:
    knowledge = known(LOG, PLANKS, LOG, PLANKS)
    assert decide(knowledge, GOOD).action == "craft 1 oak panel using 3 birch planks"


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("get 2 honey", "honey is not needed. get 2 honey."),
        ("craft 1 oak stool using 3 oak log", "oak stool is not needed. craft 1 oak stool."),
        ("get 1 clay", "need clay for oak door. get 1 clay."),
        ("craft 1 oak panel using 3 planks", "need oak panel for oak door. craft 1 oak panel."),
        ("inventory", "need oak door. check inventory."),
        ("dance", "need oak door."),
    ],
)
def test_any_action_has_a_reason(action: str, why: str) -> None:
    assert reason(known(), action, GOOD) == why


@pytest.mark.parametrize(
    ("habits", "first"),
    [
        (Habits(grabs=True), "get 2 oak panel"),
        (Habits(hasty=True), "get 1 birch log"),
        (Habits(one_is_enough=True), "get 1 birch log"),
    ],
)
def test_habits_change_what_is_done(habits: Habits, first: str) -> None:
    assert decide(known(), habits).action == first
    if not habits.grabs:
        # Two panels are wanted; one is enough for the one, and clay is nothing to the other.
        knowledge = known()
        knowledge.carried = {"oak panel": 1 if habits.one_is_enough else 2, "clay": 1 if habits.one_is_enough else 0}
        assert decide(knowledge, habits).action.startswith("craft 1 oak door")


def outcomes(mixture: CraftMixture, depths: list[int], num: int = 60) -> float:
    env = TextCraftEnv(seed=4321, depths=depths, num_train=num)
    won = 0
    for index, task in enumerate(env.tasks("train")):
        rng = np.random.default_rng(index)
        won += play(env, task, habits_for(mixture, rng), mixture, rng, slip_rate=0.0, wordless=False)[2]
    return won / num


def test_a_good_player_solves_what_it_is_asked_and_bad_habits_cost_something() -> None:
    good = good_player(CraftMixture())
    assert outcomes(good, [1, 2]) == 1.0
    assert outcomes(good, [3]) > 0.9
    bad = replace(good, grabs=1.0, recovers=0.0)
    assert outcomes(bad, [2, 3]) < 0.5


def test_slips_are_read_but_never_learned() -> None:
    env = TextCraftEnv(seed=4321, depths=[2], num_train=20)
    mixture = replace(good_player(CraftMixture()), slips=1.0, slip_rate=0.5, actre=0.0, silent=0.0)
    rows = [craft_transcript(env, task, mixture, np.random.default_rng(index)) for index, task in enumerate(env.tasks("train"))]
    actions = [piece for row in rows for piece in row if piece.role is Role.ACTION]
    assert 0.2 < np.mean([not piece.trained for piece in actions]) < 0.8
    after_refusal = [segments_text(row) for row in rows if "Could not" in segments_text(row)]
    assert after_refusal and any("> think: look again. need" in text for text in after_refusal)


def test_the_lines_that_a_task_shows_are_read_but_never_learned() -> None:
    """They are drawn at random; what is learned is what to make of them."""
    env = TextCraftEnv(seed=4321, depths=[1], num_train=12)
    for index, task in enumerate(env.tasks("train")):
        first, *turns = craft_transcript(env, task, CraftMixture(slips=0.0), np.random.default_rng(index))
        assert "Goal: craft" in first.text and not first.trained
        assert all(turn.trained for turn in turns)


def test_an_environment_is_read_in_its_lessons_alone() -> None:
    from a3t.pretrain.command import Lesson, PretrainRecipe
    from a3t.pretrain.craft.base import told

    recipe = PretrainRecipe(
        world="textcraft",
        environments=({"seed": 5, "depths": [1], "lessons": [0]}, {"seed": 6, "depths": [3], "lessons": [1]}),
        lessons=(Lesson(), Lesson()),
    )
    num_lines = [np.mean([len(Knowledge.from_reset(row[0].text).lines) for row in islice(told(recipe, n), 20)]) for n in (0, 1)]
    assert num_lines[0] + 2 < num_lines[1]


def test_actre_explains_every_action_after_it() -> None:
    env = TextCraftEnv(seed=4321, depths=[2], num_train=1)
    rng = np.random.default_rng(0)
    opening, steps, won = play(env, env.tasks("train")[0], GOOD, CraftMixture(), rng, slip_rate=0.0, wordless=False)
    text = segments_text(actre_row(opening, steps))
    assert won and text.count("\nReason: ") == len(steps) == text.count("\nAction: ")
    assert text.startswith("Observation: Crafting commands:")


def test_equal_generators_give_equal_rows_from_training_things_alone() -> None:
    env = TextCraftEnv(seed=2002, depths=[2, 3], num_train=40)
    for index, task in enumerate(env.tasks("train")):
        one, other = (craft_transcript(env, task, CraftMixture(), np.random.default_rng(index)) for _ in range(2))
        assert one == other
        made = {line.item for line in Knowledge.from_reset(segments_text(one)).lines}
        assert {split_of(item) for item in made} == {"train"}


# --- the tokenizer and the rows of its words -----------------------------------------------


@pytest.fixture(scope="module")
def tokenizers() -> Any:
    from a3t.models.loading import load_tokenizer
    from a3t.pretrain.craft.words import extend_tokenizer

    old = load_tokenizer(TINY)
    return old, extend_tokenizer(old, [" here"])


def test_household_text_is_tokenized_as_before(tokenizers: Any) -> None:
    from a3t.envs.household import HouseholdEnv
    from a3t.pretrain.transcripts import Mixture, transcript

    old, new = tokenizers
    worlds = [HouseholdEnv(seed=77, num_train=40), HouseholdEnv(seed=78, num_train=40, text="2.1.1")]
    mixtures = [Mixture(), Mixture(slips=0.9, slip_rate=0.3, imagined=0.5, admits=True), Mixture(actre=0.9)]
    for env in worlds:
        for index, task in enumerate(env.tasks("train")):
            text = segments_text(transcript(env, task, mixtures[index % 3], np.random.default_rng(index)))
            assert new.encode(text) == old.encode(text)


def test_a_crafting_line_is_words_and_numbers_and_survives_the_round_trip(tokenizers: Any) -> None:
    old, new = tokenizers
    line = "craft 4 oak planks using 12 oak log, 1 clay\n"
    ids = new.encode(line)
    assert [new.decode([i]) for i in ids] == [
        *("craft", " 4", " oak", " planks", " using", " 12", " oak", " log", ",", " 1", " clay", "\n")
    ]
    assert len(ids) < len(old.encode(line))
    for text in (OPENING, "Inventory: [oak log] (3) [clay] (1) ", "Could not find a valid recipe for ItemTag(é中)"):
        assert new.decode(new.encode(text)) == text


def test_the_base_grows_by_rows_and_answers_household_text_as_before(tokenizers: Any) -> None:
    """Old rows stay; over the old words the next-word distribution is the same, whatever the new ones took of it."""
    import torch

    from a3t.models.loading import load_folder
    from a3t.pretrain.craft.words import grow_embeddings

    old_tokenizer, new_tokenizer = tokenizers
    old, _ = load_folder(TINY, device="cpu")
    grown, _ = load_folder(TINY, device="cpu")
    grow_embeddings(grown, new_tokenizer, seed=1)
    num_old = len(old_tokenizer)
    table = grown.get_input_embeddings().weight
    assert table.shape[0] == len(new_tokenizer) and torch.equal(table[:num_old], old.get_input_embeddings().weight)
    assert grown.lm_head.weight is grown.get_input_embeddings().weight, "embeddings stay tied"
    table = table.detach()
    spread = table[num_old:].std() / table[:num_old].std()
    assert 0.8 < float(spread) < 1.25
    oak, spaced, ash = (table[new_tokenizer.convert_tokens_to_ids(word)] for word in ("oak", "Ġoak", "Ġash"))
    cosine = torch.nn.functional.cosine_similarity
    centre = table[:num_old].mean(dim=0)
    assert float(cosine(oak - centre, spaced - centre, dim=0)) > 0.8 > abs(float(cosine(oak - centre, ash - centre, dim=0)))
    ids = torch.tensor([old_tokenizer.encode("> go to drawer 1\nThe drawer 1 is closed.\n>")])
    with torch.no_grad():
        assert torch.allclose(grown(ids).logits[..., :num_old], old(ids).logits, atol=1e-5)


def test_a_model_that_begins_with_copying_heads_foretells_crafting_words_before_it_has_read_any() -> None:
    """Its words come after the tiny base's. Heads that a base was born with do not survive its lessons (docs/tiny-base.md)."""
    import torch

    from a3t.learning.encode import encode_segments
    from a3t.pretrain.command import PretrainRecipe
    from a3t.pretrain.craft.base import make_tokenizer, told
    from a3t.pretrain.fit import Shape, new_model

    environment = {"seed": 2000, "depths": [1], "distractors": [0, 2]}
    recipe = PretrainRecipe(world="textcraft", environments=(environment,), vocabulary_transcripts=20)
    tokenizer = make_tokenizer(recipe)
    rows = [encode_segments(row, tokenizer) for row in islice(told(recipe, 0), 6)]

    def share_foretold(shape: Shape) -> float:
        model = new_model(shape, tokenizer, seed=1).eval()
        right = []
        for row in rows:
            ids = torch.tensor(np.asarray(row.ids))
            with torch.no_grad():
                foretold = model(ids[None]).logits[0, :-1].argmax(-1)
            counts = torch.tensor(np.asarray(row.trained))[1:] & (ids[1:] >= 1005)
            right += (foretold == ids[1:])[counts].tolist()
        return float(np.mean(right))

    assert share_foretold(Shape(rope_theta=1_000_000, copying_heads=True)) > 0.1
    assert share_foretold(Shape()) < 0.03


def test_words_that_a_base_knows_are_not_added_again(tokenizers: Any) -> None:
    from a3t.pretrain.craft.words import extend_tokenizer

    _, new = tokenizers
    again = extend_tokenizer(new, [" here"])
    assert again.backend_tokenizer.to_str() == new.backend_tokenizer.to_str()


THAT_CRAFT = ["builtin:craft", "builtin:both"]


@pytest.mark.parametrize("base", THAT_CRAFT)
def test_a_base_that_ships_is_small_and_says_how_it_was_made(base: str) -> None:
    folder = BASES[base]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    told = json.loads((folder / "pretraining.json").read_text())
    recipe = load_pretraining(RECIPES[base], [])
    assert told["recipe"]["world"] == recipe.world == "textcraft"
    assert [lesson["num_transcripts"] for lesson in told["recipe"]["lessons"]] == [one.num_transcripts for one in recipe.lessons]


@pytest.mark.parametrize("base", THAT_CRAFT)
def test_a_base_that_ships_loads_by_plain_transformers(base: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(BASES[base])
    tokenizer = AutoTokenizer.from_pretrained(BASES[base])
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_the_base_of_both_worlds_reads_on_where_the_crafting_one_stopped() -> None:
    """The tokens are the crafting base's, which the recipe names as where it begins."""
    recipe = load_pretraining(RECIPES["builtin:both"], [])
    assert recipe.base == "builtin:craft"
    tokens = [json.loads((BASES[base] / "tokenizer.json").read_text()) for base in THAT_CRAFT]
    assert tokens[0] == tokens[1]


def test_the_base_of_both_worlds_plays_both_in_one_run() -> None:
    """A greedy trial of six simple games and six things of depth 1, unseen: it solves two thirds and half of such."""
    from a3t.agents.asking import run
    from a3t.cli.assemble import Models
    from a3t.config import load_recipe
    from a3t.envs.joint import JointEnv
    from a3t.episode import Worlds, policy_mover, rollout
    from a3t.stages import terms_for
    from a3t.types import Stage

    worlds = {
        "household": {"options": {"receptacles": [6, 8], "distractors": [4, 6]}, "num": {"test": 36}},
        "textcraft": {"options": {"depths": [1]}, "num": {"test": 6}},
    }
    recipe = load_recipe(
        Path(__file__).parents[2] / "recipes" / "agent-r.toml", ["agent.max_turns=16", "policy.processes=1", "num_threads=1"]
    )
    assert recipe.policy.path == "builtin:both"
    policy = Models(recipe, "joint").policy(None)
    terms = terms_for(recipe, "joint", policy, Stage.EVALUATE)
    tasks = [t for t in JointEnv(worlds).tasks("test") if "simple" in t.task_type or t.task_type.startswith("textcraft")]
    assert len(tasks) == 12
    movers = [policy_mover(policy, temperature=0.0, seed=0, session=task.task_id) for task in tasks]
    shared = Worlds(lambda: JointEnv(worlds))
    tried = list(run((rollout(shared, task, mover, terms, seed=0) for task, mover in zip(tasks, movers, strict=True)), 12))
    solved = [one.task.task_id.partition("/")[0] for one in tried if one.success]
    assert solved.count("household") >= 2 and solved.count("textcraft") >= 2


def test_the_base_that_ships_crafts_what_it_has_never_seen() -> None:
    """Greedy trials at unseen things of depth 1, by the whole machinery; it solves 22 of 30 such."""
    from a3t.agents.asking import run
    from a3t.cli.assemble import Models
    from a3t.config import load_recipe
    from a3t.episode import Worlds, policy_mover, rollout
    from a3t.stages import terms_for
    from a3t.types import Stage

    recipe = load_recipe(None, ["environment.name=textcraft", "policy.path=builtin:craft", "agent.max_turns=12"])
    policy = Models(recipe, "textcraft").policy(None)
    worlds = Worlds(lambda: TextCraftEnv(depths=(1,), num_valid=6))
    terms = terms_for(recipe, "textcraft", policy, Stage.EVALUATE)
    tasks = TextCraftEnv(depths=(1,), num_valid=6).tasks("valid")
    movers = [policy_mover(policy, temperature=0.0, seed=0, session=task.task_id) for task in tasks]
    tried = list(run((rollout(worlds, task, mover, terms, seed=0) for task, mover in zip(tasks, movers, strict=True)), 6))
    assert sum(one.success for one in tried) >= 2
