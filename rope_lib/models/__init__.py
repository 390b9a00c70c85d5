"""Published models as data, and what paper A's bounds say of them; on numpy and the theory alone.

``read_model``    a model's files, of any convention, as a ``ModelSpec``.
``atlas``         published models, each a ``ModelSpec`` with its source.
``judge``         paper A's bounds put together into one verdict on a model.
``judge_all``     the verdicts on many models, contexts, ε and number types at once.
``case_studies``  published models at a context, with what is known of how they behave there.
"""

from .atlas import atlas
from .read import read_model
from .spec import ModelSpec, Rotary
from .verdicts import Verdict, judge, judge_all

__all__ = ["ModelSpec", "Rotary", "Verdict", "atlas", "judge", "judge_all", "read_model"]
