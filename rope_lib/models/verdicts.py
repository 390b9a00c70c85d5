"""Paper A's bounds put together into one verdict on a model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..theory.arguments import Floats, above_one, positive, whole
from ..theory.bounds import aliasing_bound, goldilocks_zone, precision_wall, stability_bound
from ..theory.scaling import is_length_dependent
from .case_studies import CaseStudy
from .spec import FrozenDict, ModelSpec, Rotary

Names: TypeAlias = str | NDArray[np.str_]  # one of the names below, or an array of them

# In the order in which they are tried: the first that applies is the verdict on one spectrum.
VERDICTS = ("infeasible", "beyond_precision", "aliased", "unstable", "unstable_at_depth", "stable")

# From the worst to the best: a model's verdict is that of its worst spectrum.
WORST_FIRST = ("infeasible", "aliased", "unstable", "beyond_precision", "unstable_at_depth", "stable")
NO_ROPE = "no_rope"  # the verdict on a model in which no layer rotates

_ALPHABETIC = np.argsort(WORST_FIRST)


@dataclass(frozen=True)
class RotaryVerdict:
    """Paper A's bounds for one spectrum of a model: numbers, or arrays where `judge` was given arrays."""

    rotary: Rotary
    context_length: Floats  # tokens that these layers see: the context, or a shorter window
    effective_base: Floats
    bounds: FrozenDict  # "aliasing", "stability", "depth" and "precision"
    verdict: Names  # of VERDICTS
    verdict_without_scaling: Names


@dataclass(frozen=True)
class Verdict:
    """What paper A's bounds say of a model."""

    spec: ModelSpec
    context: Floats  # tokens; NaN for a model without rotary that declares none, since it needs none
    epsilon: ArrayLike
    dtype: ArrayLike
    rotaries: tuple[RotaryVerdict, ...]
    verdict: Names  # of the worst spectrum; "no_rope" where there is none


def judge(
    spec: ModelSpec,
    *,
    epsilon: ArrayLike = 0.95,
    dtype: ArrayLike = "float32",
    context: ArrayLike | None = None,
) -> Verdict:
    """Paper A's verdict on a model at a context in tokens, its declared one by default.

    A layer with a window sees no more than that; the depth is the number of layers that a spectrum drives.
    `epsilon`, `dtype` and `context` may be arrays: they broadcast, and so do the numbers of the result.
    Raises ValueError as `classify` does, and if none is given for a model that rotates and declares none.

    >>> from rope_lib.models.config import read_config
    >>> spec = read_config({"model_type": "llama", "num_hidden_layers": 32, "head_dim": 128,
    ...                     "max_position_embeddings": 8192, "rope_theta": 500_000})
    >>> judge(spec).verdict
    'stable'
    >>> [str(verdict) for verdict in judge(spec, context=[8192, 131_072, 1_000_000]).verdict]
    ['stable', 'unstable_at_depth', 'infeasible']
    """
    contexts = _contexts(spec, context)
    rotaries = tuple(_judge_rotary(rotary, contexts, epsilon, dtype) for rotary in spec.rotaries)
    return Verdict(spec, contexts, epsilon, dtype, rotaries, _worst(rotaries, contexts, epsilon, dtype))


def judge_all(
    specs: Iterable[ModelSpec],
    *,
    epsilon: ArrayLike = 0.95,
    dtype: ArrayLike = "float32",
    context: ArrayLike | None = None,
) -> NDArray[np.str_]:
    """The verdicts of `judge` on many models in one pass over arrays: `(models, …)`.

    `epsilon`, `dtype` and `context` broadcast to the axes after the first; without a context each model is
    judged at its declared one. Millions of verdicts take a second, where `judge` spends most of its time
    between small arrays. Raises ValueError as `judge`.

    >>> from rope_lib.models.atlas import atlas_model
    >>> models = [atlas_model("Llama 3 8B"), atlas_model("Llama 2 7B")]
    >>> judge_all(models, context=[2_048, 131_072]).tolist()
    [['stable', 'unstable_at_depth'], ['unstable_at_depth', 'aliased']]
    """
    specs = list(specs)
    contexts = [_contexts(spec, context) for spec in specs]
    shape = np.broadcast_shapes(np.shape(epsilon), np.shape(dtype), *(each.shape for each in contexts))
    spectra = [(model, rotary) for model, spec in enumerate(specs) for rotary in spec.rotaries]
    ranks = np.full((len(specs), *shape), len(WORST_FIRST), dtype=np.int8)
    if spectra:
        bases = _in_front([_effective_base(rotary, contexts[model]) for model, rotary in spectra], shape)
        seen = _in_front([_seen(rotary, contexts[model]) for model, rotary in spectra], shape)
        layers = _in_front([len(rotary.layers) for _, rotary in spectra], shape)
        of_spectra = np.broadcast_to(_ranks(bases, seen, layers, epsilon, dtype), (len(spectra), *shape))
        models, firsts = np.unique([model for model, _ in spectra], return_index=True)
        ranks[models] = np.minimum.reduceat(of_spectra, firsts)
    return np.asarray(_named(ranks))


def _in_front(arrays: Sequence[ArrayLike], shape: tuple[int, ...]) -> Floats:
    """Arrays, broadcast to one shape, stacked on a first axis, before axes that broadcast to `shape`."""
    stacked = np.stack(np.broadcast_arrays(*arrays)).astype(np.float64)
    length, *axes = stacked.shape
    return stacked.reshape(length, *(1,) * (len(shape) - len(axes)), *axes)


def _judge_rotary(rotary: Rotary, context: Floats, epsilon: ArrayLike, dtype: ArrayLike) -> RotaryVerdict:
    seen, layers = _seen(rotary, context), len(rotary.layers)
    effective_base = _effective_base(rotary, context)
    bounds = FrozenDict(
        aliasing=aliasing_bound(seen),
        stability=stability_bound(seen, epsilon),
        depth=stability_bound(seen, epsilon, layers=layers),
        precision=precision_wall(dtype),
    )
    with_scaling, without = (
        classify(base, seen, layers, epsilon=epsilon, dtype=dtype) for base in (effective_base, rotary.base)
    )
    return RotaryVerdict(rotary, seen, effective_base, bounds, with_scaling, without)


def _contexts(spec: ModelSpec, context: ArrayLike | None) -> Floats:
    """The contexts to judge a model at: NaN where none is given, declared or needed."""
    if context is None:
        context = spec.declared_context
    if context is None and spec.rotaries:
        raise ValueError(f"{spec.name} declares no context: give one")
    return np.asarray(np.nan) if context is None else positive("context", context)


def _seen(rotary: Rotary, context: Floats) -> Floats:
    """How much of a context the layers of a spectrum see."""
    return context if rotary.window is None else np.minimum(context, rotary.window)


def _effective_base(rotary: Rotary, context: Floats) -> Any:
    """The effective base at each context, computed once for each that differs."""
    if not is_length_dependent(rotary.scaling["type"]):
        return np.float64(rotary.effective_base(1))
    lengths, inverse = np.unique(context, return_inverse=True)
    bases = np.array([rotary.effective_base(length) for length in lengths])
    return bases[inverse].reshape(context.shape)[()]


def _worst(
    rotaries: tuple[RotaryVerdict, ...], context: Floats, epsilon: ArrayLike, dtype: ArrayLike
) -> Names:
    """The verdict of the worst spectrum, element by element."""
    if not rotaries:
        shape = np.broadcast_shapes(context.shape, np.shape(epsilon), np.shape(dtype))
        return np.full(shape, NO_ROPE) if shape else NO_ROPE
    verdicts = np.broadcast_arrays(*(rotary.verdict for rotary in rotaries))
    ranks = [_ALPHABETIC[np.searchsorted(WORST_FIRST, each, sorter=_ALPHABETIC)] for each in verdicts]
    return _named(np.min(ranks, axis=0))


def classify(
    effective_base: ArrayLike,
    context_length: ArrayLike,
    num_layers: ArrayLike,
    *,
    epsilon: ArrayLike = 0.95,
    dtype: ArrayLike = "float32",
) -> Names:
    """The verdict of paper A's bounds, one of VERDICTS, for a base that a retrofit may have stretched.

    `infeasible`         depth bound ≥ precision wall: no base would do (claim A6)
    `beyond_precision`   base ≥ precision wall (A5)
    `aliased`            base < aliasing bound (A2)
    `unstable`           base < DC-stability bound (A3)
    `unstable_at_depth`  base < depth bound (A4)
    `stable`             none of these

    Any argument may be an array; they broadcast. Returns a string for scalars, else an array of strings.
    Raises ValueError for a base not above 1, a context (in tokens) that is not positive and finite, layers
    that are not a whole number ≥ 1, an epsilon outside (0, 1) or an unknown dtype.

    >>> classify(500_000, 8_192, 32)
    'stable'
    >>> [str(verdict) for verdict in classify(10_000, [2_048, 4_096, 131_072], 32)]
    ['unstable_at_depth', 'unstable', 'aliased']
    """
    return _named(_ranks(effective_base, context_length, num_layers, epsilon, dtype))


def _ranks(
    effective_base: ArrayLike,
    context_length: ArrayLike,
    num_layers: ArrayLike,
    epsilon: ArrayLike,
    dtype: ArrayLike,
) -> NDArray[np.int8]:
    """`classify`, each verdict by its place in WORST_FIRST."""
    base = above_one("effective_base", effective_base)
    context = positive("context_length", context_length)
    layers = whole("num_layers", num_layers, 1)
    zone = goldilocks_zone(context, epsilon=epsilon, layers=layers, dtype=dtype)
    conditions = (
        zone.is_empty,
        base >= zone.upper,
        base < aliasing_bound(context),
        base < stability_bound(context, epsilon),
        base < zone.lower,
    )
    *places, best = (np.int8(WORST_FIRST.index(name)) for name in VERDICTS)
    ranks: NDArray[np.int8] = np.select(np.broadcast_arrays(*conditions), places, default=best)
    return ranks


def _named(ranks: NDArray[np.int8]) -> Names:
    """The verdicts at places in WORST_FIRST, and NO_ROPE after the last: a string for a single one."""
    names = np.array([*WORST_FIRST, NO_ROPE])[ranks]
    return names if np.ndim(names) else str(names)


def disagreements(
    cases: Iterable[CaseStudy], *, epsilon: float = 0.95, dtype: str = "float32"
) -> tuple[int, int]:
    """How many of the given cases the verdict `stable` misjudges, and how many the training length does.

    A case is misjudged if it is called `stable` and does not work, or works and is not called `stable`. The
    other rule knows nothing of RoPE: a context no longer than the longest training sequence works. Raises
    ValueError for a case of unknown behavior or training length.

    >>> from rope_lib.models.case_studies import case_studies
    >>> disagreements([case for case in case_studies() if case.model == "LLaMA-2 7B"])
    (1, 0)
    """
    cases = list(cases)
    for case in cases:
        if case.observed == "unknown" or case.train_length is None:
            raise ValueError(f"cases must be of known behavior and training length, got {case.model}")
    works = np.array([case.observed == "works" for case in cases])
    base, context, layers, trained = np.array(
        [(case.effective_base, case.context_length, case.num_layers, case.train_length) for case in cases]
    ).T
    seen = [case.longest_distance for case in cases]
    stable = classify(base, seen, layers, epsilon=epsilon, dtype=dtype) == "stable"
    return int(np.sum(stable != works)), int(np.sum((context <= trained) != works))
