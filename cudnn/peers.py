"""Milliseconds of a training step of PyTorch on a card: torch.compile, channels_last. See --help."""

import argparse
import os
import statistics
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "bench", "peers")]
import harness
import networks
import torch
from torch import nn
from torch_networks import network

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--models", default="vgg11,vgg13,vgg16,vgg19")
parser.add_argument("--precisions", default="fp32,tf32,bf16")
parser.add_argument("--mode", default="reduce-overhead", help="of torch.compile; max-autotune compiles for minutes, eager does not")
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--batch", type=int, default=128)
args = parser.parse_args()
ROUNDS = 5  # the median counts


def measure(model, precision):
    begin = time.perf_counter()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    net = network(model, True).cuda().to(memory_format=torch.channels_last)
    images = [torch.randn(args.batch, 3, 32, 32, device="cuda").to(memory_format=torch.channels_last) for _ in range(4)]
    labels = torch.randint(0, networks.CLASSES, (args.batch,), device="cuda")
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=2 * harness.LAMBDA, fused=True)
    loss = nn.CrossEntropyLoss()

    def forward(x):
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return loss(net(x), labels)

    if args.mode != "eager":
        forward = torch.compile(forward, mode=args.mode)

    def step(i):
        optimizer.zero_grad(set_to_none=True)
        forward(images[i % len(images)]).backward()
        optimizer.step()

    for i in range(10):
        step(i)
    torch.cuda.synchronize()
    ready = time.perf_counter() - begin
    rounds, each = [], max(1, args.steps // ROUNDS)
    for _ in range(ROUNDS):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        for i in range(each):
            step(i)
        last.record()
        torch.cuda.synchronize()
        rounds.append(first.elapsed_time(last) / each)
    spread = " ".join(f"{r:.3f}" for r in rounds)
    print(f"{model} {precision} {args.mode}: {statistics.median(rounds):.3f} ms a step (rounds {spread}; ready after {ready:.0f} s)", flush=True)


print("PyTorch", torch.__version__, "cuDNN", torch.backends.cudnn.version(), torch.cuda.get_device_name(), flush=True)
for precision in args.precisions.split(","):
    for model in args.models.split(","):
        measure(model, precision)
