"""Predicts what a batch takes, and at which power, where that was not measured.

A formula of batch size n and clock f, fitted to the logarithms of what is known, and what it leaves as a Gaussian process over
(log n, log f). The formula's parameters are part of the process, to first order: so the spread is honest where little is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import least_squares, minimize

Floats = npt.NDArray[np.float64]
MOST_TUNED = 400  # cells that the process is tuned on: the time that takes grows with their cube
STEP = 1e-5  # of derivatives
FORMULA_SPREAD = 0.05  # of a cell, while the formula is fitted
USUAL = np.log([0.05, 1.0, 1.0, 0.02])  # what a formula leaves, its reach over n and f, noise
BOUNDS = ((-7.0, 1.0), (-3.0, 3.0), (-3.0, 3.0), (-7.0, 0.0))


class Formula(NamedTuple):
    """What a cost is, but for what is left.

    Attributes:
        logs: (parameters, batch sizes, a usual one, clocks over the highest) -> logarithms.
        num_parameters: each of them 0, give or take 1.
    """

    logs: Callable[[Floats, Floats, float, Floats], Floats]
    num_parameters: int


def _latency(parameters: Floats, n: Floats, usual_n: float, f: Floats) -> Floats:
    a, b, c = parameters
    fixed, rising = np.exp(a - 1), np.exp(b - 1) * n / usual_n
    return np.asarray(np.log(fixed + rising) - (1 + c) * np.log(f))


def _power(parameters: Floats, n: Floats, _: float, f: Floats) -> Floats:
    p0, p1, p2, q = parameters
    busy = np.exp(p1 - 1) * (1 + 0.1 * np.exp(p2) * np.log(n))
    return np.asarray(np.log(np.exp(p0 - 1) + busy * f ** (1.2 + q)))


LATENCY = Formula(_latency, 3)
"""`(a + b n) f^-c`. Source: measurements of three Jetson boards by LoudVA."""

POWER = Formula(_power, 4)
"""`p0 + (p1 + p2 log n) f^q`. Source: the same."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is believed of cells.

    Attributes:
        middle: as likely too high as too low.
        spread: standard deviation of its logarithm: 0.03 is about 3 %.
    """

    middle: Floats
    spread: Floats

    def __mul__(self, other: Estimate) -> Estimate:
        """The product of what is off independently, as power and time are."""
        return Estimate(self.middle * other.middle, np.hypot(self.spread, other.spread))


class Surface:
    """A cost of one variant over batch size and clock, learned from the cells that are known."""

    def __init__(self, formula: Formula, n: Floats, clocks_mhz: Floats, values: Floats) -> None:
        """Fits formula and process.

        Args:
            formula: `LATENCY` or `POWER`.
            n: batch sizes of the known cells, at least one.
            clocks_mhz: of the same.
            values: of the same, above 0, in any unit.
        """
        self._formula, self._top_mhz = formula, float(clocks_mhz.max())
        self._usual_n, self._level = float(np.median(n)), float(np.median(np.log(values)))
        f, logs = clocks_mhz / self._top_mhz, np.log(values) - self._level

        def misfit(parameters: Floats) -> Floats:
            off = formula.logs(parameters, n, self._usual_n, f) - logs
            return np.concatenate([off / FORMULA_SPREAD, parameters])

        start = np.zeros(formula.num_parameters)
        self._parameters: Floats = least_squares(misfit, start, loss="soft_l1").x
        self._places, fitted, self._slopes = self._seen(n, clocks_mhz)
        slopes = self._slopes
        left = logs - fitted
        few = slice(None, None, -(-len(n) // MOST_TUNED))
        self._tuned = _tune(self._places[few], slopes[few] @ slopes[few].T, left[few])
        noise = np.exp(2 * self._tuned[3])
        covariance = self._covariance(self._places, slopes) + noise * np.eye(len(n))
        self._factor: Any = cho_factor(covariance)
        self._weights: Floats = cho_solve(self._factor, left)

    def at(self, n: Floats, clocks_mhz: Floats) -> Estimate:
        """What is believed of other cells, a measurement's noise included; in the unit of `values`."""
        places, fitted, slopes = self._seen(n, clocks_mhz)
        shared = self._covariance(places, slopes)
        middle = np.exp(self._level + fitted + shared @ self._weights)
        alone = np.exp(2 * self._tuned[[0, 3]]).sum() + (slopes**2).sum(1)
        known = (shared * cho_solve(self._factor, shared.T).T).sum(1)
        return Estimate(middle, np.sqrt(alone - known))

    def _seen(self, n: Floats, clocks_mhz: Floats) -> tuple[Floats, Floats, Floats]:
        """Where cells are (log n, log f), what the formula says there, and its slopes over its parameters."""
        f = clocks_mhz / self._top_mhz

        def at(parameters: Floats) -> Floats:
            return self._formula.logs(parameters, n, self._usual_n, f)

        steps = STEP * np.eye(len(self._parameters))
        slopes = [at(self._parameters + one) - at(self._parameters - one) for one in steps]
        return (
            np.stack([np.log(n), np.log(f)], 1),
            at(self._parameters),
            np.stack(slopes, 1) / (2 * STEP),
        )

    def _covariance(self, places: Floats, slopes: Floats) -> Floats:
        """Of these cells with the known ones."""
        return _kernel(places, self._places, self._tuned)[0] + slopes @ self._slopes.T


def _kernel(some: Floats, others: Floats, tuned: Floats) -> tuple[Floats, Floats, Floats]:
    """Matern's of order 3/2, and two parts of its derivatives: its decay, and squared distances by axis."""
    squares = (some[:, None] - others[None]) ** 2 / np.exp(2 * tuned[1:3])
    distance = np.sqrt(3 * squares.sum(-1))
    decay = np.exp(2 * tuned[0] - distance)
    return (1 + distance) * decay, decay, squares


def _tune(places: Floats, from_formula: Floats, left: Floats) -> Floats:
    """The likeliest logarithms of size, reaches and noise, which are as usual give or take a factor e."""
    one = np.eye(len(left))

    def unlikeliness(tuned: Floats) -> tuple[float, Floats]:
        kernel, decay, squares = _kernel(places, places, tuned)
        noise = np.exp(2 * tuned[3])
        factor = cho_factor(kernel + from_formula + noise * one)
        inverse = cho_solve(factor, one)
        weights = inverse @ left
        pull = (inverse - np.outer(weights, weights)) / 2
        reach = 3 * np.einsum("ij,ij,ijk->k", pull, decay, squares)
        off = tuned - USUAL
        value = left @ weights / 2 + np.log(np.diag(factor[0])).sum() + off @ off / 2
        slope = [2 * (pull * kernel).sum(), *reach, 2 * noise * np.trace(pull)]
        return float(value), np.asarray(slope) + off

    return np.asarray(minimize(unlikeliness, USUAL, jac=True, method="L-BFGS-B", bounds=BOUNDS).x)
