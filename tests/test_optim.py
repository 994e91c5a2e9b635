"""The optimisers: trajectories against the published rules, settings, and what they take."""

import math

import numpy as np
import optim_rules
import pytest

from micrograd_fast import Value, nn, optim, values
from micrograd_fast.optim import SGD, Adam, AdamW

CASES = pytest.mark.parametrize("case", optim_rules.CASES, ids=optim_rules.name_of)
EVERY = pytest.mark.parametrize("make", [SGD, Adam, AdamW])


def far(ours, theirs):
    """The largest difference between Values and numbers that are all of the order of 1."""
    return max(abs(a.data - b) / max(1.0, abs(b)) for a, b in zip(ours, theirs))


def set_gradients(ours, gradients):
    for value, gradient in zip(ours, gradients):
        value.grad = gradient


# Trajectories


@CASES
def test_a_hundred_steps_go_where_the_published_rule_goes(case):
    name, settings = case
    ours = [Value(x) for x in optim_rules.START]
    theirs = list(optim_rules.START)
    optimizer = getattr(optim, name)(ours, **settings)
    rule = optim_rules.RULES[name](**settings)
    for _ in range(100):
        optimizer.zero_grad()
        optim_rules.loss_of(ours).backward()
        optimizer.step()
        rule(theirs, optim_rules.gradient_of(theirs))
        assert far(ours, theirs) < 1e-12
    assert optimizer.steps == 100
    assert optim_rules.loss_of(theirs) < optim_rules.loss_of(optim_rules.START)


@pytest.mark.parametrize("name", optim_rules.RULES)
def test_a_rate_that_changes_on_the_way(name):
    """Each step is taken at the rate of its own time."""
    ours, theirs = [Value(x) for x in optim_rules.START], list(optim_rules.START)
    optimizer = getattr(optim, name)(ours, lr=1.0, weight_decay=0.1)
    rule = optim_rules.RULES[name](lr=1.0, weight_decay=0.1)
    for rate in (0.01, 0.02, 0.0, 0.005, np.float32(0.25), 0):
        optimizer.lr = rate
        gradients = optim_rules.gradient_of(theirs)
        set_gradients(ours, gradients)
        optimizer.step()
        rule(theirs, gradients, float(rate))
        assert far(ours, theirs) < 1e-12


@EVERY
def test_gradients_of_every_size(make):
    """From gradients whose squares vanish to such whose squares overflow."""
    gradients = [0.0, -0.0, 5e-324, 1e-200, -1e-8, 1.0, -1e8, 1e150]
    name = make.__name__
    ours, theirs = [Value(1.0) for _ in gradients], [1.0 for _ in gradients]
    optimizer, rule = make(ours, lr=0.5), optim_rules.RULES[name](lr=0.5)
    for _ in range(3):
        set_gradients(ours, gradients)
        optimizer.step()
        rule(theirs, gradients)
        assert far(ours, theirs) < 1e-12


@EVERY
def test_a_step_changes_the_data_of_the_parameters_alone(make):
    p, other = Value(1.0, label="p"), Value(1.0)
    p.note = "free"
    child = p * 2.0
    p.grad, other.grad, child.grad = 3.0, 5.0, 7.0
    make([p], lr=0.25).step()
    assert p.data < 1.0
    assert (p.grad, p.label, p.note) == (3.0, "p", "free")
    assert (other.data, other.grad, child.data, child.grad) == (1.0, 5.0, 2.0, 7.0)


# Numbers that are not finite


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@EVERY
def test_a_gradient_that_is_not_finite_follows_ieee(make, bad):
    p, q = Value(1.0), Value(1.0)
    optimizer = make([p, q], lr=0.5)
    p.grad, q.grad = bad, 1.0
    optimizer.step()
    assert math.isnan(p.data) if make is not SGD else str(p.data) == str(1.0 - 0.5 * bad)
    assert q.data < 1.0
    assert math.isfinite(q.data)


@EVERY
def test_infinite_data_stay_infinite_without_weight_decay(make):
    p = Value(math.inf)
    p.grad = 1.0
    make([p], lr=0.5, weight_decay=0.0).step()
    assert p.data == math.inf


def test_adam_without_eps_and_gradient_is_nan_as_the_formula_says():
    p = Value(1.0)
    Adam([p], eps=0.0).step()
    assert math.isnan(p.data)


# What is a parameter


@EVERY
def test_params_of_every_kind(make):
    def moved(params, flat):
        set_gradients(flat, [1.0] * len(flat))
        optimizer = make(params, lr=0.5)
        optimizer.step()
        assert all(v.data < 0.0 for v in flat)
        return repr(optimizer)

    a, b, c, d = (Value(0.0) for _ in range(4))
    assert "(2 parameters," in moved([a, b], [a, b])
    a, b, c, d = (Value(0.0) for _ in range(4))
    assert "(3 parameters," in moved((v for v in (a, b, c)), [a, b, c])
    a, b, c, d = (Value(0.0) for _ in range(4))
    assert "(2 parameters," in moved({"a": a, "b": b}.values(), [a, b])
    a, b, c, d = (Value(0.0) for _ in range(4))
    assert "(2 parameters," in moved((a, b), [a, b])
    # lists, tuples and arrays inside each other, of any lengths
    a, b, c, d = (Value(0.0) for _ in range(4))
    assert "(4 parameters," in moved([[a, (b,)], [], np.array([[c], [d]])], [a, b, c, d])


def test_parameters_of_a_network_learn():
    model = nn.MLP(2, [4, 1])
    optimizer = Adam(model.parameters(), lr=0.05)
    data = [([0.0, 1.0], 0.5), ([1.0, 0.0], -0.5), ([1.0, 1.0], 0.1)]
    losses = []
    for _ in range(150):
        loss = sum((model(x) - y) ** 2 for x, y in data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    assert losses[-1] < 1e-3 < losses[0]


def test_a_parameter_may_be_any_node():
    class Parameter(Value):
        pass

    leaf = Value(1.0)
    interior, special = leaf * 2.0, Parameter(5.0)
    optimizer = SGD([interior, special], lr=1.0)
    interior.grad = special.grad = 1.0
    optimizer.step()
    assert (interior.data, special.data, leaf.data) == (1.0, 4.0, 1.0)


@EVERY
def test_what_is_no_value_is_named(make):
    v = Value(1.0)
    for params, message in (
        ([v, 2.0], r"params\[1\] must be a Value, not 'float'"),
        ([v, None], r"params\[1\] must be a Value, not 'NoneType'"),
        ([[v], [v * 1, "w"]], r"params\[1\]\[1\] must be a Value, not 'str'"),
        ((x for x in (v, 1)), r"params\[1\] must be a Value, not 'int'"),
        ({"w": v}, r"params must be Values, not 'dict'; pass its \.values\(\)"),
        ([{"params": [v]}], r"params\[0\] must be a Value, not 'dict'"),
        (np.ones(2), r"params must be a Value, not 'numpy.ndarray' of type code 'd'"),
        ([v, np.ones(2)], r"params\[1\] must be a Value, not 'numpy.ndarray' of type code 'd'"),
        (np.array([v, 1.0]), r"params\[1\] must be a Value, not 'float'"),
        (np.array(["2026-01-01"], "M8[D]"), r"params must be a Value, not 'numpy.ndarray'"),
        (b"w", r"params must be a Value, not 'bytes'"),
        ("w", r"params must be Values, not 'str'"),
        (None, r"params must be Values, not 'NoneType'"),
        (v, r"not a single Value"),
        ({v}, r"must have an order, but 'set' has none"),
        (frozenset([v]), r"must have an order, but 'frozenset' has none"),
    ):
        with pytest.raises(TypeError, match=message):
            make(params, lr=0.1)


def test_a_module_in_place_of_its_parameters():
    model = nn.MLP(1, [1])
    with pytest.raises(TypeError, match=r"not 'MLP'; pass its \.parameters\(\)"):
        Adam(model)
    with pytest.raises(TypeError, match=r"not 'method'; call it"):
        Adam(model.parameters)
    with pytest.raises(TypeError, match=r"not 'function'; call it"):
        Adam(lambda: model.parameters())


@EVERY
@pytest.mark.parametrize("params", [[], (), [[], []], iter([]), np.empty((0, 2), object)])
def test_no_parameters(make, params):
    with pytest.raises(ValueError, match="at least 1 Value"):
        make(params, lr=0.1)


@EVERY
def test_a_parameter_that_occurs_twice(make):
    a, b = Value(1.0), Value(2.0)
    with pytest.raises(ValueError, match=r"parameters 1 and 2 are the same Value\(data=2.0\)"):
        make([a, b, b], lr=0.1)
    with pytest.raises(ValueError, match="parameters 0 and 3 "):
        make([[a, b], [Value(1.0), a]], lr=0.1)


def test_a_parameter_that_occurs_twice_among_many():
    for count in (1, 2, 3, 7, 8, 9, 1000):
        many = values(np.zeros(count))
        Adam(many)
        for first, again in ((0, count), (count - 1, count), (count // 2, count)):
            with pytest.raises(ValueError, match=f"parameters {first} and {again} "):
                Adam([*many, many[first]])


def test_an_exception_of_a_generator_comes_out():
    def parameters():
        yield Value(1.0)
        raise TypeError("of the user's own")

    with pytest.raises(TypeError, match="of the user's own"):
        Adam(parameters())


def test_containers_without_an_end():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        Adam(endless)
    array = np.empty((), dtype=object)
    array[()] = array
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        Adam(array)
    array[()] = None
    deep = [Value(1.0)]
    for _ in range(31):
        deep = [deep]
    assert "(1 parameters," in repr(Adam(deep))
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        Adam([deep])


# Settings


@pytest.mark.parametrize("number", [0.25, np.float64(0.25), np.float32(0.25), np.array(0.25)])
def test_settings_are_plain_numbers(number):
    optimizer = Adam([Value(1.0)], number, (number, number), number, number)
    for setting in (optimizer.lr, optimizer.eps, optimizer.weight_decay, *optimizer.betas):
        assert type(setting) is float
        assert setting == 0.25
    optimizer.lr = 1
    assert (type(optimizer.lr), optimizer.lr) == (float, 1.0)
    assert SGD([Value(1.0)], 0.1, 0.5, np.True_).nesterov is True


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (SGD, {"lr": -0.1}, "lr must be finite and not negative, not -0.1"),
        (SGD, {"lr": math.nan}, "lr must be finite"),
        (SGD, {"lr": math.inf}, "lr must be finite"),
        (SGD, {"lr": 0.1, "momentum": -1}, "momentum must be finite and not negative"),
        (SGD, {"lr": 0.1, "weight_decay": -1}, "weight_decay must be finite and not negative"),
        (SGD, {"lr": 0.1, "nesterov": True}, "nesterov needs a momentum"),
        (Adam, {"betas": (1.0, 0.9)}, r"betas\[0\] must be in \[0, 1\), not 1.0"),
        (Adam, {"betas": (0.9, -0.1)}, r"betas\[1\] must be in \[0, 1\), not -0.1"),
        (Adam, {"betas": (0.9,)}, "betas must be two numbers"),
        (Adam, {"betas": 0.9}, "betas must be two numbers"),
        (Adam, {"eps": -1e-8}, "eps must be finite and not negative"),
        (AdamW, {"weight_decay": math.nan}, "weight_decay must be finite and not negative"),
    ],
)
def test_settings_that_cannot_be(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make([Value(1.0)], **settings)


@pytest.mark.parametrize("wrong", ["0.1", None, [0.1], np.ones(1), 1j, Value(0.1), b"1"])
def test_settings_of_a_wrong_type(wrong):
    for make, name in ((SGD, "lr"), (SGD, "momentum"), (Adam, "eps"), (AdamW, "weight_decay")):
        with pytest.raises(TypeError, match=f"{name} must be a real number, not"):
            make([Value(1.0)], **{"lr": 0.1, name: wrong})
    with pytest.raises(TypeError, match=r"betas\[1\] must be a real number"):
        Adam([Value(1.0)], betas=(0.9, wrong))


@pytest.mark.parametrize("wrong", ["yes", 1, None, np.array([True])])
def test_nesterov_is_a_bool(wrong):
    with pytest.raises(TypeError, match="nesterov must be a bool"):
        SGD([Value(1.0)], lr=0.1, momentum=0.9, nesterov=wrong)


def test_assigning_a_setting_checks_it():
    optimizer = Adam([Value(1.0), Value(1.0)])
    with pytest.raises(ValueError, match="lr must be"):
        optimizer.lr = -1.0
    with pytest.raises(TypeError, match="lr must be"):
        optimizer.lr = Value(1.0)
    with pytest.raises(ValueError, match=r"m has shape \(3,\), but there are 2 parameters"):
        optimizer.m = np.zeros(3)
    with pytest.raises(ValueError, match="steps must be at least 0"):
        optimizer.steps = -1
    assert (optimizer.lr, optimizer.steps, optimizer.m.tolist()) == (1e-3, 0, [0.0, 0.0])
    optimizer.betas = [0, 0.5]
    assert optimizer.betas == (0.0, 0.5)


def test_an_assigned_setting_is_used():
    p = Value(1.0)
    optimizer = SGD([p], lr=1.0)
    p.grad = 1.0
    optimizer.momentum = 0.5
    optimizer.step()
    optimizer.step()
    assert p.data == 1.0 - 1.0 - 1.5


def test_defaults_are_those_of_torch():
    p = [Value(1.0)]
    sgd, adam, adamw = SGD(p, 0.1), Adam(p), AdamW(p)
    assert (sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.0, False, 0.0)
    assert (adam.lr, adam.betas, adam.eps, adam.weight_decay) == (1e-3, (0.9, 0.999), 1e-8, 0.0)
    assert (adamw.lr, adamw.betas, adamw.eps, adamw.weight_decay) == (
        (1e-3, (0.9, 0.999), 1e-8, 1e-2)
    )
    with pytest.raises(TypeError):
        SGD(p)


def test_the_base_class_has_no_rule():
    with pytest.raises(NotImplementedError, match="Optimizer has no rule"):
        optim.Optimizer([Value(1.0)], 0.1, 0.0).step()


@EVERY
def test_zero_grad(make):
    p = [Value(1.0), Value(2.0)]
    bystander = Value(3.0)
    for v in (*p, bystander):
        v.grad = math.nan
    make(p, lr=0.1).zero_grad()
    assert [v.grad for v in p] == [0.0, 0.0]
    assert math.isnan(bystander.grad)
