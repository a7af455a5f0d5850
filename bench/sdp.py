"""The optimum of LipSDP by a solver of semidefinite programs (cvxpy with Clarabel): the judge of the quadratic walk on structures small enough.

Reads JSON on stdin: {"inputs": n, "size": m, "output": [[...]], "sectors": [{"v": [[...]], "z": first, "share": [...]}]}; rows are linear in
(x, z_1, z_2, ...), m numbers, x the first n. Prints L: the root of the least r with

    r |x|^2 - |output|^2 - sum over i of 2 lambda_share[i] z_i (v_i - z_i) >= 0   for all x, z.
"""

import json
import sys

import cvxpy as cp
import numpy as np

problem = json.load(sys.stdin)
m, n = problem["size"], problem["inputs"]
out = np.array(problem["output"])
count = 1 + max(k for s in problem["sectors"] for k in s["share"]) if problem["sectors"] else 0
forms = [np.zeros((m, m)) for _ in range(count)]
for sector in problem["sectors"]:
    for i, (v, k) in enumerate(zip(sector["v"], sector["share"])):
        v, z = np.array(v), np.zeros(m)
        z[sector["z"] + i] = 1
        forms[k] += np.outer(v, z) + np.outer(z, v) - 2 * np.outer(z, z)
r = cp.Variable()
K = r * np.diag((np.arange(m) < n).astype(float)) - out.T @ out
if count:
    weights = cp.Variable(count, nonneg=True)
    K = K - sum(weights[k] * forms[k] for k in range(count))
cp.Problem(cp.Minimize(r), [K >> 0]).solve(solver=cp.CLARABEL)
print(float(np.sqrt(r.value)))
