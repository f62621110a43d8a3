"""Sixteen Hessian-vector products of sorting-mlp by double backward, one after the other; the gradient's graph is built once and shared."""

import torch

from models import problem, squared_loss
from timing import report, use_threads

VECTORS = 16


def main():
    use_threads()
    model, x, targets = problem("sorting-mlp")
    parameters = list(model.parameters())
    vectors = [[torch.randn_like(p) for p in parameters] for _ in range(VECTORS)]

    def work():
        gradient = torch.autograd.grad(squared_loss(model(x), targets), parameters, create_graph=True)
        for vector in vectors:
            torch.autograd.grad(gradient, parameters, grad_outputs=vector, retain_graph=True)

    report(work, repeats=7)


if __name__ == "__main__":
    main()
