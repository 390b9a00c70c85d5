"""The device that computes, by name."""

import torch


def choose_device(name: str) -> str:
    """The name of a device of this machine: `name` itself, or for "auto" the best there is.

    The best is "cuda" before "mps" before "cpu"; one of several GPUs is "cuda:1". Raises ValueError for a
    device that this machine does not have.

    >>> choose_device("cpu")
    'cpu'
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    names = [device for device, present in available.items() if present]
    if name == "auto":
        return names[0]
    if str(name).partition(":")[0] not in names:
        allowed = f"auto or one that this machine has ({', '.join(names)})"
        raise ValueError(f"device must be {allowed}, got {name!r}")
    return name
