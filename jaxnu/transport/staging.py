"""How a CPU is kept from computing the same thing several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int


def staged(step: Int[Array, ""], stage: Callable[..., Any], *arguments: Any) -> Any:
    """stage(*arguments), whose results become arrays in memory; `step` counts the passes of a loop, from 0.

    XLA's compiler for CPUs draws cheap operations into each of their consumers and computes them again there, which
    made the march five times slower. The branch of a condition that it cannot foresee stops it. On other devices the
    stage is just called.
    """
    if jax.default_backend() != "cpu":
        return stage(*arguments)
    shapes = jax.eval_shape(stage, *arguments)

    def nothing(*_):
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    return jax.lax.cond(step >= 0, stage, nothing, *arguments)


def pushed(step: Int[Array, ""], stage: Callable[..., Any], primals: tuple, tangents: tuple, many: bool = False) -> Any:
    """The derivative of a stage along `tangents`, or along `many` on a leading axis; None is for what does not move."""
    leaves, structure = jax.tree.flatten(primals)
    ways = structure.flatten_up_to(tangents)

    def derivative(leaves, moving):
        def of_moving(*values):
            changed = iter(values)
            return stage(
                *structure.unflatten(
                    [leaf if way is None else next(changed) for leaf, way in zip(leaves, ways, strict=True)]
                )
            )

        start = [leaf for leaf, way in zip(leaves, ways, strict=True) if way is not None]

        def along(moving):
            return jax.jvp(of_moving, start, moving)[1]

        return jax.vmap(along)(moving) if many else along(moving)

    return staged(step, derivative, leaves, [way for way in ways if way is not None])
