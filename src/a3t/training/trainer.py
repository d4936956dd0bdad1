"""From a weighted data set to a new policy.

How we differ from the paper:
1. The loss of a step is divided by its trained tokens, not by its trajectories (docs/decisions/0004).
2. An optimiser step is a number of tokens and is cut into forwards by length; the paper gives no batch size.
3. Checkpoints are averaged as they are made, at the end of every epoch; the paper does not say which ones it averages.

Why a loop of our own and not `transformers.Trainer`: docs/decisions/0005.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from a3t.config import ObjectiveConfig, TrainConfig
from a3t.learning.encode import encode_segments
from a3t.learning.objectives import make_objective
from a3t.training import files, weights
from a3t.training.data import Data, Render, prepare
from a3t.training.run import Progress, Run
from a3t.training.witness import testify, write_testimony
from a3t.types import Trajectory, Weighted


class Trainer:
    """Fits weights; satisfies `a3t.protocols.Trainer`."""

    def __init__(
        self,
        base: Path,
        train: TrainConfig,
        objective: ObjectiveConfig,
        render: Render,
        *,
        seed: int = 0,
        device: str = "auto",
        progress: Callable[[Progress], None] | None = None,
        announce: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            base: folder of the model that every round starts from.
            render: a trajectory as segments.
            progress: called after every optimiser step.
            announce: called, before training starts, with what of the recipe is not available here and what is used instead.
            should_stop: asked after every optimiser step; Ctrl-C is noticed without it, once training has begun.

        Raises:
            UnknownNameError, RecipeError: the objective, its options or the device make no sense.
        """
        self.base = Path(base)
        self.train = train
        self.objective_config = objective
        self.objective = make_objective(objective.name, objective.options)
        self.render = render
        self.seed = seed
        self.plan = weights.available(train, device)
        self._progress = progress or (lambda _progress: None)
        self._announce = announce or (lambda _note: None)
        self._should_stop = should_stop

    def fit(self, dataset: Sequence[Weighted], out: Path, *, round_index: int) -> dict[str, Any]:
        """Train from the base, write a folder that plain transformers or PEFT loads, and return metrics.

        Goes on where an earlier call with the same inputs and the same `out` was killed or interrupted, and returns the metrics
        at once where one had finished. The weights are the same bytes either way, on a CPU; of a small model whatever the
        number of threads (`side_by_side`), of others with the same number.

        Args:
            dataset: trajectories and weights.
            out: folder; `resume/` in it holds the exact state while training, `complete.json` is written last.
            round_index: 0 trains for `epochs_first`, later rounds for `epochs`.

        Returns:
            JSON-serialisable: `epochs` (a list, one entry each, see `Tally`), sizes of the data in tokens, what the machine did.

        Raises:
            NothingToTrainError: no token of any trajectory would be trained.
            ModelError, MissingDataError: the base cannot be loaded, or the gradient stopped being a number.
            Interrupted: the user asked to stop; the state is saved.
            DiskFullError: the last saved state is intact.
        """
        for note in self.plan.notes:
            self._announce(note)
        data = prepare(
            dataset,
            self.render,
            self.tokenizer,
            self.objective,
            observation_loss=self.train.observation_loss,
            max_tokens=weights.context_limit(self.base),
        )
        identity = self._identity(data, round_index)
        finished = files.read_seal(out)
        if finished is not None and finished.get("identity") == identity and files.is_sealed(out):
            metrics: dict[str, Any] = finished["metrics"]
            return metrics
        model = weights.load_trainable(self.base, self.train, self.plan, self.seed)
        run = Run(
            model,
            data,
            self.train,
            self.objective,
            self.plan,
            folder=out / "resume",
            identity=identity,
            seed=self.seed,
            round_index=round_index,
        )
        metrics = run.to_the_end(self._progress, self._should_stop)
        with files.disk_full_is_said(out, f"What was saved of this run in {out / 'resume'} is intact."):
            weights.save_weights(model, self.tokenizer, out)
            if self.plan.method != "full":
                write_testimony(out, testify(run.logprobs, [data.rows[row] for row in data.used_rows]))
            files.seal(out, {"identity": identity, "metrics": metrics})
        shutil.rmtree(out / "resume", ignore_errors=True)
        return metrics

    @cached_property
    def tokenizer(self) -> Any:
        return weights.load_tokenizer(self.base)

    def count_tokens(self, trajectory: Trajectory) -> int:
        """Trained tokens of a trajectory: the measure to hand to `build_dataset`."""
        segments = self.render(Weighted(trajectory, 1.0))
        return encode_segments(segments, self.tokenizer, observation_loss=self.train.observation_loss).num_trained

    def _identity(self, data: Data, round_index: int) -> str:
        """Changes whenever the resulting weights may."""
        settings = {
            # How often the state is saved does not decide what comes out.
            "train": self.train.model_dump(mode="json", exclude={"save_every_s", "hosted"}),
            "objective": self.objective_config.model_dump(mode="json"),
            "machine": [str(part) for part in (self.plan.device, self.plan.method, self.plan.optimizer, self.plan.autocast)],
            "seed": self.seed,
            "round": round_index,
            "base": weights.fingerprint(self.base),
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for row in data.rows:
            for array in (row.ids, row.trained, row.agent, row.behaviour):
                digest.update(array.tobytes())
        for unit in data.units:
            digest.update(repr((unit.rows, unit.weights)).encode())
        return digest.hexdigest()
