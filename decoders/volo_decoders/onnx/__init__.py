"""Fitted chains as one ONNX file: raw samples to scores, run in chunks with explicit states.

`export.build_graph` makes the file (it needs the package ``onnx``), `exported.load_exported` runs it with numpy and
onnxruntime alone. The contract between file and host is in ``docs/export.md``.
"""
