"""Tokens in Zarr v3: `codes (W, L)` int32, optional `prequant` and `quantized (W, L, D)`, with their times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.containers.tokens import Tokens
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._rounding import Profile, rounding_step
from lapsdata.schema.tokens import TokensHeader
from lapsdata.storage.seal import StoredArray, check_verify
from lapsdata.storage.sealed_zarr import SealedZarr, is_sealed_zarr
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "read_header", "write"]


def write(path: Path, container: Tokens, *, profile: Profile = "raw", overwrite: bool = False) -> WriteReport:
    """Write tokens to one Zarr folder, all or nothing; both profiles are lossless here.

    Parameters
    ----------
    path : Path
    container : Tokens
    profile : {"raw", "compact"}
        `compact`: byte shuffle, Zstandard 3.
    overwrite : bool
        Whether an existing folder may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No tokens, or an option at fault.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_tokens
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.tokens.zarr"
    >>> report = write(target, sample_tokens(latent=2), profile="compact")
    >>> read(target).equals(sample_tokens(latent=2))
    True
    """
    check_container(container, Tokens, path)
    small = ("start_index", "frame_s")
    arrays = {name: StoredArray(values, small=name in small) for name, values in container.arrays()}
    rounding_step(profile, "none")  # refuses an unknown profile; codes and latents are never rounded
    facts: dict[str, JsonValue] = {"profile": profile, "round_px": None}
    write_sealed_zarr(path, container.header.as_json(), facts, arrays, profile=profile, overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def read(path: Path, *, verify: Verify = "first") -> Tokens:
    """Read a tokens folder of ours, whole; see `lapsdata.formats.tracks_hdf5.read`."""
    check_verify(verify)
    store = SealedZarr(path)
    header = open_header(TokensHeader, store.header, path)
    return Tokens(header, **{name: store.read(name, verify=verify != "never") for name in store.names})


def read_header(path: Path) -> TokensHeader:
    """Read the header of a tokens folder of ours; of the windows, only that they have their place."""
    store = SealedZarr(path)
    store.check_shards()
    return open_header(TokensHeader, store.header, path)


def recognises(path: Path) -> bool:
    """Say whether a path is a Zarr group with a header of ours for tokens."""
    return is_sealed_zarr(path, "lapsdata.tokens")


PLUGIN = Format("tokens_zarr", "tokens", "zarr", (".zarr",), Tokens, recognises, read, write, read_header=read_header)
