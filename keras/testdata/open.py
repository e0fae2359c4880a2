"""Opens a model, computes and trains with it: open.py MODEL IMAGES

IMAGES has float32 pixels, as many images as there are whole ones. Prints JSON: the logits of the
images, the loss of evaluating and of a training step with class 0 for all, whether the model came with
an optimizer, and the optimizer's state.
"""
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np

path, images = sys.argv[1:]
if path.endswith(".h5"):
    with h5py.File(path, "r") as f:
        f.visititems(lambda _, o: o[()] if isinstance(o, h5py.Dataset) else dict(o.attrs))
model = keras.models.load_model(path)
x = np.fromfile(images, np.float32).reshape(-1, *model.input_shape[1:])
y = np.zeros((len(x), model.output_shape[-1]), np.float32)
y[:, 0] = 1
logits = keras.Model(model.inputs, model.layers[-2].output).predict(x, verbose=0)
compiled = getattr(model, "optimizer", None) is not None
state = []
if compiled and hasattr(model.optimizer, "variables"):
    variables = model.optimizer.variables
    variables = variables() if callable(variables) else variables
    state = [np.asarray(v, np.float64).ravel().tolist() for v in variables]
print(json.dumps({
    "keras": keras.__version__,
    "layers": [[layer.name, type(layer).__name__] for layer in model.layers],
    "logits": logits.ravel().tolist(),
    "compiled": compiled,
    "loss": float(model.evaluate(x, y, verbose=0)[0]) if compiled else 0.0,
    "step": float(model.train_on_batch(x, y)[0]) if compiled else 0.0,
    "state": state,
}))
