"""What a model's files may ask of the readers: every limit, with its reason.

No file under 1 MB takes more than 2 seconds or 500 MB to be judged. Each limit is far beyond any published
model, so that only a slip or a hostile file meets one; it is refused, with the number and the limit, before
anything is allocated for it.
"""

# Sizes of a model. The widest published models have some 130 layers and heads of 512 channels.
LIMITS = {"num_layers": 10_000, "head_dim": 65_536, "hidden_size": 2**24, "num_heads": 65_536}
LONGEST = 10**12  # tokens

# Different spectra in one model. Published models have at most four; a verdict lists the bounds of each.
MOST_SPECTRA = 256
# Different pairs of a spectrum of one model and one of another, in a comparison of two.
MOST_PAIRS = 1_024
# Frequencies and listed factors of all spectra together: a verdict's JSON prints each, in some 25 bytes.
MOST_FREQUENCIES = 2**18
# Keys in one object that describes a scaling, which is read once for each spectrum. Configs write about ten.
MOST_SCALING_KEYS = 1_000
# Sections of a rotation by axes, such as time, height and width.
MOST_AXES = 64

# Bytes of a JSON file, and values in it: each value costs more memory than its bytes in the file.
LARGEST_CONFIG = 64 * 2**20
MOST_VALUES = 2_000_000
MOST_DIGITS = 300  # of a whole number: beyond float64, and Python reads long ones in quadratic time

# What is read of a GGUF file.
MAX_HEADER = 2**26  # bytes; the largest vocabularies with their merges take some 2^24
MAX_NUMBERS = 65_536  # in one array that is kept; in all tensors together
MAX_STRING = 2**20  # bytes of one string that is kept
MAX_NAME = 65_535  # bytes, of a key by the specification
MAX_KEPT = 2**24  # bytes that all values kept from one file may take
MAX_ENTRIES = 2**16  # keys, tensors, and arrays inside arrays: each at most
MAX_DEPTH = 4  # of arrays in arrays; llama.cpp refuses any
