"""The recipe of "lamina train --recipe fast" in PyTorch, on the CPU: time to accuracy on CIFAR-10.

    python fast_cifar.py DATA [--threads N] [--precision bf16] [--epochs 8] [--seed 1]

DATA is the folder with data_batch_1.bin to test_batch.bin. The network and the settings are those of
https://arxiv.org/abs/2404.00498 with Muon. The last line is a JSON object.
"""

import argparse
import json
import os
import time

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("data")
p.add_argument("--threads", type=int, default=os.cpu_count())
p.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
p.add_argument("--epochs", type=int, default=8)
p.add_argument("--batch", type=int, default=2000)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--limit", type=int, default=50000, help="train on the first images only")
p.add_argument("--val-limit", type=int, default=10000)
args = p.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(args.threads)
torch.manual_seed(args.seed)
MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
STD = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)
KERNEL_RATE, BIAS_RATE, HEAD_RATE = 0.24, 0.053 * 2000, 0.67 * 2000  # of the mean of the losses
DECAY = 2e-6 * 2000  # a step, at the first rate
SMOOTHING, WHITEN_EPOCHS, FEATURES = 0.2, 3, 256


def read(names, limit):
    rows = np.concatenate([np.fromfile(os.path.join(args.data, n), np.uint8) for n in names]).reshape(-1, 3073)[:limit]
    pixels = torch.from_numpy(rows[:, 1:].copy()).view(-1, 3, 32, 32).float() / 255
    return (pixels - MEAN) / STD, torch.from_numpy(rows[:, 0].astype(np.int64))


class BatchNorm(nn.BatchNorm2d):
    def __init__(self, channels):
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad = False


def conv(ins, outs):
    layer = nn.Conv2d(ins, outs, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:ins])
    return layer


class Network(nn.Module):
    def __init__(self, images):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.bias.data.zero_()
        self.whiten.weight.requires_grad = False
        patches = F.unfold(images[:5000], 2).transpose(1, 2).reshape(-1, 12).double()
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).T.view(12, 3, 2, 2)
        self.whiten.weight.data = torch.cat([filters, -filters]).float()
        layers, channels = [nn.GELU()], 24
        for width in (64, 256, 256):
            layers += [conv(channels, width), nn.MaxPool2d(2), BatchNorm(width), nn.GELU(),
                       conv(width, width), BatchNorm(width), nn.GELU()]
            channels = width
        self.layers = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten())
        self.head = nn.Linear(FEATURES, 10, bias=False)
        self.head.weight.data /= self.head.weight.std()

    def forward(self, x):
        return self.head(self.layers(self.whiten(x))) / FEATURES


def orthogonal(g):
    x = g / (g.norm() + 1e-7)
    wide = x if x.size(0) <= x.size(1) else x.T
    for _ in range(3):
        a = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * a + 2.0315 * a @ a) @ wide
    return wide if x.size(0) <= x.size(1) else wide.T


class Muon:
    def __init__(self, kernels):
        self.kernels = [(k, torch.zeros_like(k)) for k in kernels]

    @torch.no_grad()
    def step(self, rate):
        for k, buffer in self.kernels:
            buffer.mul_(0.6).add_(k.grad)
            update = orthogonal((k.grad + 0.6 * buffer).flatten(1)).view_as(k)
            k.mul_(len(k) ** 0.5 / k.norm()).add_(update, alpha=-rate)


def augment(images, flips):
    """Flipped images where flips are set, each moved by up to 2 pixels."""
    n = len(images)
    images = torch.where(flips.view(-1, 1, 1, 1), images.flip(-1), images)
    padded = F.pad(images, (2,) * 4, "reflect")
    moves = torch.randint(5, (n, 2))
    out = torch.empty_like(images)
    for y in range(5):
        for x in range(5):
            at = (moves[:, 0] == y) & (moves[:, 1] == x)
            out[at] = padded[at, :, y:y + 32, x:x + 32]
    return out


def six_views(net, images):
    def both(x):
        return (net(x) + net(x.flip(-1))) / 2

    padded = F.pad(images, (1,) * 4, "reflect")
    return both(images) / 2 + (both(padded[..., :32, :32]) + both(padded[..., 2:, 2:])) / 4


images, labels = read([f"data_batch_{i}.bin" for i in range(1, 6)], args.limit)
test, truth = read(["test_batch.bin"], args.val_limit)
autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")
start = time.perf_counter()
net = Network(images).to(memory_format=torch.channels_last)
batch = min(args.batch, len(images))
steps = len(images) // batch
total = steps * args.epochs
biases = [m.bias for m in net.layers if isinstance(m, BatchNorm)]
kernels = [m.weight for m in net.layers if isinstance(m, nn.Conv2d)]
muon = Muon(kernels)
sgd = torch.optim.SGD([
    dict(params=[net.whiten.bias], lr=BIAS_RATE, weight_decay=DECAY / BIAS_RATE),
    dict(params=biases, lr=BIAS_RATE, weight_decay=DECAY / BIAS_RATE),
    dict(params=[net.head.weight], lr=HEAD_RATE, weight_decay=DECAY / HEAD_RATE)],
    lr=BIAS_RATE, momentum=0.85, nesterov=True)
first_rates = [g["lr"] for g in sgd.param_groups]
flips = torch.rand(len(images)) < 0.5
step = 0
for epoch in range(args.epochs):
    order, sums = torch.randperm(len(images)), [0.0, 0.0]
    net.train()
    for i in range(steps):
        chosen = order[i * batch:(i + 1) * batch]
        x = augment(images[chosen], flips[chosen] ^ bool(epoch % 2)).to(memory_format=torch.channels_last)
        y = labels[chosen]
        with autocast:
            logits = net(x)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=SMOOTHING)
        net.zero_grad()
        loss.backward()
        left = 1 - step / total
        for k, (group, rate) in enumerate(zip(sgd.param_groups, first_rates)):
            group["lr"] = rate * (max(0, 1 - step / (WHITEN_EPOCHS * steps)) if k == 0 and args.epochs > WHITEN_EPOCHS else left)
        sgd.step()
        muon.step(KERNEL_RATE * left)
        step += 1
        sums[0] += loss.item() / steps
        sums[1] += (logits.argmax(1) == y).float().mean().item() / steps
    print(f"epoch {epoch + 1}/{args.epochs}  cross-entropy {sums[0]:.4f}  accuracy {100 * sums[1]:.2f} %  "
          f"{time.perf_counter() - start:.0f} s", flush=True)
seconds = time.perf_counter() - start
net.eval()
one = six = 0
with torch.inference_mode(), autocast:
    for x, y in zip(test.split(500), truth.split(500)):
        x = x.to(memory_format=torch.channels_last)
        one += (net(x).argmax(1) == y).sum().item()
        six += (six_views(net, x).argmax(1) == y).sum().item()
print(json.dumps(dict(torch=torch.__version__, precision=args.precision, threads=args.threads, epochs=args.epochs, seed=args.seed,
                      accuracy=one / len(truth), six_views=six / len(truth), seconds=round(seconds, 1))))
