"""How a running layer rotates: pair the vectors that attention receives with those that entered the rotation.

Every architecture has its own code between the projection and the attention: it may rotate all channels
of a head or the first or last few, permute them, share one rotated key among all heads, or rescale the
rotated vectors. What that code does in a layer is found out once, on a few tokens (`find_source`,
`describe`), and then repeated at any length for at most the cost of a copy (`before_rotation`).
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
import torch

Pair = tuple[torch.Tensor, torch.Tensor]

_OTHER_VECTORS = "attends with other queries or keys than those it rotated"

# Two ways to the same vector may differ by this many machine epsilons of the model's dtype, times its norm.
_ROUNDINGS = 16


class RotationCall:
    """One call of a model's rotation function: the tensors that entered and those that came out."""

    def __init__(
        self, function: Callable, args: tuple, kwargs: dict[str, Any], outputs: torch.Tensor | Sequence
    ) -> None:
        bound = inspect.signature(function).bind(*args, **kwargs)
        self._function, self._bound = function, bound
        self.outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        self.tables = {name: value for name, value in bound.arguments.items() if _is_table(name, value)}
        self.inputs = [value for name, value in bound.arguments.items() if name not in self.tables]
        self.inputs = self.inputs[: len(self.outputs)]

    @cached_property
    def at_angle_zero(self) -> Sequence:
        """What the same call returns at angle zero: the inputs, channels in the order of the outputs."""
        zero = {
            name: torch.zeros_like(table) if name == "sin" else torch.ones_like(table)
            for name, table in self.tables.items()
        }
        self._bound.arguments.update(zero)
        outputs = self._function(*self._bound.args, **self._bound.kwargs)
        self._bound.arguments.update(self.tables)
        return outputs if isinstance(outputs, tuple | list) else (outputs,)


@dataclass(frozen=True)
class Source:
    """Where the rotated channels of a layer's queries, or keys, come from."""

    call: int  # which of the layer's rotation calls
    output: int  # which of its outputs
    transposed: bool  # (batch, length, heads, dim) instead of (batch, heads, length, dim)
    permuted: bool  # the function also reorders the channels
    start: int  # the channels of a head that the call covers
    stop: int


@dataclass(frozen=True)
class LayerRotation:
    """How one attention layer rotates: which `channels` of a head, paired by which `layout`.

    `layout` is "half_split" or "interleaved" as in `theory.oscillators`, within `channels`; a layer that
    does not rotate has layout None and no channels. `attention_factor` multiplies every rotated vector.
    """

    layer: int
    layout: str | None
    channels: range
    attention_factor: float


def find_source(vectors: torch.Tensor, calls: Sequence[RotationCall]) -> Source | None:
    """The `Source` of the `vectors` `(batch, heads, length, head_dim)` among a layer's rotation `calls`.

    None where the layer makes no call. Raises ValueError, with the end of a sentence that names the model,
    where no call returned the vectors, not even up to a factor for each of them.
    """
    for number, call in enumerate(calls):
        for index, output in enumerate(call.outputs):
            for transposed in (False, True):
                rotated = _heads_first(output, transposed)
                if not _fits(rotated, vectors):
                    continue
                width, dim = rotated.shape[-1], vectors.shape[-1]
                for start in {0, dim - width}:
                    if _agree(vectors[..., start : start + width], rotated):
                        entered, unturned = call.inputs[index], call.at_angle_zero[index]
                        permuted = entered.shape != unturned.shape or not torch.equal(entered, unturned)
                        return Source(number, index, transposed, permuted, start, start + width)
    if calls:
        raise ValueError(_OTHER_VECTORS)
    return None


def before_rotation(
    vectors: torch.Tensor, calls: Sequence[RotationCall], source: Source | None
) -> torch.Tensor:
    """`vectors` `(batch, heads, length, head_dim)` as they were before the rotation: same shape and order.

    Only the rotation is undone, with the factor that cosines and sines may carry; a factor for each vector
    that follows the rotation (Llama 4's norm, Ministral's temperature) stays. Vectors that do not rotate are
    returned as they are, and where the whole head rotates and nothing follows, nothing is copied. Raises
    ValueError, with the end of a sentence that names the model, where the last token shows that the layer no
    longer does what it did when its source was found.
    """
    if source is None and not calls:
        return vectors
    if source is None or source.call >= len(calls):
        raise ValueError(_OTHER_VECTORS)
    call = calls[source.call]
    entered = (call.at_angle_zero if source.permuted else call.inputs)[source.output]
    entered, rotated = (_heads_first(x, source.transposed) for x in (entered, call.outputs[source.output]))
    covered = vectors[..., source.start : source.stop]
    last = np.s_[:, :, -1:]
    untouched = covered.data_ptr() == rotated.data_ptr() and covered.stride() == rotated.stride()
    if not untouched and not torch.equal(covered[last], rotated[last].expand_as(covered[last])):
        # A temperature may begin at a position that the probe did not reach.
        if not _agree(covered[last], rotated[last]):
            raise ValueError(_OTHER_VECTORS)
        entered = entered * _scale(covered, rotated)
    if covered.shape[-1] == vectors.shape[-1]:
        return entered.to(vectors.dtype).expand_as(vectors)
    before = vectors.clone(memory_format=torch.contiguous_format)
    before[..., source.start : source.stop] = entered
    return before


def describe(
    layer: int,
    pairs: Sequence[Pair],
    calls: Sequence[RotationCall],
    sources: tuple[Source | None, Source | None],
) -> LayerRotation:
    """Verify a layer and describe it: does each vector turn by position × one frequency for each pair?

    `pairs` holds (before, after) of the queries and of the keys, each `(batch, heads, length, head_dim)`,
    of tokens at positions 0, 1, 2, …. Raises ValueError with the end of a sentence that names the model.
    """
    query, key = sources
    if query is None and key is None:
        return LayerRotation(layer, None, range(0), 1.0)
    if query is None or key is None or (query.start, query.stop) != (key.start, key.stop):
        raise ValueError(f"rotates its queries and keys unlike each other in layer {layer}")
    for channels in _candidates(range(query.start, query.stop), calls[query.call].tables.values()):
        for layout in ("half_split", "interleaved"):
            error, factor = _turning_error(pairs, channels, layout)
            if error < _tolerance(pairs[0][1].dtype):
                return LayerRotation(layer, layout, channels, factor)
    raise ValueError(f"does not turn its channels by position × frequency in layer {layer}")


def _turning_error(pairs: Sequence[Pair], channels: range, layout: str) -> tuple[float, float]:
    """Largest relative error of `after` = factor × `before` turned by position × angle, and the factor."""
    before, after = (
        torch.cat([_oscillators(pair[stage], channels, layout) for pair in pairs], dim=1) for stage in (0, 1)
    )
    factor = (after.norm() / before.norm()).item()
    turn = (after[:, :, 1] * before[:, :, 1].conj()).sum(dim=(0, 1))  # at position 1, all heads together
    angles = torch.arange(before.shape[2])[:, None] * turn.angle()
    expected = factor * before * torch.polar(torch.ones_like(angles), angles)
    error = (expected - after).norm(dim=-1).max()
    # Channels outside `channels` must not have changed at all.
    outside = [c for c in range(pairs[0][0].shape[-1]) if c not in channels]
    for x, y in pairs:
        error = torch.maximum(error, (y - x)[..., outside].float().norm(dim=-1).max().cpu())
    return (error / after.norm(dim=-1).max()).item(), round(factor, 5)


def _oscillators(vectors: torch.Tensor, channels: range, layout: str) -> torch.Tensor:
    """The first four positions of `vectors` as complex numbers, one for each pair of `channels`."""
    x = vectors[..., channels.start : channels.stop][:, :, :4]  # later positions only add rounding
    x = x.to("cpu", torch.float64)  # not every device has float64 and complex numbers
    if layout == "half_split":
        return torch.complex(*(half.contiguous() for half in x.chunk(2, dim=-1)))
    return torch.complex(x[..., 0::2].contiguous(), x[..., 1::2].contiguous())


def _candidates(covered: range, tables: Iterable[torch.Tensor]) -> Iterator[range]:
    """Ranges of channels that may rotate among those that a call covers, the shortest first.

    A table has one column for each pair, or the same column for both channels of a pair.
    """
    widths: set[int] = set()
    for table in tables:
        widths |= {2 * table.shape[-1]} if table.is_complex() else {table.shape[-1], 2 * table.shape[-1]}
    for width in sorted(width for width in widths if width % 2 == 0 and width <= len(covered)):
        for start in sorted({covered.start, covered.stop - width}):
            yield range(start, start + width)


def _is_table(name: str, value: Any) -> bool:
    """Whether an argument of a rotation holds cosines, sines or complex turns."""
    return isinstance(value, torch.Tensor) and (name in ("cos", "sin") or name.startswith("freqs"))


def _heads_first(tensor: Any, transposed: bool) -> Any:
    """A tensor `(batch, length, heads, dim)` as `(batch, heads, length, dim)` if `transposed`."""
    return tensor.transpose(1, 2) if transposed and tensor is not None and tensor.ndim == 4 else tensor


def _fits(rotated: Any, vectors: torch.Tensor) -> TypeGuard[torch.Tensor]:
    """Whether `rotated` may be some channels of `vectors`, for each head or shared by all."""
    if not isinstance(rotated, torch.Tensor) or rotated.ndim != 4 or rotated.shape[-1] > vectors.shape[-1]:
        return False
    batch, heads, length = vectors.shape[:3]
    return rotated.shape[:3] in ((batch, heads, length), (batch, 1, length))


def _scale(scaled: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """The factor of each vector, `(..., 1)`, that brings `vectors` nearest to `scaled`."""
    scaled, vectors = scaled.float(), vectors.float()  # squares overflow float16
    squares = (vectors * vectors).sum(-1, keepdim=True)  # zero for a token whose embedding is zero
    return (scaled * vectors).sum(-1, keepdim=True) / squares.clamp(min=torch.finfo(squares.dtype).tiny)


def _agree(scaled: torch.Tensor, vectors: torch.Tensor) -> bool:
    """Whether each of `scaled` is a factor times the same one of `vectors`."""
    difference = (scaled - _scale(scaled, vectors) * vectors).norm(dim=-1)
    return bool((difference <= _tolerance(scaled.dtype) * scaled.float().norm(dim=-1)).all())


def _tolerance(dtype: torch.dtype) -> float:
    """Relative rounding error to expect of a model in `dtype`."""
    # transformers computes its tables in float32, whatever the model's dtype.
    return _ROUNDINGS * max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
