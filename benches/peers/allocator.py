"""Import it first: starts the program again with an allocator that keeps freed memory.

By default, glibc returns arrays of more than 32 MiB to the system when they are freed, and the system zeroes every page
again: half of the time of a training step with 512 sentences. Our trainer changes the same settings of the allocator.
"""

import os
import sys

SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}

if any(name not in os.environ for name in SETTINGS):
    os.execve(sys.executable, sys.orig_argv, {**SETTINGS, **os.environ})
