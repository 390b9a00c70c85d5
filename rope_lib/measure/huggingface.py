"""What this library uses of transformers and of the Hugging Face hub, imported without a warning.

In a notebook both ask tqdm for a progress bar made of widgets, and tqdm warns on import where the package
ipywidgets is not installed. Nothing here shows such a bar. Where the package `kernels` is installed,
transformers would fetch compiled code from the hub and run it: it is told not to.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["USE_HUB_KERNELS"] = "0"  # read when transformers is imported

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="IProgress not found")
    import tqdm.auto  # noqa: F401 - imported only once in a process, so it is silent from here on

from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers import __version__ as transformers_version
from transformers.integrations import sdpa_attention
from transformers.modeling_gguf_pytorch_utils import (
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.utils import ModelOutput
from transformers.utils import logging as transformers_logging

__all__ = [
    "ALL_ATTENTION_FUNCTIONS",
    "CONFIG_MAPPING_NAMES",
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "ModelOutput",
    "PreTrainedModel",
    "PreTrainedTokenizerBase",
    "PretrainedConfig",
    "gguf_options",
    "gguf_tensor_names",
    "quiet",
    "sdpa_attention",
    "snapshot_download",
    "transformers_version",
]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and notices within the context; errors still show."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()


def gguf_options() -> dict[str, object]:
    """The options with which transformers dequantizes a GGUF file itself, without a kernel from the hub."""
    try:
        from transformers import GgufConfig
    except ImportError:  # older releases know no other way
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def gguf_tensor_names(network: PreTrainedModel, architecture: str) -> set[str] | None:
    """The names that transformers reads from a GGUF file into `network`.

    None for an architecture whose loader reports itself what it leaves unread.
    """
    try:
        from transformers.integrations.gguf import GGUF_ARCHS
    except ImportError:
        GGUF_ARCHS = {}
    if architecture in GGUF_ARCHS:
        return None
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=network.config.to_dict())
    return set(get_gguf_hf_weights_map(network, processor))
