"""What every JAX peer is: says that it is ready, then answers each line of words with the seconds that they took. XLA takes all cores that it may."""
import os
import sys

THREADS = int(sys.argv[1])
if THREADS < (os.cpu_count() or 1) and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:THREADS]))

import time

import jax
import jax.numpy as jnp


def serve(answer):
    print("ready", jax.__version__, matmul_rate(), flush=True)
    for line in sys.stdin:
        print(answer(*line.split()), flush=True)


def matmul_rate():
    """GFLOP/s of a dense product."""
    key = jax.random.PRNGKey(0)
    a = jax.random.uniform(key, (512, 512))
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        product(a).block_until_ready()
        times.append(time.perf_counter() - start)
    return 2 * 512**3 / min(times) / 1e9


def timed(run, state, steps):
    """The state after so many calls of a compiled step, and the seconds that they took; what compiling took is not counted."""
    start = time.perf_counter()
    for _ in range(steps):
        state = run(state)
    jax.block_until_ready(state)
    return state, time.perf_counter() - start
