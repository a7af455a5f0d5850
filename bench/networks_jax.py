"""The networks of step.ts in JAX: lists of layers with a weight and a bias, images as [batch, height, width, channels]."""
import math

import jax
import jax.numpy as jnp
from jax import lax

SAMPLES = {"mlp": (28, 28, 1), "fashion": (28, 28, 1), "convnet": (28, 28, 1), "images": (32, 32, 3)}
WIDTHS = {
    "mlp": ([], [784, 256, 256, 10]),
    "fashion": ([], [784, 128, 64, 10]),
    "convnet": ([1, 16, 32], [32 * 49, 100, 10]),
    "images": ([3, 32, 64, 64, 128], [128 * 4, 256, 10]),
}


def init(network, key=jax.random.PRNGKey(0)):
    channels, dense = WIDTHS[network]
    shapes = [(3, 3, p, q) for p, q in zip(channels, channels[1:])] + list(zip(dense, dense[1:]))
    keys = jax.random.split(key, len(shapes))
    return [(jax.random.normal(k, s) / math.sqrt(math.prod(s[:-1])), jnp.zeros(s[-1])) for k, s in zip(keys, shapes)]


def linear(x, w):
    """A layer without its bias."""
    if w.ndim == 4:
        return lax.conv_general_dilated(x, w, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return x.reshape(len(x), -1) @ w


def forward(params, x):
    for w, b in params[:-1]:
        x = jax.nn.relu(linear(x, w) + b)
    w, b = params[-1]
    return linear(x, w) + b


def cross_entropy(logits, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def descend(params, gradients, rate=0.01):
    return jax.tree.map(lambda p, g: p - rate * g, params, gradients)
