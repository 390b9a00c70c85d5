"""Interventions: a pretrained model past its training length, with one thing about its attention changed.

That clusters disperse and loss rises together does not say which causes which. Each intervention changes one
thing and leaves the rest: the spectrum (`Spectrum`), the scale of the queries (`Temperature`), or the turn of
one part of the keys (`held.Held`). `interventions` lists those that the book compares.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from rope_lib.theory.arguments import above_one, finite, one, positive, whole
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies

from .attending import UNCHANGED, Intervention, attending, products, spectrum_of, trained_length
from .held import Held, all_but, cluster, everything, layer_turns, sink
from .held import key_centers as key_centers
from .intercept import replaced_tables, rotary_module

# By how much the retrofits stretch the trained length.
STRETCH = 2


@dataclass(frozen=True, eq=False)
class Spectrum(Intervention):
    """The model rotates by other frequencies, and its cosines and sines carry `attention_factor`.

    `inv_freq` has one number for each pair, in radians per token. Angles are computed in float64.
    """

    inv_freq: np.ndarray
    attention_factor: float = 1.0

    def __post_init__(self):
        finite("inv_freq", self.inv_freq)
        one(positive, "attention_factor", self.attention_factor)

    def described(self):
        """As for every intervention."""
        numbers = {"inv_freq": list(map(float, self.inv_freq)), "factor": float(self.attention_factor)}
        return super().described() | numbers

    @contextmanager
    def applied(self, network):
        """As for every intervention. Raises ValueError for a model with another number of pairs."""
        arrange = _arrangement(network)
        if len(self.inv_freq) != len(spectrum_of(network)):
            raise ValueError(
                f"inv_freq must hold one number for each of {len(spectrum_of(network))} pairs, "
                f"got {len(self.inv_freq)}"
            )

        def tables(hidden, position_ids):
            angles = position_ids.cpu().double()[..., None] * torch.as_tensor(self.inv_freq).double()
            return tuple(
                (arrange(table) * self.attention_factor).to(hidden) for table in (angles.cos(), angles.sin())
            )

        with replaced_tables(network, tables):
            yield


def rope_id_temperature(positions, trained):
    """(1 + 0.1·ln(t/L))² beyond the trained length L, 1 before: RoPE-ID's factor on queries.

    It is YaRN's temperature with the stretch t/L at position t. Source: paper B, claim B9.

    >>> rope_id_temperature(torch.tensor([0, 4096, 8192]), 4096).round(decimals=4).tolist()
    [1.0, 1.0, 1.1434]
    """
    return (1 + 0.1 * (positions.double().clamp(min=trained) / trained).log()) ** 2


def logarithmic_temperature(positions, trained):
    """ln t/ln L beyond the trained length L, 1 before: keeps the entropy of attention from growing.

    Softmax over t keys spreads as t grows; scores that grow with ln t undo it. Source: Chiang and Cholak
    2202.12172, who multiply scores by ln of the length, here relative to the length of training.

    >>> logarithmic_temperature(torch.tensor([0, 1024, 1024**2]), 1024).tolist()
    [1.0, 1.0, 2.0]
    """
    return positions.double().clamp(min=trained).log() / math.log(trained)


@dataclass(frozen=True, eq=False)
class Temperature(Intervention):
    """Queries at and beyond the `trained` length are multiplied by `factor(positions, trained)`."""

    trained: int
    factor: Callable = rope_id_temperature

    def __post_init__(self):
        one(whole, "trained", self.trained, 2)

    def described(self):
        """As for every intervention."""
        return super().described() | {"trained": self.trained, "factor": self.factor.__qualname__}

    @contextmanager
    def applied(self, network):
        """As for every intervention. Raises ValueError for a model whose attention is not `sdpa`."""

        def attend(own, layer, query, key, value, **options):
            positions = torch.arange(query.shape[2])
            return own(query * self._factors(positions, query), key, value, **options)

        with attending(network, attend):
            yield

    def scores(self, layer, query, key, positions):
        """As for every intervention."""
        return products(query * self._factors(positions, query), key)

    def _factors(self, positions, query):
        return self.factor(positions.cpu(), self.trained).to(query)[:, None]


def interventions(model, centers, stretch=STRETCH):
    """The interventions on a model whose context is its training length, in the order of their telling.

    `centers` are its `key_centers`. Spectra stretch the trained length by `stretch`. Raises ValueError for
    a model that is not trained on unscaled RoPE, and as `layer_turns` does.
    """
    network = model.network
    trained, turns = trained_length(network), layer_turns(network)
    stretched = {"factor": stretch, "original_max_position_embeddings": trained}
    base, dim = _base(network), 2 * len(spectrum_of(network))

    def spectrum(name, label, scaling, **parameters):
        numbers = scaled_frequencies(scaling, base, dim, stretched | parameters, stretch * trained)
        return Spectrum(name, label, *numbers)

    def held(name, label, part):
        return Held(name, label, trained, part, turns, centers)

    return (
        UNCHANGED,
        spectrum("linear", f"position interpolation ×{stretch}", "linear"),
        spectrum("ntk", f"NTK ×{stretch}", "ntk"),
        spectrum("yarn", f"YaRN ×{stretch}", "yarn"),
        spectrum("llama3", f"Llama 3 scaling ×{stretch}", "llama3", low_freq_factor=1, high_freq_factor=4),
        spectrum("hope", "slow pairs at rest", "hope"),
        Temperature("temperature", "temperature of RoPE-ID", trained),
        held("clipped", "all distances clipped", everything),
        held("sink", "sink held", sink),
        held("all_but_sink", "all held but the sink", partial(all_but, sink)),
        held("cluster", "cluster centers held", cluster),
        held("all_but_cluster", "all held but the centers", partial(all_but, cluster)),
    )


def _arrangement(network):
    """How a model's tables repeat each pair's column for its two channels: one after another, or at once."""
    rotary, bank = rotary_module(network), torch.tensor(spectrum_of(network))
    where = torch.ones(1, 1, dtype=torch.long, device=network.device)
    tables = rotary(torch.zeros(1, 1, 1, device=network.device), where)
    for arrange in (lambda x: torch.cat([x, x], dim=-1), lambda x: x.repeat_interleave(2, dim=-1)):
        expected = [arrange(table) * rotary.attention_scaling for table in (bank.cos(), bank.sin())]
        if isinstance(tables, tuple) and all(
            table.shape[-1] == len(wanted) and torch.allclose(table.cpu().flatten(), wanted.to(table.dtype))
            for table, wanted in zip(tables, expected, strict=True)
        ):
            return arrange
    raise ValueError(f"model must rotate by tables of cosines and sines, got {type(network).__name__}")


def _base(network):
    """The base of a model with unscaled RoPE."""
    parameters = network.config.get_text_config().rope_parameters
    bank, base = spectrum_of(network), one(above_one, "rope_theta", parameters.get("rope_theta"))
    if not np.allclose(bank, frequencies(base, 2 * len(bank)), rtol=1e-5, atol=0):
        raise ValueError(f"model must use unscaled RoPE, got rope_type {parameters.get('rope_type')!r}")
    return float(base)
