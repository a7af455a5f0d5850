"""The PyTorch side of the comparison: reads "<network> <steps>" lines, answers with the seconds that the steps took."""
import sys
import time

import torch
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)

NETWORKS = {
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    ),
    "convnet": lambda: nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 49, 100), nn.ReLU(), nn.Linear(100, 10),
    ),
}


class Trainer:
    def __init__(self, network):
        self.model = NETWORKS[network]()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.x = torch.rand(128, 1, 28, 28)
        self.y = torch.arange(128) % 10

    def run(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


def matmul_rate():
    """GFLOP/s of a dense product: some builds of PyTorch have no fast BLAS, and a ratio against those says little."""
    a, b = torch.rand(512, 512), torch.rand(512, 512)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * 512**3 / min(times) / 1e9


trainers = {}
print("ready", torch.__version__, matmul_rate(), flush=True)
for line in sys.stdin:
    name, steps = line.split()
    if name not in trainers:
        trainers[name] = Trainer(name)
    print(trainers[name].run(int(steps)), flush=True)
