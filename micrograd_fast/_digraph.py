"""A ``graphviz.Digraph`` that says what to do when the program ``dot`` is missing.

Apart from ``draw``, because importing this needs the Python package ``graphviz``.
"""

from collections.abc import Iterable
from typing import Any

import graphviz

_ADVICE = (
    "drawing a picture needs Graphviz's program `dot`, which is not on the PATH: install Graphviz "
    "(apt-get install graphviz, brew install graphviz, conda install graphviz or "
    "https://graphviz.org/download); .source holds the graph as DOT text meanwhile"
)


class DotNotFound(graphviz.ExecutableNotFound):  # type: ignore[misc]
    """Rendering was asked for and the program ``dot`` is missing."""

    def __init__(self) -> None:
        # The parent's initialiser formats its own message from a command line.
        RuntimeError.__init__(self, _ADVICE)


class Digraph(graphviz.Digraph):  # type: ignore[misc]
    """What ``draw_dot`` returns: a ``graphviz.Digraph`` that is clear about a missing ``dot``."""

    def pipe(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().pipe(*args, **kwargs)
        except graphviz.ExecutableNotFound:
            raise DotNotFound from None

    def render(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().render(*args, **kwargs)
        except graphviz.ExecutableNotFound:
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
        except DotNotFound as missing:
            return {"text/plain": f"{object.__repr__(self)}\n{missing}"}
