"""A small random Llama as a GGUF file, with whatever is to be wrong with it."""

import gguf
import numpy as np
from tokenizers import pre_tokenizers

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY = 2, 32, 48, 4, 257

NORMS = ("attn_norm", "ffn_norm")
SHAPES = {
    "attn_q": (HIDDEN, HIDDEN),
    "attn_k": (HIDDEN, HIDDEN),
    "attn_v": (HIDDEN, HIDDEN),
    "attn_output": (HIDDEN, HIDDEN),
    "ffn_gate": (INNER, HIDDEN),
    "ffn_up": (INNER, HIDDEN),
    "ffn_down": (HIDDEN, INNER),
} | dict.fromkeys(NORMS, (HIDDEN,))


def tensors():
    """The tensors of a good file, by name."""
    generator = np.random.default_rng(0)
    shapes = {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in SHAPES.items()}
    return {
        name: generator.standard_normal(shape, dtype=np.float32) / HIDDEN for name, shape in shapes.items()
    }


def write(path, weights, *, layers=LAYERS):
    """Write a GGUF file of these tensors, by name, that claims a number of layers."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e4)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"])
    writer.add_token_types([gguf.TokenType.NORMAL] * VOCABULARY)
    writer.add_token_merges(["a b"])
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
