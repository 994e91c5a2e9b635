"""``Fused``: the base of the modules whose calls the core knows (csrc/value_net.c)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

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

    # Whether this very class is one of nn's own.
    _own: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._own = cls.__module__ == __package__ + "._layers"

    def _slotted(self) -> Iterator[tuple[str, Any]]:
        """What the slots hold, base classes first."""
        for kind in reversed(type(self).__mro__):
            for name in vars(kind).get("__slots__", ()):
                if name != "_plan" and hasattr(self, name):
                    yield name, getattr(self, name)

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        yield from self._slotted()
        # What a user puts onto an instance of nn's own classes is not theirs to train.
        if not self._own:
            yield from vars(self).items()

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
        # The plan is not copied or pickled: the next call makes one.
        return dict(vars(self)), dict(self._slotted())
