"""Opens models, infers and trains a step with each: models.py FOLDER ENDING

FOLDER has NAME+ENDING, NAME.x and NAME.y, float32 images and wanted outputs. Writes NAME.outputs and,
after a step on all the images, NAME.weights. Weights alone are loaded into the model of NAME.keras,
which is not trained. Prints the names of models that fail, with the error.
"""
import glob
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN ends TensorFlow 2.15 now and then
import keras
import numpy as np

folder, ending = sys.argv[1:]
for path in sorted(glob.glob(os.path.join(folder, "*" + ending))):
    name = path[: -len(ending)]
    keras.backend.clear_session()
    try:
        if ending == ".weights.h5":
            model = keras.models.load_model(name + ".keras", compile=False)
            for w in model.weights:
                w.assign(w * 0)
            model.load_weights(path)
        else:
            model = keras.models.load_model(path)
        x = np.fromfile(name + ".x", np.float32).reshape(-1, *model.input_shape[1:])
        y = np.fromfile(name + ".y", np.float32).reshape(-1, *model.output_shape[1:])
        model.predict(x, verbose=0, batch_size=len(x)).astype(np.float32).tofile(name + ".outputs")
        if ending == ".weights.h5":
            continue
        model.train_on_batch(x, y)
        np.concatenate([np.ravel(w) for w in model.get_weights()]).astype(np.float32).tofile(name + ".weights")
    except Exception as e:
        print(os.path.basename(path), type(e).__name__, str(e).replace("\n", " ")[:600])
