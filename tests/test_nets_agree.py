"""The nets of bench/nets.py: by operators, as fused nodes and, where torch is, as its tensors.

One loss and every gradient to 1e-12, at full size.
"""

import sys
from pathlib import Path

import pytest

import micrograd_fast

sys.path.append(str(Path(__file__).resolve().parent.parent))
from bench import _contender, _nets, workloads

MAKERS = {
    "two moons": lambda code: code.TwoMoons(100, 16),
    "gpt": lambda code: code.CharGPT("isabella", 16, 4),
}


def loss_and_gradients(make):
    """By operators."""
    code = _contender.load_workloads(
        "agreement", Value=micrograd_fast.Value, **_contender.ValueContender.functions
    )
    problem = make(code)
    loss = problem.forward()
    loss.backward()
    return loss.data, [p.grad for p in problem.parameters()]


def agree(found, expected):
    (loss, gradients), (expected_loss, expected_gradients) = found, expected
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    assert len(gradients) == len(expected_gradients)
    # What cancels almost to nothing counts by the size of what it is summed from.
    largest = max(map(abs, expected_gradients))
    assert gradients == pytest.approx(expected_gradients, rel=1e-12, abs=1e-14 * largest)


@pytest.mark.parametrize("net", MAKERS)
def test_fused_nodes_and_operators(net):
    kind = {"two moons": _nets.FusedTwoMoons, "gpt": _nets.FusedCharGPT}[net]
    problem = kind(MAKERS[net](workloads))
    loss = problem.forward()
    loss.backward()
    gradients = [p.grad for p in problem.parameters()]
    agree((loss.data, gradients), loss_and_gradients(MAKERS[net]))
    # Of the GPT, only letters and places that the name has.
    assert sum(g != 0.0 for g in gradients) > len(gradients) / 2


@pytest.mark.parametrize("net", MAKERS)
def test_torch_in_float64(net):
    torch = pytest.importorskip("torch")
    kind = {"two moons": _nets.TensorTwoMoons, "gpt": _nets.TensorCharGPT}[net]
    problem = kind(MAKERS[net](workloads), torch)
    loss = problem.forward()
    loss.backward()
    agree((loss.item(), problem.gradients()), loss_and_gradients(MAKERS[net]))
