"""A fitted pipeline as JSON and ONNX trees, which score without it: `compiling` writes, `scorer` reads.

What reads needs numpy and onnxruntime only: no pandas, no scikit-learn, and nothing is unpickled.
"""
