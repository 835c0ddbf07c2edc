"""Actions as places to be, as steps from the state of their row, or as steps from the action before; and back.

Numbers are subtracted, rotations composed; positions stay in the axes that they are told in, and are not turned into
those of a hand, as UMI and GR00T's whole poses are. What is stored as steps is found again up to the rounding of its
dtype; of rotations, the rotation is: a quaternion may come back with the other sign, an angle beyond pi as its rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.geometry import convert_episode_rotations, rotation_places, rotation_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Turning", "absolute_actions", "delta_actions", "relative_actions", "summed_actions"]


class Turning(NamedTuple):
    """How actions and states tell a rotation, in the words of `lapsdata.geometry.convert_episode_rotations`.

    Parameters
    ----------
    action, state : str
    """

    action: str
    state: str


def relative_actions(actions: NDArray[Any], states: NDArray[Any], turning: Turning | None = None) -> NDArray[Any]:
    """Return actions as steps from states: of GR00T and LeRobot "relative", of openpi "delta".

    Parameters
    ----------
    actions : float32 or float64 (..., C)
    states : float32 or float64 (..., C)
        One for each action, or one for several by NumPy's rules; of rotations (..., D).
    turning : Turning, optional
        Where the numbers tell a rotation: the step is `inverse(state) @ action`. By default it is a difference.

    Returns
    -------
    NDArray, of the shape and dtype of `actions`

    Raises
    ------
    SchemaError
        Numbers that are no rotation.

    Examples
    --------
    >>> relative_actions(np.array([[3.0, 5.0]]), np.array([[1.0, 4.0]])).tolist()
    [[2.0, 1.0]]
    """
    if turning is not None:
        return rotation_steps(actions, states, form=turning.action, origin=turning.state)
    found: NDArray[Any] = (actions - states).astype(actions.dtype, copy=False)
    return found


def absolute_actions(steps: NDArray[Any], states: NDArray[Any], turning: Turning | None = None) -> NDArray[Any]:
    """Return what `relative_actions` was given: state + step, or `state @ step`; else as there.

    Examples
    --------
    >>> absolute_actions(np.array([[2.0, 1.0]]), np.array([[1.0, 4.0]])).tolist()
    [[3.0, 5.0]]
    """
    if turning is not None:
        return rotation_places(steps, states, form=turning.action, origin=turning.state)
    found: NDArray[Any] = (states + steps).astype(steps.dtype, copy=False)
    return found


def delta_actions(actions: NDArray[Any], state: NDArray[Any], turning: Turning | None = None) -> NDArray[Any]:
    """Return actions as steps from the action before, the first as one from the state: GR00T's "delta".

    Parameters
    ----------
    actions : float32 or float64 (R, C)
        Of one episode.
    state : float32 or float64 (C,)
        Of its first row; of rotations (D,).
    turning : Turning, optional
        As `relative_actions`.

    Returns
    -------
    NDArray (R, C), of the dtype of `actions`

    Raises
    ------
    SchemaError
        Numbers that are no rotation.

    Examples
    --------
    >>> delta_actions(np.array([[3.0], [4.0], [2.0]]), np.array([1.0])).tolist()
    [[2.0], [1.0], [-2.0]]
    """
    first = relative_actions(actions[:1], state, turning)
    alike = None if turning is None else Turning(turning.action, turning.action)
    return np.concatenate([first, relative_actions(actions[1:], actions[:-1], alike)])


def summed_actions(deltas: NDArray[Any], state: NDArray[Any], turning: Turning | None = None) -> NDArray[Any]:
    """Return what `delta_actions` was given, summed or composed in float64; else as there.

    Examples
    --------
    >>> summed_actions(np.array([[2.0], [1.0], [-2.0]]), np.array([1.0])).tolist()
    [[3.0], [4.0], [2.0]]
    """
    if turning is None:
        every = np.concatenate([state[None], deltas]).astype(np.float64)
        return np.cumsum(every, axis=0)[1:].astype(deltas.dtype)
    wide = convert_episode_rotations(deltas.astype(np.float64), source=turning.action, target="matrix")
    wide[:1] = rotation_places(wide[:1], state.astype(np.float64), form="matrix", origin=turning.state)
    matrices = wide.reshape(-1, 3, 3)
    # Each is the product of twice as many as before.
    reach = 1
    while reach < len(matrices):
        matrices[reach:] = matrices[:-reach] @ matrices[reach:]
        reach *= 2
    found = convert_episode_rotations(matrices.reshape(-1, 9), source="matrix", target=turning.action)
    return found.astype(deltas.dtype)
