"""``Fused``: the base of the modules whose calls the core knows (csrc/value_net.c)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ._arguments import Inputs
from ._module import Module

__all__ = ["Fused", "Output"]

# A Value from a layer of one neuron, else a list of them: which one, no annotation can tell.
Output: TypeAlias = Any


class Fused(Module):
    """A module whose call the core knows. It gets its ``__call__`` from there.

    Its attributes are slots, where the core finds them without running Python. What a subclass or a
    user puts in their place may be anything; where the core cannot make a plan of it, it calls
    ``_compose``, which does the same with operators and with the calls of the parts.
    """

    __slots__ = ("_plan",)

    if TYPE_CHECKING:

        def __call__(self, x: Inputs, /) -> Output: ...

    def _slotted(self) -> Iterator[tuple[str, Any]]:
        # The plan is not copied or pickled: the next call makes one.
        return (item for item in super()._slotted() if item[0] != "_plan")

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        # What a user puts onto an instance of nn's own classes is not theirs to train.
        own = type(self).__module__ == f"{__package__}._layers"
        return self._slotted() if own else super()._attributes()

    def _call_shown(self) -> str:
        """The call that makes such a module."""
        raise NotImplementedError

    def __repr__(self) -> str:
        try:
            return self._call_shown()
        except (AttributeError, IndexError, TypeError):
            # Something else than neurons and layers is in their place.
            return super().__repr__()

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(vars(self)), dict(self._slotted())
