#!/usr/bin/python3
"""Write the golden files beside this script, or compare them with --check.

The numbers come from programs that streamnorm must agree with (PyTorch,
scikit-learn, pandas) and, where those are not exact enough, from rational or
50-digit decimal arithmetic. Everything is seeded; inputs are rounded to a few
decimals so that the files stay small and every float64 survives JSON.

    /usr/bin/python3 test/golden/make.py            write the files
    /usr/bin/python3 test/golden/make.py --check    exit 1 if they would differ

Needs Debian's python3-torch, python3-sklearn and python3-pandas.
"""

import argparse
import csv
import json
import math
import platform
import random
import sys
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SENSORS_CSV = "data/suthaharan-multi-hop.csv"
MAX_BYTES = 60_000
MAX_DIFFERENCE = 1e-12

# Normalised values are of order 1 and cross 0, so their difference is measured
# against at least 1, and the sum of all sensor outputs against their number.
# Every other number is compared relative to itself.
LEAST_SCALE = {"outputs": 1, "normalized": 1, "linear": 1, "sum": 18760}
# A constant column's computed variance is rounding noise of about (eps * mean)².
ABSOLUTE_FLOOR = {"var_": 1e-32}


# --- libraries ------------------------------------------------------------


def require_libraries(any_python):
    if not any_python and sys.prefix != "/usr":
        sys.exit(f"make.py: run with /usr/bin/python3, not {platform.python_implementation()} "
                 f"{platform.python_version()} with another prefix (or pass --any-python)")
    global np, pd, sklearn, torch
    try:
        import numpy as np
        import pandas as pd
        import sklearn.preprocessing
        import torch
    except ImportError as error:
        sys.exit(f"make.py: {error}; apt-get install python3-torch python3-sklearn python3-pandas")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)


def made_by(*modules):
    versions = {module.__name__.split(".")[0]: str(module.__version__) for module in modules}
    return {**versions, "python": platform.python_version()}


# --- helpers --------------------------------------------------------------


def random_rows(rng, count, columns, decimals=4):
    """`columns` is a list of (offset, scale); values are offset + scale * normal."""
    return [[round(offset + scale * rng.gauss(0, 1), decimals) for offset, scale in columns]
            for _ in range(count)]


def close(actual, expected, tolerance=1e-12):
    """Stop when a library disagrees with the numbers in the specification."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert np.allclose(actual, expected, rtol=tolerance, atol=tolerance), (actual, expected)


def running(norm):
    return {
        "running_mean": norm.running_mean.tolist(),
        "running_var": norm.running_var.tolist(),
        "num_batches_tracked": int(norm.num_batches_tracked),
    }


def batch_norm(features, momentum=0.1, eps=1e-5, weight=None, bias=None):
    norm = torch.nn.BatchNorm1d(features, eps=eps, momentum=momentum, affine=weight is not None)
    if weight is not None:
        norm.weight.copy_(torch.tensor(weight))
        norm.bias.copy_(torch.tensor(bias))
    return norm.train()


# --- batchnorm.json -------------------------------------------------------


def make_batchnorm(_options):
    rng = random.Random(1)
    scales = [(0, 1), (0, 1000), (50, 1), (-3, 0.5), (50, 1000), (0.2, 0.01), (7, 20), (-50, 5)]
    shapes = {"one": (1, [64, 64, 13, 2]), "three": (3, [16, 16, 13, 2]), "eight": (8, [8, 8, 5, 2])}
    inputs = {
        name: {
            "features": features,
            "batches": [random_rows(rng, size, scales[:features]) for size in sizes],
            "evaluation": random_rows(rng, 4, scales[:features]),
        }
        for name, (features, sizes) in shapes.items()
    }
    inputs["semantics"] = {
        "features": 3,
        "batches": [
            [[1, 10, 5], [2, 20, 5], [3, 30, 5], [6, 60, 5]],
            [[4, -1, 5], [4, 0, 5], [5, 1, 5], [7, 8, 5]],
            [[0, 1, 5], [2, 3, 5]],
        ],
        "evaluation": [[3, 3, 5]],
    }
    settings = [
        ("one, alpha 0.1", "one", 0.1, 1e-5, False),
        ("one, alpha 0.5, eps 1e-3, affine", "one", 0.5, 1e-3, True),
        ("one, cumulative, affine", "one", None, 1e-5, True),
        ("three, alpha 0.1, affine", "three", 0.1, 1e-5, True),
        ("three, alpha 0.5", "three", 0.5, 1e-5, False),
        ("three, cumulative, eps 1e-3", "three", None, 1e-3, False),
        ("eight, alpha 0.1, eps 1e-3", "eight", 0.1, 1e-3, False),
        ("eight, alpha 0.5, affine", "eight", 0.5, 1e-5, True),
        ("eight, cumulative, affine", "eight", None, 1e-5, True),
        ("semantics", "semantics", 0.1, 1e-5, False),
        ("semantics, cumulative", "semantics", None, 1e-5, False),
    ]
    cases = [batchnorm_case(rng, inputs, *setting) for setting in settings]
    confirm_batchnorm({case["name"]: case for case in cases})
    return {
        "made_by": made_by(torch),
        "about": "torch.nn.BatchNorm1d in float64, training on each batch in turn, then evaluating a "
                 "few rows with the running statistics. momentum is PyTorch's: the weight of the new "
                 "batch; null is cumulative. weight and bias are null without affine. A case's input "
                 "names an entry of inputs; steps[i] belongs to batches[i].",
        "inputs": inputs,
        "cases": cases,
    }


def batchnorm_case(rng, inputs, name, input_name, momentum, eps, affine):
    data = inputs[input_name]
    features = data["features"]
    weight = [round(rng.uniform(-2, 2), 3) for _ in range(features)] if affine else None
    bias = [round(rng.uniform(-1, 1), 3) for _ in range(features)] if affine else None
    norm = batch_norm(features, momentum, eps, weight, bias)
    steps = []
    for batch in data["batches"]:
        outputs = norm(torch.tensor(batch, dtype=torch.float64)).tolist()
        steps.append({"outputs": outputs, **running(norm)})
    evaluation = norm.eval()(torch.tensor(data["evaluation"], dtype=torch.float64)).tolist()
    return {
        "name": name, "input": input_name, "momentum": momentum, "eps": eps,
        "weight": weight, "bias": bias, "steps": steps, "evaluation": {"outputs": evaluation},
    }


def confirm_batchnorm(cases):
    moving, cumulative = cases["semantics"], cases["semantics, cumulative"]
    close([row[0] for row in moving["steps"][0]["outputs"]],
          [-1.0690434404458737, -0.5345217202229369, 0, 1.6035651606688102])
    close(moving["steps"][2]["running_mean"], [0.793, 2.81, 1.355])
    close(moving["steps"][2]["running_var"], [1.487, 40.229, 0.729])
    close(moving["evaluation"]["outputs"][0], [1.8098616955721079, 0.029956007345046443, 4.2690455611798415])
    close(cumulative["steps"][2]["running_mean"], [3, 11.333333333333334, 5])
    close(cumulative["steps"][2]["running_var"], [2.8888888888888893, 161.7777777777778, 0])


# --- layers.json ----------------------------------------------------------


def make_layers(_options):
    rng = random.Random(2)
    columns = [(1.5, 0.5), (1500, 500), (50, 10), (0, 0.02)]
    weight = [[round(rng.gauss(0, 1), 3) for _ in range(4)] for _ in range(3)]
    bias = [round(rng.gauss(0, 1), 3) for _ in range(3)]
    first, second = batch_norm(4), batch_norm(3)
    linear = torch.nn.Linear(4, 3)
    linear.weight.copy_(torch.tensor(weight))
    linear.bias.copy_(torch.tensor(bias))

    def stages(rows):
        normalized = first(torch.tensor(rows))
        mixed = linear(normalized)
        activated = torch.sigmoid(mixed)
        return {
            "inputs": rows, "normalized": normalized.tolist(), "linear": mixed.tolist(),
            "activated": activated.tolist(), "outputs": second(activated).tolist(),
        }

    steps = []
    for _ in range(3):
        step = stages(random_rows(rng, 8, columns))
        steps.append({**step, "first": running(first), "second": running(second)})
    first.eval(), second.eval()
    return {
        "made_by": made_by(torch),
        "about": "normalise, W·x + b, sigmoid, normalise again: BatchNorm1d(4), Linear(4, 3), Sigmoid, "
                 "BatchNorm1d(3), all float64 without affine, training on three batches of 8 rows; "
                 "every stage's rows, and both norms' running statistics after the batch. "
                 "evaluation: the same chain in eval mode. weight is W as [output][input].",
        "momentum": 0.1,
        "eps": 1e-5,
        "weight": weight,
        "bias": bias,
        "steps": steps,
        "evaluation": stages(random_rows(rng, 4, columns)),
    }


# --- ewm.json -------------------------------------------------------------


def make_ewm(_options):
    rng = random.Random(3)
    count, alpha, half_life_ms = 200, 0.1, 4000
    values, times, level, now = [], [], 20.0, 0
    for _ in range(count):
        level += rng.gauss(0, 0.3)
        values.append(round(level + rng.gauss(0, 1), 4))
        times.append(now)
        # Mostly about a second apart, now and then the same instant or a long gap.
        now += rng.choice([0, 250, 500, 1000, 1000, 1500, 2000, 3000, 9000])
    missing = {0, 1, 7, 50, 51, 52, 53, 199} | {rng.randrange(count) for _ in range(25)}
    gappy = [None if row in missing else value for row, value in enumerate(values)]
    inputs = {
        "series": {"timesMs": times, "values": values},
        "gappy": {"timesMs": times, "values": gappy},
        "semantics": {"timesMs": [0, 2000, 9000, 16000], "values": [0, 1, 2, 4]},
    }
    by_count = {"alpha": alpha, "halfLifeMs": None}
    by_time = {"alpha": None, "halfLifeMs": half_life_ms}
    settings = [
        ("mean", "series", "mean", {**by_count, "adjust": True, "ignoreNa": False, "bias": None}),
        ("biased variance", "series", "var", {**by_count, "adjust": True, "ignoreNa": False, "bias": True}),
        ("unbiased variance", "series", "var", {**by_count, "adjust": True, "ignoreNa": False, "bias": False}),
        ("mean, not adjusted", "series", "mean", {**by_count, "adjust": False, "ignoreNa": False, "bias": None}),
        ("mean by time", "series", "mean", {**by_time, "adjust": True, "ignoreNa": False, "bias": None}),
        ("mean by time, semantics", "semantics", "mean", {**by_time, "adjust": True, "ignoreNa": False, "bias": None}),
        ("mean with NaN", "gappy", "mean", {**by_count, "adjust": True, "ignoreNa": True, "bias": None}),
        ("biased variance with NaN", "gappy", "var", {**by_count, "adjust": True, "ignoreNa": True, "bias": True}),
        ("unbiased variance with NaN", "gappy", "var", {**by_count, "adjust": True, "ignoreNa": True, "bias": False}),
        ("mean by time with NaN", "gappy", "mean", {**by_time, "adjust": True, "ignoreNa": False, "bias": None}),
    ]
    cases = [
        {"name": name, "input": key, "statistic": statistic, **setting,
         "outputs": pandas_ewm(inputs[key], statistic, setting)}
        for name, key, statistic, setting in settings
    ]
    every_tenth = range(9, count, 10)
    exact = [
        exact_ewm("by count", inputs, "series", by_count, every_tenth),
        exact_ewm("by count with NaN", inputs, "gappy", by_count, every_tenth),
        exact_ewm("by time", inputs, "series", by_time, every_tenth),
        exact_ewm("by time with NaN", inputs, "gappy", by_time, every_tenth),
        exact_ewm("by time, semantics", inputs, "semantics", by_time, range(4)),
    ]
    confirm_ewm({case["name"]: case["outputs"] for case in cases}, exact)
    return {
        "made_by": made_by(pd),
        "about": "cases: pandas Series.ewm(...).mean() or .var(bias=...), the value after each row; null is "
                 "NaN. 'not adjusted' starts at the first value and only documents the other convention. "
                 "By count a missing value does not age the others (ignoreNa true). By time, ignoreNa must be "
                 "false: with true, pandas leaves out the time that passed before such a row. exact: the same "
                 "weights in 50-digit decimals, with what pandas lacks: variance by time, and effectiveCount "
                 "(sum of weights)² / sum of squared weights; state after rows 0..row; unbiasedVariance is "
                 "S / (W - W2 / W).",
        "inputs": inputs,
        "cases": cases,
        "exact": exact,
    }


def confirm_ewm(cases, exact):
    """Hold pandas and the decimals to the specification and to each other."""
    last = exact[-1]["rows"][-1]
    close(cases["mean by time, semantics"][-1], 3.2336858398518333)
    close([last["mean"], last["biasedVariance"], last["effectiveCount"]],
          [3.2336858398518333, 1.473750450249747, 1.9064095183849061])
    pairs = [
        (0, "mean", "mean"), (0, "biased variance", "biasedVariance"), (0, "unbiased variance", "unbiasedVariance"),
        (1, "mean with NaN", "mean"), (1, "biased variance with NaN", "biasedVariance"),
        (1, "unbiased variance with NaN", "unbiasedVariance"),
        (2, "mean by time", "mean"), (3, "mean by time with NaN", "mean"), (4, "mean by time, semantics", "mean"),
    ]
    for index, name, key in pairs:
        rows = exact[index]["rows"]
        close([cases[name][row["row"]] for row in rows], [row[key] for row in rows])


def pandas_ewm(data, statistic, setting):
    series = pd.Series(data["values"], dtype="float64")
    options = {"adjust": setting["adjust"], "ignore_na": setting["ignoreNa"]}
    if setting["halfLifeMs"] is None:
        window = series.ewm(alpha=setting["alpha"], **options)
    else:
        times = pd.to_datetime(pd.Series(data["timesMs"]), unit="ms")
        window = series.ewm(halflife=f"{setting['halfLifeMs'] // 1000}s", times=times, **options)
    return (window.mean() if statistic == "mean" else window.var(bias=setting["bias"])).tolist()


def exact_ewm(name, inputs, key, setting, rows):
    data = inputs[key]
    with localcontext() as context:
        context.prec = 50
        return {"name": name, "input": key, **setting,
                "rows": [{"row": row, **exact_ewm_row(data, setting, row)} for row in rows]}


def exact_ewm_row(data, setting, last):
    seen = [row for row in range(last + 1) if data["values"][row] is not None]
    x = [Decimal(data["values"][row]) for row in seen]  # the float64, exactly
    if setting["halfLifeMs"] is None:
        keep = 1 - Decimal(setting["alpha"])
        w = [keep ** (len(seen) - 1 - index) for index in range(len(seen))]
    else:
        half_life = Decimal(setting["halfLifeMs"])
        newest = data["timesMs"][seen[-1]]
        w = [Decimal(2) ** (-(newest - data["timesMs"][row]) / half_life) for row in seen]
    total, squares = sum(w), sum(weight * weight for weight in w)
    mean = sum(weight * value for weight, value in zip(w, x)) / total
    spread = sum(weight * (value - mean) ** 2 for weight, value in zip(w, x))
    return {
        "mean": float(mean),
        "biasedVariance": float(spread / total),
        "unbiasedVariance": float(spread / (total - squares / total)) if len(seen) > 1 else None,
        "effectiveCount": float(total * total / squares),
    }


# --- standard-scaler.json -------------------------------------------------


def make_standard_scaler(_options):
    rng = random.Random(4)

    def with_missing(rows, share):
        # The first row stays whole, so that no column of a chunk is entirely missing.
        return rows[:1] + [[None if rng.random() < share else value for value in row] for row in rows[1:]]

    plain = [(0, 1), (50, 1000), (-3, 0.5)]
    mixed_scales = [with_missing(random_rows(rng, size, plain), 0.2) for size in (16, 7, 20, 1, 3)]
    named = [random_rows(rng, size, [(54, 10), (28, 1)], 2) for size in (10, 10, 5)]
    # Sums, means and deviations of the last three columns are exact in float64, and so
    # are their variances: no library's rounding is recorded (asserted below).
    cycles = [[-1, 0, 1, 2], [0, 1, 2, 3], [-1, 0, 1, 2]]
    narrow = []
    for size, cycle in zip((16, 16, 32), cycles):
        chunk = []
        for index in range(size):
            step = cycle[index % 4]
            chunk.append([round(rng.gauss(0, 1), 4), 0.1, 5.0, 1 + step * 2.0**-48, 1 + step * 2.0**-40])
        narrow.append(chunk)
    cases = [
        scaler_case("three chunks, no missing values", named, [[54.1, 27.9], [93.22, 52.87], [0, 0]],
                    ["humidity", "temperature"]),
        scaler_case("missing values, odd chunks", mixed_scales,
                    [[0, 50, -3], [None, 1050, None], [1.5, None, -2.5], [10, -3000, 0]]),
        scaler_case("constant and nearly constant", narrow,
                    [[0.5, 0.1, 5, 1, 1], [-1, 0.3, 6, 1 + 2.0**-48, 1 + 2.0**-40],
                     [None, None, 4, 1.25, 1 - 2.0**-39]]),
    ]
    final = cases[2]["states"][-1]
    for column in (3, 4):
        numbers = [Fraction(values[column]) for chunk in narrow for values in chunk]
        mean, biased, _ = exact_moments(numbers)
        assert final["mean_"][column] == mean and final["var_"][column] == biased
    assert final["scale_"][1:4] == [1, 1, 1] and final["scale_"][4] == math.sqrt(final["var_"][4])
    return {
        "made_by": made_by(sklearn, np),
        "about": "sklearn.preprocessing.StandardScaler.partial_fit over chunks; states[i] is after chunks[i]; "
                 "transform uses the last state. null is NaN. var_ is biased. n_samples_seen_ is a number, or "
                 "a list when counts differ between columns. In the last case columns are: normal, constant 0.1, "
                 "constant 5, nearly constant (1 + j·2^-48: scale_ is 1 from 32 rows on, by the bound "
                 "n · 2^-52 · mean on the deviation) and narrow (1 + j·2^-40: a real spread). var_ of the "
                 "constant 0.1 is rounding noise around 0: compare it with (n · 2^-52 · mean)². No chunk has a "
                 "column entirely missing: that leaves scikit-learn's mean or variance of the column at NaN "
                 "for good.",
        "cases": cases,
    }


def scaler_case(name, chunks, rows, feature_names=None):
    def array(values):
        values = np.array(values, dtype="float64")
        return values if feature_names is None else pd.DataFrame(values, columns=feature_names)

    scaler = sklearn.preprocessing.StandardScaler()
    states = []
    for chunk in chunks:
        scaler.partial_fit(array(chunk))
        states.append({
            "mean_": scaler.mean_.tolist(), "var_": scaler.var_.tolist(), "scale_": scaler.scale_.tolist(),
            "n_samples_seen_": np.asarray(scaler.n_samples_seen_).tolist(),
        })
    outputs = np.asarray(scaler.transform(array(rows))).tolist()
    assert all(math.isfinite(value) for state in states for value in state["mean_"] + state["var_"])
    return {"name": name, "feature_names_in_": feature_names, "chunks": chunks, "states": states,
            "transform": {"inputs": rows, "outputs": outputs}}


# --- sensors.json ---------------------------------------------------------


def make_sensors(options):
    features, size, every, kept = ["humidity", "temperature"], 64, 100, [0, 1, 2, -2, -1]
    path = options.csv or ROOT / SENSORS_CSV
    try:
        with open(path, newline="") as file:
            rows = [[float(record[feature]) for feature in features] for record in csv.DictReader(file)]
    except FileNotFoundError:
        sys.exit(f"make.py: {SENSORS_CSV} is missing; --csv FILE names another copy")
    assert len(rows) == 18760 == 293 * size + 8, len(rows)
    norm = batch_norm(len(features))
    batches = [norm(torch.tensor(rows[start:start + size])).tolist() for start in range(0, len(rows), size)]
    outputs = [row for batch in batches for row in batch]
    columns = list(zip(*outputs))
    return {
        "made_by": made_by(torch),
        "about": "streamnorm pipe --format csv --features humidity,temperature --size 64 on the sensor "
                 "recording, all rows in file order: BatchNorm1d(2) in float64, training, the last batch has "
                 "8 rows. Steady windows magnify the rounding of PyTorch's own mean: compare outputs with an "
                 "absolute tolerance of 1e-11. sum is rounding noise around 0 (absolute, 1e-8); "
                 "sampledRows.outputs[i] is row i * every.",
        "csv": SENSORS_CSV,
        "features": features,
        "size": size,
        "momentum": 0.1,
        "eps": 1e-5,
        "rows": len(rows),
        "batches": [{"index": index % len(batches), "outputs": batches[index]} for index in kept],
        **running(norm),
        "sum": [math.fsum(column) for column in columns],
        "sumOfSquares": [math.fsum(value * value for value in column) for column in columns],
        "sampledRows": {"every": every, "outputs": outputs[::every]},
    }


# --- strd.json ------------------------------------------------------------

MULBERRY32 = (
    "let a = seed | 0; const next = () => { a = (a + 0x6d2b79f5) | 0; "
    "let t = Math.imul(a ^ (a >>> 15), 1 | a); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; "
    "return (t ^ (t >>> 14)) >>> 0 }"
)


def mulberry32(seed):
    """The public-domain generator of that name, yielding unsigned 32-bit integers."""
    mask, a = 0xFFFFFFFF, seed
    while True:
        a = (a + 0x6D2B79F5) & mask
        t = ((a ^ (a >> 15)) * (1 | a)) & mask
        t = ((t + (((t ^ (t >> 7)) * (61 | t)) & mask)) & mask) ^ t
        yield t ^ (t >> 14)


def construct(data):
    """The float64 values that a `data` entry describes; the rules are in the file's `about`."""
    kind = data["kind"]
    if kind == "values":
        return [float(value) for value in data["values"]]
    if kind == "cycle":
        return [float(value) for value in data["lead"] + data["cycle"] * data["repeats"]]
    draw = mulberry32(data["seed"])
    if kind == "noise":
        return [data["base"] + data["scale"] * ((next(draw) >> 12) + data["shift"]) for _ in range(data["count"])]
    assert kind == "cancelling"
    pairs = []
    for _ in range(data["count"] // 2):
        large = float(next(draw))
        pairs.append((large, -large + data["scale"] * (next(draw) >> 12)))
    if data["order"] == "pairs":
        return [value for pair in pairs for value in pair]
    return [first for first, _ in pairs] + [second for _, second in pairs]


def exact_moments(numbers):
    """Exact mean, biased and unbiased variance, each rounded once to float64."""
    count = len(numbers)
    mean = sum(numbers) / count
    squares = sum((number - mean) ** 2 for number in numbers)
    return float(mean), float(squares / count), float(squares / (count - 1))


def make_strd(_options):
    step, above = 2.0**-20, math.nextafter(1e9, math.inf)

    def cycle(lead, values, repeats):
        return {"kind": "cycle", "lead": lead, "cycle": values, "repeats": repeats}

    def noise(seed, base, scale, shift):
        return {"kind": "noise", "seed": seed, "count": 4096, "base": base, "scale": scale, "shift": shift}

    def cancelling(order):
        return {"kind": "cancelling", "seed": 12, "count": 4096, "scale": step, "order": order}

    definitions = [
        ("NumAcc1", {"kind": "values", "values": [10000001, 10000003, 10000002]}, (10000002, 1)),
        ("NumAcc2", cycle([1.2], [1.1, 1.3], 500), (1.2, 0.1)),
        ("NumAcc3", cycle([1000000.2], [1000000.1, 1000000.3], 500), (1000000.2, 0.1)),
        ("NumAcc4", cycle([10000000.2], [10000000.1, 10000000.3], 500), (10000000.2, 0.1)),
        ("1e9 + noise", noise(11, 1e9, step, 0), None),
        ("zero-mean cancellation, pairs", cancelling("pairs"), None),
        ("zero-mean cancellation, halves", cancelling("halves"), None),
        ("one ulp apart", {"kind": "values", "values": [1e9, above]}, None),
        ("one ulp apart, alternating", cycle([above], [1e9, above], 500), None),
        ("tiny 1e-140", noise(13, 0.0, 1e-145, -524288), None),
        ("large 1e140", noise(14, 1e140, 1e134, -524288), None),
    ]
    cases = []
    for name, data, certified in definitions:
        values = construct(data)
        mean, biased, unbiased = exact_moments([Fraction(value) for value in values])
        case = {"name": name, "count": len(values), "data": data, "head": values[:4], "last": values[-1],
                "min": min(values), "max": max(values),
                "mean": mean, "biasedVariance": biased, "unbiasedVariance": unbiased}
        if certified:
            case["certified"] = {"mean": certified[0], "standardDeviation": certified[1]}
            # Decimal inputs such as 10000000.1 are not float64, which alone costs eight digits here.
            close([mean, math.sqrt(unbiased)], certified, 1e-7)
        cases.append(case)
    return {
        "made_by": made_by(),
        "about": "Mean and variances of the float64 inputs in rational arithmetic, each rounded once. NumAcc1-4 "
                 "are NIST StRD univariate data sets (1 + 2 * 500 values for 2-4); certified holds for the "
                 "decimal inputs, so for NumAcc3 and 4 it differs from the exact result of the float64 inputs. "
                 "Kinds of data: values, as given; cycle, lead and then cycle repeats times; noise, count times "
                 "base + scale * ((next() >>> 12) + shift), in this order of operations; cancelling, count / 2 "
                 "times large = next(), small = -large + scale * (next() >>> 12), in order 'pairs' (large, small, "
                 "large, ...) or 'halves' (all large, then all small). next() is mulberry32 started with seed: "
                 "see generator. head and last let a test check its own construction.",
        "generator": MULBERRY32,
        "cases": cases,
    }


# --- writing and checking -------------------------------------------------

FILES = {
    "batchnorm.json": make_batchnorm,
    "layers.json": make_layers,
    "ewm.json": make_ewm,
    "standard-scaler.json": make_standard_scaler,
    "sensors.json": make_sensors,
    "strd.json": make_strd,
}


def plain(value):
    """JSON without NaN and without negative zero, which equality in tests would trip over."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        assert math.isfinite(value)
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return value


def layout(value, depth=0):
    """Objects and lists of lists over several lines, a row of numbers on one."""
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        parts, marks = [f"{json.dumps(key)}: {layout(item, depth + 1)}" for key, item in value.items()], "{}"
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        parts, marks = [layout(item, depth + 1) for item in value], "[]"
    else:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    indent = " " * depth
    return f"{marks[0]}\n" + ",\n".join(f"{indent} {part}" for part in parts) + f"\n{indent}{marks[1]}"


def differences(expected, actual, path="", key=""):
    """Yield (path, difference); infinite where the two are not comparable."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in {**expected, **actual}:
            if name == "made_by":
                continue
            if name not in expected or name not in actual:
                yield f"{path}.{name}", math.inf
                continue
            yield from differences(expected[name], actual[name], f"{path}.{name}", name)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield path, math.inf
        for index, (one, other) in enumerate(zip(expected, actual)):
            yield from differences(one, other, f"{path}[{index}]", key)
    elif is_number(expected) and is_number(actual):
        if expected != actual:
            scale = max(abs(expected), abs(actual), LEAST_SCALE.get(key, 0))
            yield path, max(0.0, abs(expected - actual) - ABSOLUTE_FLOOR.get(key, 0)) / scale
    elif expected != actual or type(expected) is not type(actual):
        yield path, math.inf


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check(name, made):
    path = HERE / name
    if not path.exists():
        print(f"{name}: missing")
        return False
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        print(f"{name}: not JSON, {error}")
        return False
    where, worst = max(differences(kept, made), key=lambda item: item[1], default=("", 0.0))
    good = worst <= MAX_DIFFERENCE
    print(f"{name}: {'ok' if good else 'DIFFERS'}, largest difference {worst:.3g}{' at ' + where if where else ''}")
    return good


def main():
    parser = argparse.ArgumentParser(description="Write or check the golden files.")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--csv", metavar="FILE", help=f"the sensor recording (default {SENSORS_CSV} in the repository)")
    parser.add_argument("--any-python", action="store_true", help="allow another Python than /usr/bin/python3")
    options = parser.parse_args()
    require_libraries(options.any_python)
    good = True
    for name, make in FILES.items():
        made = plain(make(options))
        text = layout(made) + "\n"
        assert json.loads(text) == made, f"{name} does not survive JSON"
        assert len(text.encode()) < MAX_BYTES, f"{name} has {len(text.encode())} bytes"
        if options.check:
            good = check(name, made) and good
        else:
            (HERE / name).write_text(text, encoding="utf-8")
            print(f"{name}: {len(text.encode())} bytes")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
