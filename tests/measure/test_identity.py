"""What determines a measurement of a model: whatever tells two of them apart."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.measure.load import LanguageModel
from rope_lib.measure.store import identity

SWEEP = "rope_lib.measure.sweep"


@dataclass(frozen=True)
class Shift:
    by: int


@pytest.fixture(scope="module")
def model():
    config = LlamaConfig(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    return LanguageModel("tiny", LlamaForCausalLM(config), None, "0" * 64)


def test_an_identity_tells_measurements_apart(model):
    base = identity([SWEEP], model, torch.tensor([1, 2]), lengths=[2], by=Shift(1))
    assert base == identity([SWEEP], model, np.int32([1, 2]), by=Shift(1), lengths=[2])
    assert json.loads(json.dumps(base)) == base
    assert (base["device"], base["dtype"], base["tokens"]) == ("cpu", "float32", 2)
    assert base["options"] == {"lengths": [2], "by": {"Shift": {"by": 1}}}
    half = LanguageModel("tiny", model.network.to(torch.bfloat16), None, "0" * 64)
    other = LanguageModel("tiny", half.network, None, "1" * 64)
    others = [
        identity([SWEEP], model, [2, 1], lengths=[2], by=Shift(1)),
        identity([SWEEP], model, [1, 2], lengths=[2], by=Shift(2)),
        identity([SWEEP], other, [1, 2], lengths=[2], by=Shift(1)),
        identity([SWEEP], half, [1, 2], lengths=[2], by=Shift(1)),
        identity([SWEEP, "rope_lib.measure.held"], model, [1, 2], lengths=[2], by=Shift(1)),
    ]
    texts = {json.dumps(each, sort_keys=True) for each in [base, *others]}
    assert len(texts) == 6
