"""Arrays by name in an ``.npz`` archive, read without trust in the file.

``numpy.load`` is not used for reading: it allocates what a header announces, and a damaged archive
ends in whatever exception ``zipfile``, ``zlib`` or the parser of the header happen to raise.
"""

import errno
import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

__all__ = ["read", "write"]

Floats: TypeAlias = npt.NDArray[np.float64]
_SUFFIX = ".npy"
_HEADER_READERS: Mapping[tuple[int, int], Any] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def write(path: str | os.PathLike[str], arrays: Mapping[str, Floats]) -> None:
    """Write the arrays to the file ``path``; its name is taken as it is."""
    # np.savez would add a suffix to the name, and has parameters that a name may collide with.
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as members:
        for name, array in arrays.items():
            with members.open(name + _SUFFIX, "w") as member:
                npy.write_array(member, array, allow_pickle=False)
    with open(path, "wb") as file:
        file.write(content.getbuffer())


def read(
    path: str | os.PathLike[str], check: Callable[[dict[str, tuple[int, ...]]], None]
) -> dict[str, npt.NDArray[Any]]:
    """The arrays in the file ``path`` by name, all of them real numbers.

    ``check`` gets the shapes by name before any array is read, and raises if it does not want them:
    a hostile file may announce terabytes.

    Raises OSError for a file that cannot be read, and ValueError that says what is wrong with its
    content.
    """
    shown = repr(os.fspath(path))
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{shown} is not an .npz archive")
        with _telling_damage(shown):
            members = zipfile.ZipFile(file)
        with members:
            with _telling_damage(shown):
                headers = _headers(members)
            check({name: header.shape for name, header in headers.items()})
            with _telling_damage(shown):
                return {name: _read_array(members, name, headers[name]) for name in headers}


@contextmanager
def _telling_damage(shown: str) -> Iterator[None]:
    """What zipfile, zlib and numpy raise for a damaged file, nearly anything, as ValueError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # EINVAL: the archive sends us to before the beginning of the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{shown} cannot be read as an .npz archive: {error}") from error


class _Header(NamedTuple):
    member: zipfile.ZipInfo
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]


def _headers(members: zipfile.ZipFile) -> dict[str, _Header]:
    headers: dict[str, _Header] = {}
    for member in members.infolist():
        name = member.filename.removesuffix(_SUFFIX)
        if name in headers:
            raise ValueError(f"it holds {name!r} twice")
        # Those that numpy writes; the others can be made to use any amount of memory.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r} is compressed by another method than deflate")
        with members.open(member) as file:
            headers[name] = _Header(member, *_read_header(file, name))
    return headers


def _read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"{name!r} has an unknown version of the .npy format")
    shape, fortran_order, dtype = _HEADER_READERS[version](file)
    if dtype.kind not in "biuf":
        raise ValueError(f"{name!r} holds {dtype}, not real numbers (pickles are never loaded)")
    return shape, fortran_order, dtype


def _read_array(members: zipfile.ZipFile, name: str, header: _Header) -> npt.NDArray[Any]:
    size = math.prod(header.shape) * header.dtype.itemsize
    with members.open(header.member) as file:
        _read_header(file, name)
        content = file.read(size)
        # The read beyond the end also makes zipfile compare the checksum.
        if len(content) != size or file.read(1):
            raise ValueError(f"{name!r} is not as long as its header says")
    array = np.frombuffer(content, header.dtype)
    return array.reshape(header.shape, order="F" if header.fortran_order else "C")
