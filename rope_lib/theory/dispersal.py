"""What rotation does to a cloud of vectors that all point one way (paper B, Lemmas 1 and 2, Theorem 1).

The cloud is X = u vᵀ: row p is the vector v times the weight u_p. Before the rotation X has one singular
value, ‖u‖·‖v‖. Rotate row p by its position and list its pairs as complex numbers, then their conjugates:
entry a is u_p·c_a·exp(jp·φ_a) with c = (z, z̄) and the signed frequencies φ = (θ, -θ). The change of basis is
unitary up to √2, so

    R(X)ᵀR(X)/‖u‖²  has the eigenvalues of  ½·diag(c)·T·diag(c)*,   T_ab = Σ_p u_p² exp(jp(φ_a - φ_b))/‖u‖².

T, the *coherence*, holds all that the positions do. Where φ_a = φ_b up to whole turns, T_ab is 1 at every
length; elsewhere it fades as the input grows, unless u² itself oscillates. All below is the largest
eigenvalue of that matrix, exact or bounded. Rotation keeps the Frobenius norm (Lemma 2), so the stable rank
‖X‖_F²/‖X‖₂² of the rotated cloud is 1/ratio² wherever a ratio is returned.

Shapes: `inv_freq` `(pairs,)` in radians per token; v `(..., 2·pairs)`; T `(2·pairs, 2·pairs)`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Complexes, Float64, Floats, finite, on_one_axis, one, whole
from .oscillators import to_complex
from .scaling import scaled_frequencies

# Positions per block of `coherences`: the phases of a block of 64 pairs are four megabytes.
BLOCK = 4_096

# |sin((φ_a - φ_b)/2)| below which two frequencies count as one. Rounding makes some 1e-16 of it, and no input
# is long enough to tell two oscillators so close apart.
SAME = 1e-12


# The spectra that paper B compares (its Figure 7) and RoPE with its first base: scaling and base of each.
COMPARED = {
    "base 10,000": ("default", 1e4),
    "base 500,000": ("default", 5e5),
    "HalfRoPE": ("half_rope", 5e5),
    "HighFreq": ("high_freq", 5e5),
    "RoPE-ID": ("rope_id", 5e5),
}


def compared_spectra(head_dim: int, trained: int) -> dict[str, Floats]:
    """The spectra of `COMPARED` by name, `(head_dim/2,)` each, for a training length in tokens.

    >>> [int((inv_freq > 0).sum()) for inv_freq in compared_spectra(128, 4096).values()]  # pairs that rotate
    [64, 64, 32, 64, 32]
    """
    parameters = {"original_max_position_embeddings": trained}
    return {
        name: scaled_frequencies(scaling, base, head_dim, parameters, trained)[0]
        for name, (scaling, base) in COMPARED.items()
    }


def coherence(inv_freq: ArrayLike, u: ArrayLike) -> Complexes:
    """T for the weights u `(length,)` at positions 0, 1, 2, …: complex, Hermitian, ones on the diagonal.

    Raises ValueError for weights that are all zero, or not finite numbers on one axis.

    >>> coherence([np.pi / 2], [1.0, 1.0]).real.round(12)  # the second position is the first's opposite
    array([[1., 0.],
           [0., 1.]])
    """
    whole_length: Complexes = coherences(inv_freq, u, [np.size(u)])[0]
    return whole_length


def coherences(inv_freq: ArrayLike, u: ArrayLike, lengths: ArrayLike) -> Complexes:
    """T of the first L weights for each L of the increasing `lengths`: `(lengths, 2·pairs, 2·pairs)`.

    One walk over the positions serves all, and holds the phases of one block. Raises ValueError as
    `coherence`, and for lengths that do not increase or exceed the number of weights.

    >>> coherences([np.pi / 2], [1.0, 1.0], [1, 2])[:, 0, 1].real.round(12)
    array([1., 0.])
    """
    freqs, every_weight = _spectrum(inv_freq), on_one_axis("u", finite("u", u), "the positions")
    ends = whole("lengths", lengths, 1).astype(int)
    if ends.ndim != 1 or ends[-1] > every_weight.size or np.any(np.diff(ends) <= 0):
        raise ValueError(f"lengths must increase from 1 to at most {every_weight.size}, got {ends.tolist()}")
    if not np.any(every_weight[: ends[0]]):
        raise ValueError(f"u must not be zero throughout its first {ends[0]} weights")
    first = np.exp(1j * np.multiply.outer(np.arange(min(BLOCK, ends[-1])), freqs))
    # Sums of u_p² exp(jp(θ_i - θ_k)) and of u_p² exp(jp(θ_i + θ_k)).
    same, mirrored = np.zeros((2, freqs.size, freqs.size), complex)
    start, found = 0, []
    for length in ends.tolist():
        while start < length:
            weights = every_weight[start : min(start + BLOCK, length)]
            phases = weights[:, np.newaxis] * first[: weights.size] * np.exp(1j * start * freqs)
            same += phases.T @ phases.conj()
            mirrored += phases.T @ phases
            start += weights.size
        sums = np.block([[same, mirrored], [mirrored.conj(), same.conj()]])
        found.append(sums / np.sum(every_weight[:length] ** 2))
    return np.array(found)


def uniform_coherence(inv_freq: ArrayLike, length: int) -> Complexes:
    """T of equal weights, a geometric sum: exp(jα(L-1)/2)·sin(Lα/2)/(L·sin(α/2)) with α = φ_a - φ_b.

    Raises ValueError for a length that is not a whole number ≥ 1.

    >>> bool(np.allclose(uniform_coherence([0.3, 0.1], 50), coherence([0.3, 0.1], np.ones(50))))
    True
    """
    tokens = one(whole, "length", length, 1)
    half = _differences(inv_freq) / 2
    sine, same = _sines(half)
    kernel = np.exp(1j * (tokens - 1) * half) * np.sin(tokens * half) / (tokens * sine)
    return np.where(same, 1.0, kernel)


def coherence_bound(inv_freq: ArrayLike, length: float) -> Floats:
    """A bound on |T| of equal weights: 1/(length·|sin((φ_a - φ_b)/2)|), never above 1; 1 where φ_a = φ_b.

    For an infinite `length` it is the limit of |T|: 1 for equal frequencies, 0 for others.

    >>> coherence_bound([0.3], np.inf)
    array([[1., 0.],
           [0., 1.]])
    """
    sine, same = _sines(_differences(inv_freq) / 2)
    return np.where(same, 1.0, np.minimum(1.0, 1 / length / np.abs(sine)))


def second_moment(v: ArrayLike, coherence: Complexes, layout: str = "half_split") -> Floats:
    """R(X)ᵀR(X)/(‖u‖·‖v‖)², real, in the channels of the layout: `(..., 2·pairs, 2·pairs)`.

    Raises ValueError where a v is zero or its channels do not match the coherence.

    >>> second_moment([1.0, 0.0], coherence([np.pi / 2], np.ones(400))).round(6) + 0.0
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    z = _oscillators(v, layout, np.shape(coherence)[-1])
    pairs = z.shape[-1]
    # Means over the positions of z_i z̄_k and of z_i z_k hold those of the products of real channels.
    same = z[..., :, np.newaxis] * z[..., np.newaxis, :].conj() * coherence[:pairs, :pairs] / 2
    mirrored = z[..., :, np.newaxis] * z[..., np.newaxis, :] * coherence[:pairs, pairs:] / 2
    plus, minus = mirrored + same, mirrored - same
    moment = np.block([[plus.real, minus.imag], [plus.imag, -minus.real]])
    if layout == "interleaved":
        order = np.arange(2 * pairs).reshape(2, pairs).T.ravel()
        moment = moment[..., order[:, np.newaxis], order]
    return moment


def singular_value_ratio(v: ArrayLike, coherence: Complexes, layout: str = "half_split") -> Float64:
    """First singular value of the rotated cloud over that before, in (0, 1], for each v: shape `(...)`.

    Raises ValueError as `second_moment`.

    >>> inv_freq, v = np.array([1.0, 0.1]), np.array([1.0, 0.0, 0.0, 0.0])
    >>> float(singular_value_ratio(v, uniform_coherence(inv_freq, 10_000)).round(3))  # one pair: 1/√2
    0.707
    """
    ratio: Float64 = np.sqrt(np.linalg.eigvalsh(second_moment(v, coherence, layout))[..., -1])
    return ratio


def first_singular_value_ratio(
    v: ArrayLike, u: ArrayLike, inv_freq: ArrayLike, layout: str = "half_split"
) -> Float64:
    """`singular_value_ratio` of the cloud X = u vᵀ, from its weights u `(length,)`: exact, at that length.

    Raises ValueError as `coherence` and `second_moment`.

    >>> float(first_singular_value_ratio([3.0, 4.0], np.ones(500), [0.0]).round(9))  # at rest: nothing lost
    1.0
    """
    return singular_value_ratio(v, coherence(inv_freq, u), layout)


def ratio_bound(v: ArrayLike, magnitudes: Floats, layout: str = "half_split") -> Float64:
    """An upper bound on the ratio from |T|, or from numbers not below it: √(max_a ½·Σ_b |T_ab|·|c_b|²)/‖v‖.

    With `coherence_bound(inv_freq, length)` it holds for equal weights and needs no eigenvalue. `magnitudes`
    has the shape of T. Raises ValueError as `second_moment`.

    >>> inv_freq, v = [1.0, 0.1], [0.6, 0.0, 0.0, 0.8]
    >>> exact = float(singular_value_ratio(v, uniform_coherence(inv_freq, 100)))
    >>> 0 <= float(ratio_bound(v, coherence_bound(inv_freq, 100))) - exact < 0.1
    True
    """
    squares = np.abs(_oscillators(v, layout, np.shape(magnitudes)[-1])) ** 2
    squares = np.concatenate([squares, squares], axis=-1)
    bound: Float64 = np.sqrt(np.max(squares @ np.transpose(magnitudes), axis=-1) / 2)
    return bound


def slow_pairs_bound(v: ArrayLike, inv_freq: ArrayLike, length: int, layout: str = "half_split") -> Float64:
    """A lower bound on the ratio of equal weights: pairs that turn by less than half a turn stay near.

    √(½·(1 + sin(Lθ)/(L·sin θ))) times the norm of the part of v in pairs no faster than θ ≤ π/L, at its best;
    0 where every pair is faster. Pairs at rest count, with θ = 0, in full. Raises ValueError as
    `second_moment`, and for a length that is not a whole number ≥ 1.

    >>> float(slow_pairs_bound([1.0, 0.0], [np.pi / 1000], 500).round(3))  # √(½ + 1/π)
    0.905
    """
    freqs, tokens = np.abs(_spectrum(inv_freq)), one(whole, "length", length, 1)
    squares = np.abs(_oscillators(v, layout, 2 * freqs.size)) ** 2
    order = np.argsort(freqs)
    held, slow = np.cumsum(squares[..., order], axis=-1), freqs[order]
    sine, same = _sines(slow)
    kept = (1 + np.where(same, 1.0, np.sin(tokens * slow) / (tokens * sine))) / 2
    bound: Float64 = np.sqrt(np.max(held * np.where(slow * tokens <= np.pi, kept, 0.0), axis=-1))
    return bound


def limiting_ratio(v: ArrayLike, inv_freq: ArrayLike, layout: str = "half_split") -> Float64:
    """What the ratio falls to as the input grows, and never below: generically max_i ‖v_i‖/(√2·‖v‖).

    Signed frequencies that agree up to whole turns count together: pairs at rest keep the norm of their
    part of v, and so do those that turn by π a token; m pairs of equal frequency keep √(Σ‖v_i‖²/2). Raises
    ValueError as `second_moment`.

    >>> v = np.array([0.6, 0.0, 0.0, 0.8])  # pairs (0.6, 0) and (0, 0.8)
    >>> limits = [limiting_ratio(v, freqs) for freqs in ([1.0, 0.1], [1.0, 0.0], [0.1, 0.1])]
    >>> [round(float(limit), 4) for limit in limits]  # 0.8/√2; the pair at rest; 1/√2
    [0.5657, 0.8, 0.7071]
    """
    return ratio_bound(v, coherence_bound(inv_freq, np.inf), layout)


def stable_rank(singular_values: ArrayLike) -> Float64:
    """‖X‖_F²/‖X‖₂² from the singular values of X, in any order along the last axis: shape `(...)`.

    From 1, where one singular value is not zero, to their number, where all are equal. Source: paper B,
    Theorem 1 (claim B6).

    >>> stable_rank([[0.0, 2.0], [1.0, 1.0]])
    array([1., 2.])
    """
    squares = finite("singular_values", singular_values) ** 2
    rank: Float64 = squares.sum(axis=-1) / squares.max(axis=-1)
    return rank


def _differences(inv_freq: ArrayLike) -> Floats:
    """φ_a - φ_b of the signed frequencies φ = (θ, -θ)."""
    freqs = _spectrum(inv_freq)
    signed = np.concatenate([freqs, -freqs])
    differences: Floats = np.subtract.outer(signed, signed)
    return differences


def _sines(angles: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Sines to divide by, with 1 in place of those that vanish, and a mask of where they do."""
    sine = np.sin(angles)
    same = np.abs(sine) < SAME
    return np.where(same, 1.0, sine), same


def _oscillators(v: ArrayLike, layout: str, size: int) -> Complexes:
    """The pairs of each v of `size` channels as complex numbers, scaled so that ‖v‖ = 1."""
    z = to_complex(v, layout)
    if 2 * z.shape[-1] != size:
        raise ValueError(f"v must have {size} channels, two to a frequency, got {2 * z.shape[-1]}")
    norm = np.linalg.norm(z, axis=-1, keepdims=True)
    if not np.all(norm):
        raise ValueError("v must not be zero")
    scaled: Complexes = z / norm
    return scaled


def _spectrum(inv_freq: ArrayLike) -> Floats:
    return on_one_axis("inv_freq", finite("inv_freq", inv_freq), "the pairs")
