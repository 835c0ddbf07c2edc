"""Which rows of some energies another energy of the same videos takes for active, brought together by time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.segmenters import EnergySeries

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

    from lapsdata.containers import Energies

    Alignment = Literal["rows", "middles"]

__all__ = ["LabelledRows", "labelled_rows"]

# As everywhere that times of rows are compared: sums of a hop differ by less, frames by more.
_NOISE_S = 1e-6

_MEASURED, _GATED = 0, 1


class LabelledRows(NamedTuple):
    """Rows with an energy and a label.

    Parameters
    ----------
    energy : float64 (R,)
    active : bool (R,)
    policies : dict of str to int
        Rows that were left out, and labels that a gate stands for.
    """

    energy: NDArray[np.float64]
    active: NDArray[np.bool_]
    policies: dict[str, int]


def labelled_rows(energies: Energies, labels: Energies, threshold: float, alignment: Alignment) -> LabelledRows:
    """Return the rows of the energies that both speak of.

    Parameters
    ----------
    energies : Energies
    labels : Energies
        Of the same videos. A gate found no motion: a gated row is quiet.
    threshold : float
        From here on a row of `labels` is active.
    alignment : {"rows", "middles"}
        `"rows"` asks for rows of the same times in both. With `"middles"` a row has the label of the one whose middle
        is nearest to its own, where that one lies around it.

    Raises
    ------
    SchemaError
        Other videos (`other-videos`), rows of other times (`windows-differ`), or none with both (`no-rows`).
    """
    mine, theirs = ({one.video: one for one in EnergySeries.each_of(given)} for given in (energies, labels))
    if mine.keys() != theirs.keys():
        only = [listed(sorted(here.keys() - there.keys())) for here, there in ((mine, theirs), (theirs, mine))]
        message = f"expected both energies of the same videos, got {only[0]} here alone and {only[1]} there alone"
        raise SchemaError(Problem("other-videos", "labels", message, "measure both of the same tracks"))
    problems, policies = Problems("labels"), Counter[str]()
    energy, active = [np.empty(0)], [np.empty(0, bool)]
    for name, one in mine.items():
        at = _same_rows(one, theirs[name], problems) if alignment == "rows" else _around(one, theirs[name])
        if at is None:
            continue
        other = theirs[name]
        state = np.where(at >= 0, np.append(other.state, 2)[at], 2)
        measured, labelled = one.state == _MEASURED, state <= _GATED
        both = measured & labelled
        policies.update(
            rows_without_energy=int((~measured).sum()),
            rows_without_label=int((measured & ~labelled).sum()),
            gated_labels_quiet=int((both & (state == _GATED)).sum()),
        )
        loud = np.append(np.nan_to_num(other.energy, nan=-np.inf) >= threshold, False)
        energy.append(one.energy[both])
        active.append(loud[at[both]])
    problems.raise_as(SchemaError)
    whole = LabelledRows(np.concatenate(energy), np.concatenate(active), {k: n for k, n in policies.items() if n})
    if not len(whole.energy):
        message = "expected rows with an energy and a label, got none"
        raise SchemaError(Problem("no-rows", "labels", message, "look at the times and states of both"))
    return whole


def _same_rows(one: EnergySeries, other: EnergySeries, problems: Problems) -> NDArray[np.int64] | None:
    fix = "measure both per step or with one stride, or take labels by time: --align middles"
    if len(one) != len(other):
        message = f"expected {len(one)} rows of the same times as the energies have, got {len(other)}"
        problems.add("windows-differ", f"'{one.video}'", message, fix)
        return None
    apart = np.maximum(np.abs(one.start_s - other.start_s), np.abs(one.end_s - other.end_s)) > _NOISE_S
    if apart.any():
        at = int(np.argmax(apart))
        message = (
            f"expected rows of the same times, {one.start_s[at]:.3f} s to {one.end_s[at]:.3f} s in row {at}, got "
            f"{other.start_s[at]:.3f} s to {other.end_s[at]:.3f} s ({apart.sum()} such rows)"
        )
        problems.add("windows-differ", f"'{one.video}'", message, fix)
        return None
    return np.arange(len(one))


def _around(one: EnergySeries, other: EnergySeries) -> NDArray[np.int64]:
    """Return for each row the row of the other that is nearest around its middle; -1 where none is."""
    if not len(other):
        return np.full(len(one), -1)
    middles, others = one.at_s, other.at_s
    after = np.searchsorted(others, middles)
    left, right = np.maximum(after - 1, 0), np.minimum(after, len(others) - 1)
    nearest = np.where(middles - others[left] <= others[right] - middles, left, right)
    inside = (other.start_s[nearest] <= middles + _NOISE_S) & (middles < other.end_s[nearest] + _NOISE_S)
    return np.where(inside, nearest, -1)
