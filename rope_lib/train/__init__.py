"""Controlled experiments: a transformer small enough to read, trained on generated tasks or on real text.

``spectrum``     which frequencies a model rotates by, in which arithmetic, at which temperature.
``transformer``  the model: a Llama in miniature.
``tasks``        generated tasks whose answers stand at a known distance; ``language`` for bytes of real text.
``config``       one run as a frozen dataclass, read strictly from TOML.
``loop``         training that a kill at any moment does not change.
``evaluate``     loss by position, accuracy by distance, the geometry of the keys.
``run``          one config in, plain tables out.
"""
