"""Record what PyTorch computes, so that tests need no PyTorch.

Run by hand where PyTorch is installed, from the root of the repository::

    python -m tests.record_oracles         # cases that have no numbers yet
    python -m tests.record_oracles --all   # every case anew

Inputs and weights are drawn from seeds again by the tests; only a few numbers of each
result are stored, see `tests.oracles.summary`.
"""

import json
import sys

from tests.oracles import (
    LAYERS,
    RECORDED,
    STEPS,
    TRAININGS,
    build_layer,
    summary,
    torch_results,
    torch_training,
)


def record_layer(name):
    return {
        key: summary(f"{key} of {name}", array)
        for key, array in torch_results(name, *build_layer(name)).items()
    }


def record_training(name):
    steps = list(torch_training(name))
    return {
        "loss_d": [loss_d for loss_d, *_ in steps],
        "loss_g": [loss_g for _, loss_g, *_ in steps],
        "arrays": {
            str(step): summaries_of_step(name, step, *steps[step - 1][2:])
            for step in (1, STEPS)
        },
    }


def summaries_of_step(name, step, generator_arrays, discriminator_arrays):
    networks = {"generator": generator_arrays, "discriminator": discriminator_arrays}
    return {
        f"{network}.{key}": summary(f"{network}.{key} after step {step} of {name}", a)
        for network, arrays in networks.items()
        for key, a in arrays.items()
    }


def main():
    import torch

    RECORDED.mkdir(exist_ok=True)
    for file, names, record in (
        ("layers.json", LAYERS, record_layer),
        ("training.json", TRAININGS, record_training),
    ):
        path = RECORDED / file
        # Another machine rounds other last digits: what is recorded stays.
        known = {} if "--all" in sys.argv else json.loads(path.read_text())["cases"]
        new = [name for name in names if name not in known]
        cases = {name: known.get(name) or record(name) for name in names}
        content = {"torch": torch.__version__, "cases": cases}
        path.write_text(json.dumps(content, indent=0) + "\n")
        sys.stdout.write(f"{path}: {len(new)} new: {', '.join(new)}\n")


if __name__ == "__main__":
    main()
