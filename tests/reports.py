"""What the tests of reports share: small random models, a text, the command, and what a page asks for."""

import re
from html.parser import HTMLParser

import torch
import transformers as t
from click.testing import CliRunner
from small_configs import ALTERNATING, LONGROPE, MLA, SIZES, YARN, neox_rope
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rope_lib.cli import main

LENGTHS = [64, 128]
TEXT = "".join(f"{number} bottles on the wall; take {number % 7} down. " for number in range(99))


# name → (class of the config, its values, whether the fixes apply).
MODELS = {
    "llama": (t.LlamaConfig, SIZES, True),
    "qwen3": (t.Qwen3Config, SIZES, True),
    "gpt_neox": (t.GPTNeoXConfig, SIZES | {"rope_parameters": neox_rope(0.25)}, True),
    "gemma3": (t.Gemma3TextConfig, SIZES | ALTERNATING, False),
    "deepseek_v3": (t.DeepseekV3Config, MLA | {"rope_parameters": YARN}, False),
    "phi3": (
        t.Phi3Config,
        SIZES | {"rope_parameters": LONGROPE, "original_max_position_embeddings": 16},
        False,
    ),
}


def byte_tokenizer():
    """A token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: number for number, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return t.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def save_model(name, path):
    """Save a random model of a name in `MODELS` with a byte-level tokenizer."""
    config, values, _ = MODELS[name]
    torch.manual_seed(0)
    t.AutoModelForCausalLM.from_config(config(**values | {"vocab_size": 256})).save_pretrained(path)
    byte_tokenizer().save_pretrained(path)


def without_tokenizer(folder, tmp_path):
    """A copy of a saved model that has no tokenizer."""
    path = tmp_path / "mute"
    path.mkdir()
    for name in ("config.json", "model.safetensors"):
        (path / name).write_bytes((folder / name).read_bytes())
    return path


def run(*arguments):
    """`rope-lib report` with these arguments."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


class Page(HTMLParser):
    """What a page asks for, and its images."""

    def __init__(self, text):
        super().__init__()
        self.requests, self.images = re.findall(r"url\(|@import|https?://", text), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes)
        if tag in ("script", "link", "iframe", "object", "embed", "base"):
            self.requests.append(tag)
        self.requests += [
            attributes[name]
            for name in ("src", "srcset")
            if not (attributes.get(name) or "data:").startswith("data:")
        ]
