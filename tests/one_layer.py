"""A small random model of one layer, for tests of losses."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.measure.load import LanguageModel


def one_layer_model() -> LanguageModel:
    """The same weights at each call; 64 tokens of vocabulary and of declared length."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        head_dim=8, max_position_embeddings=64, attn_implementation="sdpa", initializer_range=0.5,
    )  # fmt: skip
    return LanguageModel("tiny", LlamaForCausalLM(config).eval(), None, "0" * 64)
