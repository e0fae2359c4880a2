"""Pickles of one made image as several versions of Python and numpy write them:
pickles.py PROTOCOL... adds a folder for each to the folder pickles. Pack them with
tar czf pickles.tar.gz pickles"""
import os
import pickle
import sys

try:
    import cPickle as pickle
except ImportError:
    pass
import numpy

names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
for protocol in map(int, sys.argv[1:]):
    folder = "pickles/python%d-numpy%s-protocol%d" % (sys.version_info[0], numpy.__version__, protocol)
    os.makedirs(folder)
    pixels = (numpy.arange(2 * 3072) * 7 % 256).astype("uint8").reshape(2, 3072)
    batch = {"data": pixels, "labels": [9, 4], "batch_label": "training batch 1 of 5",
             "filenames": ["a'b\n\\\".png", u"\u00e9\u4e00.png"]}
    meta = {"label_names": names, "num_cases_per_batch": 2, "num_vis": 3072}
    if sys.version_info[0] == 3 and protocol < 3:
        # as Python 2's str is read with encoding="bytes", then written again
        batch = {k.encode(): v for k, v in batch.items()}
        meta = {b"label_names": [n.encode() for n in names], b"num_vis": 3072}
    for name, value in ("data_batch_1", batch), ("batches.meta", meta):
        with open(os.path.join(folder, name), "wb") as f:
            pickle.dump(value, f, protocol)
