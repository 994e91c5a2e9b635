"""Modules in files: what save writes, what load reads, and what it makes of a hostile file."""

import struct
import zipfile

import numpy as np
import pytest

from micrograd_fast import Value
from micrograd_fast.nn import Module, Neuron


def npy(header, data=b""):
    """A .npy file of version 1.0 with this header."""
    text = header.encode().ljust(64 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def described(shape="(2,)", descr="'<f8'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


W, B = npy(described(), bytes(16)), npy(described("()"), bytes(8))


def archive(path, members, compression=zipfile.ZIP_STORED):
    """Writes (name, content) pairs as an archive."""
    with zipfile.ZipFile(path, "w", compression) as content:
        for name, data in members:
            content.writestr(name, data)
    return path


def test_numpy_reads_them(tmp_path):
    neuron = Neuron(2)
    neuron.save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz", allow_pickle=False) as archive:
        assert archive["w"].tolist() == [w.data for w in neuron.w]
        assert archive["b"].shape == ()


def test_numpy_writes_them(tmp_path):
    neuron = Neuron(2)
    np.savez_compressed(tmp_path / "n.npz", w=[1.0, 2.0], b=3.0)
    neuron.load(tmp_path / "n.npz")
    assert [p.data for p in neuron.parameters()] == [1.0, 2.0, 3.0]


def test_any_name_will_do(tmp_path):
    model = Module()
    model.file, model.other = Value(1.0), {"a/b ü": Value(2.0)}
    model.save(tmp_path / "m")
    model.file.data = model.other["a/b ü"].data = 0.0
    model.load(tmp_path / "m")
    assert (model.file.data, model.other["a/b ü"].data) == (1.0, 2.0)


def test_what_is_no_archive(tmp_path):
    for name, content in [("empty", b""), ("text", b"w = 1"), ("npy", b"\x93NUMPY\x01\x00")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}' is not an .npz archive"):
            Neuron(2).load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Neuron(2).load(tmp_path / "missing")


def test_fortran_order_and_other_numbers(tmp_path):
    model = Module()
    model.grid = [[Value(0.0) for _ in range(3)] for _ in range(2)]
    numbers = np.array([[1, 2, 3], [4, 5, 6]])
    for dtype in ("<f4", ">f8", "i2", "?"):
        np.savez(tmp_path / "g.npz", grid=np.asfortranarray(numbers.astype(dtype)))
        model.load(tmp_path / "g.npz")
        assert [[v.data for v in row] for row in model.grid] == numbers.astype(dtype).tolist()


class Trap:
    """Pickles to a call that a test would notice."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def loads_nothing(path, message):
    neuron = Neuron(2)
    before = [p.data for p in neuron.parameters()]
    with pytest.raises(ValueError, match=message):
        neuron.load(path)
    assert [p.data for p in neuron.parameters()] == before


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "n.npz", w=np.array([Trap(), 1.0], dtype=object), b=1.0)
    loads_nothing(
        tmp_path / "n.npz", "'w' holds object, not real numbers .pickles are never loaded"
    )


HOSTILE = {
    "terabytes": (
        [("w.npy", npy(described("(200000000000,)"))), ("b.npy", B)],
        r"'w' of Neuron\(2\) has shape \(2,\), but the state has shape \(200000000000,\)",
    ),
    "another name": (
        [("w.npy", W), ("b.npy", B), ("../x.npy", npy(described("(9,)")))],
        r"it has '\.\./x', which it does not know",
    ),
    "a name twice": ([("w.npy", W), ("w", W), ("b.npy", B)], "it holds 'w' twice"),
    "no header": ([("w.npy", b"\x93NUMPY\x01\x00v\x00 nothing"), ("b.npy", B)], "cannot be read"),
    "no magic": ([("w.npy", b"cos\nsystem\n(S'true'\ntR."), ("b.npy", B)], "magic string"),
    "a version to come": (
        [("w.npy", W.replace(b"NUMPY\x01", b"NUMPY\x07")), ("b.npy", B)],
        "unknown version|magic|version",
    ),
    "an expression": (
        [("w.npy", npy("__import__('os').abort()")), ("b.npy", B)],
        "cannot be read as an .npz archive",
    ),
    "a deep expression": (
        [("w.npy", npy("(" * 5000)), ("b.npy", B)],
        "cannot be read as an .npz archive",
    ),
    "a long header": ([("w.npy", npy(" " * 60000)), ("b.npy", B)], "cannot be read"),
    "too short": ([("w.npy", W[:-1]), ("b.npy", B)], "'w' is not as long as its header says"),
    "too long": ([("w.npy", W + b"x"), ("b.npy", B)], "'w' is not as long as its header says"),
    "complex numbers": (
        [("w.npy", npy(described(descr="'<c16'"), bytes(32))), ("b.npy", B)],
        "'w' holds complex128, not real numbers",
    ),
    "a structure": (
        [("w.npy", npy(described(descr="[('a', '<f8')]"), bytes(16))), ("b.npy", B)],
        "not real numbers",
    ),
    "a text": ([("w.npy", npy(described(descr="'<U2'"), bytes(16))), ("b.npy", B)], "holds <U2"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_members(what, tmp_path):
    members, message = HOSTILE[what]
    loads_nothing(archive(tmp_path / "n.npz", members), message)


def test_compression_that_numpy_does_not_write_is_refused(tmp_path):
    """Their decompressors can be made to use any amount of memory."""
    path = archive(tmp_path / "n.npz", [("w.npy", W), ("b.npy", B)], zipfile.ZIP_LZMA)
    loads_nothing(path, "'w' is compressed by another method than deflate")


def test_encrypted_members(tmp_path):
    path = archive(tmp_path / "n.npz", [("w.npy", W), ("b.npy", B)])
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    path.write_bytes(content)
    loads_nothing(path, "encrypted")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_damaged_byte_is_noticed_or_harmless(compression, tmp_path):
    path = archive(tmp_path / "n.npz", [("w.npy", W), ("b.npy", B)], compression)
    whole = path.read_bytes()
    refused = 0
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        neuron = Neuron(2)
        before = [p.data for p in neuron.parameters()]
        try:
            neuron.load(path)
        except ValueError:
            refused += 1
            assert [p.data for p in neuron.parameters()] == before
        else:
            assert [p.data for p in neuron.parameters()] == [0.0] * 3
    # Times and attributes of members mean nothing.
    assert refused > len(whole) / 2


def test_truncated_files(tmp_path):
    path = archive(tmp_path / "n.npz", [("w.npy", W), ("b.npy", B)])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        loads_nothing(path, "archive")


def test_a_model_that_cannot_be_saved_leaves_the_file(tmp_path):
    model = Module()
    model.w = Value(1.0)
    model.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    model.more = {1: Value(1.0), "1": Value(2.0)}
    with pytest.raises(ValueError, match="different parameters have that name"):
        model.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
