"""PGD in l2 in JAX, all steps compiled as one: asked for "<network> <rows>", it answers with the seconds that all steps on all images took."""
import sys
import time

from serve_jax import serve

import jax
import jax.numpy as jnp
import numpy

from networks_jax import forward, init

IMAGES = jnp.asarray(numpy.load(sys.argv[2])).transpose(0, 2, 3, 1)
RADIUS, STEPS = float(sys.argv[3]), int(sys.argv[4])


def lengths(v):
    return jnp.sqrt((v**2).sum((1, 2, 3), keepdims=True)).clip(1e-12)


@jax.jit
def pgd(params, x, label, key):
    noise = jax.random.normal(key, x.shape)
    share = jax.random.uniform(jax.random.fold_in(key, 1), (len(x), 1, 1, 1))
    loss = lambda delta: -jnp.take_along_axis(jax.nn.log_softmax(forward(params, x + delta)), label[:, None], 1).sum()

    def step(_, delta):
        gradient = jax.grad(loss)(delta)
        delta = delta + 0.025 * RADIUS * gradient / lengths(gradient)
        delta = delta * jnp.minimum(1, RADIUS / lengths(delta))
        return (x + delta).clip(0, 1) - x

    return x + jax.lax.fori_loop(0, STEPS, step, RADIUS * share * noise / lengths(noise))


models = {}


def answer(network, rows):
    rows = int(rows)
    if network not in models:
        models[network] = init(network)
    params = models[network]
    label = forward(params, IMAGES).argmax(1)
    parts = [(IMAGES[k : k + rows], label[k : k + rows]) for k in range(0, len(IMAGES), rows)]
    key = jax.random.PRNGKey(0)
    for x, y in parts[:1] + parts[-1:]:
        pgd(params, x, y, key).block_until_ready()
    start = time.perf_counter()
    for x, y in parts:
        pgd(params, x, y, key).block_until_ready()
    return time.perf_counter() - start


serve(answer)
