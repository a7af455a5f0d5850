"""Plain steps, LMT and CLIP in JAX, each step compiled as a whole: asked for "<network> <method> <steps>", it answers with the seconds that the steps took."""
from serve_jax import serve, timed

import jax
import jax.numpy as jnp

from networks_jax import SAMPLES, cross_entropy, descend, forward, init, linear


def length(v):
    return jnp.sqrt((v.reshape(len(v), -1) ** 2).sum(1))


def quotients(params, first, second):
    return length(forward(params, first) - forward(params, second)) / length(first - second)


def constant(params, vectors):
    """The product of ||A u|| of the layers before the last, and the vectors after one step of the power method."""
    total, moved = 1.0, []
    for (w, _), u in zip(params[:-1], vectors):
        v, back = jax.vjp(lambda u: linear(u, w), u)
        total = total * jnp.sqrt((v**2).sum())
        (u,) = back(jax.lax.stop_gradient(v))
        moved.append(jax.lax.stop_gradient(u / jnp.sqrt((u**2).sum())))
    return total, moved


def step_of(network, method, batch):
    sample = SAMPLES[network]
    keys = jax.random.split(jax.random.PRNGKey(1), 4)
    x = jax.random.uniform(keys[0], (batch, *sample))
    y = jnp.arange(batch) % 10
    params = init(network)
    vectors, h = [], x[:1]
    for (w, b), key in zip(params[:-1], jax.random.split(keys[1], len(params))):
        u = jax.random.normal(key, h.shape)
        vectors.append(u / jnp.sqrt((u**2).sum()))
        h = jax.nn.relu(linear(h, w) + b)
    first = jax.random.uniform(keys[2], (batch // 4, *sample))
    second = first + 0.1 * (jax.random.uniform(keys[3], first.shape) - 0.5)

    def plain(params, extra):
        return cross_entropy(forward(params, x), y), extra

    def lmt(params, extra):
        logits = forward(params, x)
        total, moved = constant(params, extra[0])
        w = params[-1][0].T
        apart = jnp.sqrt(jnp.maximum(((w[y][:, None] - w[None]) ** 2).sum(2), 1e-12))
        truth = jax.nn.one_hot(y, 10, dtype=bool)
        gain = jnp.where(truth, 0, total * apart)
        lead = jnp.take_along_axis(logits, y[:, None], 1) - logits
        share = jnp.where(truth, 1, lead / jnp.where(truth, 1, gain)).clip(0, 1).min(1, keepdims=True)
        return cross_entropy(logits + gain * jax.lax.stop_gradient(share), y), (moved, *extra[1:])

    def clip(params, extra):
        vectors, first, second = extra
        ascent = lambda pair: 0.5 * (quotients(params, *pair) ** 2).sum()
        du, dv = jax.grad(ascent)((first, second))
        first, second = jax.lax.stop_gradient((first + du, second + dv))
        loss = cross_entropy(forward(params, x), y) + 0.1 * quotients(params, first, second).max()
        return loss, (vectors, first, second)

    objective = {"plain": plain, "lmt": lmt, "clip": clip}[method]

    @jax.jit
    def step(state):
        params, extra = state
        gradients, extra = jax.grad(objective, has_aux=True)(params, extra)
        return descend(params, gradients), extra

    return step, (params, (vectors, first, second))


trainers = {}


def answer(network, method, batch, steps):
    name = (network, method, batch)
    if name not in trainers:
        step, state = step_of(network, method, int(batch))
        trainers[name] = (step, jax.block_until_ready(step(state)))
    step, state = trainers[name]
    state, seconds = timed(step, state, int(steps))
    trainers[name] = (step, state)
    return seconds


serve(answer)
