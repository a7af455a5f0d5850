"""Plain steps, LMT and CLIP written plainly in PyTorch: asked for "<network> <method> <batch> <steps>", it answers with the seconds that the steps took."""
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

from networks import NETWORKS, SAMPLES
from serve import images, made, serve


class Trainer:
    def __init__(self, network, batch):
        self.layers = NETWORKS[network]()
        self.model = made(self.layers)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.x = images(batch, *SAMPLES[network])
        self.y = torch.arange(batch) % 10
        self.vectors = {}
        self.first = images(batch // 4, *SAMPLES[network])
        self.second = self.first + 0.1 * (torch.rand_like(self.first) - 0.5)
        h = self.x[:1]
        for layer in self.layers:
            if hasattr(layer, "weight"):
                u = torch.randn_like(h)
                self.vectors[layer] = u / u.norm()
            h = layer(h)

    def constant(self):
        """c times the product of ||A u|| of the layers before the last; one step of the power method on the way."""
        total = torch.ones(())
        layers = [layer for layer in self.layers if hasattr(layer, "weight")]
        for layer in layers[:-1]:
            u, w = self.vectors[layer], layer.weight
            if isinstance(layer, nn.Conv2d):
                v = F.conv2d(u, w, stride=layer.stride, padding=layer.padding)
            else:
                v = F.linear(u, w)
            total = total * v.norm()
            with torch.no_grad():
                if isinstance(layer, nn.Conv2d):
                    side = u.shape[2] + 2 * layer.padding[0] - layer.kernel_size[0]
                    extra = side - (v.shape[2] - 1) * layer.stride[0]
                    back = F.conv_transpose2d(v, w, stride=layer.stride, padding=layer.padding, output_padding=extra)
                else:
                    back = v @ w
                self.vectors[layer] = back / back.norm()
        return total, layers[-1].weight

    def quotients(self, first, second):
        rise = (self.model(first) - self.model(second)).flatten(1).norm(dim=1)
        return rise / (first - second).flatten(1).norm(dim=1)

    def move_pairs(self, rate=1.0):
        """x <- x + rate L grad L, for both points of every pair."""
        first, second = self.first.requires_grad_(), self.second.requires_grad_()
        ascent = 0.5 * self.quotients(first, second).pow(2).sum()
        du, dv = torch.autograd.grad(ascent, [first, second])
        self.first = (first + rate * du).detach()
        self.second = (second + rate * dv).detach()

    def run(self, steps, method):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            if method == "clip":
                self.move_pairs()
            logits = self.model(self.x)
            if method == "lmt":
                total, w = self.constant()
                apart = (w[self.y].unsqueeze(1) - w.unsqueeze(0)).pow(2).sum(2).clamp_min(1e-12).sqrt()
                truth = F.one_hot(self.y, 10).bool()
                gain = (total * apart).masked_fill(truth, 0)
                with torch.no_grad():
                    lead = logits.gather(1, self.y[:, None]) - logits
                    share = (lead / gain).masked_fill(truth, 1).clamp(0, 1).min(1, keepdim=True).values
                logits = logits + gain * share
            loss = F.cross_entropy(logits, self.y)
            if method == "clip":
                loss = loss + 0.1 * self.quotients(self.first, self.second).max()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


trainers = {}


def answer(network, method, batch, steps):
    name = (network, method, batch)
    if name not in trainers:
        trainers[name] = Trainer(network, int(batch))
        trainers[name].run(2, method)
    return trainers[name].run(int(steps), method)


serve(answer)
