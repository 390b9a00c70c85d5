"""Interventions: a pretrained model past its training length, with one thing about its attention changed.

That clusters disperse and the loss rises at once does not tell which causes which. Each intervention changes
one thing and leaves the rest: the spectrum (`Spectrum`), the scale of the queries (`Temperature`), or the
turn of one part of the keys (`held.Held`). `interventions` lists those that the book compares.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from rope_lib.theory.arguments import above_one, finite, one, positive, whole
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import rope_id_temperature, scaled_frequencies

from .attending import (
    UNCHANGED,
    Intervention,
    Json,
    attending,
    products,
    spectrum_of,
    trained_length,
)
from .held import Held, Part, all_but, cluster, everything, layer_turns, sink
from .held import key_centers as key_centers
from .huggingface import PreTrainedModel
from .intercept import Vectors, replaced_tables, rotary_module
from .load import LanguageModel

# By how much the retrofits stretch the trained length.
STRETCH = 2


@dataclass(frozen=True, eq=False)
class Spectrum(Intervention):
    """The model rotates by other frequencies, and its cosines and sines carry `attention_factor`.

    `inv_freq` has one number for each pair, in radians per token. Angles are computed in float64.
    """

    inv_freq: NDArray[np.float64]
    attention_factor: float = 1.0

    def __post_init__(self) -> None:
        finite("inv_freq", self.inv_freq)
        one(positive, "attention_factor", self.attention_factor)

    def described(self) -> dict[str, Json]:
        """As for every intervention."""
        numbers = {"inv_freq": list(map(float, self.inv_freq)), "factor": float(self.attention_factor)}
        return super().described() | numbers

    @contextmanager
    def applied(self, network: PreTrainedModel) -> Iterator[None]:
        """As for every intervention. Raises ValueError for a model with another number of pairs."""
        arrange = _arrangement(network)
        if len(self.inv_freq) != len(spectrum_of(network)):
            raise ValueError(
                f"inv_freq must hold one number for each of {len(spectrum_of(network))} pairs, "
                f"got {len(self.inv_freq)}"
            )

        def tables(hidden: torch.Tensor, position_ids: torch.Tensor) -> Vectors:
            angles = position_ids.cpu().double()[..., None] * torch.as_tensor(self.inv_freq).double()
            cos, sin = (
                (arrange(table) * self.attention_factor).to(hidden) for table in (angles.cos(), angles.sin())
            )
            return cos, sin

        with replaced_tables(network, tables):
            yield


def logarithmic_temperature(position: ArrayLike, trained_length: int) -> NDArray[np.float64]:
    """ln t/ln L beyond the trained length L, 1 before: keeps the entropy of attention from growing.

    Softmax over t keys spreads as t grows; scores that grow with ln t undo it. Source: Chiang and Cholak
    2202.12172, who multiply scores by ln of the length, here relative to the length of training.

    >>> logarithmic_temperature([0, 1024, 1024**2], 1024).tolist()
    [1.0, 1.0, 2.0]
    """
    return np.log(np.maximum(finite("position", position), trained_length)) / math.log(trained_length)


@dataclass(frozen=True, eq=False)
class Temperature(Intervention):
    """Queries beyond the `trained` length are multiplied by `factor(positions, trained)`, `(n,)`."""

    trained: int
    factor: Callable[[ArrayLike, int], NDArray[np.float64]] = rope_id_temperature

    def __post_init__(self) -> None:
        one(whole, "trained", self.trained, 2)

    def described(self) -> dict[str, Json]:
        """As for every intervention."""
        return super().described() | {"trained": self.trained, "factor": self.factor.__qualname__}

    @contextmanager
    def applied(self, network: PreTrainedModel) -> Iterator[None]:
        """As for every intervention. Raises ValueError for a model whose attention is not `sdpa`."""

        def attend(
            own: Callable,
            layer: int,
            query: torch.Tensor,
            key: torch.Tensor,
            value: torch.Tensor,
            **options: Any,
        ) -> Any:
            positions = torch.arange(query.shape[2])
            return own(query * self._factors(positions, query), key, value, **options)

        with attending(network, attend):
            yield

    def scores(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """As for every intervention."""
        return products(query * self._factors(positions, query), key)

    def _factors(self, positions: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """The factor at each of the `positions` `(n,)` as a column `(n, 1)`, a tensor like `query`."""
        return torch.from_numpy(self.factor(positions.cpu().numpy(), self.trained)).to(query)[:, None]


def interventions(
    model: LanguageModel, centers: dict[int, torch.Tensor], stretch: float = STRETCH
) -> tuple[Intervention, ...]:
    """The interventions on a model whose context is its training length, in the order the book has them.

    `centers` are its `key_centers`. Spectra stretch the trained length by `stretch`. Raises ValueError for a
    model that is not trained on unscaled RoPE, and as `layer_turns` does.
    """
    network = model.network
    trained, turns = trained_length(network), layer_turns(network)
    stretched = {"factor": stretch, "original_max_position_embeddings": trained}
    base, dim = _base(network), 2 * len(spectrum_of(network))

    def spectrum(name: str, label: str, scaling: str, **parameters: float) -> Spectrum:
        numbers = scaled_frequencies(scaling, base, dim, stretched | parameters, stretch * trained)
        return Spectrum(name, label, *numbers)

    def held(name: str, label: str, part: Part) -> Held:
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


def _arrangement(network: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
    """How a model's tables repeat the columns of pairs for their channels: all again, or each twice."""
    rotary, bank = rotary_module(network), torch.tensor(spectrum_of(network))
    factor = float(rotary.attention_scaling)  # type: ignore[arg-type]  # a number, which torch cannot know
    where = torch.ones(1, 1, dtype=torch.long, device=network.device)
    tables = rotary(torch.zeros(1, 1, 1, device=network.device), where)
    repeated: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
        lambda x: torch.cat([x, x], dim=-1),
        lambda x: x.repeat_interleave(2, dim=-1),
    )
    for arrange in repeated:
        expected = [arrange(table) * factor for table in (bank.cos(), bank.sin())]
        if isinstance(tables, tuple) and all(
            table.shape[-1] == len(wanted) and torch.allclose(table.cpu().flatten(), wanted.to(table.dtype))
            for table, wanted in zip(tables, expected, strict=True)
        ):
            return arrange
    raise ValueError(f"model must rotate by tables of cosines and sines, got {type(network).__name__}")


def _base(network: PreTrainedModel) -> float:
    """The base of a model with unscaled RoPE. Raises ValueError for another model."""
    parameters = network.config.get_text_config().rope_parameters
    bank, base = spectrum_of(network), one(above_one, "rope_theta", parameters.get("rope_theta"))
    if not np.allclose(bank, frequencies(base, 2 * len(bank)), rtol=1e-5, atol=0):
        raise ValueError(f"model must use unscaled RoPE, got rope_type {parameters.get('rope_type')!r}")
    return float(base)
