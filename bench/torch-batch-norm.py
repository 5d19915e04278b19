"""Times BatchNorm1d.train() on one thread: reads "rows features repeats" lines, answers ns a value."""
import sys
import time

import torch

torch.set_num_threads(1)
norms = {}
with torch.no_grad():
    for line in sys.stdin:
        rows, features, repeats = map(int, line.split())
        if (rows, features) not in norms:
            generator = torch.Generator().manual_seed(1)
            data = torch.rand(rows, features, dtype=torch.float64, generator=generator) * 100
            norms[rows, features] = (torch.nn.BatchNorm1d(features, affine=False, dtype=torch.float64).train(), data)
        norm, data = norms[rows, features]
        start = time.perf_counter_ns()
        for _ in range(repeats):
            norm(data)
        print((time.perf_counter_ns() - start) / (repeats * rows * features), flush=True)
