"""Executable companion to two papers on rotary position embeddings.

The floors, in the one direction that data flows: ``theory`` (numpy alone), ``models`` (published models as
data), ``measure`` (torch: a real model's queries and keys) and ``train`` (torch: small models of our own),
``findings`` (from tables to numbers), ``claims`` and ``report``, ``cli``. Two ground floors serve them:
``runs`` keeps results and runs grids, ``figures`` draws what it is given. Importing ``rope_lib`` imports none
of them.
"""

__version__ = "0.1.0"
