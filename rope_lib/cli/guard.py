"""How the command ends: whatever happens, one line on standard error at most and a documented exit status.

A result on standard output, and 0. Where that fails: `InputError`'s 2 for input, 1 for the rest, 130 for an
interrupt, and 141, in silence, where what reads the output has seen enough (`rope-lib atlas | head`).
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import click

from rope_lib.runs.errors import one_line, printable

TRACEBACK = "ROPE_LIB_TRACEBACK"  # the variable that shows where an unexpected failure arose
RESUMABLE = ("report", "train", "sweep")  # the same command goes on where these were stopped

INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the number of the signal, as shells count


class Stopped(click.ClickException):
    """The user interrupted the command."""

    exit_code = INTERRUPTED

    def __init__(self, command: str | None = None) -> None:
        super().__init__("Stopped; the same command goes on." if command in RESUMABLE else "Stopped.")

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(self.message, file=file, err=True)


class _PipeClosed(click.ClickException):
    """What reads the output wants no more of it."""

    exit_code = PIPE_CLOSED

    def __init__(self) -> None:
        super().__init__("")

    def show(self, file: Any = None) -> None:
        """Print nothing."""


class Guarded(click.Group):
    """A command whose every failure, in itself or in a subcommand, is one line and an exit status."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options, which may already print help."""
        try:
            return super().make_context(*args, **extra)
        except KeyboardInterrupt:  # of which click would make an empty line and an error
            raise Stopped() from None
        except BrokenPipeError:
            raise _PipeClosed from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; raises `Stopped` for an interrupt, whatever error became of it on its way."""
        with _interrupts() as interrupts:
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                raise Stopped(ctx.invoked_subcommand) from None
            except BrokenPipeError:
                raise _PipeClosed from None
            except Exception:
                if interrupts:  # which another library answered with an error of its own
                    raise Stopped(ctx.invoked_subcommand) from None
                raise

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and exit; without `standalone_mode`, return its value or raise its error."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        for stream in (sys.stdout, sys.stderr):  # whatever encoding a terminal has
            with contextlib.suppress(AttributeError, ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # where it has one
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            if sys.stdout is not None:
                sys.stdout.flush()
            status = status if isinstance(status, int) else 0
        except (click.Abort, KeyboardInterrupt, EOFError):
            status = _say(Stopped())
        except click.ClickException as error:
            status = _say(error)
        except BrokenPipeError:
            status = PIPE_CLOSED
        except MemoryError:
            status = _say(click.ClickException("there is not enough memory for this"))
        except OSError as error:
            status = _say(click.ClickException(one_line(error) or type(error).__name__))
        except Exception as error:
            if os.environ.get(TRACEBACK):
                raise
            status = _say(click.ClickException(_unexpected(error)))
        if args is None:  # as a program: nothing is left to do, and no late interrupt has anything to stop
            _forget_output()
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.exit(status)


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect the interrupts that arrive; each still raises KeyboardInterrupt."""
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        signal.default_int_handler(number, frame)

    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield arrived  # a shell that runs it in the background, or a caller, has decided otherwise
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield arrived
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _say(error: click.ClickException) -> int:
    """Print an error's line, as far as standard error takes it; return its exit status."""
    vars(error).update(message="\n".join(map(printable, error.message.splitlines())))
    with contextlib.suppress(OSError, ValueError):
        error.show()
    return error.exit_code


def _unexpected(error: Exception) -> str:
    what = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    return f"unexpected {what}; this is a fault of rope-lib, and {TRACEBACK}=1 in the environment shows where"


def _forget_output() -> None:
    """Let go of what a full disk or a closed pipe did not take, or Python would fail on it as it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
