"""The memory of a pass: the estimate against what a process really took, and what is refused for it."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, GptOssConfig, LlamaConfig, MistralConfig, Qwen3MoeConfig

from rope_lib.measure import memory
from rope_lib.measure.memory import available_bytes, check_fits, longest_that_fits, needed_bytes

SIZES = {
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 2**20,
}
GIB = 2**30


def without_weights(config):
    """A model of a config, shapes only."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.fixture(scope="module")
def llama():
    return without_weights(LlamaConfig(**SIZES))


# Peak beyond what the process holds before the pass, in bytes. The peak of a process never falls: a pass that
# stays below what loading took would measure too little, so the model is small and the pass is not.
PASS = f"""
import re, resource, sys
from pathlib import Path
import psutil, torch
from transformers import AutoModelForCausalLM, LlamaConfig
from rope_lib.measure.memory import LOGIT_CHUNK, needed_bytes

torch.manual_seed(0)
network = AutoModelForCausalLM.from_config(LlamaConfig(**{SIZES!r})).eval()
tokens = torch.arange(int(sys.argv[1])) % {SIZES["vocab_size"]}

def run(tokens):
    with torch.inference_mode():
        hidden = network.get_decoder()(tokens[None], use_cache=False).last_hidden_state[0]
        for start in range(0, len(tokens), LOGIT_CHUNK):
            chunk = slice(start, start + LOGIT_CHUNK)
            torch.nn.functional.cross_entropy(network.get_output_embeddings()(hidden[chunk]), tokens[chunk])

run(tokens[:64])
before = psutil.Process().memory_info().rss
run(tokens)
# Linux hands a process's ru_maxrss on to the program that it starts: the peak of this one alone is VmHWM.
status = Path("/proc/self/status")
if status.exists():
    peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text()).group(1))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak - before, needed_bytes(network, len(tokens)))
"""


@pytest.mark.slow
def test_the_estimate_bounds_what_a_pass_takes_within_a_factor_of_two():
    command = [sys.executable, "-W", "error", "-c", PASS, "16384"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    measured, estimate = map(int, run.stdout.split())
    assert measured < estimate < 2 * measured


def test_more_tokens_need_more(llama):
    needed = [needed_bytes(llama, length) for length in range(256, 65536, 256)]
    assert needed == sorted(needed)


@pytest.mark.parametrize("odd", [{"a": 1}, "64", [], -1, 1e300, True])
def test_keys_that_an_architecture_does_not_know_count_for_nothing(odd, llama):
    keys = ("qk_nope_head_dim", "global_head_dim", "sliding_window", "attention_chunk_size", "layer_types")
    config = LlamaConfig(**SIZES)
    for key in keys:
        setattr(config, key, odd)
    assert needed_bytes(without_weights(config), 512) == needed_bytes(llama, 512)


def growth(network):
    """How many times what a pass needs grows when the length doubles, at lengths where constants vanish."""
    return needed_bytes(network, 2**21) / needed_bytes(network, 2**20)


def test_only_a_matrix_of_scores_or_a_mask_grows_with_the_square_of_the_length(llama):
    assert growth(llama) == pytest.approx(2, abs=0.01)
    assert growth(without_weights(MistralConfig(**SIZES, sliding_window=None))) == pytest.approx(2, abs=0.01)
    assert growth(without_weights(MistralConfig(**SIZES, sliding_window=4096))) == pytest.approx(4, abs=0.1)
    network = without_weights(
        GptOssConfig(**SIZES, num_local_experts=4)
    )  # it cannot attend by torch's function
    assert network.config._attn_implementation == "eager"
    assert growth(network) == pytest.approx(4, abs=0.1)
    heads_of_scores = 3 * 4 * SIZES["num_attention_heads"] * 4096**2
    assert heads_of_scores < needed_bytes(network, 4096) < 1.3 * heads_of_scores


def test_a_window_longer_than_the_input_takes_no_mask():
    windowed = without_weights(MistralConfig(**SIZES, sliding_window=4096))
    without = without_weights(MistralConfig(**SIZES, sliding_window=None))
    assert needed_bytes(windowed, 4095) == needed_bytes(without, 4095)
    mask = 4096**2
    assert needed_bytes(windowed, 4096) - needed_bytes(without, 4096) >= mask


def test_every_chosen_expert_adds_tokens():
    experts = {"num_experts": 16, "moe_intermediate_size": 512}
    few, many = (
        without_weights(Qwen3MoeConfig(**SIZES, **experts, num_experts_per_tok=count)) for count in (2, 8)
    )
    rows = 6 * 8192 * 4  # six times more rows for each of 8,192 tokens, float32
    assert needed_bytes(many, 8192) - needed_bytes(few, 8192) >= rows * SIZES["hidden_size"]


def test_the_longest_length_fits_and_the_next_does_not(llama):
    for available in (GIB // 2, GIB, 7 * GIB):
        longest = longest_that_fits(llama, available)
        assert longest > 0
        assert longest % 256 == 0
        assert needed_bytes(llama, longest) <= available < needed_bytes(llama, longest + 256)
    assert longest_that_fits(llama, 1000) == 0


def test_a_length_that_does_not_fit_is_refused_in_one_line(llama, refuses):
    longest = longest_that_fits(llama, GIB)
    assert check_fits(llama, longest, GIB) is None
    needed = needed_bytes(llama, 2**20) / GIB
    refuses(
        lambda: check_fits(llama, 2**20, GIB),
        f"length must fit in memory: 1048576 tokens need about {needed:.1f} GiB, 1.0 GiB are available, "
        f"and at most {longest} tokens fit",
    )


def test_without_a_number_the_free_memory_of_the_device_counts(llama, monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "available_bytes", lambda device: asked.append(device) or 0)
    with pytest.raises(ValueError, match="at most 0 tokens fit"):
        check_fits(llama, 256)
    assert asked == [llama.device]


def test_what_is_free_on_the_cpu_is_less_than_the_machine_has():
    import psutil

    assert 0 < available_bytes("cpu") <= psutil.virtual_memory().total


def test_a_machine_without_control_groups_is_asked_for_its_memory(monkeypatch):
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=12345))
    monkeypatch.setattr(memory, "_group_bytes", lambda root: iter(()))
    assert available_bytes("cpu") == 12345


def group(root, folder, **files):
    path = root / "sys/fs/cgroup" / folder
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(f"{text}\n")


def of_process(root, *lines):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in lines))


def test_limits_of_version_2_count_at_every_level(tmp_path):
    of_process(tmp_path, "0::/outer/inner")
    stat = "anon 5\ninactive_file 30"
    group(tmp_path, "outer/inner", memory__max="max", memory__current=40, memory__stat=stat)
    group(tmp_path, "outer", memory__max=1000, memory__current=400, memory__stat=stat)
    group(tmp_path, ".", memory__stat=stat)  # the root has no limit to read
    assert list(memory._group_bytes(tmp_path)) == [630]


def test_limits_of_version_1_count(tmp_path):
    of_process(tmp_path, "5:cpu,cpuacct:/a", "4:memory:/a", "0::/")
    files = {"memory__usage_in_bytes": 900, "memory__stat": "inactive_file 1\ntotal_inactive_file 50"}
    group(tmp_path, "memory/a", memory__limit_in_bytes=800, **files)
    group(tmp_path, "memory", memory__limit_in_bytes=2000, **files)
    assert list(memory._group_bytes(tmp_path)) == [0, 1150]


def test_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path):
    of_process(tmp_path, "0::/somewhere/outside")
    group(tmp_path, ".", memory__max=700, memory__current=100, memory__stat="inactive_file 0")
    assert list(memory._group_bytes(tmp_path)) == [600]


def test_other_systems_have_no_control_groups(tmp_path):
    assert list(memory._group_bytes(tmp_path)) == []
