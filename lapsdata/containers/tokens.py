"""Tokens: one code per motion step of each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, read_only
from lapsdata.containers.window_times import check_window_times, step_times
from lapsdata.schema.tokens import TokensHeader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tokens"]


@dataclass(frozen=True, eq=False, repr=False)
class Tokens(Container):
    """Codes of the motion steps of each window, and optionally the latents behind them.

    Parameters
    ----------
    header : TokensHeader
    codes : int32 (W, L)
        L = streams * (T - 1); each in [0, header.tokenizer.codes).
    start_index : int64 (W,)
        First frame of each window, an index into `frame_s`.
    frame_s : float64 (F,), seconds
        Time of each frame; rising. Step k of a window lies between its frames k and k + 1.
    prequant, quantized : float32 (W, L, D) or None
        Latents before and after quantisation; finite.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, time, code range, or of a rate that the times do not keep.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> sample_tokens(windows=3).codes.shape
    (3, 3)
    """

    header: TokensHeader
    codes: NDArray[np.int32]
    start_index: NDArray[np.int64]
    frame_s: NDArray[np.float64]
    prequant: NDArray[np.float32] | None = None
    quantized: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, TokensHeader))
        check = ArrayCheck("tokens")
        length, latent, known = self.header.length, self.header.latent, self.header.tokenizer.codes
        if check.array("codes", self.codes, ("W", length), np.int32):
            outside = (self.codes < 0) | (self.codes >= known)
            check.rows("code-outside", "codes", outside, f"expected codes from 0 to {known - 1}")
        check_window_times(check, self.start_index, self.frame_s, self.header)
        stored = {"prequant": self.prequant, "quantized": self.quantized}
        for name, array in stored.items():
            if array is None:
                continue
            if latent is None:
                fix = "set latent in the header to their width"
                check.problems.add("latent", name, "expected no latents, since header.latent is null, got some", fix)
            elif check.array(name, array, ("W", length, latent), np.float32):
                check.rows("not-finite", name, ~np.isfinite(array), "expected finite latents")
        if latent is not None and all(array is None for array in stored.values()):
            check.problems.add("latent", "header.latent", f"expected latents of width {latent}, got none stored")
        check.finish()
        self._freeze(
            codes=read_only(self.codes),
            start_index=read_only(self.start_index),
            frame_s=read_only(self.frame_s),
            prequant=None if self.prequant is None else read_only(self.prequant),
            quantized=None if self.quantized is None else read_only(self.quantized),
        )

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self.start_index)

    @property
    def step_span_s(self) -> NDArray[np.float64]:
        """Start and end of the time that each code speaks of: float64 (W, L, 2), seconds."""
        frames = step_times(self.frame_s, self.start_index, self.header.horizon)
        spans = np.stack([frames[:, :-1], frames[:, 1:]], axis=-1)
        return np.tile(spans, (1, self.header.streams, 1))

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        tokenizer = self.header.tokenizer
        return {
            "video": self.header.video.name,
            "windows": f"{len(self)} of {self.header.horizon} frames, every {self.header.stride}",
            **({"gated": f"{self.header.gated_windows} windows left out"} if self.header.gated_windows else {}),
            "time": f"{self.frame_s[0]:.3f} to {self.frame_s[-1]:.3f} s, rate {self.header.rate or 'variable'}",
            "tokenizer": f"{tokenizer.name} {tokenizer.version}, {tokenizer.codes} codes, "
            f"{len(np.unique(self.codes))} used",
            **super().facts(),
        }
