"""Bayesian search with a Gaussian process: Optuna's own needs torch, this one scikit-learn."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Array = npt.NDArray[np.float64]
N_DRAWN = 2000  # points that the next trial is chosen from


class GaussianProcessSampler(BaseSampler):
    """The point of greatest expected improvement under a Gaussian process (Jones et al. 1998).

    Numbers are mapped to 0 … 1, on their logarithm where the space says so; a Matérn 5/2 kernel with a
    length for each parameter and a noise term is fitted to the standardised scores.

    Parameters
    ----------
    n_startup_trials : int
        Trials drawn at random before the process is asked.
    seed : int
    """

    def __init__(self, n_startup_trials: int = 5, seed: int = 42) -> None:
        self._random = RandomSampler(seed=seed)
        self._n_startup_trials = n_startup_trials
        self._seed = seed
        self._space = IntersectionSearchSpace(include_pruned=True)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the numeric parameters that all trials share."""
        space = self._space.calculate(study)
        kinds = (FloatDistribution, IntDistribution)
        return {name: kind for name, kind in space.items() if isinstance(kind, kinds) and not kind.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose parameters."""
        done, values = _scored(study)
        if not search_space or len(done) < self._n_startup_trials:
            return {}
        scales = [_Scale(kind) for kind in search_space.values()]
        known = np.array(
            [[s.to_unit(t.params[n]) for n, s in zip(search_space, scales, strict=True)] for t in done]
        )
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        point = self._propose(known, sign * values)
        return {name: s.from_unit(x) for name, s, x in zip(search_space, scales, point, strict=True)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw at random what the process does not know."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _propose(self, known: Array, scores: Array) -> Array:
        from scipy.stats import norm
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        rng = np.random.default_rng(self._seed)
        spread = scores.std() or 1.0
        targets = (scores - scores.mean()) / spread
        kernel = Matern(np.full(known.shape[1], 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(0.1, (1e-4, 1.0))
        process = GaussianProcessRegressor(kernel, random_state=self._seed)
        with warnings.catch_warnings():
            # a length at the end of its range is an answer, not a failure
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(known, targets)
        near = np.clip(known[np.argmax(targets)] + rng.normal(0, 0.1, (N_DRAWN // 2, known.shape[1])), 0, 1)
        drawn = np.vstack([rng.random((N_DRAWN // 2, known.shape[1])), near])
        mean, error = process.predict(drawn, return_std=True)
        error = np.maximum(error, 1e-9)
        gain = mean - targets.max()
        improvement = gain * norm.cdf(gain / error) + error * norm.pdf(gain / error)
        return np.asarray(drawn[int(np.argmax(improvement))])


def _scored(study: Study) -> tuple[list[FrozenTrial], Array]:
    """Return trials and their scores; a trial stopped early has what others gained or lost after that fold.

    Without those the process would never learn where not to look.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    done, values = list(complete), [float(t.values[0]) for t in complete]
    for trial in trials:
        step = trial.last_step
        if trial.state != TrialState.PRUNED or step is None:
            continue
        later = [t.values[0] - t.intermediate_values[step] for t in complete if step in t.intermediate_values]
        done.append(trial)
        values.append(trial.intermediate_values[step] + (float(np.mean(later)) if later else 0.0))
    return done, np.array(values, dtype=float)


class _Scale:
    """A parameter's range, mapped to 0 … 1."""

    def __init__(self, kind: BaseDistribution) -> None:
        assert isinstance(kind, FloatDistribution | IntDistribution)
        self.kind = kind
        self.low, self.high = self._link(kind.low), self._link(kind.high)

    def _link(self, value: float) -> float:
        return math.log(value) if self.kind.log else float(value)

    def to_unit(self, value: float) -> float:
        return (self._link(value) - self.low) / (self.high - self.low)

    def from_unit(self, x: float) -> float | int:
        value = self.low + x * (self.high - self.low)
        value = math.exp(value) if self.kind.log else value
        if self.kind.step:
            value = self.kind.low + round((value - self.kind.low) / self.kind.step) * self.kind.step
        value = min(max(value, self.kind.low), self.kind.high)
        return round(value) if isinstance(self.kind, IntDistribution) else float(value)
