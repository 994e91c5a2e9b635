"""The formulas of the op table as C source: what emitted functions call.

One source of truth: the text is that of csrc/ops.def and of the headers that it calls, as the
extension holds it (csrc/ops_text.c). Here it only gets other names, and what is not used is left
out.
"""

from __future__ import annotations

import re

from . import _core

__all__ = ["Formulas", "words"]

# Functions and macros of the C library with one right result, so that a compiler may as well work
# them out, and words before a parenthesis that call nothing.
_EXACT = frozenset("fabs floor ceil sqrt copysign fmax isnan isinf isfinite memcpy".split())
_STATEMENTS = frozenset("if for while switch return sizeof".split())
_OF_TWO = frozenset("pow atan2 hypot fmod".split())

# A definition begins in the first column, and ends there or on its first line.
_FUNCTION = re.compile(
    r"^(?:/\*(?:(?!\*/).)*\*/\n)?"
    r"static inline [^(]*?(?P<name>\w+)\((?:[^{}]*\{[^{}\n]*\}$|.*?^\}$)",
    re.DOTALL | re.MULTILINE,
)
_CONSTANT = re.compile(r"^#define (?P<name>MG_\w+) [^\n(]+$", re.MULTILINE)
_WORD = re.compile(r"/\*.*?\*/|(?<![\w.])[A-Za-z_]\w*(?P<called>\()?", re.DOTALL)

_POINTERS = """\
/* Called by pointers that a compiler must not see through: where it works out a constant result by
   itself, or puts another function in the place of one, the last bit may be another. */
"""


def _definitions() -> dict[str, str]:
    found = {}
    for text in _core.formula_texts():
        matches = [*_CONSTANT.finditer(text), *_FUNCTION.finditer(text)]
        # Not inline: a program may call one thousands of times.
        found.update({m["name"]: m[0].replace("static inline", "static") for m in matches})
    return found


# Every function and constant of the headers by its name, in their order.
_DEFINITIONS = _definitions()
_STATUSES = frozenset(f"MG_{name}" for name, _ in _core.status_texts())


def words(text: str) -> set[str]:
    """The identifiers in a piece of C."""
    return {match[0].rstrip("(") for match in _WORD.finditer(text)}


class Formulas:
    """The formulas under names that begin with ``prefix``, of which it keeps those asked for."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._used: set[str] = set()
        self._library: set[str] = set()
        self._spelled: dict[str, str] = {}

    def spell(self, text: str) -> str:
        """A piece of C with the names that these formulas have in the emitted file."""
        if text not in self._spelled:
            self._spelled[text] = _WORD.sub(self._rename, text)
        return self._spelled[text]

    def _rename(self, match: re.Match[str]) -> str:
        if match[0].startswith("/*"):
            return match[0]
        called = match["called"] or ""
        word = match[0].removesuffix("(")
        if word in _DEFINITIONS:
            self._used.add(word)
        elif word in _STATUSES:
            word = word.removeprefix("MG_")
        elif word == "mg_status":
            return "int"
        elif called and word not in _EXACT and word not in _STATEMENTS:
            self._library.add(word)
        else:
            return match[0]
        return f"{self._prefix}_{word}{called}"

    def text(self) -> str:
        """The definitions of everything that was spelled."""
        texts: dict[str, str] = {}
        waiting = set(self._used)
        while waiting:
            # Spelling one asks for what it calls.
            texts.update({name: self.spell(_DEFINITIONS[name]) for name in waiting})
            waiting = self._used - set(texts)
        constants = [text for name, text in texts.items() if name.startswith("MG_")]
        functions = [texts[name] for name in _DEFINITIONS if name in texts and name[:3] != "MG_"]
        pointers = [
            f"static double (*const volatile {self._prefix}_{name})"
            f"({'double, double' if name in _OF_TWO else 'double'}) = {name};\n"
            for name in sorted(self._library)
        ]
        parts = ["\n".join(sorted(constants)) + "\n" if constants else ""]
        parts.append(_POINTERS + "".join(pointers) if pointers else "")
        parts += [f"{function}\n" for function in functions]
        return "\n".join(part for part in parts if part)
