"""Images per second of PyTorch on a network, on random images."""

import harness
import networks

args = harness.arguments(__doc__)

import torch
from torch import nn

from torch_networks import network

torch.manual_seed(1)
torch.set_num_threads(args.threads)


def make_step(layout):
    """A training step, or an inference, of a new network in the given memory format."""
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    net = network(args.model, args.mode == "train").to(memory_format=memory)
    x = torch.randint(0, 256, (args.batch, 3, args.size, args.size)).float() - torch.tensor(harness.MEAN).view(1, 3, 1, 1)
    x = x.to(memory_format=memory)
    labels = torch.randint(0, networks.CLASSES, (args.batch,))
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")

    def infer():
        with torch.inference_mode(), autocast:
            net(x)

    kernels = [p for p in net.parameters() if p.dim() > 1]
    rest = [p for p in net.parameters() if p.dim() == 1]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": 2 * harness.LAMBDA}, {"params": rest}],
        lr=0.01, momentum=0.9, nesterov=True, fused=True)
    loss = nn.CrossEntropyLoss()

    def train():
        with autocast:
            e = loss(net(x), labels)
        optimizer.zero_grad()
        e.backward()
        optimizer.step()

    if args.mode == "infer":
        net.eval()
        return infer
    net.train()
    return train


def warm_step(layout):
    step = make_step(layout)
    step()
    step()
    return step


if args.layout == "auto":
    args.layout = min(("nchw", "nhwc"), key=lambda l: harness.seconds_a_step(warm_step(l), min(2, args.seconds)))
harness.report(args, warm_step(args.layout), framework="pytorch " + torch.__version__.split("+")[0],
               layout=args.layout, capability=torch.backends.cpu.get_cpu_capability())
