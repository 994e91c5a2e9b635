"""nn against torch in float64: outputs, losses and every gradient."""

import pytest

from micrograd_fast import Value, cross_entropy, hinge_loss
from micrograd_fast.nn import MLP, Linear, RMSNorm

torch = pytest.importorskip("torch")

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "linear": lambda x: x,
}


def tensors(network):
    """A weight matrix and a vector of biases for each layer, to be differentiated."""
    for layer in network.layers:
        for rows in (
            [[w.data for w in n.w] for n in layer.neurons],
            [n.b.data for n in layer.neurons],
        ):
            yield torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def forward(parameters, activation, x):
    for w, b in zip(parameters[::2], parameters[1::2]):
        x = ACTIVATIONS[activation](x @ w.T + b)
    return x


def same_gradients(network, parameters):
    grads = [
        part
        for layer in network.layers
        for part in (
            [[w.grad for w in n.w] for n in layer.neurons],
            [n.b.grad for n in layer.neurons],
        )
    ]
    for ours, theirs in zip(grads, parameters):
        expected = theirs.grad
        assert torch.allclose(torch.tensor(ours, dtype=torch.float64), expected, 1e-12, 1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_two_moons_sized_nets(activation):
    network = MLP(2, [16, 16, 1], activation, seed=1)
    parameters = list(tensors(network))
    points = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(20, 2)
    targets = [1.0, -1.0] * 10
    ours = hinge_loss([network(row.numpy()) for row in points], targets)
    scores = forward(parameters, activation, points)[:, 0]
    theirs = torch.relu(1 - scores * torch.tensor(targets)).mean()
    ours.backward()
    theirs.backward()
    assert ours.data == pytest.approx(theirs.item(), rel=1e-12)
    same_gradients(network, parameters)


def test_classes():
    network = MLP(4, [8, 5], "gelu", "linear", seed=2, init="xavier")
    parameters = list(tensors(network))
    x = torch.linspace(-2, 2, 4, dtype=torch.float64, requires_grad=True)
    inputs = [Value(v) for v in x.tolist()]
    ours = cross_entropy(network(inputs), 3)
    theirs = torch.nn.functional.cross_entropy(forward_classes(parameters, x), torch.tensor(3))
    ours.backward()
    theirs.backward()
    assert ours.data == pytest.approx(theirs.item(), rel=1e-12)
    same_gradients(network, parameters)
    assert [v.grad for v in inputs] == pytest.approx(x.grad.tolist(), rel=1e-12)


def forward_classes(parameters, x):
    hidden = torch.nn.functional.gelu(x @ parameters[0].T + parameters[1])
    return hidden @ parameters[2].T + parameters[3]


def test_linear_and_rmsnorm():
    linear, norm = Linear(3, 4, bias=False, seed=3), RMSNorm(4)
    w = torch.tensor(linear.state_dict()["w"], requires_grad=True)
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    outs = norm(linear(x.numpy()))
    total = sum(out * (k + 1) for k, out in enumerate(outs))
    z = w @ x
    expected = z / torch.sqrt((z * z).mean() + 1e-5)
    (expected * torch.arange(1, 5)).sum().backward()
    total.backward()
    assert [out.data for out in outs] == pytest.approx(expected.tolist(), rel=1e-12)
    ours = torch.tensor([[v.grad for v in row] for row in linear.w], dtype=torch.float64)
    assert torch.allclose(ours, w.grad, 1e-11, 1e-14)
