"""Averages of checkpoints."""

from __future__ import annotations

import torch

from a3t.learning.average import fold


def folded(checkpoints: list[torch.Tensor]) -> torch.Tensor:
    mean: dict[str, torch.Tensor] = {}
    for count, checkpoint in enumerate(checkpoints):
        mean = fold(mean, count, {"w": checkpoint})
    return mean["w"]


def test_identical_checkpoints_average_to_themselves_bit_for_bit():
    for dtype in (torch.float32, torch.float64):
        checkpoint = torch.randn(1000, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 1e-3
        assert torch.equal(folded([checkpoint] * 17), checkpoint)


def test_half_precision_is_averaged_in_float32_and_still_gives_itself():
    checkpoint = torch.randn(1000, generator=torch.Generator().manual_seed(0)).bfloat16()
    mean = folded([checkpoint] * 10)
    assert mean.dtype == torch.float32
    assert torch.equal(mean.bfloat16(), checkpoint)


def test_the_mean_is_that_of_the_slow_obvious_way():
    checkpoints = [torch.randn(50, generator=torch.Generator().manual_seed(seed)) for seed in range(12)]
    slow = torch.stack(checkpoints).double().mean(0)
    assert torch.allclose(folded(checkpoints).double(), slow, atol=1e-7)


def test_by_hand():
    assert folded([torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([6.0])]).item() == 3.0


def test_the_average_does_not_change_when_training_goes_on():
    weights = torch.ones(3)
    mean = fold({}, 0, {"w": weights})
    weights += 1
    assert mean["w"].tolist() == [1, 1, 1]
