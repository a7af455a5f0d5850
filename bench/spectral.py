"""The spectral norm of convolutions as lipEstimation finds it: a float32 power method by autograd, at most 500 iterations on one thread, timed by the fastest 50 of them. Prints one line per convolution: norm, iterations, seconds of the processor."""
import sys
import time

import torch
from torch import nn

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
    return (affine(v) - bias).norm().item(), count, fastest * count


for spec in sys.argv[1:]:
    file, inner, out, side = spec.split(":")
    inner, out, side = int(inner), int(out), int(side)
    conv = nn.Conv2d(inner, out, 3, padding=1)
    weight = torch.frombuffer(bytearray(open(file, "rb").read()), dtype=torch.float32)
    with torch.no_grad():
        conv.weight.copy_(weight.reshape(out, inner, 3, 3))
    conv(torch.zeros(1, inner, side, side))
    print(*power_method(conv, (inner, side, side)), flush=True)
