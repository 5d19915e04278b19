"""What PyTorch and scikit-learn make of files that streamnorm has written.

Reads on standard input a JSON list of requests and writes a JSON list of rows:
  {"torch": path, "prefix": "bn1.", "features": 3, "eps": 1e-5, "affine": true, "rows": [[...], ...]}
  {"sklearn": path, "rows": [...], "partial_fit": [...] or null}
"""

import json
import struct
import sys

import numpy as np
import torch

try:
    from safetensors.torch import load_file
except ImportError:

    def load_file(path):
        """The format's own words: u64 length, JSON header, data."""
        data = open(path, "rb").read()
        (length,) = struct.unpack("<Q", data[:8])
        types = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}
        tensors = {}
        for name, info in json.loads(data[8:8 + length]).items():
            if name != "__metadata__":
                begin, end = info["data_offsets"]
                values = np.frombuffer(data[8 + length + begin:8 + length + end], types[info["dtype"]])
                tensors[name] = torch.from_numpy(values.reshape(info["shape"]).copy())
        return tensors


def evaluate_torch(request):
    layer = torch.nn.BatchNorm1d(request["features"], eps=request["eps"], affine=request["affine"])
    path, prefix = request["torch"], request["prefix"]
    model = layer if prefix == "" else torch.nn.ModuleDict({prefix[:-1]: layer})
    model.to(torch.float64).load_state_dict(load_file(path), strict=True)
    with torch.no_grad():
        outputs = layer.eval()(torch.tensor(request["rows"], dtype=torch.float64))
    return {"outputs": outputs.tolist(), "batches": int(layer.num_batches_tracked)}


def evaluate_sklearn(request):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    with open(request["sklearn"]) as file:
        for name, value in json.load(file).items():
            if name.endswith("_"):
                setattr(scaler, name, np.array(value) if isinstance(value, list) else value)
    rows = np.array(request["rows"], dtype="float64")
    if hasattr(scaler, "feature_names_in_"):
        import pandas

        rows = pandas.DataFrame(rows, columns=scaler.feature_names_in_)
    if request.get("partial_fit"):
        scaler.partial_fit(np.array(request["partial_fit"], dtype="float64"))
    return {"outputs": np.asarray(scaler.transform(rows)).tolist()}


requests = json.load(sys.stdin)
json.dump([evaluate_torch(one) if "torch" in one else evaluate_sklearn(one) for one in requests], sys.stdout)
