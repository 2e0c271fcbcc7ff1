"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell starts what it puts into the background with SIGINT ignored, and programs hand that on: Ctrl-C would do
# nothing in tests of Ctrl-C (POSIX, 2.11 Signals and Error Handling).
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
