"""A ``graphviz.Digraph`` that draws without the program ``dot``, or says what is missing.

Apart from ``draw``, because importing this needs the Python package ``graphviz``.
"""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import graphviz

from ._layout import LayoutFailed, LayoutMissing, picture

_ADVICE = (
    "drawing a picture needs Graphviz, and there is neither its program `dot` on the PATH nor "
    "pygraphviz, which brings a Graphviz of its own: install pygraphviz "
    "(pip install micrograd_fast[draw]) or Graphviz (apt-get install graphviz, brew install "
    "graphviz, conda install graphviz or https://graphviz.org/download); .source holds the graph "
    "as DOT text meanwhile"
)
# What the program can be asked for and pygraphviz cannot; without them the two draw the same.
_FOR_THE_PROGRAM = ("renderer", "formatter", "neato_no_op", "engine", "outfile")


class DotNotFound(graphviz.ExecutableNotFound):  # type: ignore[misc]
    """Rendering was asked for and there is no Graphviz to do it."""

    def __init__(self) -> None:
        # The parent's initialiser formats its own message from a command line.
        RuntimeError.__init__(self, _ADVICE)


class Digraph(graphviz.Digraph):  # type: ignore[misc]
    """What ``draw_dot`` returns: a ``graphviz.Digraph`` that can do without the program ``dot``."""

    def pipe(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().pipe(*args, **kwargs)
        except graphviz.ExecutableNotFound:
            given = inspect.signature(graphviz.Digraph.pipe).bind(self, *args, **kwargs).arguments
            drawn = self._drawn_by_pygraphviz(given)
            return drawn if given.get("encoding") is None else drawn.decode(given["encoding"])

    def render(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().render(*args, **kwargs)
        except graphviz.ExecutableNotFound:
            given = inspect.signature(graphviz.Digraph.render).bind(self, *args, **kwargs).arguments
            drawn = self._drawn_by_pygraphviz(given)
            # The text is in its file already: the program would have read it from there.
            text = Path(self.filepath)
            rendered = f"{text}.{given.get('format') or self.format}"
            Path(rendered).write_bytes(drawn)
            if given.get("cleanup"):
                text.unlink()
            if given.get("view") or given.get("quiet_view"):
                graphviz.view(rendered)
            return rendered

    def _drawn_by_pygraphviz(self, given: dict[str, Any]) -> bytes:
        if any(given.get(name) is not None for name in _FOR_THE_PROGRAM):
            raise DotNotFound from None
        try:
            return picture(self.source, given.get("format") or self.format)
        except LayoutMissing:
            raise DotNotFound from None

    def _repr_mimebundle_(
        self,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        # A notebook shows the advice in place of the picture, not a traceback.
        try:
            return super()._repr_mimebundle_(include, exclude, **kwargs)
        except (DotNotFound, LayoutFailed) as reason:
            return {"text/plain": f"{object.__repr__(self)}\n{reason}"}
