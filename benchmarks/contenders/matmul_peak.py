"""How many bf16 operations a second this machine does at best: a large product of square matrices.

    python benchmarks/contenders/matmul_peak.py THREADS

Prints operations a second.
"""

import sys
import time

import torch

WIDTH, TIMES = 2048, 12

if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    matrix = torch.randn(WIDTH, WIDTH).bfloat16()
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    print(2 * WIDTH**3 / min(seconds))
