"""Wrote policy.onnx, the network of examples 01 and 07: python3 policy.py (any PyTorch that exports to ONNX)."""
import torch
from torch.nn import Linear, Sequential, Tanh

torch.manual_seed(0)
policy = Sequential(Linear(3, 8), Tanh(), Linear(8, 8), Tanh(), Linear(8, 2))
with torch.no_grad():
    for p in policy.parameters():
        p *= 2.5
axes = {"state": {0: "batch"}, "action": {0: "batch"}}
torch.onnx.export(
    policy, torch.zeros(1, 3), "policy.onnx", input_names=["state"], output_names=["action"], dynamic_axes=axes, opset_version=17
)
