"""Writes torch.json, what PyTorch computes in float64: steps of Muon, and of torch.optim.SGD.

    python make_torch.py > torch.json

Kernels are in PyTorch's order (out, in, height, width).
"""

import json

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(22)
MOMENTUM, ITERATIONS, SGD_MOMENTUM = 0.6, 3, 0.85
KERNELS = [(5, 2, 2, 2), (4, 1, 1, 3), (7, 3, 1, 1)]  # tall, wide and wide as (in·k·k, out)
OTHERS = [(6, 0.05, 0.1), (4, 0.7, 0.0)]  # size, rate, decay
RATES = [0.24, 0.24, 0.24]


def float32(*shape):
    return torch.randn(*shape).float().double()


def numbers(tensors):
    return [[float(f"{v:.9g}") for v in t.flatten().tolist()] for t in tensors]


def newton_schulz(g):
    x = g / (g.norm() + 1e-7)
    wide = x if x.size(0) <= x.size(1) else x.T
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return wide if x.size(0) <= x.size(1) else wide.T


kernels = [float32(*s) for s in KERNELS]
others = [torch.nn.Parameter(float32(n)) for n, _, _ in OTHERS]
buffers = [torch.zeros_like(k) for k in kernels]
sgd = torch.optim.SGD([dict(params=[p], lr=rate, weight_decay=decay) for p, (_, rate, decay) in zip(others, OTHERS)],
                      lr=0.1, momentum=SGD_MOMENTUM, nesterov=True)
case = dict(momentum=MOMENTUM, iterations=ITERATIONS, sgd=SGD_MOMENTUM, shapes=KERNELS,
            others=[dict(size=n, rate=rate, decay=decay) for n, rate, decay in OTHERS],
            weights=numbers(kernels + [p.detach() for p in others]), steps=[])
for rate in RATES:
    gradients = [float32(*s) for s in KERNELS]
    for k, buffer, g in zip(kernels, buffers, gradients):
        buffer.mul_(MOMENTUM).add_(g)
        k.mul_(len(k) ** 0.5 / k.norm())
        k.sub_(rate * newton_schulz((g + MOMENTUM * buffer).reshape(len(k), -1)).view_as(k))
    for p in others:
        p.grad = float32(*p.shape)
        gradients.append(p.grad)
    sgd.step()
    case["steps"].append(dict(rate=rate, gradients=numbers(gradients), weights=numbers(kernels + [p.detach() for p in others])))
print(json.dumps(dict(muon=case)))
