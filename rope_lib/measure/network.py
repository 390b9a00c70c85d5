"""Load a network from a scratch folder of accepted files: every weight from a tensor, every tensor used.

transformers fills what is missing or of another shape with random numbers, and passes over what it does not
know. Here each is refused by name, as are numbers that are not finite.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .folder import Shapes, check_sizes, known_extra, line_of, printable
from .huggingface import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel, quiet

# What a network may take of memory beyond twice its tensors, in numbers: buffers of sines, masks, weights
# that some models fill themselves.
MOST_COMPUTED = 2**27


def load_network(
    scratch: Path, source: object, shapes: Shapes, dtype: torch.dtype, **options: Any
) -> tuple[PreTrainedModel, set[str]]:
    """The network of a scratch folder that holds tensors of these `shapes`, and the names left unused.

    `options` say which file is read, if not the safetensors. Raises ValueError, in one line that begins with
    `source`, for what cannot be loaded, and names the weight that is missing, of another shape, not finite.
    """
    with quiet(), _blaming(source):
        given = {key: value for key, value in options.items() if key == "gguf_file"}
        config = AutoConfig.from_pretrained(scratch, local_files_only=True, trust_remote_code=False, **given)
    check_sizes(Path(str(source)), config.to_dict(), len(shapes))
    _check_memory(source, config, shapes)
    with quiet(), _blaming(source):
        network, loading = AutoModelForCausalLM.from_pretrained(
            scratch,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
            **options,
        )
    _check_loading(source, loading)
    check_finite(source, network)
    return network, set(loading["unexpected_keys"])


def refuse_extras(
    source: object,
    names: Iterable[str],
    config: Mapping[str, Any],
    known: Callable[[str, Mapping[str, Any]], bool] = known_extra,
) -> None:
    """Raise ValueError if a network leaves a tensor unused that is not `known` to be harmless."""
    extra = sorted(name for name in names if not known(name, config))
    if extra:
        raise ValueError(f"{source}: {_named(extra, 'tensor', 'not part of this model')}")


def check_finite(source: object, network: torch.nn.Module) -> None:
    """Raise ValueError if a weight of a network is infinite or not a number, in the type it was loaded in."""
    for name, weight in network.state_dict().items():
        if not weight.is_floating_point() or not weight.numel():
            continue
        low, high = torch.aminmax(weight)
        if not (torch.isfinite(low) and torch.isfinite(high)):
            number_type = str(weight.dtype).removeprefix("torch.")
            raise ValueError(f"{source}: weight {printable(name)} must be finite in {number_type}")


def _check_memory(source: object, config: PretrainedConfig, shapes: Shapes) -> None:
    """Refuse a config that describes far more than there are tensors, before anything is allocated."""
    with quiet(), _blaming(source), torch.device("meta"):
        outline = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    there = sum(torch.Size(shape).numel() for shape in shapes.values())
    described = sum(weight.numel() for weight in outline.parameters())
    computed = sum(buffer.numel() for buffer in outline.buffers())
    if described + computed > 2 * there + MOST_COMPUTED:
        raise ValueError(
            f"{source}: config describes {described + computed:,} numbers, and the tensors hold {there:,}"
            f"{_first_difference(outline, shapes)}"
        )


def _first_difference(outline: torch.nn.Module, shapes: Shapes) -> str:
    """The end of a sentence that names a weight of another shape, if there is one."""
    for name, weight in outline.state_dict().items():
        if name in shapes and shapes[name] != tuple(weight.shape):
            expected, got = list(weight.shape), list(shapes[name])
            return f"; {printable(name)} must have shape {expected}, got {got}"
    return ""


def _check_loading(source: object, loading: Mapping[str, Any]) -> None:
    """Raise ValueError for weights that the loader filled with random numbers."""
    if mismatched := sorted(loading["mismatched_keys"]):
        name, got, expected = mismatched[0]
        shape = f"shape {list(expected)}, got {list(got)}"
        raise ValueError(f"{source}: weight {printable(name)} must have {shape}")
    if missing := sorted(loading["missing_keys"]):
        raise ValueError(f"{source}: {_named(missing, 'weight', 'missing')}")


def _named(names: Sequence[str], what: str, wrong: str) -> str:
    """How many tensors are wrong, and the name of the first."""
    first = printable(names[0])
    if len(names) == 1:
        return f"1 {what} is {wrong}: {first}"
    return f"{len(names)} {what}s are {wrong}, among them {first}"


class _blaming:
    """Turn what a loader raises within the context, which depends on the damage, into one line."""

    def __init__(self, source: object) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ValueError(f"{self.source}: cannot be loaded ({line_of(error)})") from error
