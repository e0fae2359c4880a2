"""The networks of networks.py as modules of PyTorch."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import networks


def same(kernel, stride, size):
    """Keras's padding "same" for one axis of an image: before and after."""
    pad = max(0, ((size + stride - 1) // stride - 1) * stride + kernel - size)
    return pad // 2, pad - pad // 2


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers, self.shortcut = nn.Sequential(*layers), nn.Sequential(*shortcut)

    def forward(self, x):
        return torch.relu_(self.layers(x) + self.shortcut(x))


class Builder:
    """Makes modules of layers, and keeps the shape of what flows."""

    def __init__(self, size, training):
        self.size, self.channels, self.training = size, 3, training

    def block(self, layer, features, norm, normalize, relu):
        """A weight layer, BatchNorm and ReLU; BatchNorm is folded into the weights for inference."""
        layers = [layer]
        if normalize:
            bn = norm(features, eps=1e-3, momentum=0.01)
            if self.training:
                layers.append(bn)
            elif isinstance(layer, nn.Conv2d):
                layers = [fuse_conv_bn_eval(layer.eval(), bn.eval())]
            else:
                layers = [fuse_linear_bn_eval(layer.eval(), bn.eval())]
        return layers + [nn.ReLU(inplace=True)] * relu

    def conv(self, filters, kernel, stride, padding, groups, norm, relu):
        before, after = same(kernel, stride, self.size) if padding == "same" else (0, 0)
        explicit = [] if before == after else [nn.ZeroPad2d((before, after, before, after))]
        layer = nn.Conv2d(self.channels, filters, kernel, stride, 0 if explicit else before, groups=groups,
                          bias=not (norm and self.training))
        self.size = (self.size + before + after - kernel) // stride + 1
        self.channels = filters
        return explicit + self.block(layer, filters, nn.BatchNorm2d, norm, relu)

    def layers(self, all):
        return [module for layer in all for module in getattr(self, "make_" + layer[0])(*layer[1:])]

    def make_conv(self, filters, kernel, stride, padding, norm, relu):
        return self.conv(filters, kernel, stride, padding, 1, norm, relu)

    def make_depthwise(self, kernel, stride, norm, relu):
        return self.conv(self.channels, kernel, stride, "same", self.channels, norm, relu)

    def make_dense(self, units, norm, relu):
        layer = nn.Linear(self.channels, units)
        self.channels = units
        return self.block(layer, units, nn.BatchNorm1d, norm, relu)

    def make_pool(self, size):
        self.size //= size
        return [nn.MaxPool2d(size)]

    def make_average(self):
        self.size = 1
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]

    def make_flatten(self):
        self.channels *= self.size * self.size
        return [nn.Flatten()]

    def make_dropout(self, rate):
        return [nn.Dropout(rate)]

    def make_residual(self, layers, shortcut):
        size, channels = self.size, self.channels
        other = self.layers(shortcut)
        self.size, self.channels = size, channels
        return [Residual(self.layers(layers), other)]


def network(model, training):
    """A network of networks.py with random weights."""
    builder = Builder(networks.SIZES.get(model, 32), training)
    net = nn.Sequential(*builder.layers(networks.NETWORKS[model]))
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
    return net
