"""The authors' method written plainly in PyTorch: asked for "<network> <batch> <steps>", it answers with the seconds that the steps took."""
import time

import torch
from torch import nn
from torch.nn import functional as F

from serve import made, serve

ROOT2 = 2**0.5


def cayley(W):
    """[.., q, q + p] -> the same shape with orthonormal rows."""
    W = W.conj().transpose(-1, -2)
    q = W.shape[-1]
    U, V = W[..., :q, :], W[..., q:, :]
    eye = torch.eye(q, dtype=W.dtype)
    A = U - U.conj().transpose(-1, -2) + V.conj().transpose(-1, -2) @ V
    inverse = torch.inverse(eye + A)
    return torch.cat((inverse @ (eye - A), -2 * V @ inverse), dim=-2).conj().transpose(-1, -2)


class SandwichFc(nn.Linear):
    def __init__(self, p, q):
        super().__init__(p + q, q)
        nn.init.xavier_normal_(self.weight)
        self.alpha = nn.Parameter(self.weight.norm().detach().reshape(1))
        self.psi = nn.Parameter(torch.zeros(q))

    def forward(self, x):
        q = self.weight.shape[0]
        Q = cayley(self.alpha * self.weight / self.weight.norm())
        A, B = Q[:, :q], Q[:, q:]
        x = F.relu(F.linear(x, B) * torch.exp(-self.psi) * ROOT2 + self.bias) * torch.exp(self.psi)
        return F.linear(x, A.T) * ROOT2


class SandwichLin(nn.Linear):
    def __init__(self, p, q):
        super().__init__(p + q, q)
        nn.init.xavier_normal_(self.weight)
        self.alpha = nn.Parameter(self.weight.norm().detach().reshape(1))

    def forward(self, x):
        q = self.weight.shape[0]
        return F.linear(x, cayley(self.alpha * self.weight / self.weight.norm())[:, q:], self.bias)


class SandwichConv(nn.Module):
    def __init__(self, p, q, stride=1):
        super().__init__()
        self.stride, self.q = stride, q
        k = max(1, 3 // stride)
        self.weight = nn.Parameter(torch.empty(q, p * stride * stride + q, k, k))
        nn.init.xavier_normal_(self.weight)
        self.bias = nn.Parameter(torch.zeros(q))
        self.psi = nn.Parameter(torch.zeros(q))
        self.alpha = nn.Parameter(self.weight.norm().detach().reshape(1))

    def forward(self, x):
        if self.stride > 1:
            x = F.pixel_unshuffle(x, self.stride)
        batch, p, n, _ = x.shape
        q, half = self.q, n // 2 + 1
        k = self.weight.shape[2]
        s = (k - 1) // 2
        i, j = torch.arange(n)[:, None], torch.arange(half)[None, :]
        shift = torch.exp(2j * torch.pi * s * (i + j) / n).to(torch.complex64)
        wfft = (torch.fft.rfft2(self.weight, (n, n)) * shift).permute(2, 3, 0, 1).reshape(n * half, q, p + q)
        Q = cayley(self.alpha * wfft / wfft.norm())
        A, B = Q[:, :, :q], Q[:, :, q:]
        xfft = torch.fft.rfft2(x).permute(2, 3, 1, 0).reshape(n * half, p, batch)
        v = ROOT2 * torch.exp(-self.psi).to(xfft.dtype)[:, None] * (B @ xfft)
        v = torch.fft.irfft2(v.reshape(n, half, q, batch).permute(3, 2, 0, 1), (n, n))
        z = F.relu(v + self.bias[:, None, None])
        zfft = torch.fft.rfft2(z).permute(2, 3, 1, 0).reshape(n * half, q, batch)
        h = ROOT2 * A.conj().transpose(1, 2) @ (torch.exp(self.psi).to(zfft.dtype)[:, None] * zfft)
        return torch.fft.irfft2(h.reshape(n, half, q, batch).permute(3, 2, 0, 1), (n, n))


NETWORKS = {
    "dense": (lambda: nn.Sequential(SandwichFc(784, 190), SandwichFc(190, 190), SandwichFc(190, 128), SandwichLin(128, 10)), (784,)),
    "conv": (
        lambda: nn.Sequential(
            SandwichConv(3, 32), SandwichConv(32, 32, 2), SandwichConv(32, 64), SandwichConv(64, 64, 2), nn.Flatten(),
            SandwichFc(4096, 512), SandwichFc(512, 512), SandwichLin(512, 10),
        ),
        (3, 32, 32),
    ),
}


class Trainer:
    def __init__(self, network, batch):
        build, sample = NETWORKS[network]
        self.model = made(build())
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.x = torch.rand(batch, *sample)
        self.y = torch.arange(batch) % 10

    def run(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = F.multi_margin_loss(self.model(self.x), self.y, margin=0.5)
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


trainers = {}


def answer(network, batch, steps):
    name = network + batch
    if name not in trainers:
        trainers[name] = Trainer(network, int(batch))
        trainers[name].run(1)
    return trainers[name].run(int(steps))


serve(answer)
