"""The settings that several claims share."""

EPSILON = 0.95  # the similarity to keep, as reported second-hand for paper A
BASE, HEAD_DIM = 10_000, 128  # the base of paper A's figure and the head size of the models it studies
TRAINED = 4_096  # the training length that paper B's spectra are built for
