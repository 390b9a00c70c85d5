"""Published configs of many families, from public copies: read right, or what is open is reported."""

import pytest
from model_configs import refused
from public_configs import PUBLIC

from rope_lib.models import read_model


@pytest.mark.parametrize("name", PUBLIC)
def test_published_config(name):
    config, expected, judged = PUBLIC[name]
    if judged == "refused":
        assert refused(config)
        return
    spec = read_model(config)
    read = [
        (
            rotary.kind,
            len(rotary.layers),
            rotary.base,
            rotary.rotary_dim,
            rotary.window,
            rotary.scaling["type"],
        )
        for rotary in spec.rotaries
    ]
    assert read == (expected or [])
    assert bool(spec.keys.not_understood) == (judged == "flagged"), spec.keys.not_understood
