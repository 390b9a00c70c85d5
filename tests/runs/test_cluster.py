"""Workers of this machine heed their sweep alone, and start whatever the terminal says."""

import asyncio
import os
import signal
import urllib.request
from pathlib import Path

import psutil
import pytest
from distributed import Security
from distributed.core import rpc

from rope_lib.runs import cluster


def listening():
    """The addresses at which this process and its children wait for connections."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [each for process in processes for each in process.net_connections("tcp")]
    return {f"{each.laddr.ip}:{each.laddr.port}" for each in found if each.status == psutil.CONN_LISTEN}


def answers(address, security, seconds=0.5):
    """Whether a Dask process at an address answers one who has these keys, or none."""
    connection = security.get_connection_args("client")
    protocol = "tls" if security.require_encryption else "tcp"

    async def call():
        async with rpc(f"{protocol}://{address}", timeout=seconds, connection_args=connection) as process:
            return await process.identity()

    try:
        return bool(asyncio.run(asyncio.wait_for(call(), seconds)))
    except OSError:  # a timeout is one
        return False


@pytest.mark.slow
def test_workers_of_this_machine_answer_to_their_sweep_alone():
    before, others = listening(), psutil.Process().children(recursive=True)
    with cluster.connected(workers=1) as client:
        scheduler = client.scheduler.address.partition("://")[2]
        assert answers(scheduler, client.security, 10)
        places = listening() - before
        assert {scheduler} < places  # and the worker, its nanny, two web servers
        assert all(place.startswith("127.0.0.1:") for place in places)
        for place in places:
            assert not any(answers(place, security) for security in (Security(), Security.temporary()))
            with pytest.raises(OSError):  # noqa: PT011 (a status 404, or no HTTP at all)
                urllib.request.urlopen(f"http://{place}/health", timeout=2)
        assert client.submit(sum, [1, 2, 3]).result() == 6
        if Path("/proc/self/status").exists():
            mine = set(psutil.Process().children(recursive=True)) - set(others)
            assert mine
            assert all(is_deaf(child.pid) for child in mine)


def is_deaf(process):
    """Whether a process blocks or ignores an interrupt, which a terminal sends to children too."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    states = dict(line.split(":", 1) for line in lines)
    return any(int(states[name], 16) >> (signal.SIGINT - 1) & 1 for name in ("SigBlk", "SigIgn"))


def test_an_interrupt_waits_until_the_workers_have_started():
    began = []

    def start():
        with cluster._interrupts_put_off():
            signal.raise_signal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            began.append(True)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert began
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with cluster._interrupts_put_off():
        began.append(True)
