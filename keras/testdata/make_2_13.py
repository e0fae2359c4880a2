"""Makes keras_2.13.1_two.keras and .weights.h5 with Keras 2.13.1: make_2_13.py"""
import keras
import numpy as np
from keras import layers

model = keras.Sequential([
    layers.InputLayer((8, 8, 3)),
    layers.Conv2D(2, 3, padding="same", activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D(),
    layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(),
    layers.Flatten(), layers.Dense(5, activation="relu"), layers.Dropout(0.5), layers.Dense(4, activation="softmax")])
for w in model.weights:
    v = np.random.default_rng(len(w.name)).normal(size=w.shape).astype("f4")
    w.assign(np.abs(v) + 0.5 if "variance" in w.name else v)
model.save("keras_2.13.1_two.keras")
model.save_weights("keras_2.13.1_two.weights.h5")
