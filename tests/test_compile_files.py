"""Compiled functions as bytes: pickle, save and load, and what is no such file."""

import io
import json
import math
import pickle
import random
import struct
import zlib

import numpy as np
import pytest

import micrograd_fast as mg
from micrograd_fast import TapeError, Value, compile, load, nn


def seal(content):
    """With the checksum that these bytes must have."""
    return content[:-4] + struct.pack("<I", zlib.crc32(content[:-4]))


@compile
def mixed(x, y, *, scale):
    return {"a": x["k"][0] * mg.exp(y[1]) * scale, "b": [x[1] + mg.dot(y, y), 3.0]}


def mixed_arguments(seed):
    rng = random.Random(seed)
    numbers = [rng.uniform(-1, 1) for _ in range(6)]
    x = {"k": (numbers[0],), 1: numbers[1]}
    return (x, np.array(numbers[2:5])), {"scale": numbers[5]}


@pytest.fixture
def network():
    model = nn.MLP(2, [3, 1], seed=3)
    function = compile(lambda x: (model(x) - 1.0) ** 2)
    function.value([0.5, -0.25])
    return model, function


def copies(function, tmp_path):
    function.save(tmp_path / "function.mg")
    file = io.BytesIO()
    function.save(file)
    file.seek(0)
    return {
        "pickle": pickle.loads(pickle.dumps(function)),
        "path": load(tmp_path / "function.mg"),
        "file": load(file),
        "bytes": load(function.to_bytes()),
    }


def test_a_copy_gives_the_same_bits(tmp_path):
    args, kwargs = mixed_arguments(0)
    mixed.value(*args, **kwargs)
    for copy in copies(mixed, tmp_path).values():
        for seed in range(20):
            args, kwargs = mixed_arguments(seed)
            assert copy.value(*args, **kwargs) == mixed.value(*args, **kwargs)
        assert copy.__name__ == "mixed"
        assert copy.stats[0]["operations"] == mixed.stats[0]["operations"]


@pytest.mark.parametrize("passes", [None, (), ("fold", "group"), ("dots",)])
def test_a_copy_adds_gradients_up_in_the_same_order(passes):
    """Their last bits depend on the order of the steps, which `group` changes."""
    rng = random.Random(5)
    factors = [rng.uniform(-1, 1) for _ in range(300)]

    def loss(x, y):
        total = 0.0
        for factor in factors:
            total = total + mg.sin(x * factor) * mg.exp(y * factor) / (1.0 + x * x)
        return total

    function = compile(loss, passes=passes)
    gradient = function.grad(0.7, 0.3, argnums=(0, 1))
    copy = load(function.to_bytes())
    assert copy.grad(0.7, 0.3, argnums=(0, 1)) == gradient
    assert copy.stats[0]["runs"] == function.stats[0]["runs"]
    assert (function.stats[0]["runs"] < 100) == (passes is None or "group" in passes)


def test_captured_values_are_kept_and_bound_anew(network, tmp_path):
    model, function = network
    for leaf, name in zip(model.parameters(), "abcdefghijklm"):
        leaf.label = name
    expected = function.value_and_grad([0.5, -0.25])
    for copy in copies(function, tmp_path).values():
        assert copy.value_and_grad([0.5, -0.25]) == expected
        assert [v.data for v in copy.captured] == [v.data for v in function.captured]
        assert [v.label for v in copy.captured] == [v.label for v in function.captured]
        assert not set(copy.captured) & set(function.captured)
        bound = copy.bind(function.captured)
        loss = bound([0.5, -0.25])
        for p in model.parameters():
            p.grad = 0.0
        loss.backward()
        assert all(p.grad != 0.0 for p in model.layers[-1].neurons[0].w)


def test_several_structures_and_static_arguments(tmp_path):
    @compile(static_argnames="n")
    def power(x, n):
        total = x
        for _ in range(n):
            total = total * x
        return total

    for n in (1, 2, 3):
        power.value(2.0, n)
    power.value(2.0, n=4)
    for copy in copies(power, tmp_path).values():
        assert [copy.value(2.0, n) for n in (1, 2, 3)] == [4.0, 8.0, 16.0]
        with pytest.raises(TypeError, match="structure"):
            copy.value(2.0, 7)


def test_the_same_function_makes_the_same_bytes(network):
    assert network[1].to_bytes() == network[1].to_bytes()


def test_special_numbers_survive():
    w = Value(-0.0)
    function = compile(lambda x: [w + 0.0, w * x, x * 1e-320])
    function.value(1.0)
    copy = load(function.to_bytes())
    for x in (math.inf, -0.0, 5e-324):
        got, expected = copy.value(x), function.value(x)
        assert [struct.pack("<d", v) for v in got] == [struct.pack("<d", v) for v in expected]


# --- what cannot be saved ---


def test_what_was_never_recorded_cannot_be_saved():
    with pytest.raises(ValueError, match="recorded"):
        compile(lambda x: x).to_bytes()


def test_unusual_static_arguments_and_keys_are_refused():
    function = compile(lambda x, mode: x, static_argnames="mode")
    function.value(1.0, (1, 2))
    with pytest.raises(TypeError, match="static argument of type 'tuple'"):
        function.to_bytes()
    function = compile(lambda x: x[None])
    function.value({None: 1.0})
    with pytest.raises(TypeError, match="key None"):
        function.to_bytes()


# --- what is no such file ---


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x89MGFUNC\n", b"\x89MGFUNC\n" + bytes(40), b"PK\x03\x04" + bytes(99)]
)
def test_other_bytes_are_a_tape_error(content):
    with pytest.raises(TapeError):
        load(content)


def test_every_cut_and_every_damaged_byte_is_found(network):
    content = network[1].to_bytes()
    for size in range(len(content)):
        with pytest.raises(TapeError):
            load(content[:size])
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        with pytest.raises(TapeError):
            load(bytes(damaged))
    with pytest.raises(TapeError):
        load(content + b"x")


def test_damage_behind_a_right_checksum_never_does_anything_else(network):
    """Either it is found, or it is another function that runs."""
    content = network[1].to_bytes()
    rng = random.Random(5)
    loaded = 0
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(content) - 4)] = rng.randrange(256)
        try:
            function = load(seal(bytes(damaged)))
        except TapeError:
            continue
        loaded += 1
        assert len(str(function)) > 0
    assert loaded > 0


def described(content, change):
    """The bytes with another description."""
    size = struct.unpack_from("<I", content, 20)[0]
    description = json.loads(content[24 : 24 + size])
    change(description)
    text = json.dumps(description).encode()
    rest = content[24 + size : -4]
    head = struct.pack("<8sIQI", content[:8], 1, 24 + len(text) + len(rest) + 4, len(text))
    return seal(head + text + rest + bytes(4))


HOSTILE = {
    "an array of too many": lambda d: d["tapes"][0].update(
        arguments=["tuple", [["array", [10**9]]]]
    ),
    "negative lengths": lambda d: d["tapes"][0].update(arguments=["tuple", [["array", [-1]]]]),
    "an empty array of huge sides": lambda d: d["tapes"][0].update(
        outputs=["array", [10**18, 10**18, 0]]
    ),
    "no structure": lambda d: d["tapes"][0].update(outputs={"number": 1}),
    "an unknown kind": lambda d: d["tapes"][0].update(outputs=["set", []]),
    "other names": lambda d: d["tapes"][0].update(parameters=["x", "y"]),
    "no captured": lambda d: d["tapes"][0].update(captured=[]),
    "captured elsewhere": lambda d: d["tapes"][0].update(captured=[10**6]),
    "a program of other size": lambda d: d["tapes"][0].update(size=3),
    "a negative size": lambda d: d["tapes"][0].update(size=-5),
    "labels without numbers": lambda d: d.update(labels=["w"] * 10**5),
    "a name that is none": lambda d: d.update(name=3),
    "tapes that are none": lambda d: d.update(tapes=[1]),
    "keywords that are none": lambda d: d["tapes"][0].update(keywords=["list", []]),
    "a static that is a list": lambda d: d["tapes"][0].update(
        arguments=["tuple", [["static", [1]]]]
    ),
    "a deep nest": lambda d: d["tapes"][0].update(outputs=nest(100)),
}


def nest(depth):
    spec = ["number"]
    for _ in range(depth):
        spec = ["list", [spec]]
    return spec


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_descriptions_are_a_tape_error(network, change):
    with pytest.raises(TapeError):
        load(described(network[1].to_bytes(), change))


def test_a_text_file_is_refused():
    with pytest.raises(TypeError, match="bytes"):
        load(io.StringIO("x"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_failing_allocations_leave_nothing(network):
    core = mg._core
    content = network[1].to_bytes()
    for nth in range(1, 400):
        core.fail_allocation(nth)
        try:
            load(content)
        except MemoryError:
            continue
        finally:
            core.fail_allocation(0)
        break
    else:
        raise AssertionError("it never succeeded")
