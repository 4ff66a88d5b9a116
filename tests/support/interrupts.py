"""SIGINT for the processes that tests and benchmarks start."""

import signal


def heed_interrupts() -> None:
    """Let this process and those that it starts heed SIGINT, which processes in the background of a shell ignore. Pulumi's CLI
    ends each plugin by SIGINT, and waits five seconds for one that ignores it. For the main thread."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
