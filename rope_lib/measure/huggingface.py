"""What this library uses of transformers and of the Hugging Face hub, imported without a warning.

In a notebook both ask tqdm for a progress bar made of widgets, and tqdm warns on import where the package
ipywidgets is not installed. Nothing here shows such a bar.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="IProgress not found")
    import tqdm.auto  # noqa: F401 - imported only once in a process, so it is silent from here on

from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers import __version__ as transformers_version
from transformers.integrations import sdpa_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.utils import ModelOutput
from transformers.utils import logging as transformers_logging

__all__ = [
    "ALL_ATTENTION_FUNCTIONS",
    "CONFIG_MAPPING_NAMES",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "ModelOutput",
    "PreTrainedModel",
    "PreTrainedTokenizerBase",
    "sdpa_attention",
    "snapshot_download",
    "transformers_logging",
    "transformers_version",
]
