"""Compiled functions as bytes: what pickle, ``save`` and ``load`` read and write.

Little-endian throughout::

    8  "\\x89MGFUNC\\n"
    4  the version of the format, 1
    8  how many bytes there are in all
    4  how many of them are the description, JSON in ASCII
    …  the description: names, the structures of arguments and results, sizes
    …  the data of the captured Values, 8 bytes each
    …  the programs, one after the other (csrc/program_bytes.h)
    4  CRC-32 of all that goes before

Everything is checked on the way in, and nothing in the bytes is ever executed.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from . import _core
from ._core import TapeError
from .engine import Value

MAGIC = b"\x89MGFUNC\n"
VERSION = 1
_HEAD = struct.Struct("<8sIQI")
_CRC = struct.Struct("<I")
_DEEPEST = 64
_CONTAINERS = {"list": list, "tuple": tuple}


def to_bytes(name: str, tapes: list[_core.Tape]) -> bytes:
    """The function of this name that these tapes are, with the data of what they captured."""
    captured = tuple(dict.fromkeys(leaf for tape in tapes for leaf in tape.captured))
    places = {leaf: place for place, leaf in enumerate(captured)}
    programs = [_core.program_bytes(tape) for tape in tapes]
    description = {
        "name": name,
        "labels": [leaf.label for leaf in captured],
        "tapes": [
            {
                "arguments": _core.structure_spec(tape.arguments),
                "keywords": None if tape.keywords is None else _core.structure_spec(tape.keywords),
                "outputs": _core.structure_spec(tape.outputs),
                "plain": [bool(plain) for plain in tape.plain],
                "grouped": bool(tape.grouped),
                "parameters": list(tape.notes["parameters"]),
                "captured": [places[leaf] for leaf in tape.captured],
                "size": len(program),
            }
            for tape, program in zip(tapes, programs)
        ],
    }
    text = json.dumps(description, separators=(",", ":")).encode("ascii")
    data = np.array([leaf.data for leaf in captured], dtype="<f8").tobytes()
    body = b"".join([text, data, *programs])
    size = _HEAD.size + len(body) + _CRC.size
    content = _HEAD.pack(MAGIC, VERSION, size, len(text)) + body
    return content + _CRC.pack(zlib.crc32(content))


def from_bytes(content: bytes) -> tuple[str, list[_core.Tape]]:
    """The name and the tapes. TapeError for anything that ``to_bytes`` has not written."""
    if content[:8] != MAGIC:
        raise TapeError("this is no saved function")
    if len(content) < _HEAD.size + _CRC.size:
        raise TapeError("the saved function is cut off")
    _, version, size, text_size = _HEAD.unpack_from(content)
    if version != VERSION:
        raise TapeError(f"the saved function has version {version}; this is for {VERSION}")
    if size != len(content):
        raise TapeError(
            f"the saved function should have {size} bytes, but there are {len(content)}"
        )
    if _CRC.unpack_from(content, size - 4)[0] != zlib.crc32(content[:-4]):
        raise TapeError("the saved function is damaged: its checksum is another one")
    body = content[_HEAD.size : -4]
    if text_size > len(body):
        raise TapeError("the description is longer than the saved function")
    try:
        description = json.loads(body[:text_size].decode("ascii"))
    except (ValueError, RecursionError):
        raise TapeError("the description is no JSON") from None
    return _described(description, body[text_size:])


def _described(description: Any, rest: bytes) -> tuple[str, list[_core.Tape]]:
    name = _item(description, "name", str)
    labels = _items(description, "labels", str)
    if 8 * len(labels) > len(rest):
        raise TapeError("there are fewer captured numbers than labels")
    data = np.frombuffer(rest, "<f8", len(labels)).tolist()
    captured = [Value(number, label=label) for number, label in zip(data, labels)]
    at, tapes = 8 * len(labels), []
    for entry in _items(description, "tapes", dict):
        size = _item(entry, "size", int)
        if not 0 <= size <= len(rest) - at:
            raise TapeError("a program is longer than the saved function")
        tapes.append(_tape(name, entry, rest[at : at + size], captured))
        at += size
    if at != len(rest):
        raise TapeError("there is something behind the last program")
    return name, tapes


def _tape(name: str, entry: dict[str, Any], program: bytes, captured: list[Value]) -> _core.Tape:
    places = _items(entry, "captured", int)
    if not all(0 <= place < len(captured) for place in places):
        raise TapeError("a captured Value is not there")
    arguments, keywords = entry.get("arguments"), entry.get("keywords")
    # Inputs take a byte each in the program: no structure may claim more than that.
    most = len(program)
    given, leaves = _structure(
        arguments,
        most,
        tuple,
        lambda example, static: _core.describe_arguments(example, _parameters(entry), static),
    )
    named = None
    if keywords is not None:
        named, _ = _structure(
            keywords,
            most,
            dict,
            lambda example, static: (
                _core.describe_keywords(
                    example, frozenset(list(example)[i] for i in static), leaves
                ),
                leaves,
            ),
        )
    result, outputs = _structure(
        entry.get("outputs"),
        most,
        object,
        lambda example, static: _core.describe(example, "the result"),
    )
    plain = _items(entry, "plain", bool)
    tape = _core.tape_from_bytes(
        program,
        len(leaves),
        tuple(captured[place] for place in places),
        _item(entry, "grouped", bool),
    )
    if not len(plain) == len(outputs) == tape.stats["outputs"]:
        raise TapeError("a program has other outputs than its result")
    notes = {"parameters": _parameters(entry), "numbers": [0.0] * len(leaves)}
    _core.finish(tape, given, named, result, plain, name, 0.0, notes)
    return tape


def _parameters(entry: dict[str, Any]) -> tuple[str, ...]:
    """The names of the arguments given by position."""
    names = tuple(_items(entry, "parameters", str))
    arguments = entry.get("arguments")
    if not isinstance(arguments, list) or len(arguments) != 2:
        _malformed()
    if not isinstance(arguments[1], list) or len(arguments[1]) != len(names):
        raise TapeError("there are other names than arguments")
    return names


def _structure(spec: Any, most: int, kind: type, describe: Callable[..., Any]) -> Any:
    """What ``describe`` makes of an example of the structure that ``spec`` says."""
    static: list[int] = []
    example = _example(spec, [most], 0, static)
    if not isinstance(example, kind):
        raise TapeError("the arguments of a saved function are no tuple")
    try:
        return describe(example, frozenset(static))
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise TapeError(f"a structure is malformed: {error}") from None


def _example(spec: Any, left: list[int], depth: int, static: list[int]) -> Any:
    """An object of the structure, zeros for numbers; ``left`` counts down how many may come."""
    if depth > _DEEPEST or not isinstance(spec, list) or not spec or not isinstance(spec[0], str):
        _malformed()
    kind, *rest = spec
    if kind == "number" and not rest:
        _spend(left, 1)
        return 0.0
    if kind == "array" and len(rest) == 1:
        return _array(rest[0], left)
    if kind in _CONTAINERS and len(rest) == 1 and isinstance(rest[0], list):
        return _CONTAINERS[kind](_nested(rest[0], left, depth, static))
    if kind == "dict" and len(rest) == 2 and all(isinstance(part, list) for part in rest):
        keys, items = rest
        if all(type(key) in (int, str) for key in keys) and len(set(keys)) == len(items):
            return dict(zip(keys, _nested(items, left, depth, static)))
    _malformed()


def _nested(items: list[Any], left: list[int], depth: int, static: list[int]) -> list[Any]:
    made = []
    for place, item in enumerate(items):
        if depth == 0 and isinstance(item, list) and len(item) == 2 and item[0] == "static":
            if item[1] is not None and type(item[1]) not in (bool, int, str):
                _malformed()
            static.append(place)
            made.append(item[1])
        else:
            _spend(left, 0)
            made.append(_example(item, left, depth + 1, static))
    return made


def _array(shape: Any, left: list[int]) -> Any:
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        _malformed()
    if len(shape) > 32:
        _malformed()
    _spend(left, math.prod(shape))
    try:
        return np.zeros(shape)
    except (ValueError, MemoryError, OverflowError):
        _malformed()


def _spend(left: list[int], count: int) -> None:
    left[0] -= count
    if left[0] < 0:
        raise TapeError("a structure has more numbers than its program")


def _malformed() -> NoReturn:
    raise TapeError("a structure is malformed")


def _item(entry: Any, key: str, kind: type) -> Any:
    found = entry.get(key) if isinstance(entry, dict) else None
    if type(found) is not kind:
        raise TapeError(f"the description lacks {key!r}")
    return found


def _items(entry: Any, key: str, kind: type) -> list[Any]:
    found: list[Any] = _item(entry, key, list)
    if not all(type(item) is kind for item in found):
        raise TapeError(f"the description's {key!r} is malformed")
    return found
