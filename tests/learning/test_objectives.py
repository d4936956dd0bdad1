"""The six objectives against slow references, finite differences, and numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch
from torch import Tensor

from a3t.errors import RecipeError, UnknownNameError
from a3t.learning import objectives
from a3t.learning.objectives import Batch, Example, Objective, Unit, make_objective

NAMES = list(objectives.BUILTIN)


def random_rows(seed: int, lengths: Sequence[int]) -> list[dict[str, Tensor]]:
    """Per row: log-probs as they might be, which tokens are the agent's, what the policy and the base gave them."""
    rng = torch.Generator().manual_seed(seed)

    def logprobs(length: int) -> Tensor:
        return -torch.rand(length, dtype=torch.float64, generator=rng) * 0.4

    return [
        {
            "logprobs": logprobs(length),
            "agent": torch.rand(length, generator=rng) < 0.5,
            "behaviour": logprobs(length),
            "reference": logprobs(length),
        }
        for length in lengths
    ]


EXAMPLES = [
    Example("a", 1.0, 1.0, 7),
    Example("a", 1.0, 1.0, 12),
    Example("a", -1.0, 0.0, 20),
    Example("b", 1.0, 1.0, 5),
    Example("c", 1.0, 1.0, 9),
    Example("c", -1.0, 0.0, 15),
    Example("c", -0.5, 0.25, 11),
]
ROWS = random_rows(0, [example.num_tokens for example in EXAMPLES])


def batch_of(units: Sequence[Unit], dtype: torch.dtype = torch.float64, rows: list[dict[str, Tensor]] = ROWS) -> Batch:
    members = [row for unit in units for row in unit.rows]

    def flat(name: str) -> Tensor:
        values = torch.cat([rows[row][name] for row in members])
        return values if values.dtype is torch.bool else values.to(dtype)

    return Batch(
        flat("logprobs").requires_grad_(),
        torch.cat([torch.full((len(rows[row]["logprobs"]),), index) for index, row in enumerate(members)]),
        flat("agent"),
        torch.tensor([weight for unit in units for weight in unit.weights], dtype=dtype),
        torch.tensor([unit.is_pair for unit in units for _row in unit.rows]),
        flat("behaviour"),
        flat("reference"),
    )


def loss_and_gradient(
    objective: Objective, units: Sequence[Unit], cuts: Sequence[Sequence[Unit]], dtype: torch.dtype
) -> tuple[float, dict[int, Tensor]]:
    """As the trainer does it: sums over forwards, divided by the sizes of the whole batch. Gradients are per row."""
    sizes = objective.sizes(units)
    total, gradients = 0.0, {}
    for forward in cuts:
        batch = batch_of(forward, dtype)
        loss = sum((t / s for t, s in zip(objective.terms(batch), sizes, strict=True) if s), torch.zeros(()))
        loss.backward()
        total += loss.item()
        members = [row for unit in forward for row in unit.rows]
        for row, gradient in zip(members, batch.logprobs.grad.split([EXAMPLES[row].num_tokens for row in members]), strict=True):
            gradients[row] = gradients.get(row, 0) + gradient.double()
    return total, gradients


def slow(name: str, **options: float) -> float:
    """Every objective in plain Python, token by token, as its paper writes it."""
    rows = [{key: value.tolist() for key, value in row.items()} for row in ROWS]

    def ratio(index: int, against: str) -> float:
        row = rows[index]
        return sum(p - q for p, q, agent in zip(row["logprobs"], row[against], row["agent"], strict=True) if agent)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    nll = [-sum(row["logprobs"]) for row in rows]
    successes = [index for index, example in enumerate(EXAMPLES) if example.weight > 0]
    if name in ("dpo", "kto"):
        beta, sft_weight = options.get("beta", 0.1), options.get("sft_weight", 1.0)
        if name == "dpo":
            # a: S = 2, F = 1; c: S = 1, F = 2; b has no failure.
            pairs = [(0, 2), (1, 2), (4, 5), (4, 6)]
            preference = sum(-math.log(sigmoid(beta * (ratio(s, "reference") - ratio(f, "reference")))) for s, f in pairs)
            supervised = [s for s, _ in pairs] + [3]
            count = len(pairs)
        else:
            preference = sum(
                abs(example.weight) * (1 - sigmoid(math.copysign(beta, example.weight) * ratio(index, "reference")))
                for index, example in enumerate(EXAMPLES)
            )
            supervised, count = successes, len(EXAMPLES)
        tokens = sum(EXAMPLES[index].num_tokens for index in supervised)
        return preference / count + sft_weight * sum(nll[index] for index in supervised) / tokens
    mean_reward = sum(example.reward for example in EXAMPLES) / len(EXAMPLES)
    total = tokens = 0.0
    for index, example in enumerate(EXAMPLES):
        weight = example.weight
        if name == "sft" and weight < 0:
            continue
        if name == "asymre":
            weight = example.reward - (mean_reward - options.get("baseline_offset", 0.1))
        if name == "topr" and weight < 0:
            weight *= min(math.exp(ratio(index, "behaviour")), 1)
        total += weight * nll[index]
        tokens += example.num_tokens
    return total / tokens


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in NAMES),
        ("asymre", {"baseline_offset": 0.3}),
        ("dpo", {"beta": 0.7, "sft_weight": 0.0}),
        ("kto", {"beta": 0.7, "sft_weight": 0.2}),
    ],
)
def test_the_loss_is_that_of_the_slow_obvious_way(name: str, options: dict[str, float]):
    objective = make_objective(name, options)
    units = objective.units(EXAMPLES)
    loss, _ = loss_and_gradient(objective, units, [units], torch.float64)
    assert loss == pytest.approx(slow(name, **options), rel=1e-12)
    single, _ = loss_and_gradient(objective, units, [units], torch.float32)
    assert single == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_finite_differences(name: str):
    """Nudging each log-prob by 1e-6; TOPR's ratio is held fixed, because no gradient flows through it."""
    objective = make_objective(name, {})
    units = objective.units(EXAMPLES)
    sizes = torch.tensor(objective.sizes(units), dtype=torch.float64)
    batch = batch_of(units)
    if name == "topr":
        ratios = batch.per_row(torch.where(batch.agent, batch.logprobs - batch.behaviour, 0.0)).detach()
        frozen = torch.where(batch.weights < 0, batch.weights * ratios.clamp(max=0).exp(), batch.weights)
        objective, batch_for_differences = make_objective("a3t", {}), batch._replace(weights=frozen)
    else:
        batch_for_differences = batch
    (make_objective(name, {}).terms(batch) / sizes).sum().backward()
    assert batch.logprobs.grad is not None
    for index in range(0, len(batch.logprobs), 3):
        values = []
        for nudge in (1e-6, -1e-6):
            nudged = batch.logprobs.detach().clone()
            nudged[index] += nudge
            values.append((objective.terms(batch_for_differences._replace(logprobs=nudged)) / sizes).sum().item())
        assert batch.logprobs.grad[index].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_how_a_batch_is_cut_and_ordered_does_not_show(name: str):
    """One forward of everything, one per unit, two units backwards: the same loss and gradient within 1e-5 in float32."""
    objective = make_objective(name, {})
    units = objective.units(EXAMPLES)
    backwards = units[::-1]
    cuts = [
        [units],
        [[unit] for unit in units],
        [backwards[start : start + 2] for start in range(0, len(backwards), 2)],
    ]
    exact_loss, exact = loss_and_gradient(objective, units, [units], torch.float64)
    exact_norm = torch.cat(list(exact.values())).norm()
    for cut in cuts:
        loss, gradient = loss_and_gradient(objective, units, cut, torch.float32)
        # Pulls and pushes of about 0.1 nat a token may cancel in the loss: 1e-7 is 1e-6 of what was summed.
        assert loss == pytest.approx(exact_loss, rel=1e-5, abs=1e-7)
        difference = torch.cat([gradient[row] - exact[row] for row in exact]).norm()
        assert difference / exact_norm < 1e-5


def test_eq_1_by_hand():
    """A success of 2 tokens at log-prob -1 each and a failure of 3 at -2: (1 * 2 - 1 * 6) / 5 tokens."""
    units = [Unit((0,), (1.0,), (2,)), Unit((1,), (-1.0,), (3,))]
    rows = [
        {name: torch.full((count,), value) for name in ("logprobs", "behaviour", "reference")}
        | {"agent": torch.ones(count).bool()}
        for count, value in ((2, -1.0), (3, -2.0))
    ]
    objective = make_objective("a3t", {})
    terms = objective.terms(batch_of(units, rows=rows))
    assert terms.item() / objective.sizes(units)[0] == pytest.approx(-4 / 5)


def test_with_one_success_and_one_failure_only_contrast_is_left():
    """Remark 3 (K = 1): a step common to both gets no gradient at all."""
    rows = random_rows(1, [6, 6])
    units = [Unit((0,), (1.0,), (6,)), Unit((1,), (-1.0,), (6,))]
    shared = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    batch = batch_of(units, rows=rows)
    logprobs = torch.cat([shared[None], batch.logprobs.detach()[1:6], shared[None], batch.logprobs.detach()[7:]])
    make_objective("a3t", {}).terms(batch._replace(logprobs=logprobs)).sum().backward()
    assert shared.grad == 0


def test_a_failed_token_below_the_floor_stops_pushing_and_the_loss_is_bounded():
    units = [Unit((0,), (-1.0,), (3,))]
    rows = [
        {"logprobs": torch.tensor([-1.0, -5.0, -900.0]), "agent": torch.ones(3).bool()}
        | {name: torch.zeros(3) for name in ("behaviour", "reference")}
    ]
    for name in ("a3t", "topr", "asymre"):
        batch = batch_of(units, rows=rows)
        loss = make_objective(name, {"failed_floor": -4.0}).terms(batch).sum()
        loss.backward()
        assert loss.item() >= -9
        assert batch.logprobs.grad is not None
        assert (batch.logprobs.grad[1:] == 0).all()


def test_the_floor_does_not_touch_successes():
    batch = batch_of([Unit((0,), (1.0,), (7,))])
    low = batch._replace(logprobs=batch.logprobs.detach() - 10)
    objective = make_objective("a3t", {"failed_floor": -1.0})
    assert objective.terms(low).item() == pytest.approx(-low.logprobs.sum().item())


def test_topr_lets_a_failure_fade_once_it_has_become_unlikely():
    """300 tokens at -1 nat each where the policy had them at -0.1: the ratio exp(-270) underflows to 0."""
    faded = {"logprobs": torch.full((300,), -1.0), "behaviour": torch.full((300,), -0.1), "agent": torch.ones(300).bool()}
    rows = [faded | {"reference": torch.zeros(300)}]
    batch = batch_of([Unit((0,), (-1.0,), (300,))], torch.float32, rows)
    make_objective("topr", {}).terms(batch).sum().backward()
    assert batch.logprobs.grad is not None
    assert (batch.logprobs.grad == 0).all()


def test_topr_pushes_a_failure_that_is_still_likely_as_hard_as_eq_1_and_no_harder():
    rows = [{"logprobs": torch.full((5,), -0.1), "behaviour": torch.full((5,), -3.0), "agent": torch.ones(5).bool()}]
    rows[0]["reference"] = torch.zeros(5)
    batch = batch_of([Unit((0,), (-1.0,), (5,))], rows=rows)
    assert torch.equal(make_objective("topr", {}).terms(batch), make_objective("a3t", {}).terms(batch))


def test_asymre_weighs_rewards_against_a_baseline_below_their_mean():
    """Rewards 1, 1, 0: mean 2/3, V = 2/3 - 0.1."""
    units = make_objective("asymre", {}).units([Example("a", 1, 1.0, 3), Example("a", 1, 1.0, 3), Example("a", -1, 0.0, 3)])
    assert [unit.weights[0] for unit in units] == pytest.approx([1 - 2 / 3 + 0.1, 1 - 2 / 3 + 0.1, -2 / 3 + 0.1])


@pytest.mark.parametrize("offset", [0.0, -0.1])
def test_asymre_refuses_a_baseline_at_which_training_collapses(offset: float):
    with pytest.raises(RecipeError, match="baseline_offset"):
        make_objective("asymre", {"baseline_offset": offset})


def test_sft_leaves_failures_out():
    assert [unit.rows for unit in make_objective("sft", {}).units(EXAMPLES)] == [(0,), (1,), (3,), (4,)]


def test_dpo_pairs_within_a_task_and_everybody_takes_part():
    units = make_objective("dpo", {}).units(EXAMPLES)
    assert [unit.rows for unit in units] == [(0, 2), (1, 2), (3,), (4, 5), (4, 6)]
    assert [unit.rows for unit in make_objective("dpo", {"sft_weight": 0.0}).units(EXAMPLES)] == [(0, 2), (1, 2), (4, 5), (4, 6)]


def test_dpo_at_the_base_is_log_2_a_pair():
    units = make_objective("dpo", {"sft_weight": 0.0}).units(EXAMPLES)
    batch = batch_of(units)
    terms = make_objective("dpo", {"sft_weight": 0.0}).terms(batch._replace(reference=batch.logprobs.detach()))
    assert terms[0].item() == pytest.approx(4 * math.log(2))


def test_preferences_are_about_the_agents_words_alone():
    for name in ("dpo", "kto"):
        objective = make_objective(name, {"sft_weight": 0.0})
        batch = batch_of(objective.units(EXAMPLES))
        objective.terms(batch).sum().backward()
        assert batch.logprobs.grad is not None
        assert (batch.logprobs.grad[~batch.agent] == 0).all()
        assert (batch.logprobs.grad[batch.agent] != 0).all()


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(UnknownNameError, match="'topr'"):
        make_objective("top", {})


def test_an_option_that_an_objective_does_not_take_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'beta'"):
        make_objective("dpo", {"betta": 0.1})
    with pytest.raises(RecipeError, match="it takes: none"):
        make_objective("sft", {"temperature": 1.0})


class SuccessesTwice(objectives.SFT):
    """A complete plug-in: failures count nothing, successes double."""

    def terms(self, batch: Batch) -> Tensor:
        return 2 * super().terms(batch)


def test_a_plug_in_is_found_under_its_entry_point(monkeypatch: pytest.MonkeyPatch):
    entry = EntryPoint("twice", f"{__name__}:SuccessesTwice", objectives.GROUP)
    monkeypatch.setattr(objectives, "entry_points", lambda group: EntryPoints([entry] if group == objectives.GROUP else []))
    objective = make_objective("twice", {})
    units = objective.units(EXAMPLES)
    assert objective.terms(batch_of(units)).item() == pytest.approx(2 * make_objective("sft", {}).terms(batch_of(units)).item())
