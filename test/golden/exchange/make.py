#!/usr/bin/python3
"""Write the files of this folder with real PyTorch, safetensors and scikit-learn, or compare them with --check.

    python3 -m venv --system-site-packages VENV && VENV/bin/pip install safetensors==0.4.5
    VENV/bin/python test/golden/exchange/make.py            write the files
    VENV/bin/python test/golden/exchange/make.py --check    exit 1 if they would differ

Needs Debian's python3-torch and python3-sklearn (make the VENV with
/usr/bin/python3) and, from PyPI, safetensors.
"""

import argparse
import collections
import json
import math
import platform
import random
import sys
from pathlib import Path

try:
    import numpy as np
    import pandas as pd
    import safetensors
    import sklearn.preprocessing
    import torch
    from safetensors.torch import save
except ImportError as error:
    sys.exit(f"make.py: {error}; see its head for what it needs")

HERE = Path(__file__).resolve().parent
MAX_DIFFERENCE = 1e-12


def rows_of(rng, count, columns):
    return [[round(offset + scale * rng.gauss(0, 1), 4) for offset, scale in columns] for _ in range(count)]


COLUMNS = [(0, 1), (50, 100), (-3, 0.5)]  # variances that float16 can hold


# --- PyTorch --------------------------------------------------------------


def trained(rng, make, dtype):
    """A model that has seen three batches, its file, and what it says of four more rows."""
    torch.manual_seed(1)
    model = make().to(torch.float64)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d) and module.affine:
                module.weight.copy_(torch.tensor([1.5, -0.25, 0.75]))
                module.bias.copy_(torch.tensor([0.1, -2.0, 3.0]))
        for size in (16, 16, 5):
            model.train()(torch.tensor(rows_of(rng, size, COLUMNS), dtype=torch.float64))
    return model.to(dtype)


def layer_case(name, layer, prefix, rng):
    evaluation = rows_of(rng, 4, COLUMNS)
    with torch.no_grad():
        # the numbers of the file, in float64
        outputs = layer.to(torch.float64).eval()(torch.tensor(evaluation, dtype=torch.float64))
    return {
        "file": f"{name}.safetensors", "prefix": prefix, "momentum": layer.momentum, "eps": layer.eps,
        "running_mean": layer.running_mean.tolist(), "running_var": layer.running_var.tolist(),
        "num_batches_tracked": int(layer.num_batches_tracked),
        "weight": layer.weight.tolist() if layer.affine else None,
        "bias": layer.bias.tolist() if layer.affine else None,
        "evaluation": evaluation, "outputs": outputs.tolist(),
    }


def make_torch(files):
    rng = random.Random(21)
    norm = torch.nn.BatchNorm1d
    models = {
        "sequential": (lambda: torch.nn.Sequential(collections.OrderedDict(bn1=norm(3))), torch.float64),
        "plain": (lambda: norm(3, affine=False, momentum=0.5, eps=1e-3), torch.float64),
        "cumulative": (lambda: norm(3, momentum=None), torch.float64),
        "float32": (lambda: norm(3), torch.float32),
        "half": (lambda: norm(3), torch.float16),
        "bfloat16": (lambda: norm(3), torch.bfloat16),
        "two-norms": (lambda: torch.nn.Sequential(norm(3), torch.nn.Linear(3, 3), torch.nn.Sigmoid(),
                                                  norm(3, affine=False)), torch.float32),
    }
    cases = []
    for name, (make, dtype) in models.items():
        model = trained(rng, make, dtype)
        files[f"{name}.safetensors"] = save(model.state_dict())
        for path, module in model.named_modules():
            if isinstance(module, norm):
                cases.append(layer_case(name, module, f"{path}." if path else "", rng))
    return cases


# --- scikit-learn ---------------------------------------------------------


def attributes(scaler):
    """All that a fitted scaler knows, as a user would write it to JSON."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in vars(scaler).items()}


def make_sklearn(files):
    rng = random.Random(22)
    plain = rows_of(rng, 23, COLUMNS)
    missing = [plain[0]] + [[None if rng.random() < 0.3 else value for value in row] for row in plain[1:]]
    constant = [[row[0], 5.0, row[2]] for row in plain]
    settings = [
        ("scaler", plain, {}, ["x1", "x2", "x3"]),
        ("scaler-missing", missing, {}, None),
        ("scaler-constant", constant, {}, None),
        ("scaler-without-mean", constant, {"with_mean": False}, None),
        ("scaler-without-std", plain, {"with_std": False}, None),
    ]
    cases = []
    for name, rows, options, names in settings:
        def array(values):
            values = np.array(values, dtype="float64")
            return pd.DataFrame(values, columns=names) if names else values

        scaler = sklearn.preprocessing.StandardScaler(**options).fit(array(rows[:10]))
        if options.get("with_std", True):
            scaler.partial_fit(array(rows[10:]))
        evaluation = rows_of(rng, 4, COLUMNS)
        if rows is constant:
            evaluation = [[row[0], 5.0, row[2]] for row in evaluation]
        files[f"{name}.sklearn.json"] = (json.dumps(attributes(scaler), allow_nan=False) + "\n").encode()
        cases.append({
            "file": f"{name}.sklearn.json", **options,
            "evaluation": evaluation, "outputs": np.asarray(scaler.transform(array(evaluation))).tolist(),
        })
    cases.append(weighted_case(files, plain, rng))
    return cases


def weighted_case(files, rows, rng):
    """Two more attributes than the others: the scaler counts weights, and is asked again after more samples."""
    weights = [round(rng.uniform(0.1, 3), 3) for _ in rows]
    scaler = sklearn.preprocessing.StandardScaler()
    scaler.partial_fit(np.array(rows[:10]), sample_weight=np.array(weights[:10]))
    scaler.partial_fit(np.array(rows[10:]), sample_weight=np.array(weights[10:]))
    evaluation = rows_of(rng, 4, COLUMNS)
    files["scaler-weighted.sklearn.json"] = (json.dumps(attributes(scaler), allow_nan=False) + "\n").encode()
    outputs = scaler.transform(np.array(evaluation)).tolist()
    more, more_weights = rows_of(rng, 5, COLUMNS), [0.25, 1, 2.5, 0.125, 7]
    scaler.partial_fit(np.array(more), sample_weight=np.array(more_weights))
    return {
        "file": "scaler-weighted.sklearn.json", "evaluation": evaluation, "outputs": outputs,
        "rows": rows, "weights": weights, "more": more, "more_weights": more_weights,
        "more_outputs": scaler.transform(np.array(evaluation)).tolist(),
    }


# --- writing and checking -------------------------------------------------


def make():
    files = {}
    expected = {
        "made_by": {"torch": str(torch.__version__), "sklearn": sklearn.__version__,
                    "safetensors": safetensors.__version__, "python": platform.python_version()},
        "about": "What the programs that wrote the other files make of a few rows: torch, a BatchNorm1d of the file "
                 "in eval mode with the file's numbers in float64; sklearn, StandardScaler.transform.",
        "torch": make_torch(files),
        "sklearn": make_sklearn(files),
    }
    files["expected.json"] = (json.dumps(expected, indent=1, allow_nan=False) + "\n").encode()
    return files


def close(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one if key != "made_by")
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=MAX_DIFFERENCE, abs_tol=MAX_DIFFERENCE)
    return one == other


def content(name, data):
    if name.endswith(".json"):
        return json.loads(data)
    # bfloat16 has no numpy, so PyTorch reads it
    return {key: [str(tensor.dtype), tensor.double().tolist()]
            for key, tensor in safetensors.torch.load(data).items()}


def main():
    parser = argparse.ArgumentParser(description="Write or check the files of this folder.")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    good = True
    for name, data in make().items():
        path = HERE / name
        if not options.check:
            path.write_bytes(data)
            print(f"{name}: {len(data)} bytes")
            continue
        same = path.exists() and close(content(name, path.read_bytes()), content(name, data))
        print(f"{name}: {'ok' if same else 'DIFFERS' if path.exists() else 'missing'}")
        good = good and same
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
