"""Pictures of ops with many operands: their order, repetitions, and what is left out."""

import random
import xml.etree.ElementTree as ElementTree

import pytest
from test_draw import NODE, parse

import micrograd_fast as mg
from micrograd_fast import Value, draw_dot, draw_svg

SVG = "{http://www.w3.org/2000/svg}"


def labelled(name, count):
    return [Value(i / 8, label=f"{name}{i}") for i in range(count)]


def heights(picture):
    """Label of a Value -> how far down it stands in the picture."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{SVG}g"):
        inside = list(group.findall(f"{SVG}text"))
        if group.get("class") == "node" and len(inside) == 3:
            found[inside[0].text] = float(inside[0].get("y"))
    return found


def into(dot, entry):
    """The tails of the arrows into ``entry``, in order, and the labels they have."""
    found = []
    for line in dot.source.splitlines():
        head, _, rest = line.strip().partition(" -> ")
        if rest.startswith((entry, f'"{entry}"')):
            label = rest.partition("[label=")[2].rstrip("]").strip('"')
            found.append((head.strip('"'), label))
    return found


@pytest.mark.parametrize(
    ("build", "op"),
    [
        (lambda w, x: mg.dot(w, x), "dot"),
        (lambda w, x: mg.sum(w + x), "sum"),
        (lambda w, x: mg.mean(w + x), "mean"),
        (lambda w, x: mg.logsumexp(w + x), "logsumexp"),
        (lambda w, x: Value(0.0, tuple(w + x), "mine"), "mine"),
    ],
)
def test_the_operands_are_drawn_in_order(build, op):
    w, x = labelled("w", 5), labelled("x", 5)
    out = build(w, x)
    dot = draw_dot(out)
    entry = f"{id(out)}{op}"
    assert [tail for tail, _ in into(dot, entry)] == [str(id(v)) for v in (*w, *x)]
    assert [label for _, label in into(dot, entry)] == [""] * 10
    down = heights(draw_svg(out))
    order = [down[v.label] for v in (*w, *x)]
    assert order == sorted(order)


def test_only_ops_of_more_than_two_operands_order_their_arrows():
    a, b, c = labelled("v", 3)
    for node, orders in ((a + b, 0), (mg.sum([a, b]), 0), (mg.sum([a, b, c]), 1)):
        assert draw_dot(node).source.count("ordering=in") == orders


def test_the_number_of_times_an_operand_occurs_stands_at_its_arrow():
    a, b = labelled("v", 2)
    square = mg.dot([a, a, b], [a, a, b])
    assert into(draw_dot(square), f"{id(square)}dot") == [
        (str(id(a)), "×4"),
        (str(id(b)), "×2"),
    ]
    # The seed draws one plain arrow for both operands of a + a.
    double = a + a
    assert into(draw_dot(double), f"{id(double)}+") == [(str(id(a)), "")]


@pytest.mark.parametrize(
    ("most", "first", "gap", "last"),
    [(4, 2, 6, 2), (5, 3, 5, 2), (1, 1, 9, 0), (2, 1, 8, 1), (9, 5, 1, 4)],
)
def test_of_many_operands_the_first_and_the_last_are_drawn(most, first, gap, last):
    values = labelled("v", 10)
    total = mg.sum(values)
    dot = draw_dot(total, max_operands=most)
    shown = [*values[:first], *values[len(values) - last :]]
    tails = [tail for tail, _ in into(dot, f"{id(total)}sum")]
    drawn = [str(id(v)) for v in shown]
    assert tails == [*drawn[:first], f"gap {id(total)}", *drawn[first:]]
    nodes, _ = parse(dot)
    assert nodes[f"gap {id(total)}"] == (f"... {gap} more ...", " shape=plaintext")
    assert set(nodes) >= set(drawn)
    assert not {str(id(v)) for v in values if v not in shown} & set(nodes)


@pytest.mark.parametrize("most", [10, 11, None])
def test_all_operands_are_drawn_where_there_is_room(most):
    values = labelled("v", 10)
    dot = draw_dot(mg.sum(values), max_operands=most)
    assert "more ..." not in dot.source
    assert all(str(id(v)) in parse(dot)[0] for v in values)


def test_what_stands_under_an_operand_that_is_left_out_is_left_out_with_it():
    deep = Value(1.0).tanh().tanh()
    values = [*labelled("v", 3), deep, *labelled("w", 3)]
    total = mg.sum(values)
    assert "tanh" not in draw_dot(total, max_operands=4).source
    assert draw_dot(total, max_operands=None).source.count("label=tanh") == 2
    # By another way it is reached.
    assert "tanh" in draw_dot(total + deep, max_operands=4).source


def test_max_nodes_counts_after_the_operands_are_cut():
    total = mg.sum(labelled("v", 100_000))
    nodes, _ = parse(draw_dot(total))
    assert len([label for label, _ in nodes.values() if label.startswith("{")]) == 41
    with pytest.raises(ValueError, match="more than 100,000 Values"):
        draw_dot(total, max_operands=None)


def test_a_neuron_of_16_inputs_is_drawn_whole():
    w, x, b = labelled("w", 16), labelled("x", 16), Value(0.0, label="b")
    dot = draw_dot(mg.dot(w, x, b).tanh())
    assert "more ..." not in dot.source
    labels = [label.split(" ")[1] for label, _ in parse(dot)[0].values() if label.startswith("{")]
    assert {v.label for v in (*w, *x, b)} <= set(labels)


def test_long_columns_get_room_for_their_arrows():
    assert "ranksep" not in draw_dot(mg.sum(labelled("v", 4))).graph_attr
    few, many = (
        float(draw_dot(mg.sum(labelled("v", count)), max_operands=None).graph_attr["ranksep"])
        for count in (8, 25)
    )
    assert 0.5 < few < many <= 3.0


def test_every_line_of_the_text_is_a_node_or_an_arrow():
    rng = random.Random(1)
    values = labelled("v", 6)
    for _ in range(10):
        values.append(mg.sum(rng.choices(values, k=5)).tanh())
    for line in draw_dot(values[-1]).source.splitlines()[2:-1]:
        assert NODE.match(line) or " -> " in line, line
