"""What every PyTorch peer is: says that it is ready, then answers each line of words with the seconds that they took."""
import os
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)

# "compiled" by torch.compile; anything else is eager.
COMPILED = os.environ.get("PEER_MODE") == "compiled"


def made(model):
    """A model as one runs it: its images with the channels last, which is faster, and compiled where that is asked for."""
    model = model.to(memory_format=torch.channels_last)
    return torch.compile(model) if COMPILED else model


def images(*shape):
    return torch.rand(*shape).to(memory_format=torch.channels_last)


def serve(answer):
    print("ready", torch.__version__, matmul_rate(), flush=True)
    for line in sys.stdin:
        print(answer(*line.split()), flush=True)


def matmul_rate():
    """GFLOP/s of a dense product: some builds of PyTorch have no fast BLAS, and a ratio against those says little."""
    a, b = torch.rand(512, 512), torch.rand(512, 512)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * 512**3 / min(times) / 1e9
