"""Images per second of PyTorch on the VGG networks, on random images."""

import harness

args = harness.arguments(__doc__)

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

torch.manual_seed(1)
torch.set_num_threads(args.threads)


def block(layer, features, norm, activation=True):
    """A weight layer, BatchNorm and ReLU; BatchNorm is folded into the weights for inference."""
    bn = norm(features, eps=1e-3, momentum=0.01)
    if args.mode == "train":
        layers = [layer, bn]
    elif isinstance(layer, nn.Conv2d):
        layers = [fuse_conv_bn_eval(layer.eval(), bn.eval())]
    else:
        layers = [fuse_linear_bn_eval(layer.eval(), bn.eval())]
    return layers + [nn.ReLU(inplace=True)] * activation


def network():
    layers, channels = [], 3
    for c in harness.NETWORKS[args.model]:
        if c == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        c, kernel = c if isinstance(c, tuple) else (c, 3)
        layers += block(nn.Conv2d(channels, c, kernel, padding=kernel // 2), c, nn.BatchNorm2d)
        channels = c
    layers.append(nn.Flatten())
    for features in (harness.DENSE, harness.DENSE):
        layers += block(nn.Linear(channels, features), features, nn.BatchNorm1d)
        layers.append(nn.Dropout(0.5))
        channels = features
    layers += block(nn.Linear(channels, harness.CLASSES), harness.CLASSES, nn.BatchNorm1d, activation=False)
    net = nn.Sequential(*layers)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
    return net


def make_step(layout):
    """A training step, or an inference, of a new network in the given memory format."""
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    net = network().to(memory_format=memory)
    x = torch.randint(0, 256, (args.batch, 3, 32, 32)).float() - torch.tensor(harness.MEAN).view(1, 3, 1, 1)
    x = x.to(memory_format=memory)
    labels = torch.randint(0, harness.CLASSES, (args.batch,))
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
