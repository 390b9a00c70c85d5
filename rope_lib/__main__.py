"""Where the program `rope-lib` begins, also as `python -P -m rope_lib`.

Before any of this runs Python itself has started, which no program can guard: an interrupt of these first
hundredths of a second is Python's to report.
"""

import os  # these two are loaded with Python itself
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python has looked for some modules of its own in the current folder, and would for all that follow.
    advice = "run rope-lib, or python -P -m rope_lib"
    print(f"Error: python -m runs modules that lie in the current folder: {advice}", file=sys.stderr)
    sys.exit(2)

INTERRUPTED = 130

try:
    import signal
except KeyboardInterrupt:
    os.write(2, b"Stopped.\n")
    os._exit(INTERRUPTED)


def main() -> None:
    """Run the command; an interrupt ends it in one line, with status 130, from the first instruction on."""
    try:
        heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if heeded:  # and not a shell that runs this in the background
            signal.signal(signal.SIGINT, _stop)
        from rope_lib.cli import main as command

        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:
        _stop()


def _stop(*_: object) -> None:
    """End the process at once: raised as an error, an interrupt of an import may be printed and forgotten."""
    try:
        os.write(2, b"Stopped.\n")
    finally:
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
