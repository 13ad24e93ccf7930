"""Lists of pairs and recipes that are malformed or made to do harm, by name."""

from __future__ import annotations

from tests.quicksilver.hostile.files import (
    ZIPPED,
    Maker,
    holding,
    in_the_way,
    named,
    pipe,
)

LISTS: dict[str, Maker] = {
    "absent": named("absent.csv"),
    "a folder": in_the_way("pairs.csv"),
    "a pipe": pipe("pairs.csv"),
    "empty": holding(b"", "pairs.csv"),
    "no target": holding(b"moving\na.nii\n", "pairs.csv"),
    "an unknown column": holding(b"moving,target,weight\na,b,1\n", "pairs.csv"),
    "a column twice": holding(b"moving,target,target\nbad.csv,bad.csv,bad.csv\n", "pairs.csv"),
    "files that are not there": holding(b"moving,target\na.nii,b.nii\n", "pairs.csv"),
    "no file": holding(b"moving,target\n,\n", "pairs.csv"),
    "a name that leads elsewhere": holding(
        b"id,moving,target\n../../a,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "a name twice": holding(
        b"id,moving,target\na,pairs.csv,pairs.csv\na,pairs.csv,pairs.csv\n", "pairs.csv"
    ),
    "more entries than columns": holding(b"moving,target\na,b,c\n", "pairs.csv"),
    "a name too long for a file": holding(b"moving,target\n" + b"n" * 300 + b",b\n", "pairs.csv"),
    "UTF-16": holding("moving,target\na,b\n".encode("utf-16"), "pairs.csv"),
    "NUL": holding(b"moving,target\na\0,b\n", "pairs.csv"),
    "an endless entry": holding(b"moving,target\n" + b"a" * 200000 + b",b\n", "pairs.csv"),
}

YAML_LAUGHS = b"a: &a [x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n + 98, n + 98, b", ".join([b"*%c" % (n + 97)] * 9)) for n in range(9)
)

RECIPES: dict[str, Maker] = {
    "absent": named("absent.yaml"),
    "a folder": in_the_way("bad.yaml"),
    "a pipe": pipe("bad.yaml"),
    "empty": holding(b"", "bad.yaml"),
    "words": holding(b"train well", "bad.yaml"),
    "no YAML": holding(b"a: [1, 2\nb: }", "bad.yaml"),
    "an object": holding(b"!!python/object/apply:os.mkdir [harm]", "bad.yaml"),
    "an unknown entry": holding(b"magic: true\n", "bad.yaml"),
    "no text": holding(bytes(range(256)), "bad.yaml"),
    "a billion laughs": holding(YAML_LAUGHS, "bad.yaml"),
    "100,000 deep": holding(b"[" * 100_000, "bad.yaml"),
    "a number of 5,000 digits": holding(b"seed: " + b"9" * 5000, "bad.yaml"),
}

WHOLE = """\
name: a
training_data: b
licence: c
data: {labels: "*.nii", shape: [16, 16, 16], spacing: 2.0, origin: [0, 0, 0], held_out: 2}
prediction: {steps: 2}
"""
"""A recipe to which one entry is added."""

ENTRIES: dict[str, str] = {
    "two data": "data: {}",
    "features of words": "network: {features: many}",
    "no features": "network: {features: 0}",
    "a billion features": "network: {features: 1000000000}",
    "infinite features": "network: {features: .inf}",
    "an unknown architecture": "network: {architecture: magic}",
    "a list for a network": "network: [1, 2]",
    "an unknown entry of the network": "network: {magic: 1}",
    "corrections below zero": "network: {corrections: -1}",
    "a billion corrections": "network: {corrections: 1000000000}",
    "a sharpness of NaN": "network: {sharpness: .nan}",
    "no gamma": "shooting: {gamma: 0}",
    "a gamma of NaN": "shooting: {gamma: .nan}",
    "an alpha below zero": "shooting: {alpha: -1}",
    "a power of a billion": "shooting: {power: 1000000000}",
    "a billion time steps": "shooting: {steps: 1000000000}",
    "half a time step": "shooting: {steps: 0.5}",
    "an unknown method": "shooting: {method: evil}",
    "words for steps": "prediction: {steps: many}",
    "steps below zero": "prediction: {steps: -5}",
    "a rate of infinity": "prediction: {steps: 2, rate: .inf}",
    "an unfolding of NaN": "prediction: {steps: 2, unfolding: .nan}",
    "words for a seed": "seed: now",
    "an anchor of nothing": "network: *nothing",
    "a network too large for memory": "network: {features: 1024, architecture: patch}",
    "a switch for features": "network: {features: true}",
    "a network coarser than the frame": "network: {prediction_factor: 8}",
    "patches larger than the frame": "data: {labels: '*.nii', shape: [16, 16, 14], spacing: 2.0, "
    "origin: [0, 0, 0], held_out: 2}\nnetwork: {architecture: patch}",
    "a seed of 30 digits": f"seed: {10**30}",
    "a switch for a seed": "seed: yes",
    "no name": "name: ''",
    "a name that a terminal obeys": 'name: "\\e[31m"',
    "a name of two lines": 'name: "a\\nb"',
    "a name of 300 characters": f"name: {'n' * 300}",
    "a name of a number": "name: 3",
    "an alpha of a billion": "shooting: {alpha: 1000000000}",
    "an alpha beyond the grid": "shooting: {alpha: 100000, gamma: 0.001}",
    "a beta of 1e300": "shooting: {beta: 1.0e+300}",
    "a gamma of 1e-300": "shooting: {gamma: 1.0e-300}",
    "a scanner of a billion": "variation: {scanner: 1000000000}",
    "a contrast of 1e300": "variation: {intensity: 1.0e+300}",
    "turns of a billion degrees": "variation: {rotation: 1000000000}",
    "a scale of a billion": "variation: {scale: 1000000000}",
    "a shift of a billion": "variation: {shift: 1000000000}",
    "a misalignment of a billion": "variation: {misalignment: 1000000000}",
    "a window of one voxel": "variation: {window: [1, 1, 1]}",
    "a flat window": "variation: {window: [16, 16]}",
    "a window of a billion": "variation: {window: [1000000000, 16, 16]}",
    "more rescans than pairs": "variation: {rescans: 2}",
    "10^30 steps": f"prediction: {{steps: {10**30}}}",
    "a billion batches": "prediction: {steps: 2, batch: 1000000000}",
    "a batch beyond memory": "prediction: {steps: 2, batch: 4096}\ndata: {labels: '*.nii', "
    "shape: [512, 512, 512], spacing: 1.0, origin: [0, 0, 0], held_out: 2}",
    "a billion validations": "prediction: {steps: 2, validations: 1000000000}",
    "a million workers": "prediction: {steps: 2, workers: 1000000}",
    "a rate of a billion": "prediction: {steps: 2, learning_rate: 1000000000}",
    "no sigma": "prediction: {steps: 2, sigma: 0}",
    "a sigma of 1e300": "prediction: {steps: 2, sigma: 1.0e+300}",
    "an average of one": "prediction: {steps: 2, average: 1}",
    "an unknown loss": "prediction: {steps: 2, loss: magic}",
    "fits of labels": "fits: {pairs: 1}\nprediction: {steps: 2, source: fits, "
    "objective: momentum}\nnetwork: {architecture: patch}",
    "a billion fits": "fits: {pairs: 1000000000}",
    "fits of no level": "fits: {pairs: 1, levels: [], iterations: []}",
    "fits of more levels than iterations": "fits: {pairs: 1, levels: [2, 1], iterations: [1]}",
    "fits of a level of a billion": "fits: {pairs: 1, levels: [1000000000], iterations: [1]}",
    "fits coarser than the frame": "fits: {pairs: 1, levels: [8], iterations: [1]}",
    "fits from nothing": "fits: {pairs: 1, start: absent.safetensors}",
    "a start that is not there": "start: absent.safetensors",
    "a start that is a folder": "start: .",
    "a start that is a device": "start: /dev/zero",
    "a start that a terminal obeys": 'start: "\\e[31m"',
    "a start of another architecture": "start: quicksilver-2017",
    "a tab": "\tseed: 1",
}

DATA: dict[str, tuple[str, str]] = {
    "a shape of words": ("[16, 16, 16]", "large"),
    "a flat shape": ("[16, 16, 16]", "[16, 16]"),
    "a shape beyond memory": ("[16, 16, 16]", "[3000, 2000, 2000]"),
    "a shape below zero": ("[16, 16, 16]", "[-16, 16, 16]"),
    "no spacing": ("spacing: 2.0", "spacing: 0"),
    "a spacing of NaN": ("spacing: 2.0", "spacing: .nan"),
    "a shape of one voxel": ("[16, 16, 16]", "[1, 1, 1]"),
    "a shape of four voxels": ("[16, 16, 16]", "[4, 4, 4]"),
    "an origin of 1e300": ("origin: [0, 0, 0]", "origin: [1.0e+300, 0, 0]"),
    "an origin beyond the earth": ("origin: [0, 0, 0]", "origin: [1000000000, 0, 0]"),
    "an empty pattern": ('"*.nii"', '""'),
    "a pattern of folders": ('"*.nii"', '"*/"'),
    "a pattern that a terminal obeys": ('"*.nii"', '"\\e[31m*.nii"'),
    "matrices in a folder": ("held_out: 2", "held_out: 2, matrices: ."),
    "an origin at infinity": ("origin: [0, 0, 0]", "origin: [.inf, 0, 0]"),
    "nobody held out": ("held_out: 2", "held_out: 0"),
    "a pattern without a star": ('"*.nii"', '"a.nii"'),
    "a pattern of two stars": ('"*.nii"', '"*/*.nii"'),
    "a pattern that leads elsewhere": ('"*.nii"', '"../*.nii"'),
    "an absolute pattern": ('"*.nii"', '"/etc/*.nii"'),
    "a pattern with NUL": ('"*.nii"', '"\\0*.nii"'),
    "nothing to learn from": ('labels: "*.nii", ', ""),
    "matrices that are not there": ("held_out: 2", "held_out: 2, matrices: absent.json"),
}

RECIPES |= {
    name: holding(f"{WHOLE}{entry}\n".encode(), "bad.yaml") for name, entry in ENTRIES.items()
}
RECIPES |= {
    name: holding(WHOLE.replace(*change).encode(), "bad.yaml") for name, change in DATA.items()
}

PAIR = b"id,moving,target\n"
LISTS |= {
    "a header alone": holding(b"moving,target\n", "pairs.csv"),
    "blank lines": holding(b"\n" * 1000, "pairs.csv"),
    "semicolons": holding(b"moving;target\na;b\n", "pairs.csv"),
    "tabs": holding(b"moving\ttarget\na\tb\n", "pairs.csv"),
    "an id that is a page": holding(PAIR + b"index.html,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id that is the table": holding(PAIR + b"summary.csv,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id that is failures": holding(PAIR + b"failures,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of two dots": holding(PAIR + b"..,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of a root": holding(PAIR + b"/tmp/a,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of an escape": holding(PAIR + b"\x1b[31ma,pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of 300 characters": holding(PAIR + b"a" * 300 + b",pairs.csv,pairs.csv\n", "pairs.csv"),
    "an id of a line": holding(PAIR + b'"a\nb",pairs.csv,pairs.csv\n', "pairs.csv"),
    "an open quote": holding(b'moving,target\n"a,b\n', "pairs.csv"),
    "no text": holding(bytes(range(256)), "pairs.csv"),
    "latin-1": holding("moving,target\né,b\n".encode("latin-1"), "pairs.csv"),
    "one entry": holding(b"moving,target\na\n", "pairs.csv"),
    "zipped": holding(ZIPPED, "pairs.csv"),
}
