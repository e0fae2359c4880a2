"""Images per second of Keras (2.15 or 3, on TensorFlow) on a network, on random images."""

import harness
import networks

args = harness.arguments(__doc__)

import keras
import numpy as np
import tensorflow as tf
from keras import layers

tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(1)
if args.precision == "bf16":
    keras.mixed_precision.set_global_policy("mixed_bfloat16")


WEIGHTS = {"kernel_initializer": "he_normal", "kernel_regularizer": keras.regularizers.l2(harness.LAMBDA)}
DEPTHWISE = {"depthwise_initializer": "he_normal", "depthwise_regularizer": keras.regularizers.l2(harness.LAMBDA)}


def block(x, layer, norm, relu):
    x = layer(x)
    if norm:
        x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if relu else x


def build(x, all):
    for kind, *o in all:
        if kind == "conv":
            filters, kernel, stride, padding, norm, relu = o
            x = block(x, layers.Conv2D(filters, kernel, stride, padding, use_bias=not norm, **WEIGHTS), norm, relu)
        elif kind == "depthwise":
            kernel, stride, norm, relu = o
            x = block(x, layers.DepthwiseConv2D(kernel, stride, "same", use_bias=not norm, **DEPTHWISE), norm, relu)
        elif kind == "dense":
            units, norm, relu = o
            x = block(x, layers.Dense(units, **WEIGHTS), norm, relu)
        elif kind == "pool":
            x = layers.MaxPooling2D(o[0])(x)
        elif kind == "average":
            x = layers.GlobalAveragePooling2D()(x)
        elif kind == "flatten":
            x = layers.Flatten()(x)
        elif kind == "dropout":
            x = layers.Dropout(o[0])(x)
        elif kind == "residual":
            x = layers.ReLU()(layers.Add()([build(x, o[0]), build(x, o[1])]))
    return x


def network():
    images = keras.Input((args.size, args.size, 3))
    logits = build(images, networks.NETWORKS[args.model])
    return keras.Model(images, layers.Activation("softmax", dtype="float32")(logits))


model = network()
# XLA (jit_compile) is many times slower than oneDNN on the CPU.
model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
random = np.random.default_rng(1)
images = random.integers(0, 256, (args.batch, args.size, args.size, 3)).astype("float32") - np.float32(harness.MEAN)
x = tf.constant(images)
y = tf.constant(random.integers(0, networks.CLASSES, args.batch))
forward = tf.function(lambda x: model(x, training=False))


def train():
    model.train_on_batch(x, y)


def infer():
    forward(x).numpy()


step = train if args.mode == "train" else infer
for _ in range(3):
    step()
harness.report(args, step, framework=f"keras {keras.__version__} on tensorflow {tf.__version__}", layout="nhwc")
