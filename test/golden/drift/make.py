#!/usr/bin/env python3
"""Write drift.json: where River's detectors find the changes of seeded streams.

    python3 -m venv /tmp/river && /tmp/river/bin/pip install river==0.26.1
    /tmp/river/bin/python test/golden/drift/make.py            write drift.json
    /tmp/river/bin/python test/golden/drift/make.py --check    exit 1 if it would differ

A stream is a list of segments [count, base, scale]: value = base + scale * u,
where u in [0, 1) is mulberry32(seed) / 2^32, drawn once a value.
"""

import json
import sys
from pathlib import Path

import river
from river import drift

OUT = Path(__file__).resolve().parent / "drift.json"
MASK = 0xFFFFFFFF


def mulberry32(seed):
    state = seed & MASK
    while True:
        state = (state + 0x6D2B79F5) & MASK
        t = ((state ^ (state >> 15)) * (state | 1)) & MASK
        t ^= (t + ((t ^ (t >> 7)) * (t | 61))) & MASK
        yield ((t ^ (t >> 14)) & MASK) / 2**32


def values(stream):
    uniform = mulberry32(stream["seed"])
    return [base + scale * next(uniform) for count, base, scale in stream["segments"] for _ in range(count)]


STREAMS = {
    "no change": {"seed": 1, "segments": [[5000, 0, 1]]},
    "up": {"seed": 2, "segments": [[1000, 0, 1], [1000, 0.5, 1]]},
    "down": {"seed": 3, "segments": [[1000, 5, 1], [1000, 4, 1]]},
    "up, down, up": {"seed": 4, "segments": [[500, 0, 1], [500, 3, 1], [500, -3, 1], [500, 0, 1]]},
    "small step late": {"seed": 5, "segments": [[3000, 0.2, 0.4], [3000, 0.3, 0.4]]},
    "ramp": {"seed": 6, "segments": [[50, i / 10, 1] for i in range(60)]},
    "wider only": {"seed": 7, "segments": [[1000, 0, 1], [1000, -4.5, 10]]},
}
PAGE_HINKLEY = [
    {},
    {"threshold": 10, "delta": 0.1},
    {"threshold": 5, "delta": 0.05, "alpha": 1.0, "min_instances": 10},
    {"threshold": 10, "delta": 0.1, "mode": "up"},
    {"threshold": 10, "delta": 0.1, "mode": "down", "alpha": 0.999},
]
ADWIN = [{}, {"delta": 0.05}, {"delta": 1e-6, "clock": 1}, {"clock": 8, "max_buckets": 10, "min_window_length": 20}]


def found(detector, xs):
    at = []
    for i, x in enumerate(xs):
        detector.update(x)
        if detector.drift_detected:
            at.append(i)
    return at


def main():
    cases = []
    for name, stream in STREAMS.items():
        xs = values(stream)
        cases.append(
            {
                "name": name,
                **stream,
                "head": xs[:3],
                "page_hinkley": [{**o, "found": found(drift.PageHinkley(**o), xs)} for o in PAGE_HINKLEY],
                "adwin": [{**o, "found": found(drift.ADWIN(**o), xs)} for o in ADWIN],
            }
        )
    text = json.dumps({"made_by": {"river": river.__version__}, "cases": cases}, indent=1) + "\n"
    if "--check" not in sys.argv[1:]:
        OUT.write_text(text)
        return 0
    same = OUT.read_text() == text
    print("drift.json is up to date" if same else "drift.json would change")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
