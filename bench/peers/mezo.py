"""MeZO's step as its authors do it: z is drawn anew, tensor by tensor, from one seed for each of the four passes.

usage: mezo.py perturb-flat | perturb-layers | sorting-mlp | mlp
"""

import sys

import torch

from models import problem, squared_loss
from timing import report, use_threads

LR, MU = 1e-6, 1e-3


def perturb(parameters, seed, scale):
    torch.manual_seed(seed)
    for parameter in parameters:
        z = torch.normal(mean=0.0, std=1.0, size=parameter.size(), dtype=parameter.dtype)
        parameter.data = parameter.data + scale * z * MU


def step(parameters, loss, seed):
    with torch.inference_mode():
        perturb(parameters, seed, 1)
        above = loss().item()
        perturb(parameters, seed, -2)
        below = loss().item()
        perturb(parameters, seed, 1)
        projected = (above - below) / (2 * MU)
        torch.manual_seed(seed)
        for parameter in parameters:
            z = torch.normal(mean=0.0, std=1.0, size=parameter.size(), dtype=parameter.dtype)
            parameter.data = parameter.data - LR * (projected * z)


def main(case):
    use_threads()
    if case.startswith("perturb"):
        # 64 Mi parameters: in one tensor, as ours are, or in sixteen, as the layers of a model (their temporaries fit the cache better).
        shapes = [(8192, 8192)] if case == "perturb-flat" else [(2048, 2048)] * 16
        parameters = [torch.zeros(shape) for shape in shapes]
        report(lambda: perturb(parameters, 1, 1), repeats=3)
        return
    model, x, targets = problem(case)
    parameters = list(model.parameters())
    steps = 50 if case == "sorting-mlp" else 4

    def work():
        for seed in range(steps):
            step(parameters, lambda: squared_loss(model(x), targets), seed)

    report(work, repeats=5, per_run=steps)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("perturb-flat", "perturb-layers", "sorting-mlp", "mlp"):
        sys.exit(__doc__)
    main(sys.argv[1])
