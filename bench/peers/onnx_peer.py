"""Images per second of ONNX Runtime or OpenVINO on an ONNX model, on random images."""

import sys

import harness

runtime, path = sys.argv.pop(1), sys.argv.pop(1)
args = harness.arguments(__doc__)
if args.mode != "infer" or args.precision != "fp32":
    sys.exit("onnx_peer.py measures inference in fp32")

import numpy as np


def onnxruntime_step(images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: images(session.get_inputs()[0].shape[1:])}), "onnxruntime " + onnxruntime.__version__


def openvino_step(images):
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    shape = [args.batch] + [d.get_length() for d in list(model.input().partial_shape)[1:]]
    model.reshape(shape)
    settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "THROUGHPUT" if args.batch > 1 else "LATENCY",
                "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(images(shape[1:])))
    return request.infer, "openvino " + openvino.__version__.split("-")[0]


made = {}


def images(shape):
    if "x" not in made:
        made["x"] = np.random.default_rng(1).integers(0, 256, [args.batch, *shape]).astype("float32")
    return made["x"]


step, framework = {"onnxruntime": onnxruntime_step, "openvino": openvino_step}[runtime](images)
for _ in range(3):
    step()
harness.report(args, step, framework=framework, layout="")
