"""Writes keras.json, what Keras computes: activation functions, losses and AdamW.

    python make_keras.py > keras.json

Keras 2.15 and 3.15 agree, except for hard_sigmoid, and for functions that 2.15 lacks.
"""

import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf

rng = None  # of each case


def seed():
    global rng
    rng = np.random.default_rng(20)


def numbers(x):
    return [float(f"{v:.8g}") for v in np.ravel(x)]


def function(kind, f, **parameters):
    seed()
    x = np.concatenate([[-0.5, 0.125, 1.5, -7, 7], rng.normal(size=11) * 3]).astype("float32")
    x[x == parameters.get("threshold", 0)] += 1
    t = tf.constant(x, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(t)
        y = f(t)
    return {"function": {"kind": kind, **parameters}, "x": numbers(x), "y": numbers(y),
            "derivative": numbers(tape.gradient(y, t))}


def loss(sigmoid, smoothing, weights, n=5, classes=4):
    """The logits are the kernel of a layer whose inputs are the rows of a unit matrix. So the
    velocity after a step by the rate 1 is the negative gradient of the logits."""
    seed()
    classes = 2 if sigmoid else classes
    outputs = 1 if sigmoid else classes
    z = (rng.normal(size=(n, outputs)) * 3).astype("float32")
    labels = rng.integers(0, classes, n)
    x = np.eye(n, dtype="float32")
    model = keras.Sequential([
        keras.Input((n,)),
        keras.layers.Dense(outputs, use_bias=False, activation="sigmoid" if sigmoid else "softmax"),
    ])
    model.layers[-1].set_weights([z])
    kind = keras.losses.BinaryCrossentropy if sigmoid else keras.losses.CategoricalCrossentropy
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    model.compile(optimizer, kind(label_smoothing=smoothing))
    y = labels[:, None].astype("float32") if sigmoid else np.eye(classes, dtype="float32")[labels]
    value = model.train_on_batch(x, y, class_weight=dict(enumerate(weights)) if weights else None)
    variables = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    velocity = variables[-1].numpy()
    assert velocity.shape == z.shape
    return {"sigmoid": sigmoid, "smoothing": smoothing, "weights": weights or [], "classes": classes,
            "logits": numbers(z), "labels": labels.tolist(), "loss": float(np.ravel(value)[0]),
            "dlogits": numbers(-velocity)}


def adamw(**settings):
    seed()
    w = rng.normal(size=8).astype("float32")
    variable = tf.Variable(w)
    optimizer = keras.optimizers.AdamW(**settings)
    steps = []
    for rate in [0.01, 0.01, 0.001, 0.003]:
        g = (rng.normal(size=8) * [1, 10, 1e-3, 1e-6, 1e-7, 1e-8, 0, 1]).astype("float32")
        optimizer.learning_rate = rate
        optimizer.apply_gradients([(tf.constant(g), variable)])
        steps.append({"rate": rate, "gradient": numbers(g), "weights": numbers(variable.numpy())})
    config = {k: float(optimizer.get_config()[k]) for k in ["beta_1", "beta_2", "epsilon", "weight_decay"]}
    return {"settings": config, "weights": numbers(w), "steps": steps}


def main():
    a = keras.activations
    functions = [
        function("relu", a.relu),
        function("relu", lambda x: a.relu(x, max_value=6.0), max=6),
        function("relu", lambda x: a.relu(x, 0.25), alpha=0.25),
        function("relu", lambda x: a.relu(x, 0.25, 4.0, 1.0), alpha=0.25, max=4, threshold=1),
        function("elu", a.elu, alpha=1),
        function("elu", lambda x: a.elu(x, 0.25), alpha=0.25),
        function("selu", a.selu),
        function("gelu", a.gelu),
        function("gelu_tanh", lambda x: a.gelu(x, approximate=True)),
        function("silu", a.swish if hasattr(a, "swish") else a.silu),
        function("sigmoid", a.sigmoid),
        function("tanh", a.tanh),
        function("hard_sigmoid", a.hard_sigmoid, alpha=0.2 if keras.__version__ < "3" else 1 / 6),
        function("softplus", a.softplus),
        function("softsign", a.softsign),
        function("exponential", a.exponential),
        function("mish", a.mish),
    ]
    if hasattr(a, "hard_silu"):
        functions.append(function("hard_silu", a.hard_silu))
    losses = [loss(sigmoid, smoothing, weights)
              for sigmoid in [False, True] for smoothing in [0, 0.125]
              for weights in [None, [0.5, 2] if sigmoid else [0.5, 2, 3, 0]]]
    data = {"keras": keras.__version__, "functions": functions, "losses": losses,
            "adamw": [adamw(), adamw(beta_1=0.75, beta_2=0.96875, weight_decay=0.5, epsilon=1e-3)]}
    rows = [f'"{k}": ' + (json.dumps(v) if isinstance(v, str) else "[\n" + ",\n".join(json.dumps(x) for x in v) + "\n]")
            for k, v in data.items()]
    print("{\n" + ",\n".join(rows) + "\n}")


main()
