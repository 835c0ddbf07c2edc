"""From files of energies of the same videos to one file of energies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.transforms.fusion import FuseOptions, energy_scale, fuse_energies, fused_parameters, told_scales

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.containers import Energies

__all__ = ["fuse_files"]

_STAGE = "fuse"


def fuse_files(
    files: Sequence[Path],
    out: Path,
    options: FuseOptions | None = None,
    *,
    like: Path | None = None,
    force: bool = False,
) -> Output[Energies]:
    """Make one file of energies of several; one that was made of these in this way is kept.

    Parameters
    ----------
    files : sequence of Path
        Files of energies of the same videos, two or more; times and order of the videos are those of the first.
    out : Path
        A file of energies.
    options : FuseOptions, optional
    like : Path, optional
        Fused energies of train videos, whose scales are taken; by default each file has its own.
    force : bool

    Raises
    ------
    SchemaError
        As `lapsdata.transforms.fusion.fuse_energies`; `like` is not fused, or in another way (`other-fusion`); the
        output is one of the files, or `like` (`own-input`).
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.segmenters import smooth
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> files = [folder / "short.jsonl", folder / "long.jsonl"]
    >>> for path, made in zip(files, (sample_energies(), smooth(sample_energies(), "ema", 0.5))):
    ...     _ = lapsdata.write(path, made)
    >>> [fuse_files(files, folder / "fused.jsonl").fate for _ in range(2)]
    ['made', 'kept']
    """
    from lapsdata.containers import Energies
    from lapsdata.formats import read, write

    chosen = options or FuseOptions()
    given = files if like is None else [*files, like]
    if out.resolve() in [path.resolve() for path in given]:
        message = "expected a file of its own for what is made, got one that it is made of"
        raise SchemaError(Problem("own-input", str(out), message, "name another file"))
    parts = [read(path, Energies) for path in files]
    parents = [parent("energies", path) for path in files]
    if like is None:
        scales = [energy_scale(part, chosen.how) for part in parts]
    else:
        how, told = told_scales(read(like, Energies), str(like))
        scales = list(told)
        parents.append(parent("like", like))
        if how != chosen.how:
            message = f"expected energies fused by {chosen.how}, got some fused by {how}"
            raise SchemaError(Problem("other-fusion", str(like), message, f"fuse by {how}"))

    def known(path: Path) -> tuple[str | None, Energies]:
        found = read(path, Energies)
        return key_of(_STAGE, found.header.provenance), found

    def make(overwrite: bool) -> Energies:
        made = fuse_energies(parts, chosen, scales=scales, parents=parents)
        write(out, made, overwrite=overwrite)
        return made

    key = key_now(_STAGE, fused_parameters(chosen, scales), parents)
    return settle(out, key, read=known, make=make, force=force)
