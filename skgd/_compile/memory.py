"""What numba's compiler finds out again and again, kept: the values of its flags, and the types of results."""

import copy
import functools
import types
from typing import Any


def make_memory() -> tuple[Any, Any]:
    """The class of flags, and a function of a context of types and of flags that gives the context to compile with."""
    from numba.core.compiler import Flags
    from numba.core.types import Function
    from numba.core.typing import Context
    from numba.extending import models, register_model

    class KnownFlags(Flags):
        """Flags that are looked up once: all of them are compared for each way to do each operation of a function."""

        def values(self):
            try:
                return self._known
            except AttributeError:
                self._known = super().values()
                return self._known

    class KnownFunction(Function):
        """A function with the types of its results: numba tries one way after another to do as little as +."""

        def __init__(self, templates):
            super().__init__(templates)
            self.known = {}

        def get_call_type(self, context, args, kws):
            if kws:
                return super().get_call_type(context, args, kws)
            key = context, tuple(args)
            if key not in self.known:
                self.known[key] = super().get_call_type(context, args, kws)
            return self.known[key]

    register_model(KnownFunction)(models.OpaqueModel)  # a value without content, as functions of numba's are

    class KnownContext(Context):
        """Types, with such functions for those of Python that are compiled: operators, for the most part."""

        def resolve_value_type(self, val):
            if not isinstance(val, types.BuiltinFunctionType):
                return super().resolve_value_type(val)
            if val not in self.known:
                kind = super().resolve_value_type(val)
                self.known[val] = KnownFunction(kind.templates) if type(kind) is Function else kind
            return self.known[val]

        def resolve_function_type(self, func, args, kws):
            if isinstance(func, types.BuiltinFunctionType):
                func = self.resolve_value_type(func)
            return super().resolve_function_type(func, args, kws)

    @functools.cache
    def known_context(context, flags):
        own = copy.copy(context)
        own.__class__, own.known = KnownContext, {}
        return own

    return KnownFlags, known_context
