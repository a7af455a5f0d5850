"""The PyTorch side of the comparison: asked for "<network> <steps>", it answers with the seconds that the steps took."""
import time

import torch
from torch import nn

from networks import NETWORKS
from serve import serve


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


trainers = {}


def answer(network, steps):
    if network not in trainers:
        trainers[network] = Trainer(network)
    return trainers[network].run(int(steps))


serve(answer)
