"""Milliseconds of a training step of PyTorch at batch 128 on a card: torch.compile, channels_last."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "peers"))
import harness
import torch
from torch import nn

BATCH, STEPS = 128, 100


def network(model):
    """The network of bench/peers/torch_vgg.py."""
    layers, channels = [], 3
    for c in harness.NETWORKS[model]:
        if c == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        c, kernel = c if isinstance(c, tuple) else (c, 3)
        layers += [nn.Conv2d(channels, c, kernel, padding=kernel // 2), nn.BatchNorm2d(c, eps=1e-3, momentum=0.01), nn.ReLU(inplace=True)]
        channels = c
    layers.append(nn.Flatten())
    for features in (harness.DENSE, harness.DENSE):
        layers += [nn.Linear(channels, features), nn.BatchNorm1d(features, eps=1e-3, momentum=0.01), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        channels = features
    layers += [nn.Linear(channels, harness.CLASSES), nn.BatchNorm1d(harness.CLASSES, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*layers)


def milliseconds(model, precision):
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    net = network(model).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(BATCH, 3, 32, 32, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(0, harness.CLASSES, (BATCH,), device="cuda")
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=2 * harness.LAMBDA, fused=True)
    loss = nn.CrossEntropyLoss()

    @torch.compile(mode="max-autotune")
    def forward():
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return loss(net(x), labels)

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward().backward()
        optimizer.step()

    for _ in range(10):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start) / STEPS


print("PyTorch", torch.__version__, torch.cuda.get_device_name())
for precision in ("fp32", "tf32", "bf16") if torch.cuda.get_device_capability()[0] >= 8 else ("fp32",):
    for model in ("vgg11", "vgg13", "vgg16", "vgg19"):
        print(f"{model} {precision}: {milliseconds(model, precision):.3f} ms", flush=True)
