"""A real model, measured: load it, intercept its queries and keys, reduce them while the layers run.

``tables``        what a measurement's tables hold, and how to select from them; needs no torch.
``text``          the text that the book measures on; needs no torch.
``texts``         texts of six kinds without repetition; needs no torch.
``tuning_text``   a text to tune on that shares nothing with those; needs no torch.
``subjects``      the models of Part II by name.
``joined``        a model that comes in parts, joined and verified.
``device``        the choice of the device that computes.
``huggingface``   what is used of transformers, imported without its warnings.
``folder``        what of a stranger's folder becomes a model: safetensors, a cleaned config, a tokenizer.
``network``       a network of which every weight is a tensor of the files.
``converted``     the safetensors made from a GGUF file, kept and checked.
``tokenizers``    a tokenizer, tried in a child process before it is run.
``load``          the packaged SmolLM2-135M, or any causal model on any device.
``rotation``      how a model rotates: probed, so that what cannot be captured is refused.
``intercept``     every layer's queries and keys, before and after the rotation, of a running model.
``geometry``      stable rank, first singular value, principal axes, overlap of clouds of vectors.
``clouds``        the clouds of one layer, each reduced to a few numbers for every head.
``scores``        what some queries attend to, and how scores depend on distance.
``losses``        loss by position, a chunk of logits at a time.
``sweep``         `measure`: all of these at several lengths, one forward pass where the model allows it.
``forecast``      how keys and queries will look on longer inputs, from one pass over a short one.
``forecasts``     forecasts in small tables that are kept, with what their rivals know.
``memory``        what a pass needs, and the longest input that fits.
``store``         what determines a measurement: the key under which `rope_lib.runs.store` keeps it.
``attending``     the base of an intervention, and the place where a model attends.
``held``          interventions that stop the turn of part of each key at a distance.
``interventions`` all ways to run a model with one thing about its attention changed.
``gaps``          the loss with a gap in the positions of full layers.
``matched``       which pairs of a query and a key match, by the tokens alone; needs no torch.
``matched_scores`` angles, scores and margins over the sink of matched and unmatched pairs.
``turning``       the vectors of a layer, turned to other distances.
``logits``        changes of the scores of attention, each of which cuts the mechanism at one place.
``turns``         how each layer turns, where layers differ.
``mechanism``     every such change on one model and text: loss, attention and overlap.
``trials``        the interventions tried one after the other, in small tables.
``every_model``   the geometry of a model on a text, in the small tables that are kept.
``reference``     the measurement of the packaged model that chapters share.
``positions``     experiments on the positions themselves: shifts, number types, misalignment.
"""
