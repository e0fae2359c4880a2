"""The networks of lamina bench, as data: what torch_peer.py and keras_peer.py build.

A layer is a tuple. conv, depthwise and dense may be followed by BatchNorm and ReLU:

    ("conv", filters, kernel, stride, padding, norm, relu)
    ("depthwise", kernel, stride, norm, relu)
    ("dense", units, norm, relu)
    ("pool", size) ("average",) ("flatten",) ("dropout", rate)
    ("residual", layers, shortcut)        the sum, then ReLU; an empty shortcut is the input
"""

CLASSES = 10


def conv(filters, kernel=3, stride=1, padding="same", norm=True, relu=True):
    return ("conv", filters, kernel, stride, padding, norm, relu)


def dense(units, norm=True, relu=True):
    return ("dense", units, norm, relu)


def vgg(*blocks):
    layers = []
    for block in blocks:
        layers += [conv(*c) if isinstance(c, tuple) else conv(c) for c in block] + [("pool", 2)]
    layers.append(("flatten",))
    for _ in range(2):
        layers += [dense(4096), ("dropout", 0.5)]
    return layers + [dense(CLASSES, relu=False)]


def resnet(blocks, *filters):
    layers, channels = [conv(filters[0])], filters[0]
    for stage, width in enumerate(filters):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = [] if stride == 1 and width == channels else [conv(width, 1, stride, relu=False)]
            layers.append(("residual", [conv(width, 3, stride), conv(width, relu=False)], shortcut))
            channels = width
    return layers + [("average",), dense(CLASSES, False, False)]


def separable(*blocks):
    layers = [conv(32)]
    for filters, stride in blocks:
        layers += [("depthwise", 3, stride, True, True), conv(filters, 1)]
    return layers + [("average",), dense(CLASSES, False, False)]


def plain(filters, padding):
    return conv(filters, 3, 1, padding, False)


SIZES = {"vgg16-224": 224}  # of the images, where they are not 32x32
NETWORKS = {
    "vgg11": vgg([64], [128], [256] * 2, [512] * 2, [512] * 2),
    "vgg13": vgg([64] * 2, [128] * 2, [256] * 2, [512] * 2, [512] * 2),
    "vgg16c": vgg([64] * 2, [128] * 2, [256, 256, (256, 1)], [512, 512, (512, 1)], [512, 512, (512, 1)]),
    "vgg16": vgg([64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3),
    "vgg19": vgg([64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4),
    "resnet20": resnet(3, 16, 32, 64),
    "resnet18": resnet(2, 64, 128, 256, 512),
    # https://www.tensorflow.org/tutorials/images/cnn
    "tutorial": [plain(32, "valid"), ("pool", 2), plain(64, "valid"), ("pool", 2), plain(64, "valid"), ("flatten",),
                 dense(64, False), dense(CLASSES, False, False)],
    # https://github.com/keras-team/keras/blob/2.3.1/examples/cifar10_cnn.py
    "convnet": [plain(32, "same"), plain(32, "valid"), ("pool", 2), ("dropout", 0.25),
                plain(64, "same"), plain(64, "valid"), ("pool", 2), ("dropout", 0.25), ("flatten",),
                dense(512, False), ("dropout", 0.5), dense(CLASSES, False, False)],
    # the blocks of MobileNet (https://arxiv.org/abs/1704.04861), for small images
    "separable": separable((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)),
    # VGG16 on ImageNet's size, with global average pooling
    "vgg16-224": [layer for block in ([64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3)
                  for layer in [conv(c, norm=False) for c in block] + [("pool", 2)]] + [("average",), dense(CLASSES, False, False)],
}
