"""Images per second of Keras (2.15 or 3, on TensorFlow) on the VGG networks, on random images."""

import harness

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


def network():
    model = keras.Sequential([keras.Input((32, 32, 3))])
    weights = {"kernel_initializer": "he_normal", "kernel_regularizer": keras.regularizers.l2(harness.LAMBDA)}

    def block(layer):
        model.add(layer)
        model.add(layers.BatchNormalization())

    for c in harness.NETWORKS[args.model]:
        if c == "M":
            model.add(layers.MaxPooling2D(2))
            continue
        c, kernel = c if isinstance(c, tuple) else (c, 3)
        block(layers.Conv2D(c, kernel, padding="same", **weights))
        model.add(layers.ReLU())
    model.add(layers.Flatten())
    for _ in range(2):
        block(layers.Dense(harness.DENSE, **weights))
        model.add(layers.ReLU())
        model.add(layers.Dropout(0.5))
    block(layers.Dense(harness.CLASSES, **weights))
    model.add(layers.Activation("softmax", dtype="float32"))
    return model


model = network()
# XLA (jit_compile) is many times slower than oneDNN on the CPU.
model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
random = np.random.default_rng(1)
images = random.integers(0, 256, (args.batch, 32, 32, 3)).astype("float32") - np.float32(harness.MEAN)
x = tf.constant(images)
y = tf.constant(random.integers(0, harness.CLASSES, args.batch))
forward = tf.function(lambda x: model(x, training=False))


def train():
    model.train_on_batch(x, y)


def infer():
    forward(x).numpy()


step = train if args.mode == "train" else infer
for _ in range(3):
    step()
harness.report(args, step, framework=f"keras {keras.__version__} on tensorflow {tf.__version__}", layout="nhwc")
