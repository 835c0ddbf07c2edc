"""How large the latents of a window are, and how they change from code to code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["latent_change", "latent_size"]


def latent_size(latents: NDArray[np.float32], streams: int) -> NDArray[np.float64]:
    """Return the length of each latent; of several streams, the mean.

    Parameters
    ----------
    latents : float32 (W, L, D)
        L = streams * S, stream by stream.
    streams : int

    Returns
    -------
    float64 (W, S)

    Examples
    --------
    >>> latent_size(np.full((1, 2, 4), 0.5, np.float32), 1)
    array([[1., 1.]])
    """
    return _by_stream(np.linalg.norm(latents.astype(np.float64), axis=-1), streams)


def latent_change(latents: NDArray[np.float32], streams: int) -> NDArray[np.float64]:
    """Return the distance of each latent from the one before it in its window; of several streams, the mean.

    The k-th of the S - 1 values belongs to the frame between the steps k and k + 1.

    Parameters
    ----------
    latents : float32 (W, L, D)
        L = streams * S, stream by stream.
    streams : int

    Returns
    -------
    float64 (W, S - 1)

    Examples
    --------
    >>> latent_change(np.array([[[0, 0], [3, 4]]], np.float32), 1)
    array([[5.]])
    """
    windows, length, width = latents.shape
    apart = latents.astype(np.float64).reshape(windows, streams, length // streams, width)
    return np.asarray(np.linalg.norm(np.diff(apart, axis=2), axis=-1).mean(axis=1))


def _by_stream(values: NDArray[np.float64], streams: int) -> NDArray[np.float64]:
    windows, length = values.shape
    return np.asarray(values.reshape(windows, streams, length // streams).mean(axis=1))
