"""The steps of a tape as statements of C.

They are what csrc/replay.c does: values and partials forward, adjoints back in the reverse order,
each of them multiplied and added as it is there. So both give the same bits. Three arrays hold
what is passed on: v values and g adjoints, by slot, and d the partials, of a dot its operands.
"""

from __future__ import annotations

import math

from . import _core
from ._formulas import Formulas, words

__all__ = ["Steps", "literal"]

_LETTERS = ("a", "b", "c")
_TEXTS = _core.op_texts()


def literal(number: float) -> str:
    """A constant of C with the bits of ``number``: decimal where that is short and exact."""
    if math.isnan(number):
        return "NAN"
    if math.isinf(number):
        return "INFINITY" if number > 0.0 else "-INFINITY"
    if abs(number) < 1e6 and (number * 64.0).is_integer():
        return repr(number)
    mantissa, exponent = number.hex().split("p")
    return f"{mantissa.rstrip('0').removesuffix('.')}p{exponent}"


class _Narrow:
    """The statements for an op of one to three operands, some of which may be constants."""

    def __init__(self, code: int, constant: tuple[bool, ...], formulas: Formulas) -> None:
        _, self.letters, raises, forward, partials = _TEXTS[code]
        # A zero partial of three operands is a choice not taken: nothing flows.
        is_choice = len(self.letters) == 3
        wanted = [  # an adjoint of a constant is nobody's
            (letter, partial)
            for letter, partial, is_constant in zip(_LETTERS, partials, constant)
            if partial is not None and not is_constant and not (is_choice and partial == "0.0")
        ]
        # Partials that are constants are written where they are used.
        self.kept = [letter for letter, text in wanted if words(text) & {*_LETTERS, "r"}]
        check = keeps = flows = ""
        if raises != "NEVER":
            second = self.letters[1:] or "0.0"
            called = formulas.spell(f"check_{raises.lower()}(a, {second}, r)")
            check = f" if ((status = {called}) != 0) {{ return status; }}"
        for letter, text in wanted:
            factor = text
            if letter in self.kept:
                factor = f"%(d{letter})s"
                keeps += f" {factor} = {formulas.spell(text)};"
            flow = f"%(g{letter})s += {factor} * s;"
            flows += f" if ({factor} != 0.0) {{ {flow} }}" if is_choice else f" {flow}"
        forward = formulas.spell(forward)
        self.values = self._statement(forward, check, "")
        self.forward = self._statement(forward, check, keeps)
        self.reverse = f"{{ const double s = %(g)s; %(g)s = 0.0;{flows} }}"
        if not flows:
            self.reverse = "%(g)s = 0.0;"

    def _statement(self, result: str, check: str, keeps: str) -> str:
        # Operands are read first: the result may take the slot of one of them.
        used = words(result + check + keeps)
        read = [f"{letter} = %({letter})s" for letter in self.letters if letter in used]
        if "r" in words(check + keeps):
            read.append(f"r = {result}")
            result = "r"
        return f"{{ const double {', '.join(read)};{check} %(r)s = {result};{keeps} }}"


class Steps:
    """The statements of all steps, and what they take for granted.

    values, forward, reverse    for the values alone; with partials; for the adjoints, in the
                                order in which they run
    operands                    the indices of the operands of n-ary steps, one after the other
    scatters, dots              whether one of these adds to the adjoints of all its operands, and
                                whether one is a dot
    constants, first_constant   what v holds behind the inputs, and from where on
    outputs                     the indices of the outputs
    slots, scratch, partials    how many numbers the arrays must hold: g and v; v behind them; d
    """

    def __init__(self, tape: _core.Tape, name: str, formulas: Formulas) -> None:
        self._name, self._formulas = name, formulas
        first_constant, first_result, end, self.scratch, outputs = _core.tape_slots(tape)
        self.first_constant, self._first_result = first_constant, first_result
        self._constants = _core.tape_constants(tape)
        steps = _core.tape_steps(tape)
        # Constants are written as such, but where they are found by an index they need slots.
        indexed = [slot for code, _, slots in steps if not _TEXTS[code][1] for slot in slots[:-1]]
        used = any(map(self._is_constant, [*indexed, *outputs]))
        self.constants = self._constants if used else []
        self.outputs = [self._index(slot) for slot in outputs]
        self.slots = self._index(end)
        self.operands: list[int] = []
        self.scatters = self.dots = False
        self.partials = 0
        self.values: list[str] = []
        self.forward: list[str] = []
        self.reverse: list[str] = []
        self._narrow_ops: dict[tuple[int, tuple[bool, ...]], _Narrow] = {}
        for code, result, slots in steps:
            row, letters, _, function, partials = _TEXTS[code]
            if letters:
                self._narrow(code, result, slots)
            elif row == "take":
                self._take(result, slots)
            else:
                self._nary(row, function, partials[0], result, slots)
        self.reverse.reverse()

    def _is_constant(self, slot: int) -> bool:
        return self.first_constant <= slot < self._first_result

    def _index(self, slot: int) -> int:
        """Where the number of a slot is: constants that are not there leave no gap."""
        left_out = len(self._constants) - len(self.constants)
        return slot - left_out if slot >= self._first_result else slot

    def _number(self, slot: int) -> str:
        if self._is_constant(slot):
            return literal(self._constants[slot - self.first_constant])
        return f"v[{self._index(slot)}]"

    def _narrow(self, code: int, result: int, slots: list[int]) -> None:
        key = code, tuple(map(self._is_constant, slots))
        op = self._narrow_ops.get(key)
        if op is None:
            op = self._narrow_ops[key] = _Narrow(*key, self._formulas)
        names = {"r": f"v[{self._index(result)}]", "g": f"g[{self._index(result)}]"}
        for letter, slot in zip(op.letters, slots):
            names[letter] = self._number(slot)
            names[f"g{letter}"] = f"g[{self._index(slot)}]"
        for letter in op.kept:
            names[f"d{letter}"] = f"d[{self.partials}]"
            self.partials += 1
        self.values.append(op.values % names)
        self.forward.append(op.forward % names)
        self.reverse.append(op.reverse % names)

    def _add_operands(self, slots: list[int]) -> int:
        """Where in the table of operands these are."""
        self.operands += [self._index(slot) for slot in slots]
        return len(self.operands) - len(slots)

    def _nary(
        self, row: str, function: str, partials: str | None, result: int, slots: list[int]
    ) -> None:
        count, parameter = len(slots) - 1, self._number(slots[-1])
        operands = f"{self._name}_operands + {self._add_operands(slots[:-1])}, {count}"
        v, g = f"v[{self._index(result)}]", f"g[{self._index(result)}]"
        x, d = f"v + {self.slots}", f"d + {self.partials}"
        gather = f"{self._name}_gather(v, {operands}"
        function = self._formulas.spell(f"{function}(")
        self.values.append(f"{gather}, {x}); {v} = {function}{x}, {count}, {parameter});")
        scatter = f"{self._name}_scatter"
        if row == "dot":
            scatter = f"{self._name}_scatter_dot"
            self.dots = True
            self.forward.append(f"{gather}, {d}); {v} = {function}{d}, {count}, {parameter});")
        else:
            self.scatters = True
            partials = self._formulas.spell(f"{partials}(")
            self.forward.append(
                f"{{ {gather}, {d}); const double r = {function}{d}, {count}, {parameter}); "
                f"{v} = r; {partials}{d}, {count}, {parameter}, r); }}"
            )
        self.reverse.append(
            f"{{ const double s = {g}; {g} = 0.0; {scatter}({d}, s, {operands}, g); }}"
        )
        self.partials += count

    def _take(self, result: int, slots: list[int]) -> None:
        """Only the operand taken has a partial other than 0, so its place is kept instead."""
        *operands, index, _ = slots
        count, first = len(operands), self._add_operands(operands)
        v, g, d = f"v[{self._index(result)}]", f"g[{self._index(result)}]", f"d[{self.partials}]"
        start = (
            f"const double i = {self._number(index)}; "
            f"if (!nary_is_place(i, {count})) {{ return MG_INDEX; }} "
            f"const size_t place = nary_place(i, {count}); "
            f"{v} = v[{self._name}_operands[{first} + place]];"
        )
        start = self._formulas.spell(start)
        self.values.append(f"{{ {start} }}")
        self.forward.append(f"{{ {start} {d} = (double)place; }}")
        self.reverse.append(
            f"{{ const double s = {g}; {g} = 0.0; "
            f"g[{self._name}_operands[{first} + (size_t){d}]] += s; }}"
        )
        self.partials += 1
