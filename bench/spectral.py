"""The spectral norm of convolutions as lipEstimation finds it: a float32 power method by autograd, at most 500 iterations on one thread, timed by the fastest 50 of them. Prints one line per convolution: norm, iterations, seconds of the processor, then a lower bound that is nearer to the norm, from Lanczos steps which are not timed, and what their last restart added."""
import sys
import time

import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d

torch.set_num_threads(1)
torch.manual_seed(0)


def power_method(affine, shape, iterations=500, epsilon=1e-8):
    bias = affine(torch.zeros(1, *shape)).detach()
    v = torch.randn(1, *shape)
    v = v / v.norm()
    fastest = float("inf")
    start = time.process_time()
    for count in range(1, iterations + 1):
        previous = v
        v = v.detach().requires_grad_()
        (0.5 * (affine(v) - bias).pow(2).sum()).backward()
        v = (v.grad / v.grad.norm()).detach()
        if (v - previous).norm() < epsilon:
            break
        if count % 50 == 0:
            fastest = min(fastest, (time.process_time() - start) / 50)
            start = time.process_time()
    if count < 50:
        fastest = (time.process_time() - start) / count
    return (affine(v) - bias).norm().item(), count, fastest * count, v


@torch.no_grad()
def lanczos(weight, v, steps=24, most=24, settled=2e-6):
    """Restarted in float32; the quotient |K v| / |v| that counts is in float64."""
    best = 0
    for _ in range(most):
        basis = [(v / v.norm()).flatten()]
        columns = []
        for _ in range(steps):
            u = basis[-1].reshape(v.shape)
            w = conv_transpose2d(conv2d(u, weight, padding=1), weight, padding=1).flatten()
            Q = torch.stack(basis)
            h = Q @ w
            w = w - h @ Q
            w = w - (Q @ w) @ Q
            columns.append(h)
            basis.append(w / w.norm())
        T = torch.zeros(steps, steps, dtype=torch.float64)
        for j, h in enumerate(columns):
            T[: j + 1, j] = h.double()
        y = torch.linalg.eigh(T, UPLO="U")[1][:, -1]
        v = (y.float() @ torch.stack(basis[:-1])).reshape(v.shape)
        u = v.double()
        value = (conv2d(u, weight.double(), padding=1).norm() / u.norm()).item()
        gain, best = value / best - 1 if best else 1, max(value, best)
        if gain < settled:
            break
    return best, gain


for spec in sys.argv[1:]:
    file, inner, out, side = spec.split(":")
    inner, out, side = int(inner), int(out), int(side)
    conv = nn.Conv2d(inner, out, 3, padding=1)
    weight = torch.frombuffer(bytearray(open(file, "rb").read()), dtype=torch.float32)
    with torch.no_grad():
        conv.weight.copy_(weight.reshape(out, inner, 3, 3))
    conv(torch.zeros(1, inner, side, side))
    *found, v = power_method(conv, (inner, side, side))
    print(*found, *lanczos(conv.weight, v), flush=True)
